//! Sees to it that partitions which move take their steps: says when this node holds what it fetched, and when old replicas may let go.
//!
//! `AntiEntropy` fetches, and tells it of every comparison; `dynamo::transfer` decides what follows; the log of metadata makes it so for everybody. An
//! operator asks it how far things are. If it dies, so does the process: what has been fetched is on the disk, and is compared anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt as _, AsyncContext as _, Context, Handler, Recipient, WrapFuture as _};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::Quorum;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::topology::{Phase, Topology};
use crate::dynamo::transfer::Transfers;
use crate::messages::admin::AdminError;
use crate::messages::cluster::{View, ViewChanged};
use crate::messages::hints::CountHints;
use crate::messages::ring::{ChangeRing, DescribeTasks, RangeCompared, TaskRow, TaskState};
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
    /// Where it counts.
    pub metrics: Metrics,
}

/// This node's part in moving partitions.
pub struct PartitionTransfer {
    view: Arc<View>,
    transfers: Transfers,
    /// Whether a command is on its way.
    busy: bool,
    errors: BTreeMap<PartitionId, String>,
    progress: BTreeMap<NodeId, Progress>,
    log: Recipient<ChangeRing>,
    hints: Recipient<CountHints>,
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
        Self {
            view: parts.view,
            transfers: Transfers::default(),
            busy: false,
            errors: BTreeMap::new(),
            progress: BTreeMap::new(),
            log: parts.log,
            hints: parts.hints,
            metrics: parts.metrics,
        }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        self.measure();
        if self.busy {
            return;
        }
        let (topology, local) = (&self.view.topology, &self.view.local);
        let (quorums, reachable) = (quorums(&self.view), &self.view.reachable);
        let is_reachable = |node: &NodeId| reachable.contains(node);
        let mut complete = self.transfers.complete(topology, local, &quorums, is_reachable);
        let mut free = self.transfers.releasable(topology, local, &quorums, is_reachable);
        complete.truncate(BATCH_MAX);
        free.truncate(BATCH_MAX);
        let ring_epoch = topology.ring().epoch();
        let change = if !complete.is_empty() {
            RingChange::Arrived { node: local.clone(), ring_epoch, partitions: complete }
        } else if !free.is_empty() {
            RingChange::Release { ring_epoch, partitions: free }
        } else {
            return self.leave(ctx);
        };
        self.propose(change, ctx);
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
            transfer.busy = false;
            if let Ok(Err(error)) = answer {
                warn!(%error, "a step of partitions that move could not be agreed on: it is tried again");
            }
        });
        ctx.spawn(heard);
    }

    fn measure(&mut self) {
        let awaited = awaited(&self.view.topology);
        let now = Instant::now();
        self.progress.retain(|node, _| awaited.contains_key(node));
        for (node, (total, awaited)) in &awaited {
            let fresh =
                || Progress { total: *total, awaited: *awaited, seen: VecDeque::new(), moved: now, is_stalled: false };
            let progress = self.progress.entry(node.clone()).or_insert_with(fresh);
            progress.observe(*total, *awaited, now);
            if !progress.is_stalled && now - progress.moved >= STALLED_AFTER {
                progress.is_stalled = true;
                warn!(owner = %node, left = awaited, idle_s = STALLED_AFTER.as_secs(), "partitions that should move do not: see `tasks`");
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
        TaskRow {
            id: format!("move-{}-{node}", self.view.ring().epoch()),
            owner: node.clone(),
            state,
            done: count(progress.total - progress.awaited.min(progress.total)),
            total: count(progress.total),
            per_minute,
            eta_s: (per_minute > 0.0 && progress.awaited > 0)
                .then(|| (60.0 * progress.awaited as f64 / per_minute).ceil() as u64),
            idle_s: (now - progress.moved).as_secs(),
            last_error: if *node == self.view.local { self.errors.values().next().cloned() } else { None },
        }
    }
}

impl Progress {
    fn observe(&mut self, total: usize, awaited: usize, now: Instant) {
        self.total = total;
        if awaited != self.awaited {
            (self.awaited, self.moved, self.is_stalled) = (awaited, now, false);
        }
        self.seen.push_back((now, awaited));
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
fn quorums(view: &View) -> BTreeSet<[usize; 3]> {
    let or = |own: Option<u8>, default: usize| own.map_or(default, usize::from);
    let numbers = |quorum: Quorum| [quorum.n(), quorum.r(), quorum.w()];
    let default = numbers(view.quorum);
    let of_table =
        |table: &crate::item::TableSchema| [or(table.n, default[0]), or(table.r, default[1]), or(table.w, default[2])];
    view.tables.iter().map(of_table).chain([default]).collect()
}

/// For each node that takes over partitions: how many, and how many it does not hold yet. Where all are there, but old replicas are not let go of, none.
fn awaited(topology: &Topology) -> BTreeMap<NodeId, (usize, usize)> {
    let Some(moving) = topology.transition() else { return BTreeMap::new() };
    let mut nodes: BTreeMap<NodeId, (usize, usize)> = BTreeMap::new();
    let widest = moving.levels().last().copied().unwrap_or(1);
    for partition in topology.ring().partition_ids() {
        let old: Vec<&NodeId> = moving.from().primaries(partition, widest).collect();
        let awaited = topology.awaited(partition);
        for node in topology.ring().primaries(partition, widest).filter(|node| !old.contains(node)) {
            let (total, left) = nodes.entry(node.clone()).or_default();
            *total += 1;
            *left += usize::from(awaited.contains(node));
        }
    }
    if nodes.is_empty() {
        // Nobody fetches anything: old replicas only let go.
        nodes.extend(topology.ring().members().first().map(|member| (member.id.clone(), (0, 0))));
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
        if before.topology.epoch() == self.view.topology.epoch() {
            return;
        }
        self.transfers.follow(&self.view.topology);
        let topology = &self.view.topology;
        self.errors.retain(|partition, _| topology.phase(*partition) == Phase::Copying);
        match (before.topology.transition(), topology.transition()) {
            (None, Some(moving)) => {
                let (copying, switched) = (moving.count(Phase::Copying), moving.count(Phase::Switched));
                info!(epoch = topology.epoch(), copying, switched, "partitions begin to move");
            }
            (Some(_), None) => info!(epoch = topology.epoch(), "all partitions have moved"),
            _ => {}
        }
    }
}

impl Handler<RangeCompared> for PartitionTransfer {
    type Result = ();

    fn handle(&mut self, compared: RangeCompared, _: &mut Self::Context) {
        let RangeCompared { peer, partition, local_epoch, peer_epoch, outcome } = compared;
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

impl Handler<DescribeTasks> for PartitionTransfer {
    type Result = Result<Vec<TaskRow>, AdminError>;

    fn handle(&mut self, _: DescribeTasks, _: &mut Self::Context) -> Self::Result {
        self.measure();
        Ok(self.progress.iter().map(|(node, progress)| self.row(node, progress)).collect())
    }
}
