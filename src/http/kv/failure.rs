//! What a client of this surface is told when it does not get what it asked for.
//!
//! ```text
//!   KvError ── status, code ──▶ 404, "no_such_item"
//!           ── written ───────▶ of a PUT or DELETE: "no", or "unknown" (only with 504)
//!           ── to_json ───────▶ {"error": {"code": "...", "message": "...", ...}}
//! ```
//!
//! Statuses of 500 and above are never the client's doing. Of a write they say whether it may be there all the same: 503 says that it is
//! not, 504 that nobody knows.

use serde_json::{Map, Value, json};

use crate::dynamo::context::{Context, ContextError};
use crate::http::body::BodyError;
use crate::http::dynamodb::ApiError;
use crate::item::{CodecError, ItemError, KeyError};
use crate::messages::client::{GetError, PutError, ReplicaFailure, WriteOutcome};
use crate::messages::replica::{CoordinateWriteError, StorageRefusal};
use crate::messages::{LinkError, Overloaded};

/// Why a request was refused or not carried out. Unless a variant says otherwise nothing was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum KvError {
    /// The path is none of this surface: see the message for how one is spelt.
    InvalidPath {
        /// What is wrong with it.
        reason: String,
    },
    /// A parameter of the query is unknown, malformed, out of its range, or does not fit the others.
    InvalidParameter {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The body is not what this surface takes for an item.
    InvalidItem {
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The key does not fit the table.
    InvalidKey {
        /// What is wrong with it.
        reason: String,
    },
    /// The context cannot be used: get the item again.
    InvalidContext {
        /// Why.
        reason: String,
    },
    /// The cursor was not given out for this range: begin it anew.
    InvalidCursor,
    /// N, R or W is not what the table can do.
    InvalidQuorum {
        /// What can be asked for.
        reason: String,
    },
    /// The signature is missing or wrong.
    Signature(ApiError),
    /// A web page sends the request, and pages of its origin may not (`http.cors_origins`).
    OriginNotAllowed,
    /// There is nothing at this path.
    NoSuchResource,
    /// There is no such table.
    NoSuchTable {
        /// Its name.
        table: String,
    },
    /// There is no such item. What is known of it, also that it was deleted, is in the context.
    NoSuchItem {
        /// For the next write of this key.
        context: Context,
    },
    /// The method is none of this resource.
    MethodNotAllowed,
    /// The body could not be read.
    Body(BodyError),
    /// The item is larger than items may be.
    ItemTooLarge {
        /// Its size, and the limit.
        reason: String,
    },
    /// The key has too many siblings, or too large ones: get them, merge them, put with their context.
    TooManySiblings {
        /// How many, and the limit.
        reason: String,
    },
    /// A limit was reached before any work was done: later.
    Overloaded(Overloaded),
    /// The node does not serve yet, or is stopping: through another node, or later.
    NotServing,
    /// Too few replicas answered, or can take a write now: later. Of a write nothing is there, and nothing will be.
    Unavailable {
        /// What is missing.
        reason: String,
        /// How many had to answer, where that was the matter.
        needed: Option<u32>,
        /// How many did.
        got: Option<u32>,
        /// Who did not, and why.
        failures: Vec<ReplicaFailure>,
    },
    /// **The write may be there, or come to be there yet**: fewer than W replicas have it, or nobody knows. Read before you write again.
    OutcomeUnknown {
        /// What went wrong.
        reason: String,
        /// How many had to acknowledge, where that was the matter.
        needed: Option<u32>,
        /// How many did.
        got: Option<u32>,
        /// Who did not, and why.
        failures: Vec<ReplicaFailure>,
    },
    /// What is stored cannot be read.
    Damaged,
}

impl KvError {
    /// A parameter is wrong.
    pub(super) fn parameter(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidParameter { name: name.into(), reason: reason.into() }
    }

    /// Nothing is known but that it cannot be done now, and was not.
    fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), needed: None, got: None, failures: Vec::new() }
    }

    /// Nothing is known.
    fn unknown(reason: impl Into<String>) -> Self {
        Self::OutcomeUnknown { reason: reason.into(), needed: None, got: None, failures: Vec::new() }
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> u16 {
        self.status_and_code().0
    }

    /// What programs tell errors apart by.
    pub(super) fn code(&self) -> &'static str {
        self.status_and_code().1
    }

    fn status_and_code(&self) -> (u16, &'static str) {
        match self {
            Self::InvalidPath { .. } => (400, "invalid_path"),
            Self::InvalidParameter { .. } => (400, "invalid_parameter"),
            Self::InvalidItem { .. } => (400, "invalid_item"),
            Self::InvalidKey { .. } => (400, "invalid_key"),
            Self::InvalidContext { .. } => (400, "invalid_context"),
            Self::InvalidCursor => (400, "invalid_cursor"),
            Self::InvalidQuorum { .. } => (400, "invalid_quorum"),
            Self::Body(BodyError::Broken | BodyError::UnknownEncoding) => (400, "invalid_body"),
            Self::Signature(ApiError::MissingAuthenticationToken) => (401, "signature_missing"),
            Self::Signature(ApiError::IncompleteSignature { .. }) => (400, "signature_incomplete"),
            Self::Signature(ApiError::UnrecognizedClient) => (403, "access_key_unknown"),
            Self::Signature(_) => (403, "signature_wrong"),
            Self::OriginNotAllowed => (403, "origin_not_allowed"),
            Self::NoSuchResource => (404, "no_such_resource"),
            Self::NoSuchTable { .. } => (404, "no_such_table"),
            Self::NoSuchItem { .. } => (404, "no_such_item"),
            Self::MethodNotAllowed => (405, "method_not_allowed"),
            Self::Body(BodyError::TooSlow) => (408, "body_too_slow"),
            Self::TooManySiblings { .. } => (409, "too_many_siblings"),
            Self::Body(BodyError::TooLarge) => (413, "body_too_large"),
            Self::ItemTooLarge { .. } => (413, "item_too_large"),
            Self::Overloaded(_) => (429, "overloaded"),
            Self::Damaged => (500, "damaged_item"),
            Self::NotServing => (503, "not_serving"),
            Self::Unavailable { needed: Some(_), .. } => (503, "quorum_not_reached"),
            Self::Unavailable { .. } => (503, "unavailable"),
            Self::OutcomeUnknown { .. } => (504, "outcome_unknown"),
        }
    }

    /// What became of the write that is answered with this.
    pub(super) fn written(&self) -> &'static str {
        if matches!(self, Self::OutcomeUnknown { .. }) { "unknown" } else { "no" }
    }

    /// The context that goes with it.
    pub(super) fn context(&self) -> Option<&Context> {
        match self {
            Self::NoSuchItem { context } if !context.is_empty() => Some(context),
            _ => None,
        }
    }

    /// Whether the same read may well be answered a moment later.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Overloaded(_) | Self::Unavailable { .. })
    }

    /// The text for people.
    pub(super) fn message(&self) -> String {
        match self {
            Self::InvalidPath { reason }
            | Self::InvalidItem { reason }
            | Self::InvalidKey { reason }
            | Self::InvalidContext { reason }
            | Self::InvalidQuorum { reason }
            | Self::ItemTooLarge { reason }
            | Self::TooManySiblings { reason }
            | Self::Unavailable { reason, .. }
            | Self::OutcomeUnknown { reason, .. } => reason.clone(),
            Self::InvalidParameter { name, reason } => format!("{name}: {reason}"),
            Self::InvalidCursor => {
                "the cursor was not given out for this range: begin it anew, without a cursor".to_owned()
            }
            Self::Signature(error) => error.message().map(Into::into).unwrap_or_default(),
            Self::OriginNotAllowed => {
                "pages of this origin may not use this node: see http.cors_origins in its configuration".to_owned()
            }
            Self::NoSuchResource => {
                "there is nothing here: an item is at /kv/{table}/{key}, or /kv/{table}/{key}/{sort}".to_owned()
            }
            Self::NoSuchTable { table } => format!("there is no table `{table}`"),
            Self::NoSuchItem { .. } => "there is no such item".to_owned(),
            Self::MethodNotAllowed => "the methods are GET, HEAD, PUT and DELETE".to_owned(),
            Self::Body(error) => body_message(*error).to_owned(),
            Self::Overloaded(overloaded) => overloaded.to_string(),
            Self::NotServing => "the node does not serve yet, or is stopping: see /health".to_owned(),
            Self::Damaged => "the stored item is damaged on all replicas that answered".to_owned(),
        }
    }

    /// The body of the answer. Of a write it says what became of it.
    pub(super) fn to_json(&self, is_write: bool) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), self.code().into());
        error.insert("message".to_owned(), self.message().into());
        if is_write {
            error.insert("written".to_owned(), self.written().into());
        }
        match self {
            Self::Unavailable { needed, got, failures, .. } | Self::OutcomeUnknown { needed, got, failures, .. } => {
                let failed = |failure: &ReplicaFailure| json!({ "node": failure.node.to_string(), "reason": failure.reason.to_string() });
                let numbers = [("needed", needed), ("got", got)];
                error.extend(numbers.into_iter().filter_map(|(name, n)| Some((name.to_owned(), (*n)?.into()))));
                if !failures.is_empty() {
                    error.insert("failures".to_owned(), failures.iter().map(failed).collect());
                }
            }
            Self::Overloaded(Overloaded { limit, max }) => {
                error.insert("limit".to_owned(), limit.as_str().into());
                error.insert("max".to_owned(), (*max).into());
            }
            _ => {}
        }
        json!({ "error": error })
    }
}

/// A write was under way when the node stopped.
pub(super) fn lost() -> KvError {
    KvError::unknown("the node is stopping, and the write was under way")
}

fn body_message(error: BodyError) -> &'static str {
    match error {
        BodyError::TooLarge => "the body is larger than 16 MiB",
        BodyError::TooSlow => "the body did not arrive in time",
        BodyError::Broken => "the body breaks off, or is not packed as Content-Encoding says",
        BodyError::UnknownEncoding => "a body may have the Content-Encoding gzip, or none",
    }
}

impl From<BodyError> for KvError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<ContextError> for KvError {
    fn from(error: ContextError) -> Self {
        // The words of the value are those of the command line.
        let reason = match error {
            ContextError::Malformed => "the context is not one that this server gave out: copy it whole".to_owned(),
            ContextError::AnotherKey => "the context belongs to another key".to_owned(),
            ContextError::NewerVersion { .. } => error.to_string(),
        };
        Self::InvalidContext { reason }
    }
}

impl From<KeyError> for KvError {
    fn from(error: KeyError) -> Self {
        Self::InvalidKey { reason: error.to_string() }
    }
}

impl From<ItemError> for KvError {
    fn from(error: ItemError) -> Self {
        let reason = error.to_string();
        match error {
            ItemError::TooLarge { .. } => Self::ItemTooLarge { reason },
            _ => Self::InvalidItem { reason },
        }
    }
}

impl From<CodecError> for KvError {
    fn from(_: CodecError) -> Self {
        Self::Damaged
    }
}

impl From<GetError> for KvError {
    fn from(error: GetError) -> Self {
        let reason = error.to_string();
        match error {
            GetError::NoSuchTable { table } => Self::NoSuchTable { table },
            GetError::InvalidKey { reason } => Self::InvalidKey { reason },
            GetError::InvalidQuorum(_) => Self::InvalidQuorum { reason },
            GetError::Overloaded(overloaded) => Self::Overloaded(overloaded),
            GetError::QuorumNotReached { needed, got, failures } => {
                Self::Unavailable { reason, needed: Some(needed), got: Some(got), failures }
            }
        }
    }
}

impl From<PutError> for KvError {
    fn from(error: PutError) -> Self {
        let reason = error.to_string();
        match error {
            PutError::NoSuchTable { table } => Self::NoSuchTable { table },
            PutError::InvalidItem { reason } => Self::InvalidItem { reason },
            PutError::InvalidKey { reason } => Self::InvalidKey { reason },
            PutError::InvalidContext(error) => error.into(),
            PutError::InvalidQuorum(_) => Self::InvalidQuorum { reason },
            PutError::Overloaded(overloaded) => Self::Overloaded(overloaded),
            PutError::Refused(refused) => Self::of_refused(refused, reason),
            PutError::CannotReadFirst(error) => error.into(),
            PutError::QuorumNotReached { needed, got, failures, outcome } => {
                let (needed, got) = (Some(needed), Some(got));
                match outcome {
                    WriteOutcome::NotApplied => Self::of_not_applied(reason, needed, got, failures),
                    WriteOutcome::Unknown => Self::OutcomeUnknown { reason, needed, got, failures },
                }
            }
            PutError::RingMoved => Self::unavailable(reason),
        }
    }
}

impl KvError {
    fn of_refused(refused: CoordinateWriteError, reason: String) -> Self {
        match refused {
            CoordinateWriteError::TooManySiblings { .. } | CoordinateWriteError::SiblingsTooLarge { .. } => {
                Self::TooManySiblings { reason }
            }
            // Only a context brings the time of somebody else.
            CoordinateWriteError::ClockTooFarAhead(_) => Self::InvalidContext { reason },
            CoordinateWriteError::Link(LinkError::Overloaded(overloaded)) => Self::Overloaded(overloaded),
            CoordinateWriteError::HintsFull { .. }
            | CoordinateWriteError::Stale(_)
            | CoordinateWriteError::Storage(StorageRefusal::DiskFull { .. })
            | CoordinateWriteError::Link(LinkError::Unreachable) => Self::unavailable(reason),
            CoordinateWriteError::Storage(StorageRefusal::Failed { .. }) | CoordinateWriteError::Link(_) => {
                Self::unknown(reason)
            }
        }
    }

    /// Where every replica that could be asked finds the context to be from the future, the context is what is wrong.
    fn of_not_applied(reason: String, needed: Option<u32>, got: Option<u32>, failures: Vec<ReplicaFailure>) -> Self {
        use crate::messages::client::FailureReason::{Coordinate, Down};
        let ahead =
            |failure: &ReplicaFailure| matches!(failure.reason, Coordinate(CoordinateWriteError::ClockTooFarAhead(_)));
        let is_down = |failure: &ReplicaFailure| failure.reason == Down;
        if failures.iter().any(ahead) && failures.iter().all(|failure| ahead(failure) || is_down(failure)) {
            return Self::InvalidContext { reason };
        }
        Self::Unavailable { reason, needed, got, failures }
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
