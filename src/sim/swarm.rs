//! What a seed decides before a run begins: the cluster, the quorum, the faults and how often they strike.
//!
//! Every seed leaves most kinds of fault out. A run with all of them would hardly ever acknowledge anything, and find little.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::disk::DiskHabits;
use super::network::Delay;

/// The shapes of quorum that are drawn: N, R, W.
const QUORUMS: &[(u8, u8, u8)] =
    &[(3, 2, 2), (3, 2, 2), (3, 2, 2), (3, 1, 1), (3, 1, 2), (3, 1, 3), (3, 3, 1), (2, 1, 2), (1, 1, 1)];

/// A way in which things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process dies; its connections close.
    Crash,
    /// A machine dies; its connections say nothing any more.
    SilentCrash,
    /// All machines die at once.
    PowerFailure,
    /// Some nodes and the others cannot hear each other.
    Partition,
    /// One node does not hear another.
    OneWay,
    /// The connections between two nodes break.
    Reset,
    /// A link takes a hundred times as long.
    Slow,
    /// A process stops for a while without dying.
    Pause,
    /// A clock jumps.
    ClockJump,
    /// A disk has no room for a while.
    FullDisk,
    /// A write fails, and with it the process.
    FailingDisk,
    /// A node comes back without its disk: once in a run, and only where W promises a second copy.
    LostDisk,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Crash,
        Self::SilentCrash,
        Self::PowerFailure,
        Self::Partition,
        Self::OneWay,
        Self::Reset,
        Self::Slow,
        Self::Pause,
        Self::ClockJump,
        Self::FullDisk,
        Self::FailingDisk,
        Self::LostDisk,
    ];
}

/// Everything that is fixed for a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How many nodes there are.
    pub nodes: usize,
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
    /// How disks write.
    pub disk: DiskHabits,
    /// Bound of the records that a node keeps in memory, in bytes.
    pub cache_bytes: u64,
    /// How wrong a clock may be, in ms.
    pub clock_error_max_ms: i64,
    /// What goes wrong in this run.
    pub faults: Vec<Fault>,
    /// The longest time between two faults, in ms.
    pub strike_interval_max_ms: u64,
    /// The longest time until a fault is over, in ms.
    pub fault_max_ms: u64,
    /// How many clients there are.
    pub clients: usize,
    /// How many keys they share.
    pub keys: usize,
    /// The longest time that a client waits between two operations, in ms.
    pub think_max_ms: u64,
    /// How long faults strike, in ms.
    pub faulty_ms: u64,
    /// Bound of the hints that a node keeps for another one, in bytes.
    pub hints_max_bytes: u64,
    /// The age from which a hint may be given up, in seconds.
    pub hints_max_age_s: u64,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn drawn_from(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let (n, r, w) = QUORUMS.choose(rng).copied().unwrap_or((3, 2, 2));
        let min_ms = rng.random_range(0..=5);
        let chance = rng.random_range(0.1..0.6);
        let mut faults: Vec<Fault> = Fault::ALL.into_iter().filter(|_| rng.random_bool(chance)).collect();
        faults.retain(|fault| *fault != Fault::LostDisk || w > 1);
        Self {
            nodes: rng.random_range(3..=6),
            workers: rng.random_range(1..=2),
            n,
            r,
            w,
            sloppy: rng.random_bool(0.6),
            delay: Delay { min_ms, max_ms: min_ms + rng.random_range(1..=20) },
            disk: DiskHabits {
                latency_max_ms: rng.random_range(1..=30),
                reports_before_sync: false,
                drops_hints_when_read: false,
            },
            cache_bytes: 1 << 20,
            clock_error_max_ms: rng.random_range(0..=150),
            faults,
            strike_interval_max_ms: rng.random_range(400..=4_000),
            fault_max_ms: rng.random_range(500..=6_000),
            clients: rng.random_range(2..=5),
            keys: rng.random_range(1..=6),
            think_max_ms: rng.random_range(20..=400),
            faulty_ms: 15_000,
            hints_max_bytes: if rng.random_bool(0.3) { rng.random_range(0..4_000) } else { 1 << 30 },
            hints_max_age_s: if rng.random_bool(0.3) { rng.random_range(1..6) } else { 3_600 },
        }
    }
}
