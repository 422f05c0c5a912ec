//! To `AntiEntropy`: compare this range soon.

use actix::Message;
use thiserror::Error;

use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::PartitionId;

/// The copies of this partition here and on that peer may differ: compare them soon. Answered once the mark is durable.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[rtype(result = "Result<(), MarkDirtyError>")]
pub struct MarkDirty {
    /// The partition.
    pub partition: PartitionId,
    /// The other primary.
    pub peer: NodeId,
}

/// The mark is not on the disk. The range is compared soon all the same, unless this process ends before.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the range is marked in memory only: {reason}")]
pub struct MarkDirtyError {
    /// What the storage said.
    pub reason: String,
}
