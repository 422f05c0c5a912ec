//! Changes and reads of several items that are one: all of them happen at one time, or none does.
//!
//! ```text
//!   client ── TransactWrite ──▶ TransactionCoordinator of any node ── Modify(Prepare) ──▶ the sequencer of each item
//!                                        │            └───────────── Modify(commit) ───▶ the sequencer of the transaction's record
//!                                        └── the answer, and then ── Modify(Settle) ───▶ the sequencer of each item
//! ```

use actix::Message;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::client::{GetError, Scan, ScanReply};
use super::{Overloaded, TraceId};
use crate::item::{Modification, Token};

/// Changes several items of `lww` tables, if each is as its condition says.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Transacted, TransactError>")]
pub struct TransactWrite {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// What is done, no item twice.
    pub writes: Vec<TransactedWrite>,
    /// A name under which the same request is carried out once.
    pub token: Option<Token>,
    /// Give up after this many milliseconds, if that is sooner than `limits.request_timeout_ms`.
    pub timeout_ms: Option<u32>,
}

/// One of the changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransactedWrite {
    /// The table's name.
    pub table: String,
    /// The key, as `Key::to_bytes` encodes it.
    pub key: Bytes,
    /// The change; `Action::Keep` only checks.
    pub modification: Modification,
}

/// All of it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transacted {
    /// The items before and after, as `Item::to_bytes` encodes them, in the order of the request. Empty where it had been done before, under its token.
    pub items: Vec<(Option<Bytes>, Option<Bytes>)>,
}

/// Why a transaction was not carried out, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum TransactError {
    /// One of the items is not as it must be, or is in another transaction. Nothing was written.
    #[error("the transaction was cancelled")]
    Cancelled {
        /// For each of the changes why it could not be made; `None`: it could.
        reasons: Vec<Option<CancelReason>>,
    },
    /// One of the tables does not exist. Nothing was written.
    #[error("there is no table `{table}`")]
    NoSuchTable {
        /// The name asked for.
        table: String,
    },
    /// What was asked cannot be. Nothing was written.
    #[error("{reason}")]
    Invalid {
        /// Why.
        reason: String,
    },
    /// A request under the same token is on its way. Ask again later.
    #[error("the transaction with this token is in progress")]
    InProgress,
    /// Another request was carried out under the same token. Nothing was written now.
    #[error("another transaction was carried out under this token")]
    TokenOfAnother,
    /// A limit was reached before any work was done. Nothing was written.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// An item could not be read or written. Nothing of the transaction is or will be seen.
    #[error("the transaction was aborted: {reason}")]
    Aborted {
        /// What could not be done.
        reason: String,
    },
    /// It was to be committed, and no answer came: it may be, as a whole or not at all.
    #[error("the transaction may be committed or not: {reason}")]
    Unknown {
        /// What went wrong.
        reason: String,
    },
}

/// Why one item kept a transaction from being carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelReason {
    /// It is not as the condition says.
    ConditionFailed {
        /// The item as it is, as `Item::to_bytes` encodes it.
        present: Option<Bytes>,
    },
    /// Another transaction is changing it.
    Conflict,
    /// The change cannot be made of it.
    Refused {
        /// Why, in the words of the DynamoDB API.
        reason: String,
    },
    /// Its turn did not come in time.
    Throttled,
}

/// Reads several items of `lww` tables as they all were at one time.
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Vec<Option<Bytes>>, TransactGetError>")]
pub struct TransactGet {
    /// Names the request in the logs.
    pub trace: TraceId,
    /// Which: the name of the table, and the key as `Key::to_bytes` encodes it.
    pub keys: Vec<(String, Bytes)>,
    /// Give up after this many milliseconds, if that is sooner than `limits.request_timeout_ms`.
    pub timeout_ms: Option<u32>,
}

/// A slice of the table of transactions, for whoever brings them to an end.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<ScanReply, GetError>")]
pub struct ReadRecords(pub Scan);

/// Why items were not read.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum TransactGetError {
    /// They went on changing while they were read.
    #[error("the items changed while they were read")]
    Conflict {
        /// For each of the keys whether it was that one.
        changing: Vec<bool>,
    },
    /// One of them could not be read.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A limit was reached before any work was done.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
}
