//! `HintedHandoff` and `Node`: which hints wait for a node, and which have been delivered.

use actix::Message;
use serde::{Deserialize, Serialize};

use super::replica::ReadReplicaError;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::siblings::Siblings;

/// The next hints that wait for a node, in key order.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Vec<Hint>, ReadReplicaError>")]
pub struct NextHints {
    /// Whom they belong to.
    pub target: NodeId,
    /// Only keys greater than this one.
    pub after: Option<RecordKey>,
    /// At most this many.
    pub limit: usize,
}

/// A write that a node missed.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    /// The record.
    pub key: RecordKey,
    /// What the node has to merge.
    pub siblings: Siblings,
}

/// The node it belonged to has acknowledged this hint durably. It is deleted unless it has grown since it was read.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct HintDelivered {
    /// Whom it belonged to.
    pub target: NodeId,
    /// The hint as it was delivered.
    pub hint: Hint,
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
