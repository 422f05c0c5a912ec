//! A client, or the admin REPL, to the coordinator: put, get, delete, scan, where.

use actix::Message;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::replica::{CoordinateWriteError, ReadReplicaError, WriteReplicaError};
use super::{Overloaded, TraceId};
use crate::dynamo::context::{Context, ContextError};
use crate::dynamo::key_range::KeyRange;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::preference_list::Role;
use crate::dynamo::quorum::QuorumError;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::{Siblings, Version, Versions};
use crate::item::TableSchema;

/// Write an item. Its key attributes say which.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<PutReply, PutError>")]
pub struct Put {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// The table's name.
    pub table: String,
    /// The item, as `Item::to_bytes` encodes it.
    pub item: Bytes,
    /// What the client has seen of this key; none: nothing, so what is there stays beside it (on an `lww` table: is replaced).
    pub context: Option<Context>,
    /// Hide the item after this many milliseconds.
    pub ttl_ms: Option<u64>,
    /// Acknowledgements to wait for, instead of the table's W.
    pub w: Option<u8>,
    /// Give up after this many milliseconds, if that is sooner than `limits.request_timeout_ms`.
    pub timeout_ms: Option<u32>,
}

/// Delete an item: write a tombstone that supersedes what the context has seen.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<PutReply, PutError>")]
pub struct Delete {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// The table's name.
    pub table: String,
    /// The key, as `Key::to_bytes` encodes it.
    pub key: Bytes,
    /// What the client has seen; none: whatever R replicas hold at the time is read first and deleted.
    pub context: Option<Context>,
    /// Acknowledgements to wait for, instead of the table's W.
    pub w: Option<u8>,
    /// Give up after this many milliseconds, if that is sooner than `limits.request_timeout_ms`.
    pub timeout_ms: Option<u32>,
}

/// W replicas hold the write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutReply {
    /// For the next write of this key by the same client. It covers this write and what its context covered; siblings that the client
    /// has not read stay beside its next write.
    pub context: Context,
    /// How many visible versions the key holds now, this one included: more than one are siblings to be merged.
    pub siblings: u32,
}

/// Why a put or delete did not succeed, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum PutError {
    /// No such table. Nothing was written.
    #[error("there is no table `{table}`")]
    NoSuchTable {
        /// The name asked for.
        table: String,
    },
    /// The item or the key is not valid. Nothing was written.
    #[error("{reason}")]
    InvalidItem {
        /// What is wrong with it, and the limit.
        reason: String,
    },
    /// The key attributes are missing, of the wrong type, or too long. Nothing was written.
    #[error("{reason}")]
    InvalidKey {
        /// What is wrong with it, and the limit.
        reason: String,
    },
    /// The context cannot be used. Nothing was written.
    #[error(transparent)]
    InvalidContext(#[from] ContextError),
    /// W is out of range. Nothing was written.
    #[error(transparent)]
    InvalidQuorum(#[from] QuorumError),
    /// A limit was reached before any work was done. Nothing was written.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The key has too many siblings, or too large ones. Nothing was written.
    #[error(transparent)]
    Refused(CoordinateWriteError),
    /// A delete without a context reads first, and that failed. Nothing was written.
    #[error("what is to be deleted could not be read: {0}")]
    CannotReadFirst(GetError),
    /// Fewer than W replicas acknowledged by the deadline. The write may survive on those that did and may yet reach the others:
    /// read before you write again.
    #[error("quorum not reached: {needed} acknowledgements needed, {got} came{}; {outcome}", reasons(failures))]
    QuorumNotReached {
        /// W.
        needed: u32,
        /// Durable acknowledgements that count.
        got: u32,
        /// Who did not acknowledge, and why.
        failures: Vec<ReplicaFailure>,
        /// What became of the write.
        outcome: WriteOutcome,
    },
    /// It was decided in a ring that is no longer the newest one. Nothing was written: decide again.
    #[error("the ring has moved on since the write was decided; nothing was written")]
    RingMoved,
}

/// What became of a write that was not acknowledged by W replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum WriteOutcome {
    /// No replica holds it, and none will.
    #[error("nothing was written")]
    NotApplied,
    /// Some replicas may hold it, and it may yet reach the others.
    #[error("the write may survive on fewer replicas than that")]
    Unknown,
}

/// Read an item.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<GetReply, GetError>")]
pub struct Get {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// The table's name.
    pub table: String,
    /// The key, as `Key::to_bytes` encodes it.
    pub key: Bytes,
    /// Replicas to ask, instead of the table's R.
    pub r: Option<u8>,
    /// Give up after this many milliseconds, if that is sooner than `limits.request_timeout_ms`.
    pub timeout_ms: Option<u32>,
}

/// What R replicas know together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GetReply {
    /// The visible versions; more than one are siblings; none: there is no such item.
    pub versions: Versions,
    /// For the next write of this key.
    pub context: Context,
}

/// Why a get did not succeed. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum GetError {
    /// No such table.
    #[error("there is no table `{table}`")]
    NoSuchTable {
        /// The name asked for.
        table: String,
    },
    /// The key is not valid for the table.
    #[error("{reason}")]
    InvalidKey {
        /// What is wrong with it, and the limit.
        reason: String,
    },
    /// R is out of range.
    #[error(transparent)]
    InvalidQuorum(#[from] QuorumError),
    /// A limit was reached before any work was done.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// Fewer than R replicas answered by the deadline.
    #[error("quorum not reached: {needed} answers needed, {got} came{}", reasons(failures))]
    QuorumNotReached {
        /// R.
        needed: u32,
        /// Answers.
        got: u32,
        /// Who did not answer, and why.
        failures: Vec<ReplicaFailure>,
    },
}

/// The next slice of a table, partition by partition, in an order that stays the same while the ring does.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<ScanReply, GetError>")]
pub struct Scan {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// The table's name.
    pub table: String,
    /// Where the last slice ended; none: from the start.
    pub cursor: Option<ScanCursor>,
    /// The first partition that is no part of the scan; none: to the end of the ring.
    pub until: Option<PartitionId>,
    /// At most about this many items.
    pub limit: u32,
    /// Replicas to ask, instead of the table's R.
    pub r: Option<u8>,
    /// Give up after this many milliseconds, if that is sooner than `limits.request_timeout_ms`.
    pub timeout_ms: Option<u32>,
}

/// A place in a scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanCursor {
    /// The partition to go on with.
    pub partition: PartitionId,
    /// The last key seen in it.
    pub after: Option<RecordKey>,
}

/// A slice of a table: only keys with a visible version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanReply {
    /// Each key's visible versions, in key order within a partition.
    pub items: Vec<Vec<Version>>,
    /// Where to go on; none: that was all.
    pub next: Option<ScanCursor>,
}

/// The items of one partition key, in the order of their sort keys.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<QueryReply, GetError>")]
pub struct Query {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// The table's name.
    pub table: String,
    /// The partition key, as `Key::partition_bytes` encodes it.
    pub partition_key: Bytes,
    /// Which of its items. The prefix begins with the partition key.
    pub range: KeyRange,
    /// At most about this many items.
    pub limit: u32,
    /// Replicas to ask, instead of the table's R.
    pub r: Option<u8>,
    /// Give up after this many milliseconds, if that is sooner than `limits.request_timeout_ms`.
    pub timeout_ms: Option<u32>,
}

/// Items of one partition key: only those with a visible version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryReply {
    /// Each item's visible versions, in the order that was asked for.
    pub items: Vec<Vec<Version>>,
    /// The key after which to go on, for [`KeyRange::after`]; none: that was all.
    pub next: Option<Bytes>,
}

/// Who is responsible for a key, and what does each of them hold?
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<WhereReply, GetError>")]
pub struct Where {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// The table's name.
    pub table: String,
    /// The key, as `Key::to_bytes` encodes it.
    pub key: Bytes,
}

/// A key's place in the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhereReply {
    /// The partition it falls into.
    pub partition: PartitionId,
    /// The primaries in order, and fallbacks that stand in for them now or hold a hint.
    pub replicas: Vec<WhereReplica>,
}

/// One replica's part in [`WhereReply`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhereReplica {
    /// The node.
    pub node: NodeId,
    /// Its part for this key.
    pub role: Role,
    /// What it answered.
    pub holds: Result<Siblings, ReadReplicaError>,
}

/// Which tables are there?
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Vec<TableSchema>, super::admin::AdminError>")]
pub struct ListTables;

/// One replica that did not do its part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaFailure {
    /// The node.
    pub node: NodeId,
    /// What it answered, or that it did not.
    pub reason: FailureReason,
}

/// What a replica answered instead of doing its part.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum FailureReason {
    /// It is not reachable and nobody may stand in for it.
    #[error("down")]
    Down,
    /// It did not answer by the deadline.
    #[error("no answer in time")]
    NoAnswer,
    /// It did not mint.
    #[error(transparent)]
    Coordinate(CoordinateWriteError),
    /// It did not acknowledge.
    #[error(transparent)]
    Write(WriteReplicaError),
    /// It could not read.
    #[error(transparent)]
    Read(ReadReplicaError),
}

fn reasons(failures: &[ReplicaFailure]) -> String {
    let list: Vec<String> = failures.iter().map(|failure| format!("{}: {}", failure.node, failure.reason)).collect();
    if list.is_empty() { String::new() } else { format!(" ({})", list.join("; ")) }
}

impl From<crate::item::KeyError> for PutError {
    fn from(error: crate::item::KeyError) -> Self {
        Self::InvalidKey { reason: error.to_string() }
    }
}

impl From<crate::item::KeyError> for GetError {
    fn from(error: crate::item::KeyError) -> Self {
        Self::InvalidKey { reason: error.to_string() }
    }
}
