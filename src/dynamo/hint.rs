//! Hints as values: which wait for a node, which are too many or too old, and where each has to go.
//!
//! ```text
//!   a new hint        within max_bytes of its target?   no ──▶ not kept: the range is dirty
//!   handing over      target still owns the partition?  no ──▶ to its owners of today
//!                     target up?                        yes ─▶ to the target
//!                     older than max_age?               yes ─▶ to the other primaries; W of them hold it: given up, the range is dirty
//! ```
//!
//! A hint may be one of the W copies that a client was promised, so one that is kept is never given up before W primaries hold what is in it. A
//! *dirty range* is a partition of which a node misses writes that no hint will bring; comparing the replicas repairs it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::node_id::NodeId;
use super::record_key::RecordKey;
use super::ring::PartitionId;
use super::topology::Topology;

/// How much and how long a node keeps for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HintBounds {
    /// Bytes of all hints for one node.
    pub max_bytes: u64,
    /// The age from which a hint is given up where that costs no promised copy, in ms.
    pub max_age_ms: u64,
}

impl HintBounds {
    /// What each of several keeps to, so that all together keep to these.
    #[must_use]
    pub fn shared_by(self, shares: u64) -> Self {
        Self { max_bytes: self.max_bytes / shares.max(1), ..self }
    }

    /// Whether a target with `held` bytes may have `growth` more. What makes a hint no larger is always taken.
    pub fn take(&self, held: u64, growth: u64) -> bool {
        growth == 0 || held.saturating_add(growth) <= self.max_bytes
    }

    /// Hints that were first kept before this instant are too old.
    pub fn too_old_before_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.max_age_ms)
    }
}

/// Where a hint has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the node that it waits for.
    Target,
    /// That node stores the partition no longer, or not alone by the other ring while it moves: to all who store it.
    Owners(Vec<NodeId>),
}

/// Where a hint for `target` has to go, as the ring is.
pub fn destination(topology: &Topology, partition: PartitionId, n: usize, target: &NodeId) -> Destination {
    // While the partition moves what only one side has may have been copied too late: the hint goes once both have it.
    let is_moving = topology.rings(partition).writing_too.is_some();
    if !is_moving && topology.holds(target, partition, n) {
        return Destination::Target;
    }
    Destination::Owners(topology.holders(partition, n).into_iter().cloned().collect())
}

/// The primaries that can hold in its stead what waits for `target`.
pub fn others(topology: &Topology, partition: PartitionId, n: usize, target: &NodeId) -> Vec<NodeId> {
    topology.rings(partition).reading.primaries(partition, n).filter(|owner| *owner != target).cloned().collect()
}

/// Whether a hint is no promised copy any more once `holders` primaries have its write on disk.
pub fn is_dispensable(holders: usize, w: usize) -> bool {
    holders >= w
}

/// One hint that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    bytes: u64,
    since_ms: u64,
}

/// The hints that wait for one node: their keys, sizes and ages. What is in them is on disk.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    keys: BTreeMap<RecordKey, Kept>,
    by_age: BTreeSet<(u64, RecordKey)>,
    per_partition: BTreeMap<PartitionId, usize>,
    bytes: u64,
}

impl Waiting {
    /// A hint is kept, or has changed its size. It was first kept at `since_ms`. How many bytes it had before; `None`: it is new.
    pub fn insert(&mut self, key: RecordKey, bytes: u64, since_ms: u64) -> Option<u64> {
        let before = self.remove(&key);
        *self.per_partition.entry(key.partition()).or_default() += 1;
        self.by_age.insert((since_ms, key.clone()));
        self.keys.insert(key, Kept { bytes, since_ms });
        self.bytes += bytes;
        before
    }

    /// A hint is gone. How many bytes it had; `None`: there was none.
    pub fn remove(&mut self, key: &RecordKey) -> Option<u64> {
        let Kept { bytes, since_ms } = self.keys.remove(key)?;
        self.by_age.remove(&(since_ms, key.clone()));
        self.bytes -= bytes;
        if let Some(count) = self.per_partition.get_mut(&key.partition()) {
            *count -= 1;
            if *count == 0 {
                self.per_partition.remove(&key.partition());
            }
        }
        Some(bytes)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The bytes of all.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether this one waits.
    pub fn contains(&self, key: &RecordKey) -> bool {
        self.keys.contains_key(key)
    }

    /// The bytes of one; 0 where there is none.
    pub fn bytes_of(&self, key: &RecordKey) -> u64 {
        self.keys.get(key).map_or(0, |kept| kept.bytes)
    }

    /// Since when the oldest waits, in ms.
    pub fn oldest_ms(&self) -> Option<u64> {
        self.by_age.first().map(|(since_ms, _)| *since_ms)
    }

    /// The partitions that they belong to.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> + use<'_> {
        self.per_partition.keys().copied()
    }

    /// The next ones in the order of their keys.
    pub fn after(&self, key: Option<&RecordKey>) -> impl Iterator<Item = &RecordKey> + use<'_> {
        let start = key.cloned().map_or(Bound::Unbounded, Bound::Excluded);
        self.keys.range((start, Bound::Unbounded)).map(|(key, _)| key)
    }

    /// The next ones in the order of their ages, that were first kept before this instant.
    pub fn older_than<'a>(
        &'a self,
        before_ms: u64,
        after: Option<&(u64, RecordKey)>,
    ) -> impl Iterator<Item = &'a (u64, RecordKey)> + use<'a> {
        let start = after.cloned().map_or(Bound::Unbounded, Bound::Excluded);
        self.by_age.range((start, Bound::Unbounded)).take_while(move |(since_ms, _)| *since_ms < before_ms)
    }
}

#[cfg(test)]
#[path = "hint_tests.rs"]
mod tests;
