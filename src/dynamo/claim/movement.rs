//! What a change of the members moves, beside the least that it has to move.

use std::collections::BTreeMap;

use super::demands::Demands;
use super::previous_owners;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::Ring;

/// What moves from one ring to the next. The [module of the claim](super) says how the least is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    /// Partitions whose owner changes.
    pub owners: usize,
    /// The least that the members' shares allow, wherever the partitions lie.
    pub owners_least: usize,
    /// Copies of partitions that a member has to fetch, because it is a primary now and was none.
    pub copies: usize,
    /// How many copies members have more than before: the least by which they can come to what they have.
    pub copies_least: usize,
}

impl Movement {
    /// What moves from `before` to `after`, with the replicas for which the later ring is claimed.
    ///
    /// Both must have the same number of partitions.
    pub fn between(before: &Ring, after: &Ring) -> Self {
        let n = after.n();
        let owners_before = previous_owners(Some(before), after.members(), after.partitions());
        let mut growth: BTreeMap<&NodeId, i64> = BTreeMap::new();
        let mut movement = Self {
            owners: 0,
            owners_least: Demands::new(after.members(), &owners_before, n).moved_least(&owners_before),
            copies: 0,
            copies_least: 0,
        };
        for partition in after.partition_ids() {
            movement.owners += usize::from(before.owner(partition) != after.owner(partition));
            let old = before.primaries(partition, n);
            let new = after.primaries(partition, n);
            movement.copies += new.clone().filter(|id| !old.clone().any(|other| other == *id)).count();
            old.for_each(|id| *growth.entry(id).or_default() -= 1);
            new.for_each(|id| *growth.entry(id).or_default() += 1);
        }
        movement.copies_least = growth.into_values().filter_map(|by| usize::try_from(by).ok()).sum();
        movement
    }
}

#[cfg(test)]
#[path = "movement_tests.rs"]
mod tests;
