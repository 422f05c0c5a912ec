//! Who is to be sidelined, or no more: a node that cannot be reached puts no writes in order, and one that has come back does so again when it has stayed.
//!
//! ```text
//!   in order ── unreachable ──▶ sidelined ── reachable for a while ──▶ in order
//! ```
//!
//! It is proposed by one node, the leader of the metadata, as it sees the others; whether it is so the log of metadata says.

use std::collections::{BTreeMap, BTreeSet};

use super::node_id::NodeId;
use super::topology::Topology;

/// Whoever has come back puts writes in order again after so long, in ms: each change of the sequencer interrupts its writes for a moment.
pub const RETURN_AFTER_MS: u64 = 10_000;

/// What one node has seen of the others.
#[derive(Clone, Debug, Default)]
pub struct Sidelining {
    /// Since when each of the sidelined nodes has been reachable without a gap, in ms.
    back_since: BTreeMap<NodeId, u64>,
}

impl Sidelining {
    /// The next change: the node, and whether it is sidelined from now on. `now_ms` only ever grows.
    pub fn next(&mut self, topology: &Topology, reachable: &BTreeSet<NodeId>, now_ms: u64) -> Option<(NodeId, bool)> {
        let sidelined = topology.sidelined();
        self.back_since.retain(|node, _| sidelined.contains(node) && reachable.contains(node));
        for node in sidelined.iter().filter(|node| reachable.contains(*node)) {
            self.back_since.entry(node.clone()).or_insert(now_ms);
        }
        let members = topology.ring().members().iter().map(|member| &member.id);
        let gone = members.filter(|node| !reachable.contains(*node) && !sidelined.contains(*node)).min();
        let stayed = |since: &u64| now_ms.saturating_sub(*since) >= RETURN_AFTER_MS;
        let back = self.back_since.iter().find(|(_, since)| stayed(since)).map(|(node, _)| node);
        gone.map(|node| (node.clone(), true)).or_else(|| back.map(|node| (node.clone(), false)))
    }
}

#[cfg(test)]
#[path = "sidelining_tests.rs"]
mod tests;
