//! The numbered operations of the bridge and the message type of each.
//!
//! A number is never reused and never changes its meaning: a test compares recorded frames with what this version writes.

use std::fmt::Debug;

use actix::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::messages::{
    admin, balancing, client, detection, garbage, hints, load, metadata, modify, repair, replica, ring, transaction,
};

/// A message that travels over the bridge.
pub trait BridgeRequest:
    Message<Result = Result<Self::Reply, Self::Error>> + Serialize + DeserializeOwned + Send + 'static
{
    /// Its number.
    const OPERATION: Operation;
    /// What answers it.
    type Reply: Serialize + DeserializeOwned + Debug + Send + 'static;
    /// What refuses it.
    type Error: Serialize + DeserializeOwned + Debug + Send + 'static;
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $message:ty => $reply:ty, $error:ty;)*) => {
        /// What a request frame asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Operation { $($(#[$doc])* $name = $number,)* }

        impl Operation {
            /// Every operation of this version.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// The operation with this number, if this version has it.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }

        $(impl BridgeRequest for $message {
            const OPERATION: Operation = Operation::$name;
            type Reply = $reply;
            type Error = $error;
        })*
    };
}

operations! {
    /// Client: write an item.
    Put = 1, client::Put => client::PutReply, client::PutError;
    /// Client: delete an item.
    Delete = 2, client::Delete => client::PutReply, client::PutError;
    /// Client: read an item.
    Get = 3, client::Get => client::GetReply, client::GetError;
    /// Client: a slice of a table.
    Scan = 4, client::Scan => client::ScanReply, client::GetError;
    /// Client: who holds what of a key.
    Where = 5, client::Where => client::WhereReply, client::GetError;
    /// Client: the tables.
    ListTables = 6, client::ListTables => Vec<crate::item::TableSchema>, admin::AdminError;
    /// Client: items of one partition key.
    Query = 7, client::Query => client::QueryReply, client::GetError;
    /// Client: change an item as it is.
    Modify = 8, modify::Modify => modify::Modified, modify::ModifyError;
    /// Client: change several items, or none.
    TransactWrite = 9, transaction::TransactWrite => transaction::Transacted, transaction::TransactError;
    /// Client: several items as they were at one time.
    TransactGet = 10, transaction::TransactGet => Vec<Option<bytes::Bytes>>, transaction::TransactGetError;
    /// Peer: mint a dot.
    CoordinateWrite = 20, replica::CoordinateWrite => crate::dynamo::siblings::Siblings, replica::CoordinateWriteError;
    /// Peer: hold a copy.
    WriteReplica = 21, replica::WriteReplica => (), replica::WriteReplicaError;
    /// Peer: show a copy.
    ReadReplica = 22, replica::ReadReplica => crate::dynamo::siblings::Siblings, replica::ReadReplicaError;
    /// Peer: show a slice of copies.
    ScanReplica = 23, replica::ScanReplica => replica::ScanSlice, replica::ReadReplicaError;
    /// Peer: show a copy unless it is like mine.
    CompareReplica = 24, replica::CompareReplica => Option<crate::dynamo::siblings::Siblings>, replica::ReadReplicaError;
    /// Peer: rumours of who is up, answered with rumours.
    Gossip = 25, detection::Gossip => detection::Rumours, crate::messages::LinkError;
    /// Peer: messages of the log of metadata.
    StepLog = 26, metadata::StepLog => (), crate::messages::LinkError;
    /// Peer: it takes part in that log under this number.
    EnrolLog = 27, metadata::EnrolLog => (), crate::messages::LinkError;
    /// Peer: have this agreed on.
    Propose = 28, metadata::Propose => u64, metadata::ProposeError;
    /// Peer: change an item where its writes are put in order.
    SequenceModify = 29, modify::SequenceModify => modify::Modified, modify::ModifyError;
    /// Peer: the digest of a partition.
    ReadRoot = 30, repair::ReadRoot => repair::RootState, repair::RepairError;
    /// Peer: the digests of its buckets.
    ReadLeaves = 31, repair::ReadLeaves => Vec<crate::dynamo::merkle::Digest>, repair::RepairError;
    /// Peer: the keys of some buckets.
    ListBuckets = 32, repair::ListBuckets => repair::BucketSlice, repair::RepairError;
    /// Peer: a tree and its records do not fit.
    DistrustTree = 33, repair::DistrustTree => (), repair::RepairError;
    /// Peer: what it holds of tombstones.
    ProbeTombstones = 34, garbage::ProbeTombstones => Vec<crate::dynamo::collection::CopyState>, garbage::CollectError;
    /// Peer: delete them.
    CollectTombstones = 35, garbage::CollectTombstones => u64, garbage::CollectError;
    /// Peer: where it keeps hints for some nodes.
    HintedPartitions = 36, hints::HintedPartitions => Vec<crate::dynamo::ring::PartitionId>, crate::messages::LinkError;
    /// Peer: which epoch of the metadata it goes by.
    ReadEpoch = 37, metadata::ReadEpoch => u64, crate::messages::LinkError;
    /// Peer: the metadata that it goes by.
    FetchMetadata = 38, metadata::FetchMetadata => Option<metadata::FetchedMetadata>, crate::messages::LinkError;
    /// Peer: what it knows of its part in a move.
    TendMove = 39, ring::TendMove => ring::MoveTended, crate::messages::LinkError;
    /// Admin: the state of things.
    DescribeStatus = 40, admin::DescribeStatus => admin::Status, admin::AdminError;
    /// Admin: the members.
    DescribeNodes = 41, admin::DescribeNodes => Vec<admin::NodeRow>, admin::AdminError;
    /// Admin: the ring.
    DescribeRing = 42, admin::DescribeRing => admin::RingDescription, admin::AdminError;
    /// Admin: the metrics.
    ReadMetrics = 43, admin::ReadMetrics => String, admin::AdminError;
    /// Admin: what waits for other nodes.
    DescribeHints = 44, admin::DescribeHints => Vec<admin::HintsRow>, admin::AdminError;
    /// Admin: who reaches whom.
    DescribeLinks = 45, detection::DescribeLinks => Vec<crate::dynamo::link_matrix::LinkCell>, admin::AdminError;
    /// Admin: how far anti-entropy is.
    DescribeRepair = 46, repair::DescribeRepair => repair::RepairStatus, admin::AdminError;
    /// Admin: run, pause or resume it.
    ControlRepair = 47, repair::ControlRepair => repair::RepairStatus, repair::ControlRepairError;
    /// Admin: which tombstones are there, and why.
    DescribeTombstones = 48, garbage::DescribeTombstones => garbage::TombstoneReport, admin::AdminError;
    /// Admin: what is asked of the cluster.
    DescribeLoad = 50, load::DescribeLoad => load::ClusterLoad, admin::AdminError;
    /// Peer, and admin: what is asked of this node.
    ReadLoad = 51, load::ReadLoad => load::NodeLoad, crate::messages::LinkError;
    /// Admin: how the metadata stands.
    DescribeMetadata = 52, metadata::DescribeMetadata => metadata::MetadataStatus, admin::AdminError;
    /// Admin: create, alter, drop tables.
    ChangeTables = 53, metadata::ChangeTables => u64, metadata::ChangeError;
    /// Admin: stage a node that waits to be joined.
    StageNode = 54, ring::StageNode => crate::dynamo::node_id::NodeId, ring::StageError;
    /// Admin: stage another change, or forget all.
    ChangeRing = 55, ring::ChangeRing => u64, metadata::ChangeError;
    /// Admin: what a commit would do.
    DescribePlan = 56, ring::DescribePlan => ring::PlanDescription, metadata::ChangeError;
    /// Admin: commit.
    CommitPlan = 57, ring::CommitPlan => u64, metadata::ChangeError;
    /// Admin: what moves.
    DescribeTasks = 58, ring::DescribeTasks => Vec<ring::TaskRow>, admin::AdminError;
    /// Admin: balance the load.
    Rebalance = 59, balancing::Rebalance => balancing::Rebalancing, balancing::RebalanceError;
}
