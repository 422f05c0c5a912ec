//! The story of a transaction that writes: prepare every item, decide at the record, answer, and have every item say what was decided.
//!
//! ```text
//!   begin ∥ prepare … ──┬─ all are ready ──▶ commit ──▶ answer ──▶ settle … ──▶ forget
//!                       └─ one is not ─────▶ abort ───▶ settle … ──▶ answer ──▶ forget
//! ```
//!
//! The record decides, by one write that its sequencer puts in order. Whoever dies on the way leaves intents and a record: whoever meets an intent asks the
//! record, and `TransactionRecovery` brings to an end what nobody meets.

use std::rc::Rc;

use actix::Recipient;
use bytes::Bytes;
use futures_util::future::{join, join_all};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::debug;

use super::modify_in_turn::standing;
use super::node::WallClock;
use crate::item::{
    Decision, Item, Modification, Part, Standing, Step, TableSchema, Token, TransactionId, TransactionRecord,
};
use crate::messages::modify::{Modified, Modify, ModifyError};
use crate::messages::transaction::{CancelReason, TransactError, TransactWrite, Transacted, TransactedWrite};
use crate::messages::{LinkError, TraceId};
use crate::metrics::Metrics;

/// For so long a token is remembered, as the DynamoDB API promises, in ms.
const TOKEN_LIFE_MS: u64 = 600_000;

/// How a transaction reaches its items.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) modify: Recipient<Modify>,
    pub(super) wall: WallClock,
    /// The longest that one step may take once the client has its answer, in ms.
    pub(super) timeout_ms: u32,
    pub(super) metrics: Metrics,
}

/// Where the client's answer goes.
pub(super) type TransactAnswer = oneshot::Sender<Result<Transacted, TransactError>>;

/// One transaction under way.
struct Story {
    ways: Rc<Ways>,
    trace: TraceId,
    id: TransactionId,
    parts: Vec<Part>,
    overdue_at: Instant,
}

pub(super) async fn transact_write(
    ways: Rc<Ways>,
    id: TransactionId,
    request: TransactWrite,
    overdue_at: Instant,
    answer: TransactAnswer,
) {
    let now_ms = (ways.wall)();
    let deadline_ms = now_ms.saturating_add(milliseconds_until(overdue_at).into());
    let TransactWrite { trace, writes, token, .. } = request;
    let modifications = steps(&writes, token.as_ref(), now_ms);
    let parts = modifications.iter().map(|(part, _)| part.clone()).collect();
    let story = Story { ways, trace, id, parts, overdue_at };
    let prepare = |(part, modification): (Part, Modification)| {
        story.modify(part.table, part.key, Step::Prepare { transaction: id, deadline_ms, modification })
    };
    let begin = story.change_record(TransactionRecord::begin(id, deadline_ms, &story.parts));
    let (begun, prepared) = join(begin, join_all(modifications.into_iter().map(prepare))).await;
    match outcome(begun, prepared, token.as_ref()) {
        Ok(transacted) => story.commit(transacted, answer).await,
        Err(refused) => story.abort(refused, answer).await,
    }
}

/// What is prepared where. A token is one item more.
fn steps(writes: &[TransactedWrite], token: Option<&Token>, now_ms: u64) -> Vec<(Part, Modification)> {
    let write = |write: &TransactedWrite| {
        (Part { table: write.table.clone(), key: write.key.clone() }, write.modification.clone())
    };
    let remembered = token.map(|token| {
        let part = Part { table: TableSchema::transactions().name.to_string(), key: token.key().to_bytes() };
        (part, token.remember(now_ms, now_ms.saturating_add(TOKEN_LIFE_MS)))
    });
    writes.iter().map(write).chain(remembered).collect()
}

type Prepared = Result<Modified, ModifyError>;

/// Whether everything is ready. The last one prepared is the token's, if there is one.
fn outcome(begun: Prepared, mut prepared: Vec<Prepared>, token: Option<&Token>) -> Result<Transacted, Refusal> {
    if let Some(token) = token {
        token_is_new(token, prepared.pop()).map_err(|error| Refusal { error })?;
    }
    if let Some(error) = prepared.iter().find_map(|one| one.as_ref().err().and_then(as_a_whole)) {
        return Err(Refusal { error });
    }
    let reasons: Vec<Option<CancelReason>> = prepared.iter().map(|one| one.as_ref().err().map(reason)).collect();
    if reasons.iter().any(Option::is_some) {
        return Err(Refusal { error: Err(TransactError::Cancelled { reasons }) });
    }
    begun.map_err(|error| Refusal { error: Err(TransactError::Aborted { reason: error.to_string() }) })?;
    let items = prepared.into_iter().flatten().map(|Modified { old, new }| (old, new)).collect();
    Ok(Transacted { items })
}

/// What the client is told when nothing is written now.
struct Refusal {
    error: Result<Transacted, TransactError>,
}

/// The error carries what the client is told.
fn token_is_new(token: &Token, prepared: Option<Prepared>) -> Result<(), Result<Transacted, TransactError>> {
    match prepared {
        Some(Ok(_)) | None => Ok(()),
        Some(Err(ModifyError::InTransaction)) => Err(Err(TransactError::InProgress)),
        Some(Err(ModifyError::ConditionFailed { present })) => {
            let remembered = present.and_then(|bytes| Item::from_bytes(&bytes).ok());
            let same = remembered.is_some_and(|remembered| token.is_of(&remembered));
            Err(if same { Ok(Transacted { items: Vec::new() }) } else { Err(TransactError::TokenOfAnother) })
        }
        Some(Err(error)) => Err(Err(TransactError::Aborted { reason: error.to_string() })),
    }
}

/// What concerns the whole transaction, whichever item it came from.
fn as_a_whole(error: &ModifyError) -> Option<Result<Transacted, TransactError>> {
    let error = match error {
        ModifyError::NoSuchTable { table } => TransactError::NoSuchTable { table: table.clone() },
        ModifyError::KeepsSiblings { .. } | ModifyError::InvalidKey { .. } => {
            TransactError::Invalid { reason: error.to_string() }
        }
        ModifyError::ConditionFailed { .. }
        | ModifyError::Refused { .. }
        | ModifyError::InTransaction
        | ModifyError::NotItsTurn
        | ModifyError::PreparedTooLate
        | ModifyError::Overloaded(_) => return None,
        ModifyError::Read(_)
        | ModifyError::Write(_)
        | ModifyError::NotFirst
        | ModifyError::Stale(_)
        | ModifyError::Link(_) => TransactError::Aborted { reason: error.to_string() },
    };
    Some(Err(error))
}

fn reason(error: &ModifyError) -> CancelReason {
    match error {
        ModifyError::ConditionFailed { present } => CancelReason::ConditionFailed { present: present.clone() },
        ModifyError::InTransaction => CancelReason::Conflict,
        ModifyError::Refused { reason } => CancelReason::Refused { reason: reason.clone() },
        _ => CancelReason::Throttled,
    }
}

impl Story {
    async fn commit(self, transacted: Transacted, answer: TransactAnswer) {
        let committed = self.change_record(TransactionRecord::commit()).await;
        let (decision, told) = match committed {
            Ok(_) => (Some(Decision::Committed), Ok(transacted)),
            // It may have been written nevertheless: who asks for the opposite learns which of the two it is.
            Err(error) => match decide(self.change_record(TransactionRecord::abort()).await) {
                Some(Decision::Committed) => (Some(Decision::Committed), Ok(transacted)),
                Some(Decision::Aborted) => {
                    (Some(Decision::Aborted), Err(TransactError::Aborted { reason: error.to_string() }))
                }
                None => (None, Err(TransactError::Unknown { reason: error.to_string() })),
            },
        };
        self.ways.metrics.transactions.count(&told);
        // Whoever asked may be gone; what is decided stays.
        let _ = answer.send(told);
        if let Some(decision) = decision {
            settle_and_forget(&self.ways, self.trace, self.id, &self.parts, decision).await;
        }
    }

    async fn abort(self, Refusal { error: told }: Refusal, answer: TransactAnswer) {
        let aborted = decide(self.change_record(TransactionRecord::abort()).await);
        self.ways.metrics.transactions.count(&told);
        // The items are free again before the client may ask again.
        let is_settled = settle(&self.ways, self.trace, self.id, &self.parts, Decision::Aborted).await;
        let _ = answer.send(told);
        if is_settled && aborted == Some(Decision::Aborted) {
            forget(&self.ways, self.trace, self.id).await;
        }
    }

    fn change_record(&self, modification: Modification) -> impl Future<Output = Prepared> + use<> {
        let table = TableSchema::transactions().name.to_string();
        self.modify(table, TransactionRecord::key(self.id).to_bytes(), Step::Change(modification))
    }

    fn modify(&self, table: String, key: Bytes, step: Step) -> impl Future<Output = Prepared> + use<> {
        ask(&self.ways, self.trace, table, key, step, milliseconds_until(self.overdue_at))
    }
}

/// What has been decided, by the answer to an abort.
pub(super) fn decide(aborted: Prepared) -> Option<Decision> {
    match aborted {
        Ok(_) => Some(Decision::Aborted),
        Err(ModifyError::ConditionFailed { present: Some(record) }) => match standing(&record) {
            Some(Standing::Decided(decision)) => Some(decision),
            _ => None,
        },
        Err(_) => None,
    }
}

/// Has every item say what was decided, and then forgets the transaction. Where that does not succeed, somebody else does it later.
pub(super) async fn settle_and_forget(
    ways: &Ways,
    trace: TraceId,
    id: TransactionId,
    parts: &[Part],
    decision: Decision,
) {
    if settle(ways, trace, id, parts, decision).await {
        forget(ways, trace, id).await;
    }
}

/// Whether every item says by now what was decided. Where a table is gone, nothing is left to say.
async fn settle(ways: &Ways, trace: TraceId, id: TransactionId, parts: &[Part], decision: Decision) -> bool {
    let step = Step::Settle { transaction: id, decision };
    let ask_part = |part: &Part| {
        let (table, key) = (part.table.clone(), part.key.clone());
        ask(ways, trace, table, key, step.clone(), ways.timeout_ms)
    };
    let settled = join_all(parts.iter().map(ask_part)).await;
    settled.iter().all(|one| match one {
        Ok(_) | Err(ModifyError::NoSuchTable { .. }) => true,
        Err(error) => {
            debug!(%trace, transaction = %id, %error, "an item does not say yet what was decided");
            false
        }
    })
}

async fn forget(ways: &Ways, trace: TraceId, id: TransactionId) {
    let (table, key) = (TableSchema::transactions().name.to_string(), TransactionRecord::key(id).to_bytes());
    let step = Step::Change(TransactionRecord::forget());
    if let Err(error) = ask(ways, trace, table, key, step, ways.timeout_ms).await {
        debug!(%trace, transaction = %id, %error, "the record of a transaction that is over stays for now");
    }
}

/// Takes a step at an item, wherever its steps are put in order.
pub(super) fn ask(
    ways: &Ways,
    trace: TraceId,
    table: String,
    key: Bytes,
    step: Step,
    timeout_ms: u32,
) -> impl Future<Output = Prepared> + use<> {
    let asked = ways.modify.send(Modify { trace, table, key, step, timeout_ms: Some(timeout_ms) });
    async move { asked.await.unwrap_or(Err(ModifyError::Link(LinkError::Stopped))) }
}

fn milliseconds_until(instant: Instant) -> u32 {
    u32::try_from(instant.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(u32::MAX)
}
