//! What the actors answer where something went wrong, as errors of the API.

use actix::MailboxError;

use crate::http::dynamodb::error::{ApiError, CancellationReason};
use crate::item::Item;
use crate::messages::LinkError;
use crate::messages::client::{GetError, PutError};
use crate::messages::metadata::ChangeError;
use crate::messages::modify::ModifyError;
use crate::messages::transaction::TransactGetError;
use crate::metadata::CommandError;

/// The node is ending.
pub(super) fn stopped<E>(_: E) -> ApiError {
    ApiError::ServiceUnavailable { message: "the node is stopping".into() }
}

/// What is stored cannot be read.
pub(super) fn damaged<E>(_: E) -> ApiError {
    ApiError::InternalServerError { message: "a stored item is damaged on all replicas that answered".into() }
}

/// A table that was found is unknown to whoever works with it: it has just been created or deleted, or a node has just started, and not all
/// have heard of it. Whoever asks again learns which.
fn unsettled() -> ApiError {
    ApiError::ServiceUnavailable { message: "the table is not known everywhere yet: ask again".into() }
}

pub(super) fn of_get(error: GetError) -> ApiError {
    let message = error.to_string();
    match error {
        GetError::NoSuchTable { .. } => unsettled(),
        GetError::InvalidKey { .. } | GetError::InvalidQuorum(_) => ApiError::validation(message),
        GetError::Overloaded(_) => ApiError::Throttling { message: message.into() },
        GetError::QuorumNotReached { .. } => ApiError::ServiceUnavailable { message: message.into() },
    }
}

pub(super) fn of_put(error: PutError) -> ApiError {
    let message = error.to_string();
    match error {
        PutError::NoSuchTable { .. } => unsettled(),
        PutError::InvalidItem { .. }
        | PutError::InvalidKey { .. }
        | PutError::InvalidContext(_)
        | PutError::InvalidQuorum(_) => ApiError::validation(message),
        PutError::Overloaded(_) => ApiError::Throttling { message: message.into() },
        PutError::CannotReadFirst(error) => of_get(error),
        PutError::Refused(_) | PutError::QuorumNotReached { .. } | PutError::RingMoved => {
            ApiError::ServiceUnavailable { message: message.into() }
        }
    }
}

/// `shows`: the item as it is goes with the refusal.
pub(super) fn of_modify(error: ModifyError, shows: bool) -> ApiError {
    let message = error.to_string();
    match error {
        ModifyError::NoSuchTable { .. } => unsettled(),
        ModifyError::ConditionFailed { present } => {
            let item = present.filter(|_| shows).map(|bytes| Item::from_bytes(&bytes));
            match item.transpose() {
                Ok(item) => ApiError::condition_failed(item),
                Err(error) => damaged(error),
            }
        }
        ModifyError::KeepsSiblings { .. } | ModifyError::InvalidKey { .. } | ModifyError::Refused { .. } => {
            ApiError::validation(message)
        }
        ModifyError::InTransaction => ApiError::TransactionConflict,
        ModifyError::Overloaded(_) | ModifyError::NotItsTurn | ModifyError::PreparedTooLate => {
            ApiError::Throttling { message: message.into() }
        }
        ModifyError::Link(LinkError::Overloaded(_)) => ApiError::Throttling { message: message.into() },
        ModifyError::Read(error) => of_get(error),
        ModifyError::Write(error) => of_put(error),
        ModifyError::NotFirst | ModifyError::Stale(_) | ModifyError::Link(_) => {
            ApiError::ServiceUnavailable { message: message.into() }
        }
    }
}

pub(super) fn of_transact_get(error: TransactGetError) -> ApiError {
    match error {
        TransactGetError::Conflict { changing } => {
            let reason = |changes| if changes { CancellationReason::conflict() } else { CancellationReason::NONE };
            ApiError::TransactionCanceled { reasons: changing.into_iter().map(reason).collect() }
        }
        TransactGetError::Get(error) => of_get(error),
        TransactGetError::Overloaded(overloaded) => ApiError::Throttling { message: overloaded.to_string().into() },
    }
}

/// Of a change of a table with this name.
pub(super) fn of_change(error: ChangeError, name: &str) -> ApiError {
    let message = error.to_string();
    match error {
        ChangeError::Refused(refused) => match refused {
            CommandError::TableExists { .. } => {
                ApiError::ResourceInUse { message: format!("Table already exists: {name}").into() }
            }
            CommandError::NoSuchTable { .. } => ApiError::no_such_table(name),
            CommandError::Protected { .. } => ApiError::validation(
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
            ),
            CommandError::TooManyTables | CommandError::Setting { .. } => {
                ApiError::LimitExceeded { message: message.into() }
            }
            CommandError::RingMoves => ApiError::ResourceInUse { message: message.into() },
            _ => ApiError::validation(message),
        },
        ChangeError::NoLeader | ChangeError::Unknown => ApiError::ServiceUnavailable { message: message.into() },
    }
}

impl From<MailboxError> for ApiError {
    fn from(error: MailboxError) -> Self {
        stopped(error)
    }
}
