//! When a partition may take its next step: what a node has to have heard of the other replicas for it.
//!
//! ```text
//!  Copying  ──▶ "I hold it"    every old replica that can be reached, and n - w + 1 of them at least, has been compared since it refuses who does
//!                              not know that the partition moves: whatever w old replicas took is there
//!  Switched ──▶ "let go"       n - r + 1 old replicas refuse who would still read there: no r of them are left to answer him
//! ```
//!
//! Both hold for every table's n, r and w. Replicas that are lost are not waited for: what only they had taken is lost.

use std::collections::{BTreeMap, BTreeSet};

use super::node_id::NodeId;
use super::quorum::Quorum;
use super::ring::PartitionId;
use super::topology::{Phase, Topology};

/// N, R and W of a table by the older ring, and its N by the newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MovingQuorum {
    /// By the older ring.
    pub before: [usize; 3],
    /// N by the newer one.
    pub n_now: usize,
}

impl From<Quorum> for MovingQuorum {
    fn from(quorum: Quorum) -> Self {
        Self { before: [quorum.n(), quorum.r(), quorum.w()], n_now: quorum.n() }
    }
}

/// What one node has heard of the replicas of partitions that move.
#[derive(Clone, Debug, Default)]
pub struct Transfers {
    /// The epoch that a replica went by when its copy was compared with this node's, and both were brought to the same.
    compared: BTreeMap<(PartitionId, NodeId), u64>,
    /// The newest epoch that a replica is known to go by, in a partition.
    adopted: BTreeMap<(PartitionId, NodeId), u64>,
}

impl Transfers {
    /// This node holds all that the peer held when the peer went by this epoch, and this node did.
    pub fn compared(&mut self, peer: &NodeId, partition: PartitionId, epoch: u64) {
        let known = self.compared.entry((partition, peer.clone())).or_default();
        *known = epoch.max(*known);
    }

    /// The replica goes by this epoch.
    pub fn adopted(&mut self, replica: &NodeId, partition: PartitionId, epoch: u64) {
        let known = self.adopted.entry((partition, replica.clone())).or_default();
        *known = epoch.max(*known);
    }

    /// Forgets partitions that do not move.
    pub fn follow(&mut self, topology: &Topology) {
        let moves = |partition: &PartitionId| topology.phase(*partition) != Phase::Settled;
        self.compared.retain(|(partition, _), _| moves(partition));
        self.adopted.retain(|(partition, _), _| moves(partition));
    }

    /// The partitions of which this node has become a complete replica, and is not known to be one yet. `quorums` are those of all tables.
    pub fn complete(
        &self,
        topology: &Topology,
        local: &NodeId,
        quorums: &BTreeSet<MovingQuorum>,
        is_reachable: impl Fn(&NodeId) -> bool,
    ) -> Vec<PartitionId> {
        let Some(moving) = topology.transition() else { return Vec::new() };
        let is_complete = |partition: PartitionId| {
            let fence = topology.fence(partition);
            // What this node holds is here.
            let is_compared = |node: &NodeId| {
                node == local || self.compared.get(&(partition, node.clone())).is_some_and(|epoch| *epoch >= fence)
            };
            quorums.iter().all(|&MovingQuorum { before: [n, _, w], n_now }| {
                let all: Vec<&NodeId> = moving.from().primaries(partition, n).collect();
                if n == n_now && all.contains(&local) {
                    return true;
                }
                let (n, w) = (all.len(), w.min(all.len()));
                let old: Vec<&NodeId> = all.into_iter().filter(|node| !moving.lost().contains(*node)).collect();
                let compared = old.iter().filter(|node| is_compared(node)).count();
                let all_reachable = old.iter().all(|node| is_compared(node) || !is_reachable(node));
                all_reachable && compared >= (n + 1 - w).min(old.len())
            })
        };
        let awaited = topology.moving().filter(|partition| topology.awaited(*partition).contains(local));
        awaited.filter(|partition| is_complete(*partition)).collect()
    }

    /// The partitions that old replicas may let go of, as far as it is this node that has to say so: the first replica of now that can be reached.
    pub fn releasable(
        &self,
        topology: &Topology,
        local: &NodeId,
        quorums: &BTreeSet<MovingQuorum>,
        is_reachable: impl Fn(&NodeId) -> bool,
    ) -> Vec<PartitionId> {
        let Some(moving) = topology.transition() else { return Vec::new() };
        let widest = quorums.iter().map(|quorum| quorum.n_now).max().unwrap_or(1);
        let decides = |partition: PartitionId| {
            let mut replicas = topology.ring().primaries(partition, widest);
            replicas.find(|node| *node == local || is_reachable(node)) == Some(local)
        };
        let is_free = |partition: PartitionId| {
            let fence = topology.fence(partition);
            let has_adopted =
                |node: &NodeId| self.adopted.get(&(partition, node.clone())).is_some_and(|epoch| *epoch >= fence);
            quorums.iter().all(|&MovingQuorum { before: [n, r, _], .. }| {
                let all: Vec<&NodeId> = moving.from().primaries(partition, n).collect();
                let (n, r) = (all.len(), r.min(all.len()));
                let silent = |node: &NodeId| moving.lost().contains(node) || has_adopted(node);
                all.into_iter().filter(|node| silent(node)).count() > n - r
            })
        };
        let switched = topology.moving().filter(|partition| topology.phase(*partition) == Phase::Switched);
        switched.filter(|partition| decides(*partition) && is_free(*partition)).collect()
    }
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
