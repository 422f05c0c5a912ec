//! Changes that depend on what an item is: read, decided and written one after the other at one node.
//!
//! ```text
//!   client ── Modify ──▶ WriteSequencer of any node ── SequenceModify ──▶ WriteSequencer of the key's first live replica
//!                                                                            │ Get, decide, WriteSequenced
//!                                                                            ▼
//!                                                                  ReplicationCoordinator of that node
//! ```

use actix::Message;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::client::{GetError, GetReply, PutError, PutReply};
use super::replica::StaleEpoch;
use super::{LinkError, Overloaded, TraceId};
use crate::dynamo::context::Context;
use crate::dynamo::ring::PartitionId;
use crate::item::Step;

/// Change an item of an `lww` table, if it is as the condition says.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Modified, ModifyError>")]
pub struct Modify {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// The table's name.
    pub table: String,
    /// The key, as `Key::to_bytes` encodes it.
    pub key: Bytes,
    /// What is done to the item when it is its turn.
    pub step: Step,
    /// Give up after this many milliseconds, if that is sooner than `limits.request_timeout_ms`.
    pub timeout_ms: Option<u32>,
}

/// W replicas hold the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modified {
    /// The item before, as `Item::to_bytes` encodes it; none: there was none.
    pub old: Option<Bytes>,
    /// The item now; none: there is none.
    pub new: Option<Bytes>,
}

/// Why an item was not changed, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ModifyError {
    /// No such table. Nothing was written.
    #[error("there is no table `{table}`")]
    NoSuchTable {
        /// The name asked for.
        table: String,
    },
    /// The table keeps siblings: what its items are may be several things at once. Nothing was written. Put with a context instead.
    #[error("the table `{table}` keeps siblings: its items are changed by a put with the context of a get")]
    KeepsSiblings {
        /// The table.
        table: String,
    },
    /// The key is not valid for the table. Nothing was written.
    #[error("{reason}")]
    InvalidKey {
        /// What is wrong with it, and the limit.
        reason: String,
    },
    /// The item is not as the condition says. Nothing was written.
    #[error("The conditional request failed")]
    ConditionFailed {
        /// The item as it is, as `Item::to_bytes` encodes it.
        present: Option<Bytes>,
    },
    /// The change cannot be made of this item. Nothing was written.
    #[error("{reason}")]
    Refused {
        /// Why, in the words of the DynamoDB API.
        reason: String,
    },
    /// A transaction under way has prepared the item. Nothing was written.
    #[error("Transaction is ongoing for the item")]
    InTransaction,
    /// The transaction's time is over before the item was prepared. Nothing was written.
    #[error("the item's turn came after the transaction's deadline; nothing was written")]
    PreparedTooLate,
    /// A limit was reached before any work was done. Nothing was written.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The item could not be read. Nothing was written.
    #[error("the item could not be read: {0}")]
    Read(GetError),
    /// The change, or one before it on which it depends, was not acknowledged: the error says whether it may have been applied.
    #[error(transparent)]
    Write(PutError),
    /// It was not this change's turn before the deadline. Nothing was written.
    #[error("too many changes of the same item: its turn did not come in time; nothing was written")]
    NotItsTurn,
    /// The receiver is not the first live replica of the key, as far as it knows. Nothing was written.
    #[error("not the first live replica of the key")]
    NotFirst,
    /// The sender's ring is too old. Nothing was written.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// The first live replica was not reached; after a lost connection or a time-out the change may be applied.
    #[error("the first replica of the key: {0}")]
    Link(#[from] LinkError),
}

/// Make this change where the key's writes are put in order: the receiver is its first live replica.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Modified, ModifyError>")]
pub struct SequenceModify {
    /// The epoch of the ring that the sender knows.
    pub epoch: u64,
    /// The partition that the key falls into.
    pub partition: PartitionId,
    /// Whether it has been passed on once: it is not again.
    pub forwarded: bool,
    /// The change.
    pub modify: Modify,
}

/// Read an item from so many of its own replicas that one of them holds whatever was acknowledged, and from nobody who stands in.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<GetReply, GetError>")]
pub struct ReadSurely {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// The table's name.
    pub table: String,
    /// The key, as `Key::to_bytes` encodes it.
    pub key: Bytes,
    /// The epoch of the ring that the asker knows: in no older one it is read.
    pub least_epoch: u64,
    /// Whether what a transaction has prepared is told as it is stored, for whoever decides about it.
    pub as_stored: bool,
    /// Whether it is put back as it is before the answer, so that W replicas hold what was read: it may be what a write left that was not acknowledged.
    pub puts_back: bool,
    /// Give up after this many milliseconds, if that is sooner than `limits.request_timeout_ms`.
    pub timeout_ms: Option<u32>,
}

/// Write what a sequencer has decided, in this ring and no newer one: who decides in that one may not have seen it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<PutReply, PutError>")]
pub struct WriteSequenced {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// The epoch of the ring in which it was decided.
    pub epoch: u64,
    /// The table's name.
    pub table: String,
    /// The key, as `Key::to_bytes` encodes it.
    pub key: Bytes,
    /// What the decision was made of.
    pub seen: Context,
    /// The item as it will be, as `Item::to_bytes` encodes it; none: it is deleted.
    pub item: Option<Bytes>,
    /// Give up after this many milliseconds, if that is sooner than `limits.request_timeout_ms`.
    pub timeout_ms: Option<u32>,
}
