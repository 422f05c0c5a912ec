//! The story of the changes of one key whose turn it is: read the item once, decide one after the other, write the last result, answer all.
//!
//! Nobody is told of a change before W replicas hold the result of the whole turn. Where that write fails, it fails for everybody whose change is in it, or who
//! was refused because of what is in it.

use std::sync::Arc;

use actix::Recipient;
use bytes::Bytes;
use tokio::time::Instant;

use super::write_sequencer::{Answer, Queued};
use crate::dynamo::context::Context;
use crate::dynamo::siblings::Version;
use crate::item::{Item, Key, Modification, Refused, TableSchema};
use crate::messages::LinkError;
use crate::messages::client::{Get, GetError, GetReply, PutError};
use crate::messages::cluster::View;
use crate::messages::modify::{Modified, Modify, ModifyError, WriteSequenced};
use crate::messages::together::Together;

/// What a turn needs.
pub(super) struct Desk {
    pub(super) get: Recipient<Together<Get>>,
    pub(super) write: Recipient<WriteSequenced>,
    /// The cluster as it was when the turn began.
    pub(super) view: Arc<View>,
}

pub(super) async fn modify_in_turn(desk: Desk, mut turn: Vec<Queued>) {
    let now = Instant::now();
    for late in turn.extract_if(.., |queued| queued.overdue_at <= now) {
        late.answer.give(Err(ModifyError::NotItsTurn));
    }
    let Some(last) = turn.iter().max_by_key(|queued| queued.overdue_at) else { return };
    let (modify, timeout_ms) = (last.modify.clone_key(), milliseconds_until(last.overdue_at));
    let present = match desk.read(&modify, timeout_ms).await {
        Ok(present) => present,
        Err(error) => return turn.into_iter().for_each(|queued| queued.answer.give(Err(error.clone()))),
    };
    let seen = present.seen;
    let Decided { answers, item } = decide_all(turn, present.item, &present.key_attributes);
    let Some(item) = item else {
        return answers.into_iter().for_each(|(answer, outcome)| answer.give(outcome));
    };
    let written = desk.write(&modify, seen, item, timeout_ms).await;
    for (answer, outcome) in answers {
        answer.give(match &written {
            Ok(()) => outcome,
            Err(error) => Err(ModifyError::Write(error.clone())),
        });
    }
}

/// The key of a turn, and how it is called in the logs.
struct Turn {
    trace: crate::messages::TraceId,
    table: String,
    key: Bytes,
}

impl Modify {
    fn clone_key(&self) -> Turn {
        Turn { trace: self.trace, table: self.table.clone(), key: self.key.clone() }
    }
}

/// What there is before a turn.
struct Present {
    item: Option<Item>,
    key_attributes: Item,
    seen: Context,
}

/// What a turn comes to.
struct Decided {
    /// Of those who wait for the write. Whoever need not has his answer already.
    answers: Vec<(Answer, Result<Modified, ModifyError>)>,
    /// What is to be written, if anything: the item, or that there is none.
    item: Option<Option<Bytes>>,
}

fn decide_all(turn: Vec<Queued>, mut present: Option<Item>, key: &Item) -> Decided {
    let mut decided = Decided { answers: Vec::with_capacity(turn.len()), item: None };
    let mut bytes = present.as_ref().map(Item::to_bytes);
    for Queued { modify, answer, .. } in turn {
        let outcome = decide(&modify.modification, present.as_ref(), bytes.as_ref(), key);
        let outcome = outcome.map(|next| {
            let old = bytes.take();
            bytes = next.as_ref().map(Item::to_bytes);
            present = next;
            // A tombstone for what was never there serves nobody.
            if old.is_some() || bytes.is_some() {
                decided.item = Some(bytes.clone());
            }
            Modified { old, new: bytes.clone() }
        });
        if decided.item.is_some() {
            decided.answers.push((answer, outcome));
        } else {
            answer.give(outcome);
        }
    }
    decided
}

fn decide(
    modification: &Modification,
    present: Option<&Item>,
    bytes: Option<&Bytes>,
    key: &Item,
) -> Result<Option<Item>, ModifyError> {
    modification.decide(present, key).map_err(|refused| match refused {
        Refused::ConditionFailed => ModifyError::ConditionFailed { present: bytes.cloned() },
        other => ModifyError::Refused { reason: other.to_string() },
    })
}

impl Desk {
    fn table(&self, turn: &Turn) -> Result<&TableSchema, ModifyError> {
        self.view.table(&turn.table).ok_or_else(|| ModifyError::NoSuchTable { table: turn.table.clone() })
    }

    /// From so many replicas that one of them holds whatever was acknowledged.
    async fn read(&self, turn: &Turn, timeout_ms: u32) -> Result<Present, ModifyError> {
        let table = self.table(turn)?;
        let key = Key::from_bytes(&turn.key).map_err(|error| ModifyError::InvalidKey { reason: error.to_string() })?;
        let quorum = self.view.quorum_for(Some(table));
        let r = u8::try_from(quorum.r().max(quorum.n() - quorum.w() + 1)).ok();
        let (trace, name, key_bytes) = (turn.trace, turn.table.clone(), turn.key.clone());
        let get = Get { trace, table: name, key: key_bytes, r, timeout_ms: Some(timeout_ms) };
        let (alone, answer) = Together::alone(get);
        self.get.do_send(alone);
        let GetReply { versions, context } =
            answer.await.map_err(|_| ModifyError::Link(LinkError::Stopped))?.map_err(ModifyError::Read)?;
        let newest = versions.into_iter().max_by_key(|version: &Version| version.dot.time);
        let damaged = |_| ModifyError::Read(GetError::InvalidKey { reason: "the stored item is damaged".to_owned() });
        let item = newest.and_then(|version| version.value).map(|bytes| Item::from_bytes(&bytes));
        let item = item.transpose().map_err(damaged)?;
        Ok(Present { item, key_attributes: table.key_attributes(&key), seen: context })
    }

    async fn write(&self, turn: &Turn, seen: Context, item: Option<Bytes>, timeout_ms: u32) -> Result<(), PutError> {
        let write = WriteSequenced {
            trace: turn.trace,
            epoch: self.view.topology.epoch(),
            table: turn.table.clone(),
            key: turn.key.clone(),
            seen,
            item,
            timeout_ms: Some(timeout_ms),
        };
        let unknown = || PutError::QuorumNotReached {
            needed: 0,
            got: 0,
            failures: Vec::new(),
            outcome: crate::messages::client::WriteOutcome::Unknown,
        };
        self.write.send(write).await.map_err(|_| unknown())?.map(|_| ())
    }
}

fn milliseconds_until(instant: Instant) -> u32 {
    u32::try_from(instant.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(u32::MAX)
}
