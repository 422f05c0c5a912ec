//! The story of a read: ask R replicas, one more if they are slow, answer with the merge, and repair those that were behind.

use std::rc::Rc;

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::coordinate_put::slot;
use super::coordination::{Coordination, Terms, ask};
use crate::dynamo::precedence::Insistence;
use crate::dynamo::preference_list::{PreferenceList, Replica, Role};
use crate::dynamo::quorum::{Quorum, ReadTally, Verdict};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::siblings::Siblings;
use crate::item::Conflict;
use crate::messages::TraceId;
use crate::messages::client::{FailureReason, GetError, ReplicaFailure};
use crate::messages::replica::{ReadReplica, ReadReplicaError, Slot, StaleEpoch, WriteReplica};

/// A checked read.
#[derive(Clone)]
pub(super) struct KeyRead {
    pub(super) trace: TraceId,
    pub(super) key: RecordKey,
    pub(super) terms: Terms,
    pub(super) conflict: Conflict,
}

pub(super) type Tally = ReadTally<Siblings, ReadReplicaError>;
type Replies = FuturesUnordered<LocalBoxFuture<'static, (usize, Result<Siblings, ReadReplicaError>)>>;

pub(super) async fn coordinate_get(mut cx: Rc<Coordination>, read: KeyRead) -> Result<Siblings, GetError> {
    loop {
        let failed = match read_once(Rc::clone(&cx), read.clone()).await {
            Ok(siblings) => return Ok(siblings),
            Err(failed) => failed,
        };
        let Some(stale) = failed.stale else { return Err(failed.error) };
        match cx.caught_up(stale).await {
            Some(newer) => cx = newer,
            None => return Err(failed.error),
        }
    }
}

/// A read that got too few answers.
struct ReadFailed {
    error: GetError,
    /// Somebody knows a newer ring.
    stale: Option<StaleEpoch>,
}

async fn read_once(cx: Rc<Coordination>, read: KeyRead) -> Result<Siblings, ReadFailed> {
    let (list, quorum) = cx.replicas_of(read.key.table(), read.key.partition(), read.terms);
    let order = read_order(&cx, &list, quorum.r());
    let mut tally = Tally::new(quorum.r(), order.len());
    let mut replies = Replies::new();
    let mut hedges = Vec::new();
    cx.hedges.borrow_mut().earn(1);
    let mut hedge_at = Instant::now() + cx.hedge_after();
    while tally.verdict() == Verdict::Pending {
        while let Some(at) = tally.ask() {
            replies.push(ask_replica(&cx, &read, at, &order[at]));
        }
        match timeout_at(hedge_at.min(cx.deadline), replies.next()).await {
            Ok(Some((at, outcome))) => {
                if tally.record(at, outcome) == Verdict::Reached && hedges.contains(&at) {
                    cx.metrics.hedges_won.inc();
                }
            }
            Ok(None) => break,
            Err(_) if hedge_at >= cx.deadline => break,
            Err(_) if !tally.can_ask_another() => hedge_at = cx.deadline,
            Err(_) => {
                if cx.may_hedge(1)
                    && let Some(at) = tally.ask_another()
                {
                    hedges.push(at);
                    replies.push(ask_replica(&cx, &read, at, &order[at]));
                }
                hedge_at = Instant::now() + cx.hedge_after();
            }
        }
    }
    let merged = tally.merged();
    let outcome = match tally.verdict() {
        Verdict::Reached => Ok(merged.clone()),
        Verdict::Pending | Verdict::Failed => {
            let error = not_reached(&list, &order, &tally, quorum);
            Err(ReadFailed { error, stale: newest(tally.failures().map(|(_, error)| error)) })
        }
    };
    // Also after a failure: where a copy is damaged, the next read finds what the others hold.
    if !replies.is_empty() || !to_repair(&tally, &merged).is_empty() {
        actix::spawn(hear_out_and_repair(cx, read, order, tally, replies));
    }
    outcome
}

/// The newest ring that any of these failures tells of.
pub(super) fn newest<'a>(failures: impl Iterator<Item = &'a ReadReplicaError>) -> Option<StaleEpoch> {
    let stale =
        failures.filter_map(|error| if let ReadReplicaError::Stale(stale) = error { Some(*stale) } else { None });
    stale.max_by_key(|stale| stale.epoch)
}

/// The replicas that hold all there is, in the order in which they are asked: this node first, for its answer costs least.
pub(super) fn nearest<'a>(cx: &'a Coordination, list: &'a PreferenceList) -> impl Iterator<Item = &'a Replica> {
    let is_here = |replica: &&Replica| replica.node == cx.view.local;
    let here = list.reading().iter().filter(is_here);
    here.chain(list.reading().iter().filter(move |replica| !is_here(replica)))
}

pub(super) fn nearest_first(cx: &Coordination, list: &PreferenceList) -> Vec<Replica> {
    nearest(cx, list).cloned().collect()
}

/// The replicas in the order in which a read asks them: this node first, for its answer costs no message, then those that are expected to
/// answer first.
pub(super) fn read_order(cx: &Coordination, list: &PreferenceList, needed: usize) -> Vec<Replica> {
    let mut order = nearest_first(cx, list);
    let here = usize::from(order.first().is_some_and(|first| first.node == cx.view.local));
    cx.routing.arrange(&mut order[here..], needed.saturating_sub(here));
    order
}

fn ask_replica(
    cx: &Rc<Coordination>,
    read: &KeyRead,
    at: usize,
    replica: &Replica,
) -> LocalBoxFuture<'static, (usize, Result<Siblings, ReadReplicaError>)> {
    let replicas = cx.replicas.of(&replica.node, read.key.partition()).cloned();
    let (epoch, key, slot) = (cx.epoch(), read.key.clone(), slot(replica));
    let message = ReadReplica { trace: read.trace, epoch, key, slot, binds: read.terms.strict };
    let (asked_at, cx) = (Instant::now(), Rc::clone(cx));
    let asked = cx.ask_peer(&replica.node, 1);
    Box::pin(async move {
        let outcome = ask(replicas.as_ref().map(|r| &r.read), message).await;
        cx.read_latency.borrow_mut().record(asked_at.elapsed().as_secs_f64());
        if let Some(asked) = asked {
            asked.answered(std::slice::from_ref(&outcome));
        }
        (at, outcome)
    })
}

/// After the client has its answer.
async fn hear_out_and_repair(
    cx: Rc<Coordination>,
    read: KeyRead,
    order: Vec<Replica>,
    mut tally: Tally,
    mut replies: Replies,
) {
    while let Ok(Some((at, outcome))) = timeout_at(cx.deadline, replies.next()).await {
        tally.record(at, outcome);
    }
    repair(&cx, &read, &order, &tally).await;
}

/// Who lacks something of what all answers know together, or holds a damaged copy.
pub(super) fn to_repair(tally: &Tally, merged: &Siblings) -> Vec<usize> {
    let damaged = tally.failures().filter(|(_, error)| matches!(error, ReadReplicaError::Corrupt)).map(|(at, _)| at);
    let mut replicas = tally.stale_replicas(merged);
    replicas.extend(damaged.filter(|_| tally.answered() > 0));
    replicas
}

/// Brings every primary whose copy is behind or damaged up to what all answers know together.
pub(super) async fn repair(cx: &Coordination, read: &KeyRead, order: &[Replica], tally: &Tally) {
    let merged = tally.merged();
    for at in to_repair(tally, &merged) {
        let replica = &order[at];
        if !matches!(replica.role, Role::Primary) {
            continue;
        }
        let (key, siblings) = (read.key.clone(), merged.clone());
        let (trace, epoch, conflict) = (read.trace, cx.epoch(), read.conflict);
        let (slot, insists) = (Slot::Own, Insistence::Nothing);
        let write = WriteReplica { trace, epoch, key, slot, siblings, conflict, insists };
        let outcome = ask(cx.replicas.of(&replica.node, read.key.partition()).map(|r| &r.write), write).await;
        debug!(trace = %read.trace, key = ?read.key, node = %replica.node, ?outcome, "read repair");
        cx.metrics.read_repair(outcome.is_ok());
    }
}

fn not_reached(list: &PreferenceList, order: &[Replica], tally: &Tally, quorum: Quorum) -> GetError {
    let failed = tally
        .failures()
        .map(|(at, error)| ReplicaFailure { node: order[at].node.clone(), reason: FailureReason::Read(error.clone()) });
    let silent =
        tally.silent().map(|at| ReplicaFailure { node: order[at].node.clone(), reason: FailureReason::NoAnswer });
    let down = list.absent().iter().map(|node| ReplicaFailure { node: node.clone(), reason: FailureReason::Down });
    let failures = failed.chain(silent).chain(down).collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    GetError::QuorumNotReached { needed: count(quorum.r()), got: count(tally.answered()), failures }
}
