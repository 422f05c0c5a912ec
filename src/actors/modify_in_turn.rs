//! The story of the steps of one key whose turn it is: read the item once, take one after the other, write the last result, answer all.
//!
//! Nobody is told of a step before W replicas hold the result of the whole turn. Where that write fails, it fails for everybody whose step is in it, or who
//! was refused because of what is in it. Where a transaction that is not decided has prepared the item, changes go back to the line.

use std::sync::Arc;

use actix::Recipient;
use bytes::Bytes;
use tokio::time::Instant;

use super::node::WallClock;
use super::write_sequencer::{Answer, Queued};
use crate::dynamo::context::Context;
use crate::dynamo::siblings::Version;
use crate::item::{
    CodecError, Decision, Intent, Item, Key, Standing, Step, StepOutcome, TableSchema, TransactionRecord, Turn,
};
use crate::messages::client::{GetError, GetReply, PutError};
use crate::messages::cluster::View;
use crate::messages::modify::{Modified, Modify, ModifyError, ReadSurely, WriteSequenced};
use crate::messages::{LinkError, TraceId};

/// What a turn needs.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) read: Recipient<ReadSurely>,
    pub(super) write: Recipient<WriteSequenced>,
    /// Where the record of a transaction is changed.
    pub(super) modify: Recipient<Modify>,
    /// The cluster as it was when the turn began.
    pub(super) view: Arc<View>,
    pub(super) wall: WallClock,
}

/// Takes the steps of a turn. Handed back is whoever must wait for a transaction.
pub(super) async fn modify_in_turn(desk: Desk, mut queue: Vec<Queued>) -> Vec<Queued> {
    let now = Instant::now();
    for late in queue.extract_if(.., |queued| queued.overdue_at <= now) {
        let refused = if late.has_waited { ModifyError::InTransaction } else { ModifyError::NotItsTurn };
        late.answer.give(Err(refused));
    }
    let Some(last) = queue.iter().max_by_key(|queued| queued.overdue_at) else { return Vec::new() };
    let subject = Subject::of(&last.modify, last.overdue_at);
    let (mut turn, seen) = match desk.begin(&subject, &queue).await {
        Ok(begun) => begun,
        Err(error) => {
            queue.into_iter().for_each(|queued| queued.answer.give(Err(error.clone())));
            return Vec::new();
        }
    };
    let Taken { answers, waiting } = take_all(queue, &mut turn);
    let done = match turn.to_write() {
        Some(stored) => desk.write(&subject, seen, stored).await.map_err(ModifyError::Write),
        None if answers.is_empty() => Ok(()),
        None => desk.put_back(&subject).await,
    };
    for (answer, outcome) in answers {
        answer.give(done.clone().and(outcome));
    }
    waiting
}

/// What a turn is about.
struct Subject {
    /// How it is called in the logs.
    trace: TraceId,
    table: String,
    key: Bytes,
    timeout_ms: u32,
}

impl Subject {
    fn of(modify: &Modify, overdue_at: Instant) -> Self {
        let (trace, table, key) = (modify.trace, modify.table.clone(), modify.key.clone());
        Self { trace, table, key, timeout_ms: milliseconds_until(overdue_at) }
    }
}

/// What the steps of a turn came to.
struct Taken {
    /// Of those who wait until W replicas hold the item. Whoever need not has his answer already.
    answers: Vec<(Answer, Result<Modified, ModifyError>)>,
    /// Those who wait for a transaction.
    waiting: Vec<Queued>,
}

fn take_all(queue: Vec<Queued>, turn: &mut Turn) -> Taken {
    let mut taken = Taken { answers: Vec::with_capacity(queue.len()), waiting: Vec::new() };
    for queued in queue {
        let outcome = match turn.take(&queued.modify.step) {
            Ok(StepOutcome::Waits) => {
                taken.waiting.push(Queued { has_waited: true, ..queued });
                continue;
            }
            Ok(StepOutcome::Done { old, new }) => Ok(Modified { old, new }),
            Ok(StepOutcome::ConditionFailed { present }) => Err(ModifyError::ConditionFailed { present }),
            Ok(StepOutcome::Refused(refused)) => Err(ModifyError::Refused { reason: refused.to_string() }),
            Ok(StepOutcome::InTransaction) => Err(ModifyError::InTransaction),
            Ok(StepOutcome::TooLate) => Err(ModifyError::PreparedTooLate),
            Err(error) => Err(damaged(error)),
        };
        // Whoever settles is told that nothing is left of the transaction here: not even on a replica that a write did not reach which settled it before.
        if turn.is_changed() || matches!(queued.modify.step, Step::Settle { .. }) {
            taken.answers.push((queued.answer, outcome));
        } else {
            queued.answer.give(outcome);
        }
    }
    taken
}

fn damaged(_: CodecError) -> ModifyError {
    ModifyError::Read(GetError::InvalidKey { reason: "the stored item is damaged".to_owned() })
}

impl Desk {
    fn table(&self, subject: &Subject) -> Result<&TableSchema, ModifyError> {
        self.view.table(&subject.table).ok_or_else(|| ModifyError::NoSuchTable { table: subject.table.clone() })
    }

    /// The item as it is, without an intent of a transaction that is decided, and what was read of it.
    async fn begin(&self, subject: &Subject, queue: &[Queued]) -> Result<(Turn, Context), ModifyError> {
        let table = self.table(subject)?;
        let key =
            Key::from_bytes(&subject.key).map_err(|error| ModifyError::InvalidKey { reason: error.to_string() })?;
        let GetReply { versions, context } = self.read(subject, &subject.table, &subject.key).await?;
        let stored = newest(versions);
        let mut turn = Turn::new(stored, table.key_attributes(&key), (self.wall)()).map_err(damaged)?;
        // Whoever brings the decision with him needs not ask for it.
        let settles = queue.iter().any(|queued| matches!(queued.modify.step, Step::Settle { .. }));
        let is_in_the_way = queue.iter().any(|queued| turn.is_in_the_way_of(&queued.modify.step));
        if let Some(intent) = turn.intent().filter(|_| is_in_the_way && !settles)
            && let Some(decision) = self.decision(subject, intent).await?
        {
            turn.settle(decision).map_err(damaged)?;
        }
        Ok((turn, context))
    }

    /// What became of the transaction that has prepared the item; `None`: it is under way. Past its deadline it is aborted.
    async fn decision(&self, subject: &Subject, intent: &Intent) -> Result<Option<Decision>, ModifyError> {
        let key = TransactionRecord::key(intent.transaction).to_bytes();
        let table = TableSchema::transactions().name.as_str();
        let versions = self.read(subject, table, &key).await?.versions;
        match newest(versions).and_then(|bytes| standing(&bytes)) {
            Some(Standing::Decided(decision)) => return Ok(Some(decision)),
            _ if (self.wall)() < intent.deadline_ms => return Ok(None),
            _ => {}
        }
        let (trace, table) = (subject.trace, table.to_owned());
        let (step, timeout_ms) = (Step::Change(TransactionRecord::abort()), Some(subject.timeout_ms));
        match self.modify.send(Modify { trace, table, key, step, timeout_ms }).await {
            Ok(Ok(_)) => Ok(Some(Decision::Aborted)),
            Ok(Err(ModifyError::ConditionFailed { present: Some(present) })) => match standing(&present) {
                Some(Standing::Decided(decision)) => Ok(Some(decision)),
                _ => Ok(None),
            },
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// From so many replicas that one of them holds whatever was acknowledged.
    async fn read(&self, subject: &Subject, table: &str, key: &Bytes) -> Result<GetReply, ModifyError> {
        self.ask(subject, table, key, false).await
    }

    /// There is nothing to write, and W replicas must hold what there is.
    async fn put_back(&self, subject: &Subject) -> Result<(), ModifyError> {
        self.ask(subject, &subject.table, &subject.key, true).await.map(drop)
    }

    async fn ask(&self, subject: &Subject, table: &str, key: &Bytes, puts_back: bool) -> Result<GetReply, ModifyError> {
        let (trace, table, key) = (subject.trace, table.to_owned(), key.clone());
        let (least_epoch, timeout_ms) = (self.view.topology.epoch(), Some(subject.timeout_ms));
        let read = ReadSurely { trace, table, key, least_epoch, as_stored: true, puts_back, timeout_ms };
        let stopped = |_| ModifyError::Link(LinkError::Stopped);
        self.read.send(read).await.map_err(stopped)?.map_err(ModifyError::Read)
    }

    async fn write(&self, subject: &Subject, seen: Context, item: Option<Bytes>) -> Result<(), PutError> {
        let write = WriteSequenced {
            trace: subject.trace,
            epoch: self.view.topology.epoch(),
            table: subject.table.clone(),
            key: subject.key.clone(),
            seen,
            item,
            timeout_ms: Some(subject.timeout_ms),
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

/// The bytes of the newest version of an item.
pub(super) fn newest(versions: impl IntoIterator<Item = Version>) -> Option<Bytes> {
    let newest = versions.into_iter().max_by_key(Version::rank);
    newest.and_then(|version| version.value)
}

/// How a transaction stands, by the bytes of its record.
pub(super) fn standing(record: &Bytes) -> Option<Standing> {
    let item = Item::from_bytes(record).ok()?;
    TransactionRecord::of_item(&item).map(|record| record.standing)
}

fn milliseconds_until(instant: Instant) -> u32 {
    u32::try_from(instant.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(u32::MAX)
}
