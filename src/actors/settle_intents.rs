//! What a reader is shown of an item that a transaction has prepared: what is decided, and what was there before as long as nothing is.
//!
//! ```text
//!   intent ──▶ the record says committed ──▶ the item after
//!          ├─▶ it says pending, or aborted ──▶ the item before
//!          └─▶ there is no record ──▶ read again: the transaction is over, and the item says so by now; or it never began
//! ```

use std::rc::Rc;

use super::coordinate_get::{KeyRead, coordinate_get};
use super::coordination::Coordination;
use super::modify_in_turn::standing;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::siblings::Version;
use crate::item::{Conflict, Decision, Intent, Standing, TableSchema, TransactionId, TransactionRecord};
use crate::messages::TraceId;
use crate::messages::client::GetError;

/// Whether one of these has been prepared by a transaction.
pub(super) fn holds_intent<'a>(versions: impl IntoIterator<Item = &'a Version>) -> bool {
    versions.into_iter().any(|version| version.value.as_ref().is_some_and(|bytes| Intent::is_one(bytes)))
}

/// The versions of a key as a reader is shown them.
pub(super) async fn settle(
    cx: &Rc<Coordination>,
    trace: TraceId,
    key: &RecordKey,
    versions: impl IntoIterator<Item = Version>,
) -> Result<Vec<Version>, GetError> {
    let mut versions: Vec<Version> = versions.into_iter().collect();
    let mut known_to_be_open = None;
    while let Some(intent) = first_intent(&versions)? {
        let decision = match decision(cx, trace, intent.transaction).await? {
            Some(Standing::Decided(decision)) => decision,
            Some(Standing::Pending) => Decision::Aborted,
            None if known_to_be_open == Some(intent.transaction) => Decision::Aborted,
            None => {
                known_to_be_open = Some(intent.transaction);
                versions = read_again(cx, trace, key).await?;
                continue;
            }
        };
        versions = versions.into_iter().filter_map(|version| shown(version, intent.transaction, decision)).collect();
    }
    Ok(versions)
}

fn first_intent(versions: &[Version]) -> Result<Option<Intent>, GetError> {
    let bytes = versions.iter().filter_map(|version| version.value.as_ref()).find(|bytes| Intent::is_one(bytes));
    bytes.map(Intent::from_bytes).transpose().map_err(damaged)
}

/// The version as it is once this is decided; `None`: there is none.
pub(super) fn shown(version: Version, transaction: TransactionId, decision: Decision) -> Option<Version> {
    let intent = version.value.as_ref().filter(|bytes| Intent::is_one(bytes)).map(Intent::from_bytes);
    match intent {
        Some(Ok(intent)) if intent.transaction == transaction => {
            let value = intent.settled(decision);
            value.is_some().then_some(Version { value, ..version })
        }
        _ => Some(version),
    }
}

fn damaged<E>(_: E) -> GetError {
    GetError::InvalidKey { reason: "the stored item is damaged".to_owned() }
}

async fn decision(
    cx: &Rc<Coordination>,
    trace: TraceId,
    transaction: TransactionId,
) -> Result<Option<Standing>, GetError> {
    let table = TableSchema::transactions();
    let key = cx.record_key(table, &TransactionRecord::key(transaction));
    let record = read_surely(cx, trace, key, table).await?;
    Ok(super::modify_in_turn::newest(record).and_then(|bytes| standing(&bytes)))
}

async fn read_again(cx: &Rc<Coordination>, trace: TraceId, key: &RecordKey) -> Result<Vec<Version>, GetError> {
    let table = cx.view.stored_table(key.table()).unwrap_or_else(|| TableSchema::transactions());
    read_surely(cx, trace, key.clone(), table).await
}

/// From so many of its own replicas that one of them holds whatever a sequencer has written.
async fn read_surely(
    cx: &Rc<Coordination>,
    trace: TraceId,
    key: RecordKey,
    table: &TableSchema,
) -> Result<Vec<Version>, GetError> {
    let read = KeyRead { trace, key, terms: cx.sure_terms(table)?, conflict: Conflict::Lww };
    let (_, versions) = coordinate_get(Rc::clone(cx), read).await?.into_visible((cx.wall)());
    Ok(versions.into_iter().collect())
}
