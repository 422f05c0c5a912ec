//! Brings hints to the nodes they belong to, once those are back, and no faster than those who are being served can bear.
//!
//! It hears of every view; it asks the `Node` shards what waits for whom, hands it over as ordinary `WriteReplica`s, and has a hint deleted only
//! after its write is durable where it belongs. What no hint will bring it passes on to `AntiEntropy`. It decides nothing about what is in a
//! hint. If it dies, the hints are still on disk, and handing one over twice changes nothing.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, Recipient, ResponseFuture};
use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::warn;

use super::hand_over::{Handover, HintShard, Pacing};
use super::links::LinksChanged;
use super::node::WallClock;
use crate::dynamo::handoff_rate::{HandoffRate, Pace, RateBounds};
use crate::dynamo::hint::HintBounds;
use crate::dynamo::latency::Served;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::PartitionId;
use crate::messages::admin::{AdminError, DescribeHints, HintState, HintsRow};
use crate::messages::cluster::{View, ViewChanged};
use crate::messages::hints::{
    CountHints, DirtyRange, ForgetDirty, HintSurvey, HintedPartitions, HintsPending, SurveyHints,
};
use crate::messages::repair::MarkDirty;
use crate::messages::replica::WriteReplica;
use crate::messages::together::Together;
use crate::metrics::Metrics;

/// How often it looks for hints, and at how the requests fare. A hand-over that failed is tried again after this time.
const TICK_INTERVAL: Duration = Duration::from_secs(1);

/// Hints that are too old and could not be given up are looked at again after this time, or when the view changes.
const GIVE_UP_INTERVAL: Duration = Duration::from_secs(30);

/// The 99th percentile is taken over so many ticks: a single second is too noisy.
const WINDOW_TICKS: usize = 3;

/// Fewer reads, or writes, than this in the window say nothing: hardly anybody is served.
const WINDOW_REQUESTS_MIN: u64 = 30;

/// What a [`HintedHandoff`] is told.
pub struct HandoffParts {
    /// Keep the hints.
    pub shards: Vec<HintShard>,
    /// Take them.
    pub peers: BTreeMap<NodeId, Recipient<Together<WriteReplica>>>,
    /// The cluster as it is at the start.
    pub view: Arc<View>,
    /// The wall clock.
    pub wall: WallClock,
    /// How old a hint may get.
    pub bounds: HintBounds,
    /// How fast hints may go.
    pub rate: RateBounds,
    /// Compares replicas. `None`: nobody does, and the `Node` goes on remembering what is dirty.
    pub repair: Option<Recipient<MarkDirty>>,
    /// Where it counts, and where it sees how the requests fare.
    pub metrics: Metrics,
}

/// The hands that hints pass through.
pub struct HintedHandoff {
    shards: Rc<Vec<HintShard>>,
    peers: Rc<BTreeMap<NodeId, Recipient<Together<WriteReplica>>>>,
    view: Arc<View>,
    wall: WallClock,
    bounds: HintBounds,
    repair: Option<Recipient<MarkDirty>>,
    metrics: Metrics,
    pacing: Rc<RefCell<Pacing>>,
    /// The nodes for which something waits, or which miss something, as of the last survey.
    targets: BTreeMap<NodeId, Target>,
    /// How long requests took, tick by tick; the newest last.
    served: VecDeque<Served>,
    ticked: Instant,
}

/// What is known of one target.
#[derive(Default)]
struct Target {
    keys: u64,
    bytes: u64,
    oldest_ms: Option<u64>,
    partitions: BTreeSet<PartitionId>,
    dirty: Vec<DirtyRange>,
    /// Whether hints are being handed over.
    busy: bool,
    /// Whether the last hand-over has left something.
    failed: bool,
    /// Not before then is tried again.
    retry_at: Option<Instant>,
    settled: Rc<Cell<u64>>,
    /// How many were settled at the last tick, and how many per second lately.
    settled_before: u64,
    per_s: f64,
}

/// All shards have said what they keep.
#[derive(Message)]
#[rtype(result = "()")]
struct Surveyed(HintSurvey);

/// A hand-over has come to its end.
#[derive(Message)]
#[rtype(result = "()")]
struct HandoverEnded {
    target: NodeId,
    complete: bool,
}

impl HintedHandoff {
    /// Begins as slowly as it may.
    pub fn new(parts: HandoffParts) -> Self {
        let pacing = Pacing { rate: HandoffRate::new(parts.rate), pace: Pace::default(), since: Instant::now() };
        Self {
            shards: Rc::new(parts.shards),
            peers: Rc::new(parts.peers),
            view: parts.view,
            wall: parts.wall,
            bounds: parts.bounds,
            repair: parts.repair,
            served: VecDeque::from([parts.metrics.served()]),
            metrics: parts.metrics,
            pacing: Rc::new(RefCell::new(pacing)),
            targets: BTreeMap::new(),
            ticked: Instant::now(),
        }
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        self.observe();
        self.survey(ctx);
    }

    /// How do the requests fare, and how do the hints?
    fn observe(&mut self) {
        let now = self.metrics.served();
        let window = self.served.front().map(|earlier| now.since(earlier)).unwrap_or_default();
        self.served.push_back(now);
        while self.served.len() > WINDOW_TICKS {
            self.served.pop_front();
        }
        let p99s_s = window.quantiles_s(0.99, WINDOW_REQUESTS_MIN);
        let handing_over = self.targets.values().any(|target| target.busy);
        self.pacing.borrow_mut().rate.observe(p99s_s, handing_over);
        let passed_s = self.ticked.elapsed().as_secs_f64().max(0.001);
        self.ticked = Instant::now();
        self.targets.values_mut().for_each(|target| target.measure(passed_s));
        let dirty = self.targets.values().map(|target| target.dirty.len()).sum();
        let rate = if handing_over { self.pacing.borrow().rate.rate() } else { 0.0 };
        self.metrics.handing_over(rate, dirty);
    }

    fn survey(&self, ctx: &Context<Self>) {
        let (shards, here) = (Rc::clone(&self.shards), ctx.address());
        actix::spawn(async move {
            let mut all = HintSurvey::default();
            for survey in
                join_all(shards.iter().map(|shard| shard.survey.send(SurveyHints))).await.into_iter().flatten()
            {
                all.waiting.extend(survey.waiting);
                all.dirty.extend(survey.dirty);
            }
            here.do_send(Surveyed(all));
        });
    }

    fn take_in(&mut self, survey: HintSurvey) {
        let old: Vec<NodeId> = self.targets.keys().cloned().collect();
        self.targets.values_mut().for_each(Target::clear);
        for waiting in survey.waiting {
            let target = self.targets.entry(waiting.pending.target).or_default();
            target.keys += waiting.pending.keys;
            target.bytes += waiting.pending.bytes;
            target.oldest_ms = target.oldest_ms.into_iter().chain([waiting.oldest_ms]).min();
            target.partitions.extend(waiting.partitions);
        }
        for range in survey.dirty {
            self.targets.entry(range.peer.clone()).or_default().dirty.push(range);
        }
        let now_ms = (self.wall)();
        self.targets.retain(|_, target| target.keys > 0 || !target.dirty.is_empty() || target.busy);
        for (target, known) in &self.targets {
            self.metrics.hints_oldest(target, known.age_s(now_ms));
        }
        old.iter()
            .filter(|target| !self.targets.contains_key(target))
            .for_each(|target| self.metrics.hints_oldest(target, 0));
    }

    /// Whoever compares replicas remembers it from now on.
    fn pass_on_what_is_dirty(&self) {
        let Some(repair) = self.repair.clone() else { return };
        let ranges: Vec<DirtyRange> = self.targets.values().flat_map(|target| target.dirty.iter().cloned()).collect();
        if ranges.is_empty() {
            return;
        }
        let shards = Rc::clone(&self.shards);
        actix::spawn(async move {
            let mark =
                |range: &DirtyRange| repair.send(MarkDirty { partition: range.partition, peer: range.peer.clone() });
            let marked = join_all(ranges.iter().map(mark)).await;
            let durable: Vec<DirtyRange> = ranges
                .into_iter()
                .zip(marked)
                .filter(|(_, marked)| matches!(marked, Ok(Ok(()))))
                .map(|(range, _)| range)
                .collect();
            // Each shard knows which of them are its own.
            shards.iter().for_each(|shard| shard.forget.do_send(ForgetDirty { ranges: durable.clone() }));
        });
    }

    fn start_handovers(&mut self, ctx: &Context<Self>) {
        let (now, now_ms) = (Instant::now(), (self.wall)());
        for (id, target) in &mut self.targets {
            if target.busy || target.keys == 0 || target.retry_at.is_some_and(|at| now < at) {
                continue;
            }
            target.busy = true;
            let handover = Handover {
                target: id.clone(),
                strays: target.partitions.iter().copied().filter(|at| !owns(&self.view, *at, id)).collect(),
                view: Arc::clone(&self.view),
                shards: Rc::clone(&self.shards),
                peers: Rc::clone(&self.peers),
                pacing: Rc::clone(&self.pacing),
                too_old_before_ms: self.bounds.too_old_before_ms(now_ms),
                settled: Rc::clone(&target.settled),
            };
            let here = ctx.address();
            actix::spawn(async move {
                let complete = handover.run().await;
                here.do_send(HandoverEnded { target: handover.target, complete });
            });
        }
    }

    fn row(&self, id: &NodeId, target: &Target, now_ms: u64) -> HintsRow {
        let state = match target {
            Target { keys: 0, .. } => HintState::OnlyDirty,
            _ if !self.view.reachable.contains(id) => HintState::TargetDown,
            Target { failed: true, .. } => HintState::Failing,
            _ if self.pacing.borrow().rate.is_throttled() => HintState::Throttled,
            _ => HintState::HandingOver,
        };
        let moves = target.per_s >= 0.5 && target.keys > 0;
        HintsRow {
            pending: HintsPending { target: id.clone(), keys: target.keys, bytes: target.bytes },
            oldest_s: target.age_s(now_ms),
            state,
            per_s: target.per_s.round() as u64,
            eta_s: moves.then(|| (target.keys as f64 / target.per_s).ceil() as u64),
            dirty_ranges: u32::try_from(target.dirty.len()).unwrap_or(u32::MAX),
        }
    }
}

/// Whether the node stores the partition for any table.
fn owns(view: &View, partition: PartitionId, node: &NodeId) -> bool {
    view.topology.holds(node, partition, view.widest())
}

impl Target {
    fn clear(&mut self) {
        (self.keys, self.bytes, self.oldest_ms) = (0, 0, None);
        self.partitions.clear();
        self.dirty.clear();
    }

    /// Half of the speed is that of the last tick.
    fn measure(&mut self, passed_s: f64) {
        let settled = self.settled.get();
        self.per_s = (self.per_s + (settled - self.settled_before) as f64 / passed_s) / 2.0;
        self.settled_before = settled;
    }

    fn age_s(&self, now_ms: u64) -> u64 {
        self.oldest_ms.map_or(0, |oldest| now_ms.saturating_sub(oldest) / 1000)
    }
}

impl Actor for HintedHandoff {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.run_interval(TICK_INTERVAL, Self::tick);
        self.survey(ctx);
    }
}

/// A node may be back: what waits for it is looked for at once.
impl Handler<ViewChanged> for HintedHandoff {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, ctx: &mut Self::Context) {
        self.view = view;
        self.targets.values_mut().for_each(|target| target.retry_at = None);
        self.survey(ctx);
    }
}

/// A hand-over under way keeps the links that it began with; over one that has ended it does not complete, and what is left is looked at anew.
impl Handler<LinksChanged<Recipient<Together<WriteReplica>>>> for HintedHandoff {
    type Result = ();

    fn handle(&mut self, LinksChanged(peers): LinksChanged<Recipient<Together<WriteReplica>>>, _: &mut Self::Context) {
        self.peers = Rc::new(peers);
    }
}

impl Handler<Surveyed> for HintedHandoff {
    type Result = ();

    fn handle(&mut self, Surveyed(survey): Surveyed, ctx: &mut Self::Context) {
        self.take_in(survey);
        self.pass_on_what_is_dirty();
        self.start_handovers(ctx);
    }
}

impl Handler<HandoverEnded> for HintedHandoff {
    type Result = ();

    fn handle(&mut self, HandoverEnded { target: id, complete }: HandoverEnded, _: &mut Self::Context) {
        let up = self.view.reachable.contains(&id);
        let Some(target) = self.targets.get_mut(&id) else { return };
        if up && !complete && !target.failed {
            warn!(target = %id, keys = target.keys, "not all hints could be handed over: they are tried again");
        }
        target.busy = false;
        target.failed = up && !complete;
        let pause = if up { TICK_INTERVAL } else { GIVE_UP_INTERVAL };
        target.retry_at = (!complete).then(|| Instant::now() + pause);
    }
}

/// The sum over all shards.
impl Handler<CountHints> for HintedHandoff {
    type Result = ResponseFuture<Vec<HintsPending>>;

    fn handle(&mut self, _: CountHints, _: &mut Self::Context) -> Self::Result {
        let shards = Rc::clone(&self.shards);
        Box::pin(async move {
            let mut sums: BTreeMap<NodeId, HintsPending> = BTreeMap::new();
            for pending in
                join_all(shards.iter().map(|shard| shard.count.send(CountHints))).await.into_iter().flatten().flatten()
            {
                let empty = HintsPending { target: pending.target.clone(), keys: 0, bytes: 0 };
                let sum = sums.entry(pending.target.clone()).or_insert(empty);
                sum.keys += pending.keys;
                sum.bytes += pending.bytes;
            }
            sums.into_values().collect()
        })
    }
}

/// As of the last survey, at most a tick ago.
impl Handler<Together<HintedPartitions>> for HintedHandoff {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<HintedPartitions>, _: &mut Self::Context) {
        for (at, asked) in requests.iter().enumerate() {
            let waiting = asked.targets.iter().filter_map(|target| self.targets.get(target));
            let partitions: BTreeSet<PartitionId> =
                waiting.flat_map(|target| target.partitions.iter().copied()).collect();
            answers.give(at, Ok(partitions.into_iter().collect()));
        }
    }
}

impl Handler<DescribeHints> for HintedHandoff {
    type Result = Result<Vec<HintsRow>, AdminError>;

    fn handle(&mut self, _: DescribeHints, _: &mut Self::Context) -> Self::Result {
        let now_ms = (self.wall)();
        Ok(self.targets.iter().map(|(id, target)| self.row(id, target, now_ms)).collect())
    }
}
