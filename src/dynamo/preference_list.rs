//! The replicas of a partition to talk to, in order.
//!
//! ```text
//!  walk of the partition    a    b    c  |  d    e    f        N = 3, b and d are unreachable
//!  strict                   a    -    c                        absent: b
//!  sloppy                   a    e    c                        e stands in for b; spare: f
//! ```
//!
//! A stand-in takes the place of its primary, so a node that goes down changes its own place and no other
//! (Dynamo, section 4.6). Where a stand-in has no room, a spare takes the place.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::node_id::NodeId;
use super::ring::{PartitionId, Ring};

/// In which role a node takes part.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// It is one of the N nodes that store the partition.
    Primary,
    /// It stands in for a primary that is unreachable, and keeps a hint for it.
    Fallback {
        /// The primary that the write belongs to.
        for_node: NodeId,
    },
}

/// A node that takes part, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replica {
    /// The node to talk to; reachable when the list was made.
    pub node: NodeId,
    /// As what it takes part.
    pub role: Role,
}

/// The replicas of a partition to talk to, in order. A clone shares the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferenceList(Arc<Places>);

#[derive(Debug, PartialEq, Eq)]
struct Places {
    primaries: Vec<NodeId>,
    replicas: Vec<Replica>,
    absent: Vec<NodeId>,
    spares: Vec<NodeId>,
}

impl PreferenceList {
    /// The list of a partition whose primaries are all reachable.
    pub(super) fn of_primaries<'a>(primaries: impl Iterator<Item = &'a NodeId>) -> Self {
        let primaries: Vec<NodeId> = primaries.cloned().collect();
        let replicas = primaries.iter().map(Replica::primary).collect();
        Self(Arc::new(Places { primaries, replicas, absent: Vec::new(), spares: Vec::new() }))
    }

    /// The replicas that take part, each reachable, in the order of the primaries whose places they hold.
    pub fn replicas(&self) -> &[Replica] {
        &self.0.replicas
    }

    /// The primaries that are unreachable and have no stand-in.
    pub fn absent(&self) -> &[NodeId] {
        &self.0.absent
    }

    /// Who may stand in where a stand-in refuses, in the order of the walk: as many as N, reachable, none of them a replica of this list.
    /// Empty where nobody stands in.
    pub fn spares(&self) -> &[NodeId] {
        &self.0.spares
    }

    /// The same list with spares in the places of those stand-ins that are in `full`; `None` if none of them is, or no spare is left.
    pub fn without(&self, full: &[&NodeId]) -> Option<Self> {
        let mut spares = self.0.spares.iter();
        let mut replicas = self.0.replicas.clone();
        for replica in &mut replicas {
            if matches!(replica.role, Role::Fallback { .. })
                && full.contains(&&replica.node)
                && let Some(spare) = spares.next()
            {
                replica.node = spare.clone();
            }
        }
        let Places { primaries, absent, .. } = self.0.as_ref();
        let (primaries, absent, spares) = (primaries.clone(), absent.clone(), spares.cloned().collect());
        (replicas != self.0.replicas).then(|| Self(Arc::new(Places { primaries, replicas, absent, spares })))
    }

    /// The nodes that store the partition, reachable or not, its owner first: N of them, or all owners if fewer.
    pub fn primaries(&self) -> &[NodeId] {
        &self.0.primaries
    }
}

impl Replica {
    fn primary(node: &NodeId) -> Self {
        Self { node: node.clone(), role: Role::Primary }
    }
}

/// The N primaries of a partition in the order of its [walk](Ring::walk), and when `sloppy` a stand-in for each that is unreachable.
///
/// Stand-ins come from the walk after the first N: the next reachable node not yet used takes the first place that is
/// empty. Where none is left, or when not sloppy, the primary is [absent](PreferenceList::absent).
///
/// The list for the `n` that the ring was claimed for, all primaries reachable, is shared and costs no allocation; any
/// other is made afresh.
pub fn preference_list(
    ring: &Ring,
    partition: PartitionId,
    n: usize,
    sloppy: bool,
    is_reachable: impl Fn(&NodeId) -> bool,
) -> PreferenceList {
    if n == ring.n() {
        let healthy = ring.healthy(partition);
        if healthy.primaries().iter().all(&is_reachable) {
            return healthy.clone();
        }
    }
    let primaries: Vec<NodeId> = ring.primaries(partition, n).cloned().collect();
    let mut stand_ins = ring.walk(partition).skip(n).filter(|node| sloppy && is_reachable(node));
    let mut replicas = Vec::with_capacity(primaries.len());
    let mut absent = Vec::new();
    for primary in &primaries {
        if is_reachable(primary) {
            replicas.push(Replica::primary(primary));
        } else if let Some(stand_in) = stand_ins.next() {
            let role = Role::Fallback { for_node: primary.clone() };
            replicas.push(Replica { node: stand_in.clone(), role });
        } else {
            absent.push(primary.clone());
        }
    }
    let is_stood_in = replicas.iter().any(|replica| replica.role != Role::Primary);
    let spares = if is_stood_in { stand_ins.take(n).cloned().collect() } else { Vec::new() };
    PreferenceList(Arc::new(Places { primaries, replicas, absent, spares }))
}

#[cfg(test)]
#[path = "preference_list_tests.rs"]
mod tests;
