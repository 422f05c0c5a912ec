//! Who belongs to the cluster, and the changes of that which have been staged and wait to be committed.
//!
//! ```text
//!   Stage ──▶ staged ──▶ plan: the next ring ──▶ Commit ──▶ partitions move ──▶ who owns nothing any more is no member
//!               └── Abort
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::command::CommandError;
use crate::dynamo::claim::{Movement, claim};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::placement::objection;
use crate::dynamo::ring::{Member, PartitionId, Ring};

/// A member and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAddress {
    /// Name, zone and weight.
    pub member: Member,
    /// The bridge address that the others dial.
    pub address: String,
}

/// A member, and under which number it takes part in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Who it is.
    pub known: MemberAddress,
    /// The number.
    pub log_id: u64,
}

/// A change of the members that waits to be committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StagedChange {
    /// A node that waits to be joined becomes a member.
    Join(Enrolled),
    /// A member hands over what it owns, and leaves.
    Leave {
        /// The member.
        node: NodeId,
    },
    /// A new node takes the place of a member that will not come back.
    Replace {
        /// The member that is lost, with its copies.
        dead: NodeId,
        /// Who takes its place.
        with: Enrolled,
    },
    /// A member shall own more or less than before.
    Reweigh {
        /// The member.
        node: NodeId,
        /// Its share, relative to those of the others.
        weight: u32,
    },
    /// Some partitions get other owners, and nobody's share changes. It is staged by itself; one that is staged later takes its place.
    Exchange {
        /// The new owners.
        owners: BTreeMap<PartitionId, NodeId>,
        /// Nobody has asked for it: the node that staged it commits it at once, or has been lost.
        automatic: bool,
    },
}

impl StagedChange {
    /// Whom the change is about: nobody twice among those that are staged.
    pub fn nodes(&self) -> Vec<&NodeId> {
        match self {
            Self::Join(newcomer) => vec![&newcomer.known.member.id],
            Self::Leave { node } | Self::Reweigh { node, .. } => vec![node],
            Self::Replace { dead, with } => vec![dead, &with.known.member.id],
            Self::Exchange { .. } => Vec::new(),
        }
    }

    /// Who is new.
    pub fn newcomer(&self) -> Option<&Enrolled> {
        match self {
            Self::Join(newcomer) | Self::Replace { with: newcomer, .. } => Some(newcomer),
            Self::Leave { .. } | Self::Reweigh { .. } | Self::Exchange { .. } => None,
        }
    }

    /// Who will be no member any more.
    pub fn goes(&self) -> Option<&NodeId> {
        match self {
            Self::Leave { node } | Self::Replace { dead: node, .. } => Some(node),
            Self::Join(_) | Self::Reweigh { .. } | Self::Exchange { .. } => None,
        }
    }

    /// Whether it only exchanges owners.
    pub fn is_exchange(&self) -> bool {
        matches!(self, Self::Exchange { .. })
    }
}

/// What a commit of the staged changes would do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The next ring.
    pub ring: Ring,
    /// What moves, beside the least that has to.
    pub movement: Movement,
    /// For each node that is concerned: how many partitions it owns and how many copies it keeps, before and after.
    pub nodes: BTreeMap<NodeId, [Share; 2]>,
    /// The copies that nodes have to fetch, by partition.
    pub fetches: Vec<(PartitionId, NodeId)>,
    /// The fewest replicas that any partition has at any time until everything has moved, copies on lost nodes not counted.
    pub fewest_replicas: usize,
}

/// What a node has of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Partitions that it owns.
    pub partitions: u32,
    /// Partitions of which it keeps a copy.
    pub copies: u32,
}

/// The members as they would be.
pub(super) fn next_members(present: &[Member], staged: &[StagedChange]) -> Vec<Member> {
    let gone: BTreeSet<&NodeId> = staged.iter().filter_map(StagedChange::goes).collect();
    let mut members: Vec<Member> = present.iter().filter(|member| !gone.contains(&member.id)).cloned().collect();
    members.extend(staged.iter().filter_map(StagedChange::newcomer).map(|newcomer| newcomer.known.member.clone()));
    for change in staged {
        if let StagedChange::Reweigh { node, weight } = change {
            members.iter_mut().filter(|member| member.id == *node).for_each(|member| member.weight = *weight);
        }
    }
    members.sort_by(|one, other| one.id.cmp(&other.id));
    members
}

/// Whose copies nobody waits for.
pub(super) fn lost(staged: &[StagedChange]) -> BTreeSet<NodeId> {
    let dead =
        |change: &StagedChange| if let StagedChange::Replace { dead, .. } = change { Some(dead.clone()) } else { None };
    staged.iter().filter_map(dead).collect()
}

/// What the staged changes lead to. Whoever replaces a node takes its places before anything else is decided.
pub(super) fn plan(present: &Ring, staged: &[StagedChange]) -> Result<Plan, CommandError> {
    if let [StagedChange::Exchange { owners, .. }] = staged {
        return Ok(described(present, exchanged(present, owners)?, &BTreeSet::new()));
    }
    let members = next_members(present.members(), staged);
    let refused = |error: &dyn std::fmt::Display| CommandError::NoRing { reason: error.to_string() };
    let before = substituted(present, staged).map_err(|error| refused(&error))?;
    let ring = claim(Some(&before), &members, present.partitions(), present.n()).map_err(|error| refused(&error))?;
    Ok(described(present, ring, &lost(staged)))
}

/// The next ring, in which these partitions have other owners.
pub(super) fn exchanged(present: &Ring, owners: &BTreeMap<PartitionId, NodeId>) -> Result<Ring, CommandError> {
    let refused = |reason: &str| CommandError::BadExchange { reason: reason.to_owned() };
    let next = present.with_owners(owners).filter(|_| !owners.is_empty());
    let next = next.ok_or_else(|| refused("no partition, or an unknown one, or an owner that is no member"))?;
    match objection(present, &next) {
        Some(reason) => Err(refused(reason)),
        None => Ok(next.at_epoch(present.epoch() + 1)),
    }
}

fn substituted(present: &Ring, staged: &[StagedChange]) -> Result<Ring, crate::dynamo::ring::RingError> {
    let successor = |node: &NodeId| {
        let replacement = staged.iter().find_map(|change| match change {
            StagedChange::Replace { dead, with } if dead == node => Some(with.known.member.clone()),
            _ => None,
        });
        replacement.or_else(|| present.member(node).cloned())
    };
    let mut members: Vec<Member> = present.members().iter().filter_map(|member| successor(&member.id)).collect();
    members.sort_by(|one, other| one.id.cmp(&other.id));
    let place = |node: &NodeId| {
        let id = successor(node).map(|member| member.id);
        members.iter().position(|member| Some(&member.id) == id.as_ref()).unwrap_or_default()
    };
    let places: BTreeMap<&NodeId, usize> =
        present.members().iter().map(|member| (&member.id, place(&member.id))).collect();
    let owner = |partition| places.get(present.owner(partition)).copied().unwrap_or_default();
    let owners = present.partition_ids().map(|partition| u16::try_from(owner(partition)).unwrap_or(u16::MAX)).collect();
    Ring::new(present.epoch(), present.n(), members, owners)
}

fn described(before: &Ring, ring: Ring, lost: &BTreeSet<NodeId>) -> Plan {
    let n = ring.n();
    let mut nodes: BTreeMap<NodeId, [Share; 2]> = BTreeMap::new();
    for (at, one) in [before, &ring].into_iter().enumerate() {
        for partition in one.partition_ids() {
            nodes.entry(one.owner(partition).clone()).or_default()[at].partitions += 1;
            for holder in one.primaries(partition, n) {
                nodes.entry(holder.clone()).or_default()[at].copies += 1;
            }
        }
    }
    let held = |partition| before.primaries(partition, n).collect::<Vec<_>>();
    let fetch = |partition| {
        let old = held(partition);
        let new = ring.primaries(partition, n).filter(move |node| !old.contains(node));
        new.map(move |node| (partition, node.clone())).collect::<Vec<_>>()
    };
    let fetches = ring.partition_ids().flat_map(fetch).collect();
    // While a partition moves its old replicas keep what they have.
    let alive = |partition| held(partition).into_iter().filter(|node| !lost.contains(*node)).count();
    let fewest_replicas = ring
        .partition_ids()
        .map(|partition| alive(partition).min(ring.primaries(partition, n).len()))
        .min()
        .unwrap_or(0);
    Plan { movement: Movement::between(before, &ring), nodes, fetches, fewest_replicas, ring }
}
