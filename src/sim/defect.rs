//! Mistakes that a database could make, built into a simulated cluster to see whether the simulator finds them.
//!
//! None of them is a switch in the product: each is put in at a seam that a simulation replaces anyway (the disk, the network, the configuration, the
//! identity of a process).

use super::delay::Delay;
use super::fault::Fault;
use super::frames::Forger;
use super::swarm::{Plan, TOMBSTONES_KEPT_S};

/// The longest time between two faults where a mistake needs two kinds of them to meet, in ms.
const EPOCH_STRIKE_INTERVAL_MAX_MS: u64 = 2_000;

/// The longest time between two changes of the members where a mistake is one of moving partitions, in ms.
const MOVES_EVERY_MAX_MS: u64 = 10_000;

/// How wrong a clock may be where a mistake is one of trusting it, in ms.
const CLOCK_ERROR_MAX_MS: i64 = 150;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A write is acknowledged before it is synced.
    AcknowledgedBeforeSync,
    /// The epoch is not durable: every life of a data directory mints under the same id.
    EpochNotDurable,
    /// Hints leave the disk when they are read to be handed over, before their owner has acknowledged them.
    HintGoneBeforeItsAcknowledgement,
    /// Tombstones are dropped once they have a certain age, whoever may still hold what they delete.
    TombstoneDroppedByAge,
    /// Read repair writes the newest value, and not the merge of all.
    ReadRepairWithoutMerge,
    /// The ceiling of the hybrid logical clock does not survive a restart.
    ClockNotPersisted,
    /// Fallbacks count toward W although the quorum is strict.
    FallbacksCountInStrictMode,
    /// The trees of digests are written after the records that they stand for, in a batch of their own.
    TreeOutsideTheBatch,
    /// Whoever takes over a partition counts as a complete replica of it at once: reads are answered by nodes that have not fetched it.
    ReadsFromIncompleteOwner,
    /// Nobody is refused for what he does not know of the ring: an old owner acknowledges writes that the new ones will not hear of.
    OldOwnerAcknowledges,
    /// A replica takes a write to a table in which the last one wins also where what it holds wins over it: it is acknowledged, and nobody sees it.
    OutrankedIsAcknowledged,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::AcknowledgedBeforeSync,
        Self::EpochNotDurable,
        Self::HintGoneBeforeItsAcknowledgement,
        Self::TombstoneDroppedByAge,
        Self::ReadRepairWithoutMerge,
        Self::ClockNotPersisted,
        Self::FallbacksCountInStrictMode,
        Self::TreeOutsideTheBatch,
        Self::ReadsFromIncompleteOwner,
        Self::OldOwnerAcknowledges,
        Self::OutrankedIsAcknowledged,
    ];

    /// As it is called on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AcknowledgedBeforeSync => "acknowledged-before-sync",
            Self::EpochNotDurable => "epoch-not-durable",
            Self::HintGoneBeforeItsAcknowledgement => "hint-gone-before-its-acknowledgement",
            Self::TombstoneDroppedByAge => "tombstone-dropped-by-age",
            Self::ReadRepairWithoutMerge => "read-repair-without-merge",
            Self::ClockNotPersisted => "clock-not-persisted",
            Self::FallbacksCountInStrictMode => "fallbacks-count-in-strict-mode",
            Self::TreeOutsideTheBatch => "tree-outside-the-batch",
            Self::ReadsFromIncompleteOwner => "reads-from-incomplete-owner",
            Self::OldOwnerAcknowledges => "old-owner-acknowledges",
            Self::OutrankedIsAcknowledged => "outranked-is-acknowledged",
        }
    }

    /// Whether comparing replicas would make up for the mistake: it must be found where they are not compared.
    pub(super) const fn is_made_up_for_by_comparing(self) -> bool {
        !matches!(self, Self::TreeOutsideTheBatch | Self::ReadsFromIncompleteOwner | Self::OldOwnerAcknowledges)
    }

    /// Whether it shows where partitions move.
    const fn concerns_moves(self) -> bool {
        matches!(self, Self::ReadsFromIncompleteOwner | Self::OldOwnerAcknowledges)
    }

    /// What it does to what nodes send each other.
    pub(super) const fn forger(self) -> Option<Forger> {
        match self {
            Self::ReadRepairWithoutMerge => Some(Forger::Repair),
            Self::OldOwnerAcknowledges => Some(Forger::Epoch),
            Self::OutrankedIsAcknowledged => Some(Forger::Insistence),
            _ => None,
        }
    }

    /// Makes room for the mistake in a plan: what a cache would hide is read from the disk, and the faults that bring the mistake to light are
    /// among those that strike.
    pub(super) fn prepare(self, plan: &mut Plan) {
        match self {
            Self::HintGoneBeforeItsAcknowledgement | Self::TombstoneDroppedByAge => plan.cache_bytes = 0,
            // A disk and a clock that go backwards together, which is rare unless both do so often.
            Self::EpochNotDurable if plan.w > 1 => {
                plan.faults.extend([Fault::StaleDisk, Fault::ClockBeyondLimit].repeat(4));
                plan.strike_interval_max_ms = plan.strike_interval_max_ms.min(EPOCH_STRIKE_INTERVAL_MAX_MS);
            }
            // The order in which a clock mints says nothing where its disk is set back.
            Self::ClockNotPersisted => {
                plan.faults.retain(|fault| !fault.makes_forget());
                plan.faults.extend([Fault::Crash, Fault::ClockBeyondLimit].repeat(2));
            }
            // What a read misses must be promised to it, and many must be late to hear of the ring.
            Self::ReadsFromIncompleteOwner | Self::OldOwnerAcknowledges => {
                (plan.n, plan.r, plan.w, plan.sloppy) = (2, 1, 2, false);
                (plan.spares, plan.moves_every_max_ms) = (3, Some(MOVES_EVERY_MAX_MS));
                plan.faults.retain(|fault| !fault.makes_forget());
                plan.faults.extend([Fault::Pause, Fault::Garbled].repeat(2));
                plan.strike_interval_max_ms = plan.strike_interval_max_ms.min(MOVES_EVERY_MAX_MS);
            }
            // Clocks that are further apart than one write is from the next, and reads that are promised to see what was acknowledged.
            Self::OutrankedIsAcknowledged => {
                (plan.n, plan.r, plan.w, plan.sloppy) = (3, 2, 2, false);
                plan.clock_error_max_ms = CLOCK_ERROR_MAX_MS;
                plan.delay = Delay { min_ms: 0, max_ms: 1 };
                plan.disk.latency_max_ms = 1;
                plan.faults.retain(|fault| !fault.makes_forget());
            }
            _ => {}
        }
        if !self.concerns_moves() {
            (plan.spares, plan.moves_every_max_ms) = (0, None);
        }
        // A disk that is set back does not know the deletes that came after its copy was made.
        if plan.faults.contains(&Fault::StaleDisk) {
            plan.tombstones_min_age_s = TOMBSTONES_KEPT_S;
        }
        plan.defect = Some(self);
    }
}
