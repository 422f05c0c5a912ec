//! The story of writes that came together and go to the same replicas: mint at one, write to all, count until W, leave nobody behind.
//!
//! A write by itself is a group of one. Each is answered as soon as its own W replicas hold it. Where a stand-in has no room for it, a spare is
//! asked instead. Where replicas know a newer ring, what is left of the story is told again by that one: a write that has its dot keeps it, but where only
//! one version stays it is given another one, of that ring's tenure. So it is, too, where an earlier write has a greater time.

use std::pin::pin;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep_until, timeout_at};
use tracing::debug;

use super::coordinate_get::{KeyRead, nearest};
use super::coordination::{Coordination, Group, Terms, ask_all};
use crate::dynamo::context::Context;
use crate::dynamo::hlc::HlcTime;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::precedence::Insistence;
use crate::dynamo::preference_list::{PreferenceList, Replica, Role};
use crate::dynamo::quorum::{Quorum, Verdict, WriteTally};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::{Change, Siblings};
use crate::dynamo::version::VersionVector;
use crate::item::Conflict;
use crate::messages::client::{FailureReason, PutError, PutReply, ReplicaFailure, WriteOutcome};
use crate::messages::replica::{
    CoordinateWrite, CoordinateWriteError, Slot, StaleEpoch, StorageRefusal, WriteReplica, WriteReplicaError,
};
use crate::messages::together::{Answers, Together};
use crate::messages::{LinkError, TraceId};

/// Where the answers to writes go.
pub(super) type PutAnswers = Answers<Result<PutReply, PutError>>;

/// A checked write.
#[derive(Clone)]
pub(super) struct KeyWrite {
    pub(super) trace: TraceId,
    pub(super) key: RecordKey,
    /// As the table or the request says; a small cluster has less.
    pub(super) terms: Terms,
    pub(super) conflict: Conflict,
    /// What the client has seen; `None`, on an `lww` table: whatever is there.
    pub(super) context: Option<VersionVector>,
    pub(super) change: Change,
    /// The epoch of the ring in which it was decided, where it was put in order with the other writes of its key. Only its own replicas count then, and a newer
    /// ring must not acknowledge it if another node has put writes in order since.
    pub(super) decided_in: Option<u64>,
    /// The greatest time that was in its way when it was written before. Every write that was acknowledged before this one began has that time at most.
    pub(super) above: Option<HlcTime>,
}

impl KeyWrite {
    /// What its replicas must not hold. A write that was decided with all before it read, or is above them, is concurrent with whatever has a greater time still.
    fn insistence(&self) -> Insistence {
        match self.conflict {
            Conflict::Siblings => Insistence::Nothing,
            Conflict::Lww if self.decided_in.is_some() || self.above.is_some() => Insistence::Tenure,
            Conflict::Lww => Insistence::Rank,
        }
    }
}

/// A checked write, its place among those that came together, and its replicas.
#[derive(Clone)]
pub(super) struct PlacedWrite {
    place: usize,
    write: KeyWrite,
    list: PreferenceList,
    /// What it waits for.
    quorum: Quorum,
}

impl PlacedWrite {
    pub(super) fn new(cx: &Coordination, place: usize, mut write: KeyWrite) -> Self {
        let (list, quorum) = cx.replicas_of(write.key.table(), write.key.partition(), write.terms);
        write.change.tenure = match write.conflict {
            Conflict::Siblings => 0,
            Conflict::Lww => cx.view.topology.tenure(write.key.partition()),
        };
        Self { place, write, list, quorum }
    }
}

/// Writes that go to the same replicas and are minted at the same one. Never empty.
pub(super) struct WriteGroup {
    list: PreferenceList,
    writes: Vec<PlacedWrite>,
}

impl Group for WriteGroup {
    type Member = PlacedWrite;

    fn of(_: &Coordination, first: PlacedWrite) -> Self {
        Self { list: first.list.clone(), writes: vec![first] }
    }

    /// The same way: the same replicas, the same one to mint, and the same shard of this node.
    fn join(&mut self, cx: &Coordination, write: PlacedWrite) -> Option<PlacedWrite> {
        let shard = |one: &PlacedWrite| cx.replicas.shard_of(one.write.key.partition());
        let minter = |list| nearest(cx, list).next();
        let same = shard(&write) == shard(&self.writes[0])
            && minter(&write.list) == minter(&self.list)
            && is_permutation(write.list.replicas(), self.list.replicas())
            && is_permutation(write.list.absent(), self.list.absent())
            && write.list.writing_too() == self.list.writing_too();
        if same {
            self.writes.push(write);
            return None;
        }
        Some(write)
    }
}

/// Both are without repetition.
fn is_permutation<T: PartialEq>(some: &[T], others: &[T]) -> bool {
    some.len() == others.len() && some.iter().all(|one| others.contains(one))
}

/// A write that has its dot, and what its key holds with it.
#[derive(Clone)]
struct Minted {
    one: PlacedWrite,
    siblings: Siblings,
    /// Who gave it the dot: whatever he held before is superseded.
    by: NodeId,
}

/// Who has taken a write, and what was in its way.
struct Count {
    tally: Tally,
    /// The greatest time that a replica holds and that is beyond the write's.
    outranked: Option<HlcTime>,
}

/// One replica's word on one write of a group.
struct Acknowledgement {
    replica: usize,
    at: usize,
    outcome: Result<(), WriteReplicaError>,
    /// Where a spare answers that is asked instead. It is here, and not with the listener, so that the channel ends once nobody can answer.
    way_back: UnboundedSender<Acknowledgement>,
}

type Tally = WriteTally<WriteReplicaError>;

pub(super) async fn coordinate_puts(
    cx: Rc<Coordination>,
    WriteGroup { list, writes }: WriteGroup,
    answers: PutAnswers,
) {
    let minted = mint(&cx, &list, writes, &answers).await;
    replicate(cx, list, minted, answers).await;
}

/// The part of the story that begins when the writes have their dots.
async fn replicate(cx: Rc<Coordination>, list: PreferenceList, minted: Vec<Minted>, answers: PutAnswers) {
    let count = |minted: &Minted| Count {
        tally: Tally::of_list(minted.one.quorum.w(), cx.view.sloppy, &list),
        outranked: None,
    };
    let mut counts: Vec<Count> = minted.iter().map(count).collect();
    let mut acknowledgements = write_everywhere(&cx, &list, &minted);
    let mut unanswered = minted.len();
    let mut deadline = pin!(sleep_until(cx.deadline));
    while unanswered > 0 {
        let heard = tokio::select! {
            biased;
            heard = acknowledgements.recv() => heard,
            () = &mut deadline => None,
        };
        let Some(heard) = heard else { break };
        let (minted, count) = (&minted[heard.at], &mut counts[heard.at]);
        let was_pending = count.tally.verdict() == Verdict::Pending;
        if hear(&cx, &list, minted, count, heard) != Verdict::Pending && was_pending {
            unanswered -= 1;
            conclude(&cx, &list, minted, count, &answers);
        }
    }
    let overdue = minted.iter().zip(&counts).filter(|(_, count)| count.tally.verdict() == Verdict::Pending);
    overdue.for_each(|(minted, count)| answers.give(minted.one.place, reply(&cx, &list, minted, &count.tally)));
    drop(answers);
    leave_nobody_behind(&cx, &list, minted, counts, acknowledgements).await;
}

/// The verdict on a write is there: its client is told, or the write goes on.
fn conclude(cx: &Rc<Coordination>, list: &PreferenceList, minted: &Minted, count: &Count, answers: &PutAnswers) {
    let Count { tally, outranked } = count;
    match (tally.verdict(), outranked, newest(tally)) {
        (Verdict::Failed, _, Some(stale)) => {
            let failed = not_reached(list, tally, minted.one.quorum);
            replicate_again(cx, minted.clone(), stale, failed, answers.clone());
        }
        (Verdict::Reached, Some(time), _) => {
            cx.metrics.outranked_puts.inc();
            debug!(trace = %minted.one.write.trace, key = ?minted.one.write.key, %time, "a write is outranked, and stamped anew");
            let write = KeyWrite { above: Some(*time), ..minted.one.write.clone() };
            mint_anew(cx, PlacedWrite::new(cx, minted.one.place, write), answers.clone());
        }
        _ => answers.give(minted.one.place, reply(cx, list, minted, tally)),
    }
}

/// The newest ring that any replica has told of.
fn newest(tally: &Tally) -> Option<StaleEpoch> {
    let stale =
        |error: &WriteReplicaError| if let WriteReplicaError::Stale(stale) = error { Some(*stale) } else { None };
    tally.failures().filter_map(|(_, error)| stale(error)).max_by_key(|stale| stale.epoch)
}

/// The write has its dot, and too few took it because they know a newer ring: it goes where that one says. `failed` is the answer where no newer ring comes
/// in time.
fn replicate_again(cx: &Rc<Coordination>, minted: Minted, stale: StaleEpoch, failed: PutError, answers: PutAnswers) {
    let cx = Rc::clone(cx);
    let again: LocalBoxFuture<'static, ()> = Box::pin(async move {
        let Some(cx) = cx.caught_up(stale).await.filter(|cx| may_write(cx, &minted.one.write)) else {
            return answers.give(minted.one.place, Err(failed));
        };
        let one = PlacedWrite::new(&cx, minted.one.place, minted.one.write);
        match one.write.conflict {
            // Another tenure may have begun, in which this dot does not count.
            Conflict::Lww if one.write.decided_in.is_none() => mint_anew(&cx, one, answers),
            _ => replicate(cx, one.list.clone(), vec![Minted { one, ..minted }], answers).await,
        }
    });
    actix::spawn(again);
}

/// A write to an `lww` table that had a dot gets another one. With the first one it may be on some replicas: nobody can say any more that it was not done.
fn mint_anew(cx: &Rc<Coordination>, write: PlacedWrite, answers: PutAnswers) {
    let may_survive = |error| match error {
        PutError::QuorumNotReached { needed, got, failures, .. } => {
            PutError::QuorumNotReached { needed, got, failures, outcome: WriteOutcome::Unknown }
        }
        other => other,
    };
    let answers = Answers::new(move |place, outcome: Result<_, _>| answers.give(place, outcome.map_err(may_survive)));
    begin_anew(cx, write, answers);
}

/// A write by itself.
pub(super) async fn coordinate_put(cx: Rc<Coordination>, write: KeyWrite) -> Result<PutReply, PutError> {
    let (answers, answer) = Answers::to_one();
    let quorum = write.terms.quorum;
    let group = WriteGroup::of(&cx, PlacedWrite::new(&cx, 0, write));
    actix::spawn(coordinate_puts(cx, group, answers));
    answer.await.unwrap_or_else(|_| Err(unreached(quorum, 0, Vec::new(), WriteOutcome::Unknown)))
}

/// What was read is put back as it is, so that W replicas hold it: whoever wrote it may have died, or been refused, before they did.
pub(super) async fn put_back(cx: Rc<Coordination>, read: KeyRead, found: Siblings) -> Result<(), PutError> {
    let KeyRead { trace, key, terms, conflict } = read;
    let (change, decided_in) = (Change { value: None, expires_at_ms: None, tenure: 0 }, Some(cx.epoch()));
    let write = KeyWrite { trace, key, terms, conflict, context: None, change, decided_in, above: None };
    let one = PlacedWrite::new(&cx, 0, write);
    let (quorum, list, by) = (one.quorum, one.list.clone(), cx.view.local.clone());
    let (answers, answer) = Answers::to_one();
    actix::spawn(replicate(cx, list, vec![Minted { one, siblings: found, by }], answers));
    // Where there are too few replicas, nobody answers.
    let unanswered = || Err(unreached(quorum, 0, Vec::new(), WriteOutcome::Unknown));
    answer.await.unwrap_or_else(|_| unanswered()).map(|_| ())
}

/// One replica gives the writes their dots: this node, if it is one of them, else the first that can be reached. What is refused is
/// answered here.
///
/// Another one is tried only where it is certain that the first has done nothing: two dots for one write would be siblings.
async fn mint(
    cx: &Rc<Coordination>,
    list: &PreferenceList,
    writes: Vec<PlacedWrite>,
    answers: &PutAnswers,
) -> Vec<Minted> {
    let mut minted = Vec::with_capacity(writes.len());
    let mut open: Vec<(PlacedWrite, Vec<ReplicaFailure>)> = Vec::with_capacity(writes.len());
    for one in writes {
        if list.reading().len() < one.quorum.w() {
            answers.give(one.place, Err(too_few_replicas(list, one.quorum)));
        } else {
            open.push((one, Vec::new()));
        }
    }
    // What was put in order here gets its dots here: one tenure has one clock. By another one's, which may be ahead, an attempt that failed could win over all
    // that this node writes afterwards.
    let only_here = open.iter().any(|(one, _)| one.write.decided_in.is_some());
    for replica in nearest(cx, list).filter(|replica| !only_here || replica.node == cx.view.local) {
        let outcomes = ask_to_mint(cx, replica, &open).await;
        for ((one, mut failures), outcome) in std::mem::take(&mut open).into_iter().zip(outcomes) {
            match outcome {
                Ok(siblings) => minted.push(Minted { one, siblings, by: replica.node.clone() }),
                Err(CoordinateWriteError::Stale(stale)) => mint_again(cx, one, stale, failures, answers.clone()),
                Err(refused) if is_final(&refused) => answers.give(one.place, Err(PutError::Refused(refused))),
                Err(error) => {
                    let applied_nowhere = is_certainly_not_applied(&error);
                    let reason = FailureReason::Coordinate(error);
                    failures.push(ReplicaFailure { node: replica.node.clone(), reason });
                    if applied_nowhere {
                        open.push((one, failures));
                    } else {
                        let error = unreached(one.quorum, 0, failures, WriteOutcome::Unknown);
                        answers.give(one.place, Err(error));
                    }
                }
            }
        }
    }
    for (one, failures) in open {
        match one.list.without(&full_stand_ins(&failures)) {
            Some(list) => begin_anew(cx, PlacedWrite { list, ..one }, answers.clone()),
            None => answers.give(one.place, Err(unreached(one.quorum, 0, failures, WriteOutcome::NotApplied))),
        }
    }
    minted
}

/// Nobody has minted this write, for the partition has moved on: it begins anew with a newer ring, if there is one in time.
fn mint_again(
    cx: &Rc<Coordination>,
    one: PlacedWrite,
    stale: StaleEpoch,
    mut failures: Vec<ReplicaFailure>,
    answers: PutAnswers,
) {
    let cx = Rc::clone(cx);
    actix::spawn(async move {
        let Some(newer) = cx.caught_up(stale).await else {
            let reason = FailureReason::Coordinate(stale.into());
            failures.push(ReplicaFailure { node: cx.view.local.clone(), reason });
            return answers.give(one.place, Err(unreached(one.quorum, 0, failures, WriteOutcome::NotApplied)));
        };
        if !may_write(&newer, &one.write) {
            return answers.give(one.place, Err(PutError::RingMoved));
        }
        let write = PlacedWrite::new(&newer, one.place, one.write);
        begin_anew(&newer, write, answers);
    });
}

/// Whether a write goes on in a newer ring. What was put in order here does only as long as nobody else began to do that: he decides without it.
fn may_write(cx: &Coordination, write: &KeyWrite) -> bool {
    let (topology, partition) = (&cx.view.topology, write.key.partition());
    let is_sequencer = || topology.sequencer(partition, write.terms.quorum.n()) == Some(&cx.view.local);
    write.decided_in.is_none_or(|epoch| topology.tenure(partition) <= epoch && is_sequencer())
}

/// Nobody has minted this write, and it has other stand-ins now.
fn begin_anew(cx: &Rc<Coordination>, write: PlacedWrite, answers: PutAnswers) {
    let group = WriteGroup::of(cx, write);
    let anew: LocalBoxFuture<'static, ()> = Box::pin(coordinate_puts(Rc::clone(cx), group, answers));
    actix::spawn(anew);
}

fn full_stand_ins(failures: &[ReplicaFailure]) -> Vec<&NodeId> {
    let is_full =
        |reason: &FailureReason| matches!(reason, FailureReason::Coordinate(CoordinateWriteError::HintsFull { .. }));
    failures.iter().filter(|failure| is_full(&failure.reason)).map(|failure| &failure.node).collect()
}

async fn ask_to_mint(
    cx: &Coordination,
    replica: &Replica,
    open: &[(PlacedWrite, Vec<ReplicaFailure>)],
) -> Vec<Result<Siblings, CoordinateWriteError>> {
    let Some((first, _)) = open.first() else { return Vec::new() };
    let message = |(one, _): &(PlacedWrite, Vec<ReplicaFailure>)| CoordinateWrite {
        trace: one.write.trace,
        epoch: cx.epoch(),
        key: one.write.key.clone(),
        slot: slot(replica),
        context: one.write.context.clone(),
        change: one.write.change.clone(),
        conflict: one.write.conflict,
        above: one.write.above,
    };
    let recipient = cx.replicas.of(&replica.node, first.write.key.partition()).map(|r| &r.coordinate);
    let asked = ask_all(recipient, open.iter().map(message).collect());
    let late = || Err(CoordinateWriteError::Link(LinkError::TimedOut));
    timeout_at(cx.deadline, asked).await.unwrap_or_else(|_| open.iter().map(|_| late()).collect())
}

/// Sends the results to every replica in the list, the minting one too, and keeps hints here for the primaries that have no stand-in.
fn write_everywhere(cx: &Coordination, list: &PreferenceList, minted: &[Minted]) -> UnboundedReceiver<Acknowledgement> {
    let (heard, acknowledgements) = unbounded_channel();
    let Some(first) = minted.first() else { return acknowledgements };
    for absent in list.absent() {
        keep_hints(cx, absent, minted.iter());
    }
    for (replica, Replica { node, role }) in list.replicas().iter().enumerate() {
        let slot = slot_of(role);
        let insists = |minted: &Minted| match minted.by == *node {
            true => Insistence::Nothing,
            false => minted.one.write.insistence(),
        };
        let write = |minted| WriteReplica { insists: insists(minted), ..write_replica(cx, minted, slot.clone()) };
        let requests = minted.iter().map(write).collect();
        let heard = heard.clone();
        let answers = Answers::new(move |at, outcome| acknowledge(&heard, replica, at, outcome));
        send_to(cx, node, first.one.write.key.partition(), Together { requests, answers });
    }
    acknowledgements
}

fn acknowledge(
    heard: &UnboundedSender<Acknowledgement>,
    replica: usize,
    at: usize,
    outcome: Result<(), WriteReplicaError>,
) {
    // Nobody listens only when the process is ending.
    let _ = heard.send(Acknowledgement { replica, at, outcome, way_back: heard.clone() });
}

fn send_to(cx: &Coordination, node: &NodeId, partition: PartitionId, writes: Together<WriteReplica>) {
    match cx.replicas.of(node, partition) {
        Some(recipients) => recipients.write.do_send(writes),
        None => (0..writes.requests.len()).for_each(|at| writes.answers.give(at, Err(LinkError::Unreachable.into()))),
    }
}

/// Counts one replica's word, unless it is a stand-in that has no room: then a spare, if there is one, is asked to stand in instead.
fn hear(
    cx: &Coordination,
    list: &PreferenceList,
    minted: &Minted,
    Count { tally, outranked }: &mut Count,
    Acknowledgement { replica, at, outcome, way_back }: Acknowledgement,
) -> Verdict {
    if let Err(WriteReplicaError::Outranked { time }) = outcome {
        // It knows what it would have to know, so it counts: but then the write is not acknowledged with this dot.
        *outranked = Some(time).max(*outranked);
        return tally.record(replica, Ok(()));
    }
    let is_full = matches!(outcome, Err(WriteReplicaError::HintsFull { .. }));
    let spare = if is_full { tally.replace(replica, minted.one.list.spares()) } else { None };
    let Some(spare) = spare else { return tally.record(replica, outcome) };
    let requests = vec![write_replica(cx, minted, slot(&list.replicas()[replica]))];
    let answers = Answers::new(move |_, outcome| acknowledge(&way_back, replica, at, outcome));
    send_to(cx, spare, minted.one.write.key.partition(), Together { requests, answers });
    tally.verdict()
}

/// After the clients have their answers: the replies still out are awaited, and what a primary failed to take is kept as a hint.
async fn leave_nobody_behind(
    cx: &Coordination,
    list: &PreferenceList,
    minted: Vec<Minted>,
    mut counts: Vec<Count>,
    mut acknowledgements: UnboundedReceiver<Acknowledgement>,
) {
    // Ends: a local node answers or stops, and a peer fails what is overdue.
    while let Some(heard) = acknowledgements.recv().await {
        let at = heard.at;
        hear(cx, list, &minted[at], &mut counts[at], heard);
    }
    for (minted, Count { tally, .. }) in minted.iter().zip(&counts) {
        for (replica, error) in tally.failures() {
            let role = &list.replicas()[replica].role;
            let node = holder(list, tally, replica);
            debug!(trace = %minted.one.write.trace, key = ?minted.one.write.key, %node, %error, "a replica did not take a write");
            let owner = match role {
                Role::Primary => node,
                Role::Fallback { for_node } => for_node,
            };
            // A clock that is refused now is refused as a hint too; the write is on the other replicas. Who knows a newer ring may be no owner any more.
            let keeps = !matches!(error, WriteReplicaError::ClockTooFarAhead(_) | WriteReplicaError::Stale(_));
            if *owner != cx.view.local && keeps {
                keep_hints(cx, owner, std::iter::once(minted));
            }
        }
    }
}

fn keep_hints<'a>(cx: &Coordination, owner: &NodeId, minted: impl Iterator<Item = &'a Minted>) {
    let slot = Slot::HintFor(owner.clone());
    let requests: Vec<WriteReplica> = minted.map(|minted| write_replica(cx, minted, slot.clone())).collect();
    let Some(first) = requests.first() else { return };
    cx.metrics.hints_kept.inc_by(requests.len() as u64);
    let shard = cx.replicas.local_shard(first.key.partition());
    shard.write.do_send(Together { requests, answers: Answers::ignored() });
}

fn write_replica(cx: &Coordination, minted: &Minted, slot: Slot) -> WriteReplica {
    let KeyWrite { trace, key, conflict, .. } = &minted.one.write;
    let (trace, epoch, key, conflict) = (*trace, cx.epoch(), key.clone(), *conflict);
    let siblings = minted.siblings.clone();
    WriteReplica { trace, epoch, key, slot, siblings, conflict, insists: Insistence::Nothing }
}

/// A replica in the role in which the preference list names it.
pub(super) fn slot(replica: &Replica) -> Slot {
    slot_of(&replica.role)
}

fn slot_of(role: &Role) -> Slot {
    match role {
        Role::Primary => Slot::Own,
        Role::Fallback { for_node } => Slot::HintFor(for_node.clone()),
    }
}

/// The client must change something: other replicas would refuse it, too.
fn is_final(error: &CoordinateWriteError) -> bool {
    matches!(error, CoordinateWriteError::TooManySiblings { .. } | CoordinateWriteError::SiblingsTooLarge { .. })
}

fn is_certainly_not_applied(error: &CoordinateWriteError) -> bool {
    matches!(
        error,
        CoordinateWriteError::Link(LinkError::Unreachable | LinkError::Overloaded(_))
            | CoordinateWriteError::HintsFull { .. }
            | CoordinateWriteError::Storage(StorageRefusal::DiskFull { .. })
            | CoordinateWriteError::ClockTooFarAhead(_)
    )
}

fn reply(cx: &Coordination, list: &PreferenceList, minted: &Minted, tally: &Tally) -> Result<PutReply, PutError> {
    let (write, siblings) = (&minted.one.write, &minted.siblings);
    if tally.verdict() != Verdict::Reached {
        return Err(not_reached(list, tally, minted.one.quorum));
    }
    let context = Context::new(write.key.as_bytes(), siblings.context_of_last_write());
    Ok(PutReply { context, siblings: u32::try_from(siblings.visible((cx.wall)()).count()).unwrap_or(u32::MAX) })
}

fn too_few_replicas(list: &PreferenceList, quorum: Quorum) -> PutError {
    let down = |node: &NodeId| ReplicaFailure { node: node.clone(), reason: FailureReason::Down };
    unreached(quorum, 0, list.absent().iter().map(down).collect(), WriteOutcome::NotApplied)
}

fn not_reached(list: &PreferenceList, tally: &Tally, quorum: Quorum) -> PutError {
    let node = |at: usize| holder(list, tally, at).clone();
    let failed = tally
        .failures()
        .map(|(at, error)| ReplicaFailure { node: node(at), reason: FailureReason::Write(error.clone()) });
    let silent = tally.outstanding().map(|at| ReplicaFailure { node: node(at), reason: FailureReason::NoAnswer });
    let down = list.absent().iter().map(|node| ReplicaFailure { node: node.clone(), reason: FailureReason::Down });
    // Also where every disk was full: a later write of the key, begun meanwhile, may carry this one with it.
    unreached(quorum, tally.acknowledged(), failed.chain(silent).chain(down).collect(), WriteOutcome::Unknown)
}

/// Who holds this place of the list by now.
fn holder<'a>(list: &'a PreferenceList, tally: &'a Tally, at: usize) -> &'a NodeId {
    tally.replacement(at).unwrap_or(&list.replicas()[at].node)
}

fn unreached(quorum: Quorum, got: usize, failures: Vec<ReplicaFailure>, outcome: WriteOutcome) -> PutError {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    PutError::QuorumNotReached { needed: count(quorum.w()), got: count(got), failures, outcome }
}
