//! The story of reads that came together and ask the same replicas.
//!
//! ```text
//!   this node's copies ──▶ "is yours like mine?" to the R - 1 others ──▶ answers
//!                                 │ late: to one more                └─ failed: each read goes its own way (coordinate_get)
//! ```
//!
//! They are asked, heard and answered together: per read there is no task, no timer and no future, which is most of what a read
//! costs otherwise. A replica whose copy is the same says so without sending it.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use super::coordinate_get::{KeyRead, Tally, coordinate_get, read_order, repair};
use super::coordinate_put::slot;
use super::coordination::{Coordination, Group, ReplicaRecipients, ask_all};
use super::replication_coordinator::reply;
use super::settle_intents::{holds_intent, settle};
use crate::dynamo::preference_list::{PreferenceList, Replica, Role};
use crate::dynamo::quorum::Verdict;
use crate::dynamo::siblings::Siblings;
use crate::messages::client::{GetError, GetReply};
use crate::messages::replica::{CompareReplica, ReadReplica, ReadReplicaError};
use crate::messages::together::Answers;

/// Where the answers to reads go.
pub(super) type GetAnswers = Answers<Result<GetReply, GetError>>;

/// A checked read, its place among those that came together, and whom it may ask.
pub(super) struct PlacedRead {
    place: usize,
    read: KeyRead,
    list: PreferenceList,
    /// How many answers it takes.
    needed: usize,
}

impl PlacedRead {
    pub(super) fn new(cx: &Coordination, place: usize, read: KeyRead) -> Self {
        let (list, quorum) = cx.replicas_of(read.key.table(), read.key.partition(), read.terms);
        Self { place, read, list, needed: quorum.r() }
    }
}

/// Reads that ask the same replicas. Never empty.
pub(super) struct ReadGroup {
    /// Whom all of them may ask: first as many as they need, chosen for the first read, then those to turn to when one is late.
    order: Vec<Replica>,
    reads: Vec<PlacedRead>,
}

type Outcomes = Vec<Result<Siblings, ReadReplicaError>>;
type Replies = FuturesUnordered<LocalBoxFuture<'static, (usize, Outcomes)>>;

impl Group for ReadGroup {
    type Member = PlacedRead;

    fn of(cx: &Coordination, first: PlacedRead) -> Self {
        Self { order: read_order(cx, &first.list, first.needed), reads: vec![first] }
    }

    /// The same way: as many answers from replicas that this read may ask too, be they its best or not, and the same shard of this
    /// node. The fewer nodes are asked, the more of a question's cost is shared; which ones they are changes with the first key.
    fn join(&mut self, cx: &Coordination, read: PlacedRead) -> Option<PlacedRead> {
        let shard = |one: &PlacedRead| cx.replicas.shard_of(one.read.key.partition());
        let needed = self.needed();
        let may_ask = |replica: &Replica| read.list.reading().contains(replica);
        if shard(&read) != shard(&self.reads[0])
            || read.needed != self.reads[0].needed
            || !self.order[..needed].iter().all(may_ask)
        {
            return Some(read);
        }
        self.order.retain(may_ask);
        self.reads.push(read);
        None
    }
}

impl ReadGroup {
    /// How many replicas are asked at once.
    fn needed(&self) -> usize {
        self.reads[0].needed.min(self.order.len())
    }

    /// Whether the first to be asked is this node's own copy.
    fn begins_here(&self, cx: &Coordination) -> bool {
        self.order.first().is_some_and(|first| first.node == cx.view.local && first.role == Role::Primary)
    }

    fn recipients<'a>(&self, cx: &'a Coordination, at: usize) -> Option<&'a ReplicaRecipients> {
        cx.replicas.of(&self.order[at].node, self.reads[0].read.key.partition())
    }

    /// What one of the replicas holds.
    fn read_replica(&self, cx: &Coordination, at: usize) -> impl Future<Output = Outcomes> + 'static {
        let (slot, epoch) = (slot(&self.order[at]), cx.epoch());
        let message = |one: &PlacedRead| {
            let (trace, key) = (one.read.trace, one.read.key.clone());
            ReadReplica { trace, epoch, key, slot: slot.clone(), binds: false }
        };
        let messages = self.reads.iter().map(message).collect();
        let recipient = self.recipients(cx, at).map(|recipients| recipients.read.clone());
        let asked = cx.ask_peer(&self.order[at].node, self.reads.len());
        async move {
            let outcomes = ask_all(recipient.as_ref(), messages).await;
            if let Some(asked) = asked {
                asked.answered(&outcomes);
            }
            outcomes
        }
    }

    /// What one of the replicas holds, told by what differs from what is `known`.
    fn compare_replica(
        &self,
        cx: &Coordination,
        at: usize,
        known: &[Siblings],
    ) -> impl Future<Output = Outcomes> + 'static {
        let (slot, epoch) = (slot(&self.order[at]), cx.epoch());
        let message = |(one, known): (&PlacedRead, &Siblings)| {
            let (trace, key) = (one.read.trace, one.read.key.clone());
            CompareReplica { trace, epoch, key, slot: slot.clone(), known: known.fingerprint() }
        };
        let messages = self.reads.iter().zip(known).map(message).collect();
        let recipient = self.recipients(cx, at).map(|recipients| recipients.compare.clone());
        let asked = cx.ask_peer(&self.order[at].node, self.reads.len());
        let known = known.to_vec();
        async move {
            let differing: Vec<Result<Option<Siblings>, _>> = ask_all(recipient.as_ref(), messages).await;
            if let Some(asked) = asked {
                asked.answered(&differing);
            }
            known.into_iter().zip(differing).map(|(known, other)| other.map(|held| held.unwrap_or(known))).collect()
        }
    }
}

pub(super) async fn coordinate_gets(cx: Rc<Coordination>, group: ReadGroup, answers: GetAnswers) {
    if group.reads[0].needed == 1 && group.begins_here(&cx) {
        answer_from_here(cx, group, answers).await;
    } else {
        hear_others(cx, group, answers).await;
    }
}

/// One answer is enough, and it costs no message.
async fn answer_from_here(cx: Rc<Coordination>, group: ReadGroup, answers: GetAnswers) {
    let held = group.read_replica(&cx, 0).await;
    for (one, held) in group.reads.into_iter().zip(held) {
        match held {
            Ok(siblings) => answer(&cx, &one, siblings, &answers),
            Err(_) => drop(actix::spawn(go_alone(Rc::clone(&cx), one, answers.clone()))),
        }
    }
}

/// Asks as many replicas as it takes, this one first if it is one of them.
async fn hear_others(cx: Rc<Coordination>, group: ReadGroup, answers: GetAnswers) {
    let asked_at = Instant::now();
    cx.hedges.borrow_mut().earn(group.reads.len());
    let mut tallies = Tallies::of(&group);
    let mut own = None;
    if group.begins_here(&cx) {
        let outcomes = group.read_replica(&cx, 0).await;
        // A copy that cannot be read is compared as if it were empty: whatever the other one holds is told.
        own = Some(outcomes.iter().map(|held| held.clone().unwrap_or_default()).collect::<Vec<_>>());
        tallies.record(0, outcomes);
    }
    let ask = |at: usize| -> LocalBoxFuture<'static, (usize, Outcomes)> {
        match &own {
            Some(known) => Box::pin(group.compare_replica(&cx, at, known).map(move |told| (at, told))),
            None => Box::pin(group.read_replica(&cx, at).map(move |told| (at, told))),
        }
    };
    let mut replies: Replies = (usize::from(own.is_some())..group.needed()).map(ask).collect();
    let mut hedge_at = Instant::now() + cx.hedge_after();
    while tallies.are_pending() && !replies.is_empty() {
        let replied = timeout_at(hedge_at.min(cx.deadline), replies.next()).await;
        cx.read_latency.borrow_mut().record(asked_at.elapsed().as_secs_f64());
        match replied {
            Ok(Some((at, outcomes))) => {
                let decided = tallies.record(at, outcomes);
                // Whoever was not asked at first was asked because somebody was slow.
                if at >= group.needed() {
                    cx.metrics.hedges_won.inc_by(decided);
                }
            }
            Ok(None) => break,
            Err(_) if hedge_at >= cx.deadline => break,
            Err(_) if !tallies.can_ask_another() => hedge_at = cx.deadline,
            Err(_) => {
                if cx.may_hedge(group.reads.len()) {
                    replies.extend(tallies.ask_another().map(ask));
                }
                hedge_at = Instant::now() + cx.hedge_after();
            }
        }
    }
    answer_all(&cx, group, tallies, &answers);
    // The reads are over, but whoever was slow is heard out: how slow he is decides whether the next reads ask him.
    drop((cx, answers));
    while replies.next().await.is_some() {}
}

/// One tally for each read of a group. All of them have asked the same replicas.
struct Tallies(Vec<Tally>);

impl Tallies {
    fn of(group: &ReadGroup) -> Self {
        let tally = |one: &PlacedRead| {
            let mut tally = Tally::new(one.needed, group.order.len());
            while tally.ask().is_some() {}
            tally
        };
        Self(group.reads.iter().map(tally).collect())
    }

    fn are_pending(&self) -> bool {
        self.0.iter().any(|tally| tally.verdict() == Verdict::Pending)
    }

    /// The place of the next replica, if there is one.
    fn ask_another(&mut self) -> Option<usize> {
        self.0.iter_mut().filter_map(Tally::ask_another).max()
    }

    fn can_ask_another(&self) -> bool {
        self.0.iter().any(Tally::can_ask_another)
    }

    /// How many reads have what they need now, and had not before.
    fn record(&mut self, at: usize, outcomes: Outcomes) -> u64 {
        let mut decided = 0;
        for (tally, outcome) in self.0.iter_mut().zip(outcomes) {
            let was_pending = tally.verdict() == Verdict::Pending;
            let is_reached = tally.record(at, outcome) == Verdict::Reached;
            decided += u64::from(was_pending && is_reached);
        }
        decided
    }
}

fn answer_all(cx: &Rc<Coordination>, group: ReadGroup, tallies: Tallies, answers: &GetAnswers) {
    for (one, tally) in group.reads.into_iter().zip(tallies.0) {
        if tally.verdict() != Verdict::Reached {
            actix::spawn(go_alone(Rc::clone(cx), one, answers.clone()));
            continue;
        }
        let is_sound = tally.failures().next().is_none();
        match if is_sound { tally.unanimous() } else { Err(tally) } {
            Ok(siblings) => answer(cx, &one, siblings, answers),
            Err(tally) => {
                answer(cx, &one, tally.merged(), answers);
                let (cx, order) = (Rc::clone(cx), group.order.clone());
                actix::spawn(async move { repair(&cx, &one.read, &order, &tally).await });
            }
        }
    }
}

/// Too few answers: this read asks for itself, one replica after the other.
async fn go_alone(cx: Rc<Coordination>, one: PlacedRead, answers: GetAnswers) {
    match coordinate_get(Rc::clone(&cx), one.read.clone()).await {
        Ok(found) => answer(&cx, &one, found, &answers),
        Err(failed) => answers.give(one.place, Err(failed)),
    }
}

/// Answers a read, at once unless a transaction has prepared the item.
fn answer(cx: &Rc<Coordination>, one: &PlacedRead, found: Siblings, answers: &GetAnswers) {
    let (place, trace, key) = (one.place, one.read.trace, &one.read.key);
    let GetReply { versions, context } = reply(found, key.as_bytes(), (cx.wall)());
    if !holds_intent(&versions) {
        return answers.give(place, Ok(GetReply { versions, context }));
    }
    let (cx, key, answers) = (Rc::clone(cx), key.clone(), answers.clone());
    actix::spawn(async move {
        let settled = settle(&cx, trace, &key, versions).await;
        answers.give(place, settled.map(|versions| GetReply { versions: versions.into(), context }));
    });
}
