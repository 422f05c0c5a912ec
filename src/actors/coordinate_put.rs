//! The story of a write: mint at one replica, write to all, count until W, and leave nobody behind.

use std::rc::Rc;

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout_at;
use tracing::debug;

use super::coordination::{Coordination, ask};
use crate::dynamo::context::Context;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::preference_list::{PreferenceList, Replica, Role};
use crate::dynamo::quorum::{Quorum, Verdict, WriteTally};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::siblings::{Change, Siblings};
use crate::dynamo::version::VersionVector;
use crate::item::Conflict;
use crate::messages::LinkError;
use crate::messages::client::{FailureReason, PutError, PutReply, ReplicaFailure, WriteOutcome};
use crate::messages::replica::{CoordinateWrite, CoordinateWriteError, Slot, WriteReplica, WriteReplicaError};

/// A checked write.
pub(super) struct KeyWrite {
    pub(super) key: RecordKey,
    pub(super) quorum: Quorum,
    pub(super) conflict: Conflict,
    /// What the client has seen; `None`, on an `lww` table: whatever is there.
    pub(super) context: Option<VersionVector>,
    pub(super) change: Change,
}

type Replies = FuturesUnordered<LocalBoxFuture<'static, (usize, Result<(), WriteReplicaError>)>>;

pub(super) async fn coordinate_put(cx: Rc<Coordination>, write: KeyWrite) -> Result<PutReply, PutError> {
    let list = cx.preference_list(write.key.partition(), write.quorum);
    if list.replicas().len() < write.quorum.w() {
        return Err(too_few_replicas(&list, write.quorum));
    }
    let siblings = mint(&cx, &list, &write).await?;
    let mut replies = write_everywhere(&cx, &list, &write, &siblings);
    let mut tally = WriteTally::new(write.quorum.w(), cx.view.sloppy, list.replicas());
    while tally.verdict() == Verdict::Pending {
        match timeout_at(cx.deadline, replies.next()).await {
            Ok(Some((at, outcome))) => tally.record(at, outcome),
            Ok(None) | Err(_) => break,
        };
    }
    let reply = if tally.verdict() == Verdict::Reached {
        let context = Context::new(write.key.as_bytes(), siblings.context_of_last_write());
        Ok(PutReply { context, siblings: u32::try_from(siblings.visible((cx.wall)()).count()).unwrap_or(u32::MAX) })
    } else {
        Err(not_reached(&list, &tally, write.quorum))
    };
    if !replies.is_empty() || tally.failures().next().is_some() {
        actix::spawn(leave_nobody_behind(cx, write, siblings, tally, replies));
    }
    reply
}

/// One replica gives the write its dot: this node, if it is one of them, else the first that can be reached.
///
/// Another one is tried only where it is certain that the first has done nothing: two dots for one write would be siblings.
async fn mint(cx: &Coordination, list: &PreferenceList, write: &KeyWrite) -> Result<Siblings, PutError> {
    let here = list.replicas().iter().filter(|replica| replica.node == cx.view.local);
    let elsewhere = list.replicas().iter().filter(|replica| replica.node != cx.view.local);
    let mut failures = Vec::new();
    for replica in here.chain(elsewhere) {
        let recipient = cx.replicas.of(&replica.node, write.key.partition()).map(|r| r.coordinate.clone());
        let message = CoordinateWrite {
            trace: cx.trace,
            key: write.key.clone(),
            slot: slot(replica),
            context: write.context.clone(),
            change: write.change.clone(),
            conflict: write.conflict,
        };
        let answer = timeout_at(cx.deadline, ask(recipient, message)).await;
        match answer.unwrap_or(Err(CoordinateWriteError::Link(LinkError::TimedOut))) {
            Ok(siblings) => return Ok(siblings),
            Err(
                refused
                @ (CoordinateWriteError::TooManySiblings { .. } | CoordinateWriteError::SiblingsTooLarge { .. }),
            ) => return Err(PutError::Refused(refused)),
            Err(error) => {
                let applied_nowhere = is_certainly_not_applied(&error);
                failures.push(ReplicaFailure { node: replica.node.clone(), reason: FailureReason::Coordinate(error) });
                if !applied_nowhere {
                    return Err(unreached(write.quorum, 0, failures, WriteOutcome::Unknown));
                }
            }
        }
    }
    Err(unreached(write.quorum, 0, failures, WriteOutcome::NotApplied))
}

/// Sends the result to every replica in the list, the minting one too, and keeps hints here for the primaries that have no stand-in.
fn write_everywhere(cx: &Coordination, list: &PreferenceList, write: &KeyWrite, siblings: &Siblings) -> Replies {
    for absent in list.absent() {
        keep_hint(cx, write, siblings, absent);
    }
    let sent = |(at, replica): (usize, &Replica)| {
        let recipient = cx.replicas.of(&replica.node, write.key.partition()).map(|r| r.write.clone());
        let message = write_replica(cx, write, siblings, slot(replica));
        Box::pin(async move { (at, ask(recipient, message).await) }) as LocalBoxFuture<'static, _>
    };
    list.replicas().iter().enumerate().map(sent).collect()
}

/// After the client has its answer: the replies still out are awaited, and what a primary failed to take is kept as a hint.
async fn leave_nobody_behind(
    cx: Rc<Coordination>,
    write: KeyWrite,
    siblings: Siblings,
    mut tally: WriteTally<WriteReplicaError>,
    mut replies: Replies,
) {
    // Ends: a local node answers or stops, and a peer fails what is overdue.
    while let Some((at, outcome)) = replies.next().await {
        tally.record(at, outcome);
    }
    for (replica, error) in tally.failures() {
        debug!(trace = %cx.trace, key = ?write.key, node = %replica.node, %error, "a replica did not take a write");
        let owner = match &replica.role {
            Role::Primary => &replica.node,
            Role::Fallback { for_node } => for_node,
        };
        // A clock that is refused now is refused as a hint too; the write is on the other replicas.
        if *owner != cx.view.local && !matches!(error, WriteReplicaError::ClockTooFarAhead(_)) {
            keep_hint(&cx, &write, &siblings, owner);
        }
    }
}

fn keep_hint(cx: &Coordination, write: &KeyWrite, siblings: &Siblings, owner: &NodeId) {
    cx.metrics.hints_kept.inc();
    let message = write_replica(cx, write, siblings, Slot::HintFor(owner.clone()));
    cx.replicas.local_shard(write.key.partition()).write.do_send(message);
}

fn write_replica(cx: &Coordination, write: &KeyWrite, siblings: &Siblings, slot: Slot) -> WriteReplica {
    let (key, siblings) = (write.key.clone(), siblings.clone());
    WriteReplica { trace: cx.trace, key, slot, siblings, conflict: write.conflict }
}

/// A replica in the role in which the preference list names it.
pub(super) fn slot(replica: &Replica) -> Slot {
    match &replica.role {
        Role::Primary => Slot::Own,
        Role::Fallback { for_node } => Slot::HintFor(for_node.clone()),
    }
}

fn is_certainly_not_applied(error: &CoordinateWriteError) -> bool {
    use crate::messages::replica::StorageRefusal;
    matches!(
        error,
        CoordinateWriteError::Link(LinkError::Unreachable | LinkError::Overloaded(_))
            | CoordinateWriteError::HintsFull { .. }
            | CoordinateWriteError::Storage(StorageRefusal::DiskFull { .. })
            | CoordinateWriteError::ClockTooFarAhead(_)
    )
}

fn too_few_replicas(list: &PreferenceList, quorum: Quorum) -> PutError {
    let down = |node: &NodeId| ReplicaFailure { node: node.clone(), reason: FailureReason::Down };
    unreached(quorum, 0, list.absent().iter().map(down).collect(), WriteOutcome::NotApplied)
}

fn not_reached(list: &PreferenceList, tally: &WriteTally<WriteReplicaError>, quorum: Quorum) -> PutError {
    let failed = tally.failures().map(|(replica, error)| ReplicaFailure {
        node: replica.node.clone(),
        reason: FailureReason::Write(error.clone()),
    });
    let silent = tally
        .outstanding()
        .map(|replica| ReplicaFailure { node: replica.node.clone(), reason: FailureReason::NoAnswer });
    let down = list.absent().iter().map(|node| ReplicaFailure { node: node.clone(), reason: FailureReason::Down });
    let failures = failed.chain(silent).chain(down).collect();
    unreached(quorum, tally.acknowledged(), failures, WriteOutcome::Unknown)
}

fn unreached(quorum: Quorum, got: usize, failures: Vec<ReplicaFailure>, outcome: WriteOutcome) -> PutError {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    PutError::QuorumNotReached { needed: count(quorum.w()), got: count(got), failures, outcome }
}
