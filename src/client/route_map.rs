//! Who stores what, and where they listen: the picture of the cluster that a router goes by.
//!
//! ```text
//!   DescribeNodes ── names, addresses, zones ──┐
//!   DescribeRing  ── epoch, owners ────────────┼──▶ RouteMap ── table and key ──▶ partition ──▶ walk: owner, next, ...
//!   ListTables    ── key attributes ───────────┘
//! ```
//!
//! The walk is the nodes' own ([`Ring::walk`]): its first N are the primaries, whatever N a table has, and the others stand in for them.
//! A map is never changed, only replaced; a map of an older epoch does not replace a newer one.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::{Member, PartitionId, Ring, RingError};
use crate::item::{Item, Key, TableSchema};
use crate::messages::admin::{NodeRow, RingDescription};

/// What a node has answered about its cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The members.
    pub nodes: Vec<NodeRow>,
    /// Who owns what.
    pub ring: RingDescription,
    /// The tables.
    pub tables: Vec<TableSchema>,
}

/// Where each key belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteMap {
    ring: Ring,
    /// The bridge address of each member.
    addresses: BTreeMap<NodeId, String>,
    tables: BTreeMap<String, TableSchema>,
}

/// Why answers are not a map. Nothing was changed; ask again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteMapError {
    /// The ring changed between the two answers.
    #[error("the ring names the owner {owner}, who is not among the members")]
    UnknownOwner {
        /// Whom the ring names.
        owner: NodeId,
    },
    /// The parts do not make a ring.
    #[error(transparent)]
    Ring(#[from] RingError),
}

impl RouteMap {
    /// The map of what one node has answered.
    ///
    /// # Errors
    ///
    /// [`RouteMapError`] when members and ring do not go together.
    pub fn of(description: Description) -> Result<Self, RouteMapError> {
        let Description { mut nodes, ring, tables } = description;
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        let member = |row: &NodeRow| Member { id: row.name.clone(), zone: row.zone.clone(), weight: row.weight };
        let members: Vec<Member> = nodes.iter().map(member).collect();
        let place = |owner: &NodeId| {
            let at = members.binary_search_by(|member| member.id.cmp(owner)).ok();
            // A place beyond 16 bits belongs to a cluster that `Ring::new` refuses.
            at.and_then(|at| u16::try_from(at).ok()).ok_or_else(|| RouteMapError::UnknownOwner { owner: owner.clone() })
        };
        let owners = ring.owners.iter().map(place).collect::<Result<Vec<u16>, _>>()?;
        Ok(Self {
            // The order of a walk is the same for every N, and only the order matters here.
            ring: Ring::new(ring.epoch, 1, members, owners)?,
            addresses: nodes.into_iter().map(|row| (row.name, row.address)).collect(),
            tables: tables.into_iter().map(|table| (table.name.to_string(), table)).collect(),
        })
    }

    /// The epoch of the ring.
    pub fn epoch(&self) -> u64 {
        self.ring.epoch()
    }

    /// The members and their bridge addresses, by name.
    pub fn addresses(&self) -> &BTreeMap<NodeId, String> {
        &self.addresses
    }

    /// Whether this map may take the place of `other`.
    pub fn supersedes(&self, other: &Self) -> bool {
        self.epoch() >= other.epoch()
    }

    /// The partition of a key, in the encoding of `Key::to_bytes`; `None`: the bytes are no key.
    pub fn partition_of_key(&self, key: &[u8]) -> Option<PartitionId> {
        let key = Key::from_bytes(key).ok()?;
        Some(self.ring.partition_of(&key.partition_bytes()))
    }

    /// The partition of an item, in the encoding of `Item::to_bytes`; `None`: the table is not known, or this is no item of it.
    pub fn partition_of_item(&self, table: &str, item: &[u8]) -> Option<PartitionId> {
        let key = self.tables.get(table)?.key_of(&Item::from_bytes(item).ok()?).ok()?;
        Some(self.ring.partition_of(&key.partition_bytes()))
    }

    /// Every owner once, in the order in which a request for the partition should go to them.
    pub fn walk(&self, partition: PartitionId) -> impl ExactSizeIterator<Item = &NodeId> + Clone + use<'_> {
        self.ring.walk(partition)
    }

    /// The node that a request for the partition should go to.
    pub fn owner(&self, partition: PartitionId) -> &NodeId {
        self.ring.owner(partition)
    }
}

#[cfg(test)]
#[path = "route_map_tests.rs"]
mod tests;
