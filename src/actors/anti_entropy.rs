//! Compares this node's partitions with their other replicas, for ever and in the background, and moves what differs.
//!
//! It hears of every view; it asks this node's shards and, over links of its own, the peers (`exchange_range.rs` tells the story of one
//! comparison). It decides neither what is due (`dynamo::exchange`) nor which version wins (a replica's merge does). If it dies,
//! comparisons begin anew; ranges that were marked dirty are still marked on the disk.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext as _, Context, Handler, MessageResult, Recipient, ResponseFuture};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep};
use tracing::info;

use super::exchange_range::compare_due;
use super::links::LinksChanged;
use super::node::WallClock;
use super::repair_marks::{MarksWritten, RepairMarks, Written, was_paused};
use super::repair_recipients::{RepairPeer, RepairRecipients};
use crate::dynamo::exchange::Schedule;
use crate::dynamo::latency::Served;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::pace::Pace;
use crate::dynamo::ring::PartitionId;
use crate::item::Conflict;
use crate::messages::admin::AdminError;
use crate::messages::cluster::{View, ViewChanged};
use crate::messages::hints::HintedPartitions;
use crate::messages::repair::{
    AuditPartition, ControlRepair, ControlRepairError, DescribeRepair, MarkDirty, MarkDirtyError, PeerRepair,
    RepairAction, RepairRun, RepairStatus,
};
use crate::messages::ring::{MoveTended, RangeCompared, SeeToTries};
use crate::messages::together::Together;
use crate::metrics::Metrics;
use crate::storage::{Committer, ReadError, Storage};

/// How often is looked for ranges that are due.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// How often gauges are set, the pace is adapted, and what has been verified is written down.
const KEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A peer that has come back is left alone for so long, in ms: its hints come first, and say most of what it has missed.
const RETURN_DELAY_MS: u64 = 1_000;

/// Repair slows down while this quantile of the requests' latencies is more than usual.
const WATCHED_QUANTILE: f64 = 0.99;

/// The quantile is taken over so many of these intervals: a single second is too noisy.
const WINDOW_TICKS: usize = 4;

/// Fewer reads, or writes, in that time say nothing of it.
const REQUESTS_MIN: u64 = 50;

/// What an [`AntiEntropy`] is told.
pub struct AntiEntropyParts {
    /// The cluster as it is at the start.
    pub view: Arc<View>,
    /// This node's shards, in order.
    pub shards: Vec<RepairRecipients>,
    /// The same shards: they check themselves.
    pub auditors: Vec<Recipient<AuditPartition>>,
    /// The other members.
    pub peers: BTreeMap<NodeId, RepairRecipients>,
    /// Every member: where it keeps hints.
    pub hint_keepers: BTreeMap<NodeId, Recipient<Together<HintedPartitions>>>,
    /// Hears of comparisons while partitions move.
    pub transfer: Recipient<RangeCompared>,
    /// `anti_entropy.enabled`.
    pub enabled: bool,
    /// `anti_entropy.interval_s`.
    pub interval_s: u64,
    /// `anti_entropy.audit_interval_s`.
    pub audit_interval_s: u64,
    /// `anti_entropy.records_per_s` and `anti_entropy.bytes_per_s`.
    pub rates: [u64; 2],
    /// For what earlier lives have left.
    pub storage: Arc<dyn Storage>,
    /// For the marks; reports to this actor by [`MarksWritten`].
    pub committer: Box<dyn Committer>,
    /// The wall clock.
    pub wall: WallClock,
    /// Seeds the jitter.
    pub seed: u64,
    /// Where it counts.
    pub metrics: Metrics,
}

/// The comparer.
pub struct AntiEntropy(Rc<Workshop>);

/// What the actor and its comparisons share.
pub(super) struct Workshop {
    pub(super) view: RefCell<Arc<View>>,
    pub(super) shards: Vec<RepairRecipients>,
    pub(super) auditors: Vec<Recipient<AuditPartition>>,
    pub(super) peers: RefCell<BTreeMap<NodeId, RepairRecipients>>,
    pub(super) hint_keepers: RefCell<BTreeMap<NodeId, Recipient<Together<HintedPartitions>>>>,
    /// The peers whose comparisons are under way: each has one task.
    compared: RefCell<BTreeSet<NodeId>>,
    pub(super) schedule: RefCell<Schedule>,
    pub(super) marks: RefCell<RepairMarks>,
    pub(super) transfer: Recipient<RangeCompared>,
    pub(super) metrics: Metrics,
    /// One audit at a time: a shard checks one partition at a time.
    pub(super) auditing: tokio::sync::Mutex<()>,
    pub(super) repairing: RefCell<BTreeMap<NodeId, PartitionId>>,
    audit_interval: Duration,
    enabled: bool,
    interval_s: u64,
    pace: RefCell<Pace<2>>,
    paused: Cell<bool>,
    stopped: Cell<bool>,
    run: RefCell<Option<Run>>,
    wall: WallClock,
    started: Instant,
    rng: RefCell<StdRng>,
}

/// A run that an operator has asked for.
struct Run {
    asked_ms: u64,
    asked: Instant,
    /// How long it has taken, once it is over.
    took: Option<Duration>,
}

impl AntiEntropy {
    /// Reads what earlier lives have verified and marked, and whether they were paused.
    pub fn open(parts: AntiEntropyParts) -> Result<Self, ReadError> {
        let now_ms = (parts.wall)();
        let mut schedule = Schedule::new(parts.interval_s.saturating_mul(1_000));
        schedule.follow(&parts.view.topology, &parts.view.local, parts.view.widest(), now_ms);
        let paused = was_paused(parts.storage.as_ref())?;
        let marks = RepairMarks::load(parts.storage.as_ref(), parts.committer, &mut schedule, now_ms)?;
        let workshop = Workshop {
            view: RefCell::new(parts.view),
            shards: parts.shards,
            auditors: parts.auditors,
            peers: RefCell::new(parts.peers),
            hint_keepers: RefCell::new(parts.hint_keepers),
            compared: RefCell::default(),
            schedule: RefCell::new(schedule),
            marks: RefCell::new(marks),
            transfer: parts.transfer,
            metrics: parts.metrics,
            auditing: tokio::sync::Mutex::new(()),
            repairing: RefCell::default(),
            audit_interval: Duration::from_secs(parts.audit_interval_s),
            enabled: parts.enabled,
            interval_s: parts.interval_s,
            pace: RefCell::new(Pace::new(parts.rates, 0)),
            paused: Cell::new(paused),
            stopped: Cell::new(false),
            run: RefCell::default(),
            wall: parts.wall,
            started: Instant::now(),
            rng: RefCell::new(StdRng::seed_from_u64(parts.seed)),
        };
        Ok(Self(Rc::new(workshop)))
    }
}

impl Workshop {
    pub(super) fn now_ms(&self) -> u64 {
        (self.wall)()
    }

    /// The epoch of the ring that this node knows.
    pub(super) fn epoch(&self) -> u64 {
        self.view.borrow().topology.epoch()
    }

    /// A number from 0 to 1.
    pub(super) fn jitter(&self) -> f64 {
        self.rng.borrow_mut().random_range(0.0..1.0)
    }

    /// Whether comparisons go on.
    pub(super) fn works(&self) -> bool {
        !self.stopped.get() && !self.paused.get()
    }

    pub(super) fn shard(&self, partition: PartitionId) -> &RepairRecipients {
        &self.shards[partition.0 as usize % self.shards.len()]
    }

    pub(super) fn conflict(&self, table: &str) -> Conflict {
        let view = self.view.borrow();
        view.stored_table(table).map_or(Conflict::Siblings, |known| known.conflict)
    }

    /// So much has been moved or read: goes on when the budget allows for more, of which a peer may allow a part only.
    pub(super) async fn spend(&self, records: u64, bytes: u64, at_most: f64) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let wait_ms = self.pace.borrow_mut().spend([records, bytes], at_most, now_ms);
        if wait_ms > 0 {
            sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// Both copies of this range hold all that either held at `at_ms`.
    pub(super) fn verified(&self, peer: &NodeId, partition: PartitionId, at_ms: u64) {
        self.metrics.repair.ranges_verified.inc();
        if self.schedule.borrow_mut().verified(peer, partition, at_ms, self.jitter()) {
            self.marks.borrow_mut().clean(peer, partition);
        }
    }

    /// Whatever is known of the range, it is compared again in a moment.
    pub(super) fn look_again(&self, peer: &NodeId, partition: PartitionId) {
        self.schedule.borrow_mut().look_again(peer, partition, self.now_ms());
    }

    pub(super) fn failed(&self, peer: &NodeId, partition: PartitionId) {
        self.schedule.borrow_mut().failed(peer, partition, self.now_ms(), self.jitter());
    }

    /// Begins to compare with every peer that is new.
    fn compare_with_all(self: &Rc<Self>) {
        for peer in self.peers.borrow().keys() {
            if self.compared.borrow_mut().insert(peer.clone()) {
                actix::spawn(Rc::clone(self).compare_with(peer.clone()));
            }
        }
    }

    /// Compares with one peer, as long as there is a link to it and the actor lives.
    async fn compare_with(self: Rc<Self>, peer: NodeId) {
        while !self.stopped.get() {
            sleep(LOOK_INTERVAL.mul_f64(0.5 + self.jitter())).await;
            let Some(recipients) = self.peers.borrow().get(&peer).cloned() else { break };
            let reachable = self.view.borrow().reachable.contains(&peer);
            if self.works() && reachable {
                compare_due(&self, &peer, &recipients).await;
            }
        }
        self.compared.borrow_mut().remove(&peer);
    }

    /// Reads through all records once in every interval, partition by partition.
    async fn audit_for_ever(self: Rc<Self>) {
        while !self.stopped.get() {
            let partitions = self.own_partitions();
            let pause = self.audit_interval / u32::try_from(partitions.len().max(1)).unwrap_or(u32::MAX);
            for partition in partitions {
                sleep(pause).await;
                if self.works() {
                    super::exchange_range::audit(&self, partition).await;
                }
            }
            // A node without partitions, or an interval of next to nothing.
            sleep(LOOK_INTERVAL).await;
        }
    }

    fn own_partitions(&self) -> Vec<PartitionId> {
        let view = self.view.borrow();
        let own = |partition: &PartitionId| view.topology.holds(&view.local, *partition, view.widest());
        view.ring().partition_ids().filter(own).collect()
    }

    fn keep(&self, seen: &RefCell<VecDeque<Served>>) {
        let served = self.metrics.served();
        let lately = seen.borrow().front().map(|earlier| served.since(earlier)).unwrap_or_default();
        self.pace.borrow_mut().observe(lately.quantiles_s(WATCHED_QUANTILE, REQUESTS_MIN));
        self.metrics.repair.speed_percent.set((100.0 * self.pace.borrow().share()).ceil() as i64);
        let mut seen = seen.borrow_mut();
        seen.push_back(served);
        if seen.len() > WINDOW_TICKS {
            seen.pop_front();
        }
        self.marks.borrow_mut().write_verified(&self.schedule.borrow());
        let status = self.status();
        let gauges = &self.metrics.repair;
        let oldest = status.peers.iter().map(|peer| peer.oldest_unverified_s).max().unwrap_or(0);
        gauges.oldest_unverified_s.set(oldest.cast_signed());
        gauges.ranges_dirty.set(status.peers.iter().map(|peer| peer.dirty).sum::<u64>().cast_signed());
        gauges.paused.set(i64::from(status.paused));
    }

    fn status(&self) -> RepairStatus {
        let (schedule, now_ms) = (self.schedule.borrow(), self.now_ms());
        let view = self.view.borrow();
        let peer = |peer: NodeId| {
            let progress = schedule.progress(&peer, now_ms);
            PeerRepair {
                reachable: view.reachable.contains(&peer),
                ranges: progress.ranges,
                verified: progress.verified,
                dirty: progress.dirty,
                oldest_unverified_s: progress.oldest_ms / 1_000,
                repairing: self.repairing.borrow().get(&peer).copied(),
                peer,
            }
        };
        RepairStatus {
            enabled: self.enabled,
            paused: self.paused.get(),
            interval_s: self.interval_s,
            peers: schedule.peers().into_iter().map(peer).collect(),
            run: self.run.borrow_mut().as_mut().map(|run| run.progress(&schedule)),
            keys_repaired: self.metrics.repair.keys_repaired.get(),
            bytes_repaired: self.metrics.repair.bytes_repaired.get(),
            records_audited: self.metrics.repair.records_audited.get(),
            speed_percent: 100.0 * self.pace.borrow().share(),
        }
    }

    /// Does it at once. What a restart would undo is written down as well.
    fn control(&self, action: RepairAction) -> Option<Written> {
        info!(?action, "anti-entropy is told by an operator");
        match action {
            RepairAction::Pause => Some(self.pause(true)),
            RepairAction::Resume => Some(self.pause(false)),
            RepairAction::Run => {
                let now_ms = self.now_ms();
                let mut schedule = self.schedule.borrow_mut();
                schedule.peers().iter().for_each(|peer| schedule.expect_all(peer, now_ms));
                *self.run.borrow_mut() = Some(Run { asked_ms: now_ms, asked: Instant::now(), took: None });
                None
            }
        }
    }

    fn pause(&self, paused: bool) -> Written {
        self.paused.set(paused);
        self.marks.borrow_mut().paused(paused)
    }
}

impl Run {
    fn progress(&mut self, schedule: &Schedule) -> RepairRun {
        let (total, done) = schedule.verified_since(self.asked_ms);
        if done == total {
            self.took.get_or_insert_with(|| self.asked.elapsed());
        }
        let elapsed = self.took.unwrap_or_else(|| self.asked.elapsed());
        let rest_s = |done: u64| (elapsed.as_secs_f64() * (total - done) as f64 / done as f64).ceil() as u64;
        RepairRun { total, done, elapsed_s: elapsed.as_secs(), eta_s: (done > 0).then(|| rest_s(done)) }
    }
}

impl Actor for AntiEntropy {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        if !self.0.enabled {
            return;
        }
        self.0.compare_with_all();
        actix::spawn(Rc::clone(&self.0).audit_for_ever());
        let seen = RefCell::new(VecDeque::from([self.0.metrics.served()]));
        ctx.run_interval(KEEP_INTERVAL, move |actor, _| actor.0.keep(&seen));
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.0.stopped.set(true);
    }
}

impl Handler<ViewChanged> for AntiEntropy {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        let before = self.0.view.replace(Arc::clone(&view));
        let (mut schedule, now_ms) = (self.0.schedule.borrow_mut(), self.0.now_ms());
        if before.topology.epoch() != view.topology.epoch() {
            schedule.follow(&view.topology, &view.local, view.widest(), now_ms);
        }
        for returned in view.reachable.iter().filter(|node| !before.reachable.contains(*node)) {
            schedule.expect_all(returned, now_ms + RETURN_DELAY_MS);
        }
    }
}

/// One that left and came back between two looks is compared with by the same task as before.
impl Handler<LinksChanged<RepairPeer>> for AntiEntropy {
    type Result = ();

    fn handle(&mut self, LinksChanged(peers): LinksChanged<RepairPeer>, _: &mut Self::Context) {
        let local = self.0.view.borrow().local.clone();
        let mut hint_keepers = self.0.hint_keepers.borrow_mut();
        hint_keepers.retain(|node, _| *node == local);
        hint_keepers.extend(peers.iter().map(|(node, peer)| (node.clone(), peer.hints.clone())));
        self.0.peers.replace(peers.into_iter().map(|(node, peer)| (node, peer.replica)).collect());
        if self.0.enabled {
            self.0.compare_with_all();
        }
    }
}

impl Handler<SeeToTries> for AntiEntropy {
    type Result = MessageResult<SeeToTries>;

    fn handle(&mut self, SeeToTries { now }: SeeToTries, _: &mut Self::Context) -> Self::Result {
        let (mut schedule, now_ms) = (self.0.schedule.borrow_mut(), self.0.now_ms());
        if now {
            schedule.try_again(now_ms);
        }
        let (waiting, next_try_ms) = schedule.waiting(now_ms);
        let held_up = match (self.0.enabled, self.0.paused.get()) {
            (false, _) => Some("anti_entropy.enabled = false".to_owned()),
            (true, true) => Some("repair is paused".to_owned()),
            (true, false) => None,
        };
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        MessageResult(MoveTended { last_error: None, waiting, next_try_ms, held_up })
    }
}

impl Handler<MarkDirty> for AntiEntropy {
    type Result = ResponseFuture<Result<(), MarkDirtyError>>;

    fn handle(&mut self, MarkDirty { partition, peer }: MarkDirty, _: &mut Self::Context) -> Self::Result {
        if !self.0.schedule.borrow_mut().mark_dirty(&peer, partition, self.0.now_ms()) {
            // Not a range of this node: whoever is a primary with that peer compares it.
            return Box::pin(async { Ok(()) });
        }
        let written = self.0.marks.borrow_mut().dirty(&peer, partition);
        Box::pin(async move {
            let stopping = || MarkDirtyError { reason: "the node is stopping".to_owned() };
            let outcome = written.await.map_err(|_| stopping())?;
            outcome.map_err(|error| MarkDirtyError { reason: error.to_string() })
        })
    }
}

impl Handler<MarksWritten> for AntiEntropy {
    type Result = ();

    fn handle(&mut self, MarksWritten(outcome): MarksWritten, _: &mut Self::Context) {
        self.0.marks.borrow_mut().written(&outcome);
    }
}

impl Handler<DescribeRepair> for AntiEntropy {
    type Result = Result<RepairStatus, AdminError>;

    fn handle(&mut self, _: DescribeRepair, _: &mut Self::Context) -> Self::Result {
        Ok(self.0.status())
    }
}

impl Handler<ControlRepair> for AntiEntropy {
    type Result = ResponseFuture<Result<RepairStatus, ControlRepairError>>;

    fn handle(&mut self, ControlRepair { action }: ControlRepair, _: &mut Self::Context) -> Self::Result {
        let (workshop, written) = (Rc::clone(&self.0), self.0.control(action));
        Box::pin(async move {
            if let Some(written) = written {
                let outcome = written.await.map_err(|_| ControlRepairError::Stopping)?;
                outcome.map_err(|error| ControlRepairError::NotDurable { reason: error.to_string() })?;
            }
            Ok(workshop.status())
        })
    }
}
