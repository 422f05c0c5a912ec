//! The replicas of a partition to talk to, in order.
//!
//! ```text
//!  walk of the partition    a    b    c  |  d    e    f        N = 3, b and d are unreachable
//!  strict                   a    -    c                        absent: b
//!  sloppy                   a    e    c                        e stands in for b; spare: f
//! ```
//!
//! While the partition moves there are two such lists in one: that of the ring by which reads go, and behind it what the other ring adds
//! ([`topology`](super::topology)). A write needs a quorum of both.
//!
//! A stand-in takes the place of its primary, so a node that goes down changes its own place and no other
//! (Dynamo, section 4.6). Where a stand-in has no room, a spare takes the place.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::node_id::NodeId;
use super::quorum::{Quorum, Quorums};
use super::ring::{PartitionId, Ring};
use super::topology::{Phase, Topology};

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

#[derive(Debug, Clone, PartialEq, Eq)]
struct Places {
    primaries: Vec<NodeId>,
    replicas: Vec<Replica>,
    absent: Vec<NodeId>,
    spares: Vec<NodeId>,
    /// How many of the replicas answer reads: all but those that only the other ring names.
    reading: usize,
    writing_too: Option<WritingToo>,
}

/// What a write needs beside its quorum while its partition moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritingToo {
    /// The replicas by the other ring, as places in the list.
    pub places: Vec<usize>,
    /// So many of them must acknowledge.
    pub w: usize,
}

impl PreferenceList {
    /// The list of a partition whose primaries are all reachable.
    pub(super) fn of_primaries<'a>(primaries: impl Iterator<Item = &'a NodeId>) -> Self {
        let primaries: Vec<NodeId> = primaries.cloned().collect();
        let replicas: Vec<Replica> = primaries.iter().map(Replica::primary).collect();
        Self::of(Places::of_one_ring(primaries, replicas, Vec::new(), Vec::new()))
    }

    /// The replicas that take part, each reachable, in the order of the primaries whose places they hold.
    pub fn replicas(&self) -> &[Replica] {
        &self.0.replicas
    }

    /// Those of the replicas that answer reads, and mint: they hold all that there is.
    pub fn reading(&self) -> &[Replica] {
        self.0.replicas.get(..self.0.reading).unwrap_or(&self.0.replicas)
    }

    /// What a write needs beside its quorum.
    pub fn writing_too(&self) -> Option<&WritingToo> {
        self.0.writing_too.as_ref()
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
        let spares = spares.cloned().collect();
        (replicas != self.0.replicas).then(|| Self::of(Places { replicas, spares, ..self.0.as_ref().clone() }))
    }

    /// The nodes that store the partition and answer reads, reachable or not, its owner first: N of them, or all owners if fewer.
    pub fn primaries(&self) -> &[NodeId] {
        &self.0.primaries
    }

    fn of(places: Places) -> Self {
        Self(Arc::new(places))
    }

    /// This list by the ring for reads, and what the other ring adds to it, of which `w` must acknowledge a write.
    fn joined_with(&self, other: &Self, w: usize) -> Self {
        let mut joined = self.0.as_ref().clone();
        let mut places = Vec::with_capacity(other.0.replicas.len());
        for replica in &other.0.replicas {
            let known = joined.replicas.iter().position(|known| known == replica);
            places.push(known.unwrap_or(joined.replicas.len()));
            if known.is_none() {
                joined.replicas.push(replica.clone());
            }
        }
        let more_absent = other.0.absent.iter().filter(|node| !self.0.absent.contains(node));
        joined.absent.extend(more_absent.cloned());
        let taken = |node: &NodeId| joined.replicas.iter().any(|replica| replica.node == *node);
        joined.spares.retain(|node| !taken(node));
        joined.writing_too = Some(WritingToo { places, w });
        Self::of(joined)
    }
}

impl Places {
    fn of_one_ring(primaries: Vec<NodeId>, replicas: Vec<Replica>, absent: Vec<NodeId>, spares: Vec<NodeId>) -> Self {
        let reading = replicas.len();
        Self { primaries, replicas, absent, spares, reading, writing_too: None }
    }
}

/// Whom a request about a partition speaks to, and how many of those who answer reads it waits for: the quorum as it is in a cluster of this size.
pub fn replicas_of(
    topology: &Topology,
    partition: PartitionId,
    quorums: impl Into<Quorums>,
    sloppy: bool,
    is_reachable: impl Fn(&NodeId) -> bool,
) -> (PreferenceList, Quorum) {
    let Quorums { before, now } = quorums.into();
    let (of_reading, of_other) = match topology.phase(partition) {
        Phase::Copying => (before, now),
        Phase::Switched | Phase::Settled => (now, before),
    };
    // Who comes or goes stands in for nobody: he may be sent away, and what he keeps for others goes with him.
    let is_in_both = |ring: &Ring, node: &NodeId| ring.member(node).is_some() && topology.ring().member(node).is_some();
    let stays = |node: &NodeId| topology.transition().is_none_or(|moving| is_in_both(moving.from(), node));
    let list = |ring: &Ring, quorum: Quorum| {
        let quorum = quorum.in_cluster_of(ring.owners());
        (preference_list(ring, partition, quorum.n(), sloppy, &is_reachable, stays), quorum)
    };
    let rings = topology.rings(partition);
    let (reading, in_force) = list(rings.reading, of_reading);
    let Some(other) = rings.writing_too else { return (reading, in_force) };
    let (other, also) = list(other, of_other);
    (reading.joined_with(&other, also.w()), in_force)
}

impl Replica {
    fn primary(node: &NodeId) -> Self {
        Self { node: node.clone(), role: Role::Primary }
    }
}

/// The N primaries of a partition in the order of its [walk](Ring::walk), and when `sloppy` a stand-in for each that is unreachable.
///
/// Stand-ins come from the walk after the first N: the next reachable node not yet used that may stand in takes the first place that is
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
    may_stand_in: impl Fn(&NodeId) -> bool,
) -> PreferenceList {
    if n == ring.n() {
        let healthy = ring.healthy(partition);
        if healthy.primaries().iter().all(&is_reachable) {
            return healthy.clone();
        }
    }
    let primaries: Vec<NodeId> = ring.primaries(partition, n).cloned().collect();
    let mut stand_ins = ring.walk(partition).skip(n).filter(|node| sloppy && is_reachable(node) && may_stand_in(node));
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
    PreferenceList::of(Places::of_one_ring(primaries, replicas, absent, spares))
}

#[cfg(test)]
#[path = "preference_list_tests.rs"]
mod tests;
