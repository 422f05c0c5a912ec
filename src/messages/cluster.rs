//! Who belongs to the cluster, who can be reached, and who owns what: from `Peer` to `RingManager` to everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::Message;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::{Quorum, Quorums};
use crate::dynamo::ring::{PartitionId, Ring, RingError};
use crate::dynamo::topology::{Topology, Transition};
use crate::item::{TableId, TableSchema};
pub use crate::metadata::MemberAddress;
use crate::metadata::{Enrolled, Metadata};

/// What makes a cluster this cluster and no other. Fixed when it is founded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterIdentity {
    /// Drawn at random by the founder.
    pub uuid: Uuid,
    /// The configured name.
    pub name: String,
}

/// A founded cluster: its identity, its members and the shape of its ring. Each member keeps it in its data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundedCluster {
    /// Which cluster.
    pub identity: ClusterIdentity,
    /// Who belongs to it, by name.
    pub members: Vec<MemberAddress>,
    /// Q, the number of partitions.
    pub partitions: u32,
    /// The owner of each partition, as a place in `members`.
    pub owners: Vec<u16>,
    /// Under which number each member takes part in the log of metadata from the beginning: the id of the data directory that it had then.
    pub log_ids: BTreeMap<NodeId, u64>,
    /// Where this is told to a node that has been joined to the cluster: the metadata as they were then.
    pub joined: Option<Box<Metadata>>,
}

impl FoundedCluster {
    /// The members as of when this was told.
    pub fn present(&self) -> Vec<MemberAddress> {
        self.joined.as_ref().map_or_else(|| self.members.clone(), |joined| joined.addresses())
    }

    /// The metadata with which a member begins that knows nothing newer.
    ///
    /// # Errors
    ///
    /// The parts of the ring contradict each other.
    pub fn metadata(&self, quorum: Quorum) -> Result<Metadata, RingError> {
        if let Some(joined) = &self.joined {
            return Ok(Metadata::clone(joined));
        }
        let members = self.members.iter().map(|known| known.member.clone()).collect();
        let ring = Ring::new(1, quorum.n(), members, self.owners.clone())?;
        let log_id = |node: &NodeId| self.log_ids.get(node).copied().unwrap_or_default();
        let enrolled = |known: &MemberAddress| Enrolled { known: known.clone(), log_id: log_id(&known.member.id) };
        Ok(Metadata::founded(self.members.iter().map(enrolled).collect(), ring, quorum))
    }
}

/// What a coordinator must know to run a request: a snapshot, replaced as a whole when anything changes.
#[derive(Clone, Debug)]
pub struct View {
    /// This node.
    pub local: NodeId,
    /// Who owns what, and what moves.
    pub topology: Arc<Topology>,
    /// Everybody who belongs to the cluster, by name: whether or not he owns partitions.
    pub members: Arc<Vec<MemberAddress>>,
    /// The cluster's N, R and W, for tables that do not say otherwise.
    pub quorum: Quorum,
    /// Whether fallbacks may stand in.
    pub sloppy: bool,
    /// The nodes that can be reached now, this one included.
    pub reachable: BTreeSet<NodeId>,
    /// The tables, in the order of their names.
    pub tables: Arc<Vec<TableSchema>>,
}

impl View {
    /// The newest ring.
    pub fn ring(&self) -> &Ring {
        self.topology.ring()
    }

    /// The greatest number of replicas that any table has.
    pub fn widest(&self) -> usize {
        let before = self.topology.transition().map_or(1, Transition::widest);
        self.tables
            .iter()
            .filter_map(|table| table.n)
            .map(usize::from)
            .chain([self.quorum.n(), before])
            .max()
            .unwrap_or(1)
    }

    /// Everybody who must hold the partition, for any table: whoever answers reads, and while it moves also whoever takes writes.
    pub fn holders(&self, partition: PartitionId) -> Vec<&NodeId> {
        self.topology.holders(partition, self.widest())
    }

    /// Whether this node belongs to the cluster.
    pub fn is_member(&self, node: &NodeId) -> bool {
        self.members.binary_search_by(|known| known.member.id.cmp(node)).is_ok()
    }

    /// The table with this name.
    pub fn table(&self, name: &str) -> Option<&TableSchema> {
        match self.tables.binary_search_by(|table| table.name.as_str().cmp(name)) {
            Ok(at) => self.tables.get(at),
            Err(_) => Some(TableSchema::transactions()).filter(|table| table.name.as_str() == name),
        }
    }

    /// The table whose items are stored under this name.
    pub fn stored_table(&self, storage_name: &str) -> Option<&TableSchema> {
        match TableSchema::stored_id(storage_name)? {
            TableId::TRANSACTIONS => Some(TableSchema::transactions()),
            id => self.tables.iter().find(|known| known.id == id),
        }
    }

    /// N, R and W of a table, as they are in a cluster of this size; of the cluster without one.
    pub fn quorum_for(&self, known: Option<&TableSchema>) -> Quorum {
        self.declared(known).in_cluster_of(self.ring().owners())
    }

    /// The same by both rings, for a request about the table whose items are stored under this name, with an R and W of its own. While the table's N changes a
    /// request that names an R reads so many replicas of before that it meets every write to those.
    pub fn quorums(&self, storage_name: &str, r: Option<u8>, w: Option<u8>) -> Quorums {
        let known = self.table(TableSchema::shown_name(storage_name));
        let known = known.filter(|table| TableSchema::stored_id(storage_name) == Some(table.id));
        let now = self.declared(known).wanting(r, w);
        let resized =
            self.topology.transition().zip(known).and_then(|(moving, table)| moving.resized().get(&table.id.0));
        let before = resized.and_then(|&[n, r, w]| Quorum::new(n, r, w).ok());
        let before = before.map(|before| before.wanting(r.map(|r| r.max(before.meeting())), w));
        Quorums { before: before.unwrap_or(now), now }
    }

    /// N, R and W as the table says, or the cluster where it does not.
    pub fn declared(&self, known: Option<&TableSchema>) -> Quorum {
        let or = |own: Option<u8>, default: usize| own.unwrap_or(u8::try_from(default).unwrap_or(u8::MAX));
        let own = known.map(|table| {
            let (n, r, w) = (self.quorum.n(), self.quorum.r(), self.quorum.w());
            Quorum::new(or(table.n, n), or(table.r, r), or(table.w, w))
        });
        own.and_then(Result::ok).unwrap_or(self.quorum)
    }
}

/// The view has changed.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct ViewChanged(pub Arc<View>);

/// A link to a peer is ready.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct PeerUp {
    /// The peer.
    pub node: NodeId,
    /// The worker whose link it is.
    pub worker: usize,
}

/// A link to a peer is lost.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct PeerDown {
    /// The peer.
    pub node: NodeId,
    /// The worker whose link it was.
    pub worker: usize,
}

/// Send every view from now on, and the present one at once, to this recipient.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub actix::Recipient<ViewChanged>);

/// This node belongs to the cluster no more: its process has nothing to do.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct LeftCluster;

/// The view as it is.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Arc<View>")]
pub struct ReadView;
