//! What a seed decides before a run begins: the cluster, the quorum, the faults and how often they strike, what clients do.
//!
//! Every seed leaves most kinds of fault out. A run with all of them would hardly ever acknowledge anything, and find little.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::defect::Defect;
use super::delay::{Delay, Spread};
use super::disk::DiskHabits;
use super::fault::Fault;
use super::history::Promises;
use super::workload::Workload;

/// The ring's partitions: few, so that every one is met.
const PARTITIONS: u32 = 64;

/// The shapes of quorum that are drawn: N, R, W.
const QUORUMS: &[(u8, u8, u8)] =
    &[(3, 2, 2), (3, 2, 2), (3, 2, 2), (3, 1, 1), (3, 1, 2), (3, 1, 3), (3, 3, 1), (3, 2, 3), (2, 1, 2), (1, 1, 1)];

/// As good as for ever, in seconds.
pub(super) const TOMBSTONES_KEPT_S: u64 = 86_400;

/// How long faults strike in a run, in ms.
const FAULTY_MS: u64 = 240_000;

/// What all clients of a run may do in a second, roughly. More would not find more: what finds is the number of faults.
const OPERATIONS_PER_SECOND: std::ops::RangeInclusive<u64> = 4..=20;

/// Everything that is fixed for a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many more wait to be joined to them.
    pub spares: usize,
    /// The longest time between two changes of the members, in ms; `None`: they stay.
    pub moves_every_max_ms: Option<u64>,
    /// Whether somebody who has left may come back under his name with an empty disk.
    pub reuses_names: bool,
    /// The ring's partitions.
    pub partitions: u32,
    /// Replicas compare each partition once in this time; `None`: never.
    pub compared_every_s: Option<u64>,
    /// Workers of each node.
    pub workers: usize,
    /// N.
    pub n: u8,
    /// R.
    pub r: u8,
    /// W.
    pub w: u8,
    /// Whether fallbacks count.
    pub sloppy: bool,
    /// How long bytes take.
    pub delay: Delay,
    /// How that is spread.
    pub spread: Spread,
    /// How disks write.
    pub disk: DiskHabits,
    /// Bound of the records that a node keeps in memory, in bytes.
    pub cache_bytes: u64,
    /// Bound of the hints for one node, in bytes.
    pub hints_max_bytes: u64,
    /// How wrong a clock may be, in ms.
    pub clock_error_max_ms: i64,
    /// How wrong a clock is that is wrong by more than that, in ms.
    pub clock_excess_ms: i64,
    /// What goes wrong in this run. What is there several times strikes more often.
    pub faults: Vec<Fault>,
    /// The longest time between two faults, in ms.
    pub strike_interval_max_ms: u64,
    /// The longest time until a fault is over, in ms.
    pub fault_max_ms: u64,
    /// What clients do.
    pub workload: Workload,
    /// How many clients there are.
    pub clients: usize,
    /// How many keys they share.
    pub keys: usize,
    /// How much more often the first of them are used: the exponent of Zipf's law.
    pub skew: f64,
    /// The longest time that a client waits between two operations, in ms.
    pub think_max_ms: u64,
    /// How long faults strike, in ms.
    pub faulty_ms: u64,
    /// The age from which a hint may be given up, in seconds.
    pub hints_max_age_s: u64,
    /// The age from which a tombstone may go, in seconds.
    pub tombstones_min_age_s: u64,
    /// What is built in, to see whether it is found.
    pub defect: Option<Defect>,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn drawn_from(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let (n, r, w) = QUORUMS.choose(rng).copied().unwrap_or((3, 2, 2));
        let min_ms = rng.random_range(0..=5);
        let clients = rng.random_range(2..=6);
        let per_second = rng.random_range(OPERATIONS_PER_SECOND);
        let mut plan = Self {
            nodes: rng.random_range(3..=6),
            spares: 0,
            moves_every_max_ms: None,
            reuses_names: false,
            partitions: PARTITIONS,
            // Often, for a run is short.
            compared_every_s: Some(5),
            workers: rng.random_range(1..=2),
            n,
            r,
            w,
            sloppy: rng.random_bool(0.5),
            delay: Delay { min_ms, max_ms: min_ms + rng.random_range(1..=20) },
            spread: Spread::ALL.choose(rng).copied().unwrap_or(Spread::Even),
            disk: DiskHabits { latency_min_ms: 0, latency_max_ms: rng.random_range(1..=30), divides_instants: true },
            cache_bytes: if rng.random_bool(0.5) { 1 << 20 } else { 0 },
            hints_max_bytes: if rng.random_bool(0.3) { 16 << 10 } else { 64 << 20 },
            hints_max_age_s: if rng.random_bool(0.3) { rng.random_range(1..60) } else { 3_600 },
            clock_error_max_ms: rng.random_range(0..=150),
            clock_excess_ms: rng.random_range(600..=20_000),
            faults: faults(rng, w),
            strike_interval_max_ms: rng.random_range(500..=10_000),
            fault_max_ms: rng.random_range(500..=10_000),
            workload: Workload::ALL.choose(rng).copied().unwrap_or(Workload::Mixed),
            clients: clients as usize,
            keys: rng.random_range(1..=8),
            skew: if rng.random_bool(0.3) { rng.random_range(0.8..1.5) } else { 0.0 },
            // Each time a client mostly reads and writes.
            think_max_ms: 4_000 * clients / per_second,
            faulty_ms: FAULTY_MS,
            tombstones_min_age_s: TOMBSTONES_KEPT_S,
            defect: None,
        };
        // Tombstones go only after a while without a failure.
        if rng.random_bool(0.3) {
            plan.strike_interval_max_ms = rng.random_range(20_000..=80_000);
        }
        // A copy of a disk that is older than a tombstone does not know what was deleted.
        let min_age_s = rng.random_range(1..=20);
        if !plan.faults.contains(&Fault::StaleDisk) {
            plan.tombstones_min_age_s = min_age_s;
        }
        plan.draw_moves(rng);
        plan
    }

    /// In about half of the runs members come and go. Where a node forgets as well, less can be held against the cluster; and where a voter may be set
    /// back, nothing that it has agreed on.
    fn draw_moves(&mut self, rng: &mut StdRng) {
        let (drawn, spares, every_max_ms) =
            (rng.random_range(0..10), rng.random_range(0..=3), rng.random_range(5_000..=40_000));
        let moves = match self.faults.contains(&Fault::StaleDisk) {
            true => false,
            false if self.one_forgets() => drawn < 3,
            false => drawn < 7,
        };
        if moves {
            (self.spares, self.moves_every_max_ms) = (spares, Some(every_max_ms));
        }
    }

    /// The same run with the members that it begins with.
    #[must_use]
    pub fn without_moves(self) -> Self {
        Self { spares: 0, moves_every_max_ms: None, ..self }
    }

    fn one_forgets(&self) -> bool {
        self.faults.iter().any(|fault| fault.makes_forget())
    }

    /// What clients may rely on.
    #[must_use]
    pub fn promises(&self) -> Promises {
        let one_forgets = self.one_forgets();
        let in_both = (self.r + self.w).saturating_sub(self.n);
        // Whoever takes over asks as many as must have what was acknowledged, if none of them has forgotten it.
        let keeps_acknowledged = !(one_forgets && self.moves_every_max_ms.is_some());
        let clocks_break = self.faults.iter().any(|fault| fault.breaks_clocks());
        // Two clocks, each with its error and what it has drifted in the whole run; and a millisecond for rounding.
        let clock_error_max_ms = 2 * self.clock_error_max_ms.unsigned_abs() + self.faulty_ms / 2_000 + 1;
        Promises {
            reads_see_acknowledged: !self.sloppy && in_both > u8::from(one_forgets) && keeps_acknowledged,
            keeps_acknowledged,
            clock_error_max_ms: (!clocks_break).then_some(clock_error_max_ms),
            nobody_writes_blindly: self.workload.reads_first(),
        }
    }
}

/// A few kinds, some more often than others.
fn faults(rng: &mut StdRng, w: u8) -> Vec<Fault> {
    let chance = rng.random_range(0.05..0.4);
    let possible = Fault::ALL.into_iter().filter(|fault| w > 1 || !fault.makes_forget());
    let drawn: Vec<Fault> = possible.filter(|_| rng.random_bool(chance)).collect();
    drawn.into_iter().flat_map(|fault| vec![fault; rng.random_range(1..=4)]).collect()
}
