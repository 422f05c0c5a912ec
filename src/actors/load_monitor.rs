//! Knows what is asked of this node's copies and keys, and tells it to the other members and to operators, who are told of all members at once.
//!
//! Once a second it takes what its `Node` shards have counted; what `ReplicationCoordinator`s know of keys it asks for only when somebody wants
//! to know. It decides nothing. If it dies, the rates are unknown until the next start; requests do not depend on it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext as _, Context, Handler, MessageResult, Recipient, ResponseFuture};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tracing::info;

use super::coordination::ask;
use super::links::LinksChanged;
use crate::dynamo::decay::Decay;
use crate::dynamo::load::{Balance, LoadCount, LoadMeter, LoadRates, most_loaded_first};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::patience::Patience;
use crate::dynamo::ranking::Ranking;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::work::LoadWeights;
use crate::messages::LinkError;
use crate::messages::admin::AdminError;
use crate::messages::cluster::{View, ViewChanged};
use crate::messages::load::{
    ClusterLoad, DescribeImbalance, DescribeLoad, Enlist, LoadTotals, MemberLoad, NodeLoad, PartitionLoad, RankKeys,
    ReadLoad, TakeCounts,
};
use crate::messages::together::Together;
use crate::metrics::Metrics;

/// What was asked this long ago counts half: short enough to see a hot spot within seconds, long enough to smooth bursts.
pub const LOAD_DECAY: Decay = Decay::with_half_life_ms(10_000);

/// Keys that each worker counts, and that are merged.
pub const KEYS_MAX: usize = 256;

/// An answer has no more bytes of keys than this: it must fit into the smallest frame that can be configured, of 1 MiB.
const KEY_BYTES_MAX: usize = 512 * 1024;

/// Partitions that a node tells of: in greater rings only the most loaded.
pub const PARTITIONS_MAX: usize = 1_024;

/// A key that is certainly asked for less often than this, per second, is not listed.
const LISTED_PER_S: f64 = 0.01;

/// How often the shards' counts are taken.
const TAKE_INTERVAL: Duration = Duration::from_secs(1);

/// How often this node compares its load with the others'.
const COMPARE_INTERVAL: Duration = Duration::from_secs(10);

/// With fewer requests for copies per second, of all members together, chance decides who is out of balance: nothing is logged or done.
pub const LOGGED_PER_S: f64 = 100.0;

/// After so many half-lives a sixteenth is left of what was measured before partitions moved.
pub const SETTLING_HALF_LIVES: u64 = 4;

/// The processor time that this process has taken since its start; `None` where the system does not tell. An argument, so that a simulation
/// does not depend on the machine.
pub type CpuClock = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

/// What a [`LoadMonitor`] is told.
pub struct LoadParts {
    /// The cluster as it is at the start.
    pub view: Arc<View>,
    /// This node's shards.
    pub shards: Vec<Recipient<TakeCounts>>,
    /// The monitors of the other members.
    pub peers: BTreeMap<NodeId, Recipient<Together<ReadLoad>>>,
    /// What this process costs.
    pub cpu: CpuClock,
    /// `balancing.requests_weight` and so on.
    pub weights: LoadWeights,
    /// `balancing.patience_s`.
    pub patience: Duration,
    /// Where it counts.
    pub metrics: Metrics,
}

/// The monitor.
pub struct LoadMonitor(Rc<Watch>);

/// What the actor and its tasks share.
struct Watch {
    view: RefCell<Arc<View>>,
    shards: Vec<Recipient<TakeCounts>>,
    coordinators: RefCell<Vec<Recipient<RankKeys>>>,
    peers: RefCell<BTreeMap<NodeId, Recipient<Together<ReadLoad>>>>,
    cpu: CpuClock,
    weights: LoadWeights,
    patience: RefCell<Patience>,
    /// Who has been outside the band for too long.
    imbalance: RefCell<Vec<(NodeId, Balance)>>,
    metrics: Metrics,
    started: Instant,
    meter: RefCell<LoadMeter>,
    cpu_percent: Cell<Option<f64>>,
    was_inside_band: Cell<bool>,
}

impl LoadMonitor {
    /// Counts from now on.
    pub fn new(parts: LoadParts) -> Self {
        let patience_ms = u64::try_from(parts.patience.as_millis()).unwrap_or(u64::MAX);
        Self(Rc::new(Watch {
            view: RefCell::new(parts.view),
            shards: parts.shards,
            coordinators: RefCell::default(),
            peers: RefCell::new(parts.peers),
            cpu: parts.cpu,
            weights: parts.weights,
            patience: RefCell::new(Patience::new(patience_ms, SETTLING_HALF_LIVES * LOAD_DECAY.half_life_ms())),
            imbalance: RefCell::default(),
            metrics: parts.metrics,
            started: Instant::now(),
            meter: RefCell::new(LoadMeter::new(LOAD_DECAY, 0)),
            cpu_percent: Cell::new(None),
            was_inside_band: Cell::new(true),
        }))
    }
}

impl Watch {
    /// Ends when a shard does.
    async fn take_for_ever(self: Rc<Self>) {
        let mut spent = (self.cpu)();
        let mut looked = Instant::now();
        loop {
            sleep(TAKE_INTERVAL).await;
            let mut counted = Vec::new();
            for shard in &self.shards {
                let Ok(counts) = shard.send(TakeCounts).await else { return };
                counted.extend(counts);
            }
            self.record(counted);
            let (spent_now, elapsed) = ((self.cpu)(), looked.elapsed());
            self.record_cpu(spent, spent_now, elapsed);
            (spent, looked) = (spent_now, Instant::now());
        }
    }

    fn record(&self, counted: Vec<(PartitionId, LoadCount)>) {
        let mut meter = self.meter.borrow_mut();
        meter.record(counted, self.now_ms());
        let hottest = meter.partitions().first().map(|(_, rates)| *rates).unwrap_or_default();
        self.metrics.load.asked(meter.total(), hottest);
    }

    /// The mean of the last seconds, faded like the load.
    fn record_cpu(&self, before: Option<Duration>, now: Option<Duration>, elapsed: Duration) {
        let (Some(before), Some(now)) = (before, now) else { return };
        let percent = now.saturating_sub(before).as_secs_f64() / elapsed.as_secs_f64().max(f64::EPSILON) * 100.0;
        let left = LOAD_DECAY.left_after(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        let mean = self.cpu_percent.get().map_or(percent, |mean| mean * left + percent * (1.0 - left));
        self.cpu_percent.set(Some(mean));
        self.metrics.load.cpu_percent(mean);
    }

    async fn own(&self, asked: &ReadLoad) -> NodeLoad {
        let keys = (asked.keys as usize).min(KEYS_MAX);
        let coordinators = self.coordinators.borrow().clone();
        let mut ranking = Ranking::default();
        // A coordinator that has stopped is part of a process that ends.
        for told in join_all(coordinators.iter().map(|one| one.send(RankKeys { keys }))).await.into_iter().flatten() {
            ranking = ranking.merge(told).first(keys);
        }
        let ranking = ranking.within(KEY_BYTES_MAX, key_bytes);
        let meter = self.meter.borrow();
        let mut partitions = meter.partitions();
        partitions.truncate((asked.partitions as usize).min(PARTITIONS_MAX));
        let (clients_per_s, cpu_percent) = (ranking.total_per_s(), self.cpu_percent.get());
        NodeLoad { totals: LoadTotals { copies: meter.total(), clients_per_s, cpu_percent }, keys: ranking, partitions }
    }

    /// What every member tells; `None` where one cannot be reached or does not answer.
    async fn all(&self, asked: &ReadLoad) -> Vec<(NodeId, u32, Option<NodeLoad>)> {
        let view = Arc::clone(&self.view.borrow());
        let ask_one = |node: NodeId| {
            let is_reachable = view.reachable.contains(&node);
            let peer = self.peers.borrow().get(&node).filter(|_| is_reachable).cloned();
            let is_local = node == view.local;
            async move {
                if is_local {
                    return Some(self.own(asked).await);
                }
                let told: Result<NodeLoad, LinkError> = ask(peer.as_ref(), asked.clone()).await;
                told.ok()
            }
        };
        let members = view.ring().members();
        let told = join_all(members.iter().map(|member| ask_one(member.id.clone()))).await;
        members.iter().zip(told).map(|(member, told)| (member.id.clone(), member.weight, told)).collect()
    }

    async fn describe(&self, asked: DescribeLoad) -> ClusterLoad {
        // Who is first of all may be far behind on each member: all that they know is merged.
        let all = |wanted: u32, max: usize| if wanted == 0 { 0 } else { u32::try_from(max).unwrap_or(u32::MAX) };
        let told = self
            .all(&ReadLoad { keys: all(asked.keys, KEYS_MAX), partitions: all(asked.partitions, PARTITIONS_MAX) })
            .await;
        let mut keys: Ranking<RecordKey> = Ranking::default();
        let mut partitions: BTreeMap<PartitionId, LoadRates> = BTreeMap::new();
        let mut members = Vec::new();
        for (node, weight, load) in told {
            members.push(MemberLoad { node, weight, totals: load.as_ref().map(|load| load.totals) });
            let Some(load) = load else { continue };
            keys = keys.merge(load.keys);
            for (partition, rates) in load.partitions {
                *partitions.entry(partition).or_default() += rates;
            }
        }
        let view = Arc::clone(&self.view.borrow());
        let is_known = |(partition, _): &(PartitionId, LoadRates)| partition.0 < view.ring().partitions();
        let owned =
            |(partition, copies)| PartitionLoad { partition, owner: view.ring().owner(partition).clone(), copies };
        let most_loaded = most_loaded_first(partitions.into_iter().filter(is_known).collect()).into_iter();
        ClusterLoad {
            members,
            keys: keys.from_rate(LISTED_PER_S).first(asked.keys as usize).within(KEY_BYTES_MAX, key_bytes),
            partitions: most_loaded.take(asked.partitions as usize).map(owned).collect(),
            weights: self.weights,
        }
    }

    /// Says so when this node enters or leaves the band around the mean, and notes who stays outside.
    async fn compare_with_others(self: Rc<Self>) {
        let load = self.describe(DescribeLoad { keys: 0, partitions: 0 }).await;
        let all_per_s: f64 =
            load.members.iter().filter_map(|member| Some(member.totals?.copies.requests_per_s())).sum();
        let balances = load.balances();
        let is_loaded = all_per_s >= LOGGED_PER_S;
        let outside = balances.iter().filter(|(_, balance)| is_loaded && !balance.is_inside_band());
        let outside = outside.map(|(node, _)| (*node).clone()).collect();
        let due = self.patience.borrow_mut().look(outside, self.now_ms());
        let lasting = balances.iter().filter(|(node, _)| due.contains(*node));
        self.imbalance.replace(lasting.map(|(node, balance)| ((*node).clone(), *balance)).collect());
        let local = self.view.borrow().local.clone();
        let Some((_, own)) = balances.into_iter().find(|(node, _)| **node == local) else { return };
        self.metrics.load.balance(own);
        self.log_balance(own, all_per_s);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn log_balance(&self, own: Balance, all_per_s: f64) {
        let is_inside = own.is_inside_band() || all_per_s < LOGGED_PER_S;
        if self.was_inside_band.replace(is_inside) == is_inside {
            return;
        }
        let percent_of_mean = (own.of_mean * 100.0).round();
        if is_inside {
            info!(percent_of_mean, "this node's load is within 15 % of the mean again");
        } else {
            info!(
                percent_of_mean,
                "this node's load is more than 15 % off the mean: see `top nodes` and `top partitions`"
            );
        }
    }
}

fn key_bytes(key: &RecordKey) -> usize {
    key.as_bytes().len()
}

impl Actor for LoadMonitor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        actix::spawn(Rc::clone(&self.0).take_for_ever());
        ctx.run_interval(COMPARE_INTERVAL, |monitor, _| {
            actix::spawn(Rc::clone(&monitor.0).compare_with_others());
        });
    }
}

impl Handler<Enlist> for LoadMonitor {
    type Result = ();

    fn handle(&mut self, Enlist(coordinator): Enlist, _: &mut Self::Context) {
        self.0.coordinators.borrow_mut().push(coordinator);
    }
}

impl Handler<ViewChanged> for LoadMonitor {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        if view.topology.transition().is_some() {
            self.0.patience.borrow_mut().moves(self.0.now_ms());
            self.0.imbalance.borrow_mut().clear();
        }
        self.0.view.replace(view);
    }
}

impl Handler<DescribeImbalance> for LoadMonitor {
    type Result = MessageResult<DescribeImbalance>;

    fn handle(&mut self, _: DescribeImbalance, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.0.imbalance.borrow().clone())
    }
}

impl Handler<LinksChanged<Recipient<Together<ReadLoad>>>> for LoadMonitor {
    type Result = ();

    fn handle(&mut self, LinksChanged(peers): LinksChanged<Recipient<Together<ReadLoad>>>, _: &mut Self::Context) {
        self.0.peers.replace(peers);
    }
}

/// Another member asks.
impl Handler<Together<ReadLoad>> for LoadMonitor {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<ReadLoad>, _: &mut Self::Context) {
        let watch = Rc::clone(&self.0);
        actix::spawn(async move {
            for (at, asked) in requests.iter().enumerate() {
                answers.give(at, Ok(watch.own(asked).await));
            }
        });
    }
}

impl Handler<DescribeLoad> for LoadMonitor {
    type Result = ResponseFuture<Result<ClusterLoad, AdminError>>;

    fn handle(&mut self, asked: DescribeLoad, _: &mut Self::Context) -> Self::Result {
        let watch = Rc::clone(&self.0);
        Box::pin(async move { Ok(watch.describe(asked).await) })
    }
}
