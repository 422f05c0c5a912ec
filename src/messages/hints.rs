//! `HintedHandoff` and `Node`: which hints wait for a node, what is in them, and what has become of them.

use actix::Message;
use serde::{Deserialize, Serialize};

use super::LinkError;
use super::replica::ReadReplicaError;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::Siblings;

/// The next hints that wait for a node.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Vec<Hint>, ReadReplicaError>")]
pub struct NextHints {
    /// Whom they belong to.
    pub target: NodeId,
    /// Which of them, and in which order.
    pub which: WhichHints,
    /// At most this many.
    pub limit: usize,
}

/// Some of a node's hints, in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichHints {
    /// In the order of their keys, after this one.
    ByKey(Option<RecordKey>),
    /// The oldest first.
    ByAge {
        /// Only what was first kept before this instant, in ms since the Unix epoch.
        before_ms: u64,
        /// Only what comes after this one: when it was first kept, and its key.
        after: Option<(u64, RecordKey)>,
    },
}

/// A write that a node missed.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    /// The record.
    pub key: RecordKey,
    /// What the node has to merge.
    pub siblings: Siblings,
    /// When the record was first kept for that node, in ms since the Unix epoch.
    pub since_ms: u64,
}

/// These hints have been settled. Each is deleted unless it has grown since it was read.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct SettleHints {
    /// Whom they belonged to.
    pub target: NodeId,
    /// As they were read.
    pub hints: Vec<Hint>,
    /// What has become of them.
    pub how: Settlement,
}

/// What becomes of a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The node it belonged to has it on disk.
    Delivered,
    /// That node stores it no longer; all who do have it on disk.
    Retargeted,
    /// It was too old. W primaries have it on disk, and its range becomes dirty with the deletion.
    GivenUp,
}

/// Of which partitions do you keep hints for any of these nodes? As of a second ago.
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Vec<PartitionId>, LinkError>")]
pub struct HintedPartitions {
    /// The nodes.
    pub targets: Vec<NodeId>,
}

/// How many hints wait, per node?
#[derive(Clone, Debug, Message)]
#[rtype(result = "Vec<HintsPending>")]
pub struct CountHints;

/// The hints that wait for one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintsPending {
    /// Whom they belong to.
    pub target: NodeId,
    /// How many keys.
    pub keys: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

/// What waits in a shard, and what is known to be missing for good?
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "HintSurvey")]
pub struct SurveyHints;

/// The answer to [`SurveyHints`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HintSurvey {
    /// By target.
    pub waiting: Vec<HintsWaiting>,
    /// Ranges that hints will not repair.
    pub dirty: Vec<DirtyRange>,
}

/// What waits for one node in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HintsWaiting {
    /// Whom, how many, how large.
    pub pending: HintsPending,
    /// Since when the oldest waits, in ms since the Unix epoch.
    pub oldest_ms: u64,
    /// The partitions that they belong to.
    pub partitions: Vec<PartitionId>,
}

/// A partition of which a node misses writes that no hint will bring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirtyRange {
    /// The partition.
    pub partition: PartitionId,
    /// The node that misses something.
    pub peer: NodeId,
    /// How often something was missed. Who forgets the range says up to which time he knows of it.
    pub times: u64,
}

/// Somebody else remembers these ranges durably. Each is forgotten unless something was missed since.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct ForgetDirty {
    /// As they were told.
    pub ranges: Vec<DirtyRange>,
}
