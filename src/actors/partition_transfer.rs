//! Sees to it that partitions which move take their steps: says when this node holds what it fetched, and when old replicas may let go.
//!
//! `AntiEntropy` fetches, and tells it of every comparison; `dynamo::transfer` decides what follows; the log of metadata makes it so for everybody. An
//! operator asks it how far things are. If it dies, so does the process: what has been fetched is on the disk, and is compared anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt as _, AsyncContext as _, Context, Handler, Recipient, ResponseFuture, WrapFuture as _,
};
use futures_util::future::{join, join_all};
use tokio::time::Instant;
use tracing::{info, warn};

use super::coordination::ask;
use super::links::LinksChanged;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::topology::{Phase, Topology, Transition};
use crate::dynamo::transfer::{MovingQuorum, Transfers};
use crate::messages::LinkError;
use crate::messages::admin::AdminError;
use crate::messages::cluster::{View, ViewChanged};
use crate::messages::hints::CountHints;
use crate::messages::ring::{
    ChangeRing, DescribeTasks, MoveTended, RangeCompared, SeeToTries, TaskRow, TaskState, TendMove,
};
use crate::messages::together::Together;
use crate::metadata::RingChange;
use crate::metrics::Metrics;

/// How often is looked for partitions that may take a step. What has come together until then is said at once.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Nothing has arrived for so long: somebody should look.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// Speed is measured over so long.
const SPEED_WINDOW: Duration = Duration::from_secs(30);

/// Partitions that are told of in one command.
const BATCH_MAX: usize = 256;

/// What a [`PartitionTransfer`] is told.
pub struct TransferParts {
    /// The cluster as it is at the start.
    pub view: Arc<View>,
    /// Has it agreed on.
    pub log: Recipient<ChangeRing>,
    /// Counts what this node keeps for others.
    pub hints: Recipient<CountHints>,
    /// Knows which comparisons are tried again, and when.
    pub tries: Recipient<SeeToTries>,
    /// Where it counts.
    pub metrics: Metrics,
}

/// This node's part in moving partitions.
pub struct PartitionTransfer {
    view: Arc<View>,
    peers: BTreeMap<NodeId, Recipient<Together<TendMove>>>,
    transfers: Transfers,
    /// Whether a command is on its way.
    busy: bool,
    /// Whether anything has been heard since it looked last: what no step followed from yields none until then.
    has_news: bool,
    errors: BTreeMap<PartitionId, String>,
    /// Of which ring, and how many partitions each node takes over in it.
    fetched: (u64, BTreeMap<NodeId, usize>),
    progress: BTreeMap<NodeId, Progress>,
    log: Recipient<ChangeRing>,
    hints: Recipient<CountHints>,
    tries: Recipient<SeeToTries>,
    metrics: Metrics,
}

/// How a node's fetching goes.
struct Progress {
    total: usize,
    awaited: usize,
    /// When how many were awaited, the oldest first.
    seen: VecDeque<(Instant, usize)>,
    moved: Instant,
    is_stalled: bool,
}

impl PartitionTransfer {
    /// Begins to look when it is started.
    pub fn new(parts: TransferParts) -> Self {
        let mut transfer = Self {
            view: parts.view,
            peers: BTreeMap::new(),
            transfers: Transfers::default(),
            busy: false,
            has_news: true,
            errors: BTreeMap::new(),
            fetched: (0, BTreeMap::new()),
            progress: BTreeMap::new(),
            log: parts.log,
            hints: parts.hints,
            tries: parts.tries,
            metrics: parts.metrics,
        };
        transfer.follow();
        transfer
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        self.measure();
        if self.busy {
            return;
        }
        if std::mem::take(&mut self.has_news)
            && let Some(change) = self.next_step()
        {
            return self.propose(change, ctx);
        }
        self.leave(ctx);
    }

    /// What this node has to say. Only partitions that move are looked at.
    fn next_step(&self) -> Option<RingChange> {
        let (topology, local) = (&self.view.topology, &self.view.local);
        let (quorums, reachable) = (quorums(&self.view), &self.view.reachable);
        let is_reachable = |node: &NodeId| reachable.contains(node);
        let ring_epoch = topology.ring().epoch();
        let mut partitions = self.transfers.complete(topology, local, &quorums, is_reachable);
        if !partitions.is_empty() {
            partitions.truncate(BATCH_MAX);
            return Some(RingChange::Arrived { node: local.clone(), ring_epoch, partitions });
        }
        partitions = self.transfers.releasable(topology, local, &quorums, is_reachable);
        partitions.truncate(BATCH_MAX);
        (!partitions.is_empty()).then_some(RingChange::Release { ring_epoch, partitions })
    }

    /// Whoever owns nothing any more is no member any more once he keeps nothing for others.
    fn leave(&mut self, ctx: &mut Context<Self>) {
        let node = self.view.local.clone();
        if !self.view.is_member(&node) || self.view.topology.nodes().contains(&node) {
            return;
        }
        self.busy = true;
        let counted = self.hints.send(CountHints).into_actor(self).map(|counted, transfer, ctx| {
            transfer.busy = false;
            let is_free = counted.is_ok_and(|pending| pending.iter().all(|of_one| of_one.keys == 0));
            if is_free {
                info!("this node owns nothing and keeps nothing for others: it leaves the cluster");
                transfer.propose(RingChange::Dismiss { node }, ctx);
            }
        });
        ctx.spawn(counted);
    }

    fn propose(&mut self, change: RingChange, ctx: &mut Context<Self>) {
        self.busy = true;
        let asked = self.log.send(ChangeRing { change });
        let heard = asked.into_actor(self).map(|answer, transfer, _| {
            (transfer.busy, transfer.has_news) = (false, true);
            if let Ok(Err(error)) = answer {
                warn!(%error, "a step of partitions that move could not be agreed on: it is tried again");
            }
        });
        ctx.spawn(heard);
    }

    /// The ring has taken a step.
    fn follow(&mut self) {
        let topology = &self.view.topology;
        self.has_news = true;
        self.transfers.follow(topology);
        self.errors.retain(|partition, _| topology.phase(*partition) == Phase::Copying);
        let ring_epoch = topology.ring().epoch();
        if self.fetched.0 != ring_epoch {
            self.fetched = (ring_epoch, fetched(topology));
        }
        let (left, now) = (left(topology), Instant::now());
        let totals = if topology.transition().is_some() { &self.fetched.1 } else { &BTreeMap::new() };
        self.progress.retain(|node, _| totals.contains_key(node));
        for (node, total) in totals {
            let awaited = left.get(node).copied().unwrap_or(0);
            let fresh = || Progress { total: *total, awaited, seen: VecDeque::new(), moved: now, is_stalled: false };
            self.progress.entry(node.clone()).or_insert_with(fresh).follow(*total, awaited, now);
        }
    }

    fn measure(&mut self) {
        let now = Instant::now();
        for (node, progress) in &mut self.progress {
            progress.observe(now);
            if !progress.is_stalled && now - progress.moved >= STALLED_AFTER {
                progress.is_stalled = true;
                warn!(owner = %node, left = progress.awaited, idle_s = STALLED_AFTER.as_secs(), "partitions that should move do not: see `tasks`");
            }
        }
        let left = self.progress.values().map(|progress| progress.awaited).sum();
        let stalled = self.progress.values().filter(|progress| progress.is_stalled).count();
        self.metrics.ring.moves(left, stalled);
    }

    fn row(&self, node: &NodeId, progress: &Progress) -> TaskRow {
        let now = Instant::now();
        let per_minute = progress.per_minute(now);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let state = match (progress.is_stalled, progress.awaited) {
            (true, _) => TaskState::Stalled,
            (false, 0) => TaskState::Releasing,
            (false, _) => TaskState::Copying,
        };
        let moving = self.view.topology.transition();
        TaskRow {
            began: moving.map_or(0, Transition::began),
            owner: node.clone(),
            returns: moving.is_some_and(Transition::returns),
            state,
            done: count(progress.total - progress.awaited.min(progress.total)),
            total: count(progress.total),
            per_minute,
            eta_s: (per_minute > 0.0 && progress.awaited > 0)
                .then(|| (60.0 * progress.awaited as f64 / per_minute).ceil() as u64),
            idle_s: (now - progress.moved).as_secs(),
            told: None,
        }
    }

    /// What this node knows of the move that began in this epoch.
    fn tend(&mut self, TendMove { began, retry }: TendMove) -> impl Future<Output = MoveTended> + use<> {
        let is_known = self.view.topology.transition().is_some_and(|moving| moving.began() == began);
        let last_error = self.errors.values().next().cloned().filter(|_| is_known);
        self.has_news |= retry;
        if retry && is_known {
            info!(began, "what waits for its next try is tried at once: an operator wants it");
        }
        let asked = is_known.then(|| self.tries.send(SeeToTries { now: retry }));
        async move {
            let Some(asked) = asked else { return MoveTended::default() };
            MoveTended { last_error, ..asked.await.unwrap_or_default() }
        }
    }

    /// What each owner says of his part; where something is to be tried again, whoever can be reached is told so.
    fn ask_owners(&mut self, began: u64, retry: bool) -> Asked {
        let (local, view) = (self.view.local.clone(), Arc::clone(&self.view));
        let own = self.tend(TendMove { began, retry });
        let concerns = |node: &NodeId| retry || self.progress.contains_key(node);
        let peers = self.peers.iter().filter(|(node, _)| concerns(node) && view.reachable.contains(*node));
        let peers: Vec<(NodeId, Recipient<Together<TendMove>>)> =
            peers.map(|(node, peer)| (node.clone(), peer.clone())).collect();
        Box::pin(async move {
            let ask_one = |(node, peer): (NodeId, Recipient<Together<TendMove>>)| async move {
                let told: Result<MoveTended, LinkError> = ask(Some(&peer), TendMove { began, retry }).await;
                Some((node, told.ok()?))
            };
            let (own, told) = join(own, join_all(peers.into_iter().map(ask_one))).await;
            told.into_iter().flatten().chain([(local, own)]).collect()
        })
    }
}

/// What owners have said.
type Asked = Pin<Box<dyn Future<Output = BTreeMap<NodeId, MoveTended>>>>;

impl Progress {
    fn follow(&mut self, total: usize, awaited: usize, now: Instant) {
        self.total = total;
        if awaited != self.awaited {
            (self.awaited, self.moved, self.is_stalled) = (awaited, now, false);
        }
    }

    fn observe(&mut self, now: Instant) {
        self.seen.push_back((now, self.awaited));
        while self.seen.front().is_some_and(|(at, _)| now - *at > SPEED_WINDOW) {
            self.seen.pop_front();
        }
    }

    fn per_minute(&self, now: Instant) -> f64 {
        let Some((since, before)) = self.seen.front() else { return 0.0 };
        let minutes = (now - *since).as_secs_f64() / 60.0;
        if minutes > 0.0 { before.saturating_sub(self.awaited) as f64 / minutes } else { 0.0 }
    }
}

/// N, R and W of all tables, each once.
fn quorums(view: &View) -> BTreeSet<MovingQuorum> {
    let none = BTreeMap::new();
    let resized = view.topology.transition().map_or(&none, Transition::resized);
    let of_table = |table: &crate::item::TableSchema| {
        let now = MovingQuorum::from(view.declared(Some(table)));
        match resized.get(&table.id.0) {
            Some(before) => MovingQuorum { before: before.map(usize::from), ..now },
            None => now,
        }
    };
    view.tables.iter().map(of_table).chain([view.quorum.into()]).collect()
}

/// For each node that takes over partitions: how many. Where nobody does, and old replicas are only let go of, one stands for all.
fn fetched(topology: &Topology) -> BTreeMap<NodeId, usize> {
    let mut nodes: BTreeMap<NodeId, usize> = BTreeMap::new();
    if topology.transition().is_none() {
        return nodes;
    }
    for partition in topology.ring().partition_ids() {
        for node in topology.newcomers(partition) {
            *nodes.entry(node.clone()).or_default() += 1;
        }
    }
    if nodes.is_empty() {
        nodes.extend(topology.ring().members().first().map(|member| (member.id.clone(), 0)));
    }
    nodes
}

/// How many of them nodes do not hold yet.
fn left(topology: &Topology) -> BTreeMap<NodeId, usize> {
    let mut nodes: BTreeMap<NodeId, usize> = BTreeMap::new();
    for partition in topology.moving() {
        for node in topology.awaited(partition) {
            *nodes.entry(node.clone()).or_default() += 1;
        }
    }
    nodes
}

impl Actor for PartitionTransfer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.run_interval(LOOK_INTERVAL, Self::look);
    }
}

impl Handler<ViewChanged> for PartitionTransfer {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        let before = std::mem::replace(&mut self.view, view);
        self.has_news = true;
        if before.topology.epoch() == self.view.topology.epoch() {
            return;
        }
        self.follow();
        let topology = &self.view.topology;
        match (before.topology.transition(), topology.transition()) {
            (None, Some(moving)) => {
                let (copying, switched) = (moving.count(Phase::Copying), moving.count(Phase::Switched));
                info!(epoch = topology.epoch(), copying, switched, "partitions begin to move");
            }
            (Some(_), None) => info!(epoch = topology.epoch(), "all partitions have moved"),
            (Some(moved), Some(moving)) if moving.returns() && !moved.returns() => {
                let (copying, switched) = (moving.count(Phase::Copying), moving.count(Phase::Switched));
                info!(epoch = topology.epoch(), copying, switched, "a move was cancelled: partitions go back");
            }
            _ => {}
        }
    }
}

impl Handler<RangeCompared> for PartitionTransfer {
    type Result = ();

    fn handle(&mut self, compared: RangeCompared, _: &mut Self::Context) {
        let RangeCompared { peer, partition, local_epoch, peer_epoch, outcome } = compared;
        self.has_news = true;
        self.transfers.adopted(&peer, partition, peer_epoch);
        self.transfers.adopted(&self.view.local, partition, local_epoch);
        match outcome {
            Ok(()) => {
                self.transfers.compared(&peer, partition, peer_epoch.min(local_epoch));
                self.errors.remove(&partition);
            }
            Err(error) => {
                self.errors.insert(partition, format!("{partition} from {peer}: {error}"));
            }
        }
    }
}

impl Handler<LinksChanged<Recipient<Together<TendMove>>>> for PartitionTransfer {
    type Result = ();

    fn handle(&mut self, LinksChanged(peers): LinksChanged<Recipient<Together<TendMove>>>, _: &mut Self::Context) {
        self.peers = peers;
    }
}

/// Another member is asked by an operator.
impl Handler<Together<TendMove>> for PartitionTransfer {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<TendMove>, _: &mut Self::Context) {
        for (at, asked) in requests.into_iter().enumerate() {
            let (told, answers) = (self.tend(asked), answers.clone());
            actix::spawn(async move { answers.give(at, Ok(told.await)) });
        }
    }
}

impl Handler<DescribeTasks> for PartitionTransfer {
    type Result = ResponseFuture<Result<Vec<TaskRow>, AdminError>>;

    fn handle(&mut self, DescribeTasks { retry }: DescribeTasks, _: &mut Self::Context) -> Self::Result {
        self.measure();
        let mut rows: Vec<TaskRow> = self.progress.iter().map(|(node, progress)| self.row(node, progress)).collect();
        let Some(began) = rows.first().map(|row| row.began) else { return Box::pin(async { Ok(Vec::new()) }) };
        let asked = self.ask_owners(began, retry == Some(began));
        Box::pin(async move {
            let mut told = asked.await;
            for row in &mut rows {
                row.told = told.remove(&row.owner);
            }
            Ok(rows)
        })
    }
}
