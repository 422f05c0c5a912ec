//! Puts changes that depend on what an item is in order: one after the other for each key, at the sequencer of its partition.
//!
//! Sessions and the HTTP API of its worker give it `Modify`, which it takes to the node that counts; that node's sequencer of the key's shard takes
//! `SequenceModify`. It decides nothing about items (`Turn` does) nor who the sequencer is (the log of metadata does). What waits dies with it and is not applied; what
//! was being written may be.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext as _, Context, Handler, Message, Recipient, ResponseFuture};
use tokio::time::Instant;

use super::links::LinksChanged;
use super::modify_in_turn::{Desk, modify_in_turn};
use super::node::WallClock;
use super::pass_on_modify::{Ways, pass_on, pass_on_once, record_key, sequencer};
use super::views::Views;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::item::Step;
use crate::messages::Overloaded;
use crate::messages::cluster::{View, ViewChanged};
use crate::messages::metadata::HeardOfRing;
use crate::messages::modify::{Modified, Modify, ModifyError, ReadSurely, SequenceModify, WriteSequenced};
use crate::messages::replica::StaleEpoch;
use crate::messages::together::{Answers, Together};
use crate::metrics::{Metrics, Outcome};

/// So many changes of one key share a read and a write.
const TURN_MAX: usize = 128;

/// A line that waits for a transaction looks again after this long, if nobody has told it sooner what became of that.
const TRANSACTION_PAUSE: Duration = Duration::from_millis(20);

/// What a [`WriteSequencer`] is told.
pub struct SequencerParts {
    /// The cluster as it is at the start.
    pub view: Arc<View>,
    /// The longest a request may take.
    pub request_timeout: Duration,
    /// Bound of the changes that wait for their turn.
    pub waiting_max: usize,
    /// The wall clock.
    pub wall: WallClock,
    /// Where it counts.
    pub metrics: Metrics,
}

/// One worker's sequencer.
pub struct WriteSequencer {
    view: Arc<View>,
    views: Views,
    request_timeout: Duration,
    waiting_max: usize,
    wall: WallClock,
    metrics: Metrics,
    peers: BTreeMap<NodeId, Recipient<Together<SequenceModify>>>,
    colleagues: Option<Attach>,
    /// Whoever waits for a key that somebody is changing.
    lines: BTreeMap<RecordKey, Line>,
    /// How many wait, in all lines.
    waiting: usize,
}

/// Whom a sequencer works with. Before it knows, it is not reached.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// Reads.
    pub read: Recipient<ReadSurely>,
    /// Writes.
    pub write: Recipient<WriteSequenced>,
    /// The sequencers of this node's shards, in order.
    pub sequencers: Vec<Recipient<Together<SequenceModify>>>,
    /// Told of newer rings than this node's.
    pub rings: Recipient<HeardOfRing>,
}

/// A change whose turn has not come yet.
pub(super) struct Queued {
    pub(super) modify: Modify,
    pub(super) overdue_at: Instant,
    /// Whether it has had its turn, and a transaction was in the way.
    pub(super) has_waited: bool,
    pub(super) answer: Answer,
}

/// Whoever waits for one key.
#[derive(Default)]
struct Line {
    queue: VecDeque<Queued>,
    /// Nobody is changing the key, but a transaction that is not decided has prepared it.
    rests: bool,
}

/// Where one answer goes.
pub(super) struct Answer {
    answers: Answers<Result<Modified, ModifyError>>,
    at: usize,
}

impl Answer {
    pub(super) fn give(self, outcome: Result<Modified, ModifyError>) {
        self.answers.give(self.at, outcome);
    }
}

/// The changes of a key whose turn it was are done, but for those that wait for a transaction.
#[derive(Message)]
#[rtype(result = "()")]
struct TurnOver {
    key: RecordKey,
    waiting: Vec<Queued>,
}

/// A line that waits for a transaction looks again.
#[derive(Message)]
#[rtype(result = "()")]
struct RestOver(RecordKey);

impl WriteSequencer {
    /// A sequencer that knows nobody yet.
    pub fn new(parts: SequencerParts) -> Self {
        Self {
            views: Views::new(Arc::clone(&parts.view)),
            view: parts.view,
            request_timeout: parts.request_timeout,
            waiting_max: parts.waiting_max,
            wall: parts.wall,
            metrics: parts.metrics,
            peers: BTreeMap::new(),
            colleagues: None,
            lines: BTreeMap::new(),
            waiting: 0,
        }
    }

    fn overdue_at(&self, modify: &Modify) -> Instant {
        let asked = modify.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        Instant::now() + asked.map_or(self.request_timeout, |asked| asked.min(self.request_timeout))
    }

    fn ways(&self, overdue_at: Instant) -> Ways {
        Ways {
            views: self.views.clone(),
            here: self.colleagues.as_ref().map(|colleagues| colleagues.sequencers.clone()).unwrap_or_default(),
            peers: self.peers.clone(),
            rings: self.colleagues.as_ref().map(|colleagues| colleagues.rings.clone()),
            overdue_at,
        }
    }

    /// Lets the change wait for its turn; the first of a key need not.
    fn line_up(&mut self, sequence: SequenceModify, answer: Answer, ctx: &mut Context<Self>) {
        let SequenceModify { epoch, forwarded, modify, .. } = sequence;
        if self.colleagues.is_none() {
            // This worker's coordinator does not run yet.
            return answer.give(Err(ModifyError::NotFirst));
        }
        let key = match self.place(epoch, &modify) {
            Ok(Place::Here(key)) => key,
            Ok(Place::At(_)) if forwarded => return answer.give(Err(ModifyError::NotFirst)),
            Ok(Place::At(first)) => {
                let ways = self.ways(self.overdue_at(&modify));
                actix::spawn(async move { answer.give(pass_on_once(&ways, first, epoch, modify).await) });
                return;
            }
            Err(refused) => return answer.give(Err(refused)),
        };
        if self.waiting >= self.waiting_max {
            self.metrics.shed.inc();
            let overloaded = Overloaded { limit: "limits.inflight_requests".to_owned(), max: self.waiting_max as u64 };
            return answer.give(Err(overloaded.into()));
        }
        let queued = Queued { overdue_at: self.overdue_at(&modify), modify, has_waited: false, answer };
        self.waiting += 1;
        let is_first = !self.lines.contains_key(&key);
        let line = self.lines.entry(key.clone()).or_default();
        // Whoever brings the end of a transaction is let through: the others may be waiting for it.
        let settles = matches!(queued.modify.step, Step::Settle { .. });
        if settles {
            line.queue.push_front(queued)
        } else {
            line.queue.push_back(queued)
        }
        if is_first || (settles && line.rests) {
            self.begin_turn(key, ctx);
        }
    }

    /// Where this change is put in order, if the sender knows the ring that this node knows.
    fn place(&self, epoch: u64, modify: &Modify) -> Result<Place, ModifyError> {
        let known = self.view.topology.epoch();
        if epoch < known {
            return Err(StaleEpoch { epoch: known }.into());
        }
        if epoch > known {
            if let Some(colleagues) = &self.colleagues {
                colleagues.rings.do_send(HeardOfRing { epoch });
            }
            return Err(ModifyError::NotFirst);
        }
        let key = record_key(&self.view, modify)?;
        match sequencer(&self.view, modify, &key)? {
            first if first == self.view.local => Ok(Place::Here(key)),
            first => Ok(Place::At(first)),
        }
    }

    fn begin_turn(&mut self, key: RecordKey, ctx: &mut Context<Self>) {
        let (Some(colleagues), Some(line)) = (&self.colleagues, self.lines.get_mut(&key)) else { return };
        line.rests = false;
        let turn: Vec<Queued> = line.queue.drain(..line.queue.len().min(TURN_MAX)).collect();
        if turn.is_empty() {
            self.lines.remove(&key);
            return;
        }
        self.waiting -= turn.len();
        // The view may have changed while they waited: then somebody else decides by now.
        let is_first = turn.first().is_some_and(|queued| {
            sequencer(&self.view, &queued.modify, &key).is_ok_and(|first| first == self.view.local)
        });
        if !is_first {
            turn.into_iter().for_each(|queued| queued.answer.give(Err(ModifyError::NotFirst)));
            return ctx.notify(TurnOver { key, waiting: Vec::new() });
        }
        let desk = Desk {
            read: colleagues.read.clone(),
            write: colleagues.write.clone(),
            modify: ctx.address().recipient(),
            view: Arc::clone(&self.view),
            wall: Arc::clone(&self.wall),
        };
        let over = ctx.address();
        actix::spawn(async move {
            let waiting = modify_in_turn(desk, turn).await;
            over.do_send(TurnOver { key, waiting });
        });
    }
}

/// Where a change is put in order.
enum Place {
    Here(RecordKey),
    At(NodeId),
}

impl Actor for WriteSequencer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
    }
}

impl Handler<Attach> for WriteSequencer {
    type Result = ();

    fn handle(&mut self, attach: Attach, _: &mut Self::Context) {
        self.colleagues = Some(attach);
    }
}

impl Handler<Modify> for WriteSequencer {
    type Result = ResponseFuture<Result<Modified, ModifyError>>;

    fn handle(&mut self, modify: Modify, _: &mut Self::Context) -> Self::Result {
        let ways = self.ways(self.overdue_at(&modify));
        let measured = self.metrics.request("modify");
        Box::pin(async move {
            let reply = pass_on(ways, modify).await;
            measured.finish(Outcome::of_modify(&reply));
            reply
        })
    }
}

impl Handler<Together<SequenceModify>> for WriteSequencer {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<SequenceModify>, ctx: &mut Self::Context) {
        for (at, sequence) in requests.into_iter().enumerate() {
            let answer = Answer { answers: answers.clone(), at };
            self.line_up(sequence, answer, ctx);
        }
    }
}

impl Handler<TurnOver> for WriteSequencer {
    type Result = ();

    fn handle(&mut self, TurnOver { key, waiting }: TurnOver, ctx: &mut Self::Context) {
        let Some(line) = self.lines.get_mut(&key) else { return };
        self.waiting += waiting.len();
        line.rests = !waiting.is_empty();
        let brings_the_end = |queued: &Queued| matches!(queued.modify.step, Step::Settle { .. });
        let settled = line.queue.iter().take_while(|queued| brings_the_end(queued)).count();
        waiting.into_iter().rev().for_each(|queued| line.queue.insert(settled, queued));
        if line.rests && settled == 0 {
            ctx.notify_later(RestOver(key), TRANSACTION_PAUSE);
        } else {
            self.begin_turn(key, ctx);
        }
    }
}

impl Handler<RestOver> for WriteSequencer {
    type Result = ();

    fn handle(&mut self, RestOver(key): RestOver, ctx: &mut Self::Context) {
        if self.lines.get(&key).is_some_and(|line| line.rests) {
            self.begin_turn(key, ctx);
        }
    }
}

impl Handler<ViewChanged> for WriteSequencer {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        self.views.replace(Arc::clone(&view));
        self.view = view;
    }
}

impl Handler<LinksChanged<Recipient<Together<SequenceModify>>>> for WriteSequencer {
    type Result = ();

    fn handle(&mut self, changed: LinksChanged<Recipient<Together<SequenceModify>>>, _: &mut Self::Context) {
        self.peers = changed.0;
    }
}

#[cfg(test)]
#[path = "write_sequencer_tests.rs"]
mod tests;
