//! LAYER 2. What this process counts, in the form that Prometheus scrapes. Names begin with `slipring_`; keys are never labels.
//!
//! One registry per node and no globals, so that many nodes can live in one process.

mod balancing;
mod detection;
mod garbage;
mod kv;
mod load;
mod metadata;
mod repair;
mod ring;
mod routing;
mod transactions;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use crate::dynamo::latency::{BUCKETS, LatencyCounts, Served, bucket_of};
use crate::dynamo::node_id::NodeId;
use crate::messages::LinkError;
use crate::messages::client::{GetError, GetReply, PutError, PutReply, QueryReply, ScanReply};
use crate::messages::modify::{Modified, ModifyError};

pub use balancing::BalancingMetrics;
pub use detection::DetectionMetrics;
pub use garbage::GarbageMetrics;
pub use kv::KvMetrics;
pub use load::LoadMetrics;
pub use metadata::MetadataMetrics;
pub use repair::RepairMetrics;
pub use ring::RingMetrics;
pub use routing::{PeerRouting, RoutingMetrics};
pub use transactions::TransactionMetrics;

/// The operations that have their own request metrics.
const OPERATIONS: [&str; 6] = ["put", GET, "delete", SCAN, QUERY, MODIFY];

/// Takes as long as it is long: it says nothing about how others fare.
const SCAN: &str = "scan";

/// The same.
const QUERY: &str = "query";

/// Waits for its turn: it says nothing either.
const MODIFY: &str = "modify";

/// What is a read.
const GET: &str = "get";

/// How a request ended, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As asked.
    Ok,
    /// Fewer than R or W replicas took part in time.
    QuorumNotReached,
    /// The request was wrong.
    Invalid,
    /// A limit was reached.
    Overloaded,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Ok, Self::QuorumNotReached, Self::Invalid, Self::Overloaded];

    const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::QuorumNotReached => "quorum_not_reached",
            Self::Invalid => "invalid",
            Self::Overloaded => "overloaded",
        }
    }

    /// Of a put or delete.
    pub fn of_put(reply: &Result<PutReply, PutError>) -> Self {
        match reply {
            Ok(_) => Self::Ok,
            Err(PutError::QuorumNotReached { .. }) => Self::QuorumNotReached,
            Err(PutError::Overloaded(_)) => Self::Overloaded,
            Err(PutError::CannotReadFirst(error)) => Self::of_read_error(error),
            Err(_) => Self::Invalid,
        }
    }

    /// Of a change that depends on what the item is.
    pub fn of_modify(reply: &Result<Modified, ModifyError>) -> Self {
        match reply {
            Ok(_) => Self::Ok,
            Err(ModifyError::Overloaded(_) | ModifyError::NotItsTurn | ModifyError::PreparedTooLate) => {
                Self::Overloaded
            }
            Err(ModifyError::Read(error)) => Self::of_read_error(error),
            Err(ModifyError::Write(PutError::Overloaded(_))) => Self::Overloaded,
            Err(ModifyError::Write(_) | ModifyError::Link(_) | ModifyError::NotFirst | ModifyError::Stale(_)) => {
                Self::QuorumNotReached
            }
            Err(_) => Self::Invalid,
        }
    }

    /// Of a get or scan.
    pub fn of_get<T: ReadReply>(reply: &Result<T, GetError>) -> Self {
        reply.as_ref().map_or_else(Self::of_read_error, |_| Self::Ok)
    }

    fn of_read_error(error: &GetError) -> Self {
        match error {
            GetError::QuorumNotReached { .. } => Self::QuorumNotReached,
            GetError::Overloaded(_) => Self::Overloaded,
            _ => Self::Invalid,
        }
    }
}

/// The replies of reads.
pub trait ReadReply {}
impl ReadReply for GetReply {}
impl ReadReply for ScanReply {}
impl ReadReply for QueryReply {}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    op: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OpLabel {
    op: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PeerLabel {
    peer: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TargetLabel {
    target: String,
}

impl TargetLabel {
    fn of(target: &NodeId) -> Self {
        Self { target: target.to_string() }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Why a hint is not kept, or kept no longer, although its owner has not got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintLoss {
    /// The bound in bytes is reached.
    Full,
    /// The storage refused it.
    Storage,
    /// It was too old.
    TooOld,
    /// It could not be read.
    Corrupt,
}

impl HintLoss {
    /// As metrics and logs call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Storage => "storage",
            Self::TooOld => "too_old",
            Self::Corrupt => "corrupt",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LinkErrorLabels {
    peer: String,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// The counters of one operation, looked up once.
struct RequestMetrics {
    /// In the order of [`Outcome::ALL`].
    by_outcome: [Counter; Outcome::ALL.len()],
    duration: Histogram,
    /// How many took how long, finer than the histogram.
    took: Vec<AtomicU64>,
}

/// All metrics of one node. Clones share them, and cost no more than a counter.
#[derive(Clone)]
pub struct Metrics(Arc<Registered>);

impl std::ops::Deref for Metrics {
    type Target = Registered;

    fn deref(&self) -> &Registered {
        &self.0
    }
}

/// What [`Metrics`] share.
pub struct Registered {
    registry: Mutex<Registry>,
    requests: BTreeMap<&'static str, Arc<RequestMetrics>>,
    link_errors: Family<LinkErrorLabels, Counter>,
    peers: Family<PeerLabel, Gauge>,
    /// What the failure detector counts.
    pub detection: DetectionMetrics,
    read_repairs: Family<ResultLabel, Counter>,
    hint_keys: Family<TargetLabel, Gauge>,
    hint_bytes: Family<TargetLabel, Gauge>,
    hint_ages: Family<TargetLabel, Gauge>,
    hints_dropped: Family<ReasonLabel, Counter>,
    dirty_ranges: Gauge,
    handoff_rate: Gauge,
    /// How many siblings a key has after a client's write.
    pub siblings: Histogram,
    /// Client writes refused for `limits.siblings_max`.
    pub sibling_limit_rejections: Counter,
    /// Replica writes refused for a time stamp too far ahead.
    pub clock_skew_refusals: Counter,
    /// Writes to `lww` tables that were given a second time stamp, because a replica held a greater one.
    pub outranked_puts: Counter,
    /// Records whose checksum did not match.
    pub corrupt_records: Counter,
    /// Hints kept by this node as a coordinator.
    pub hints_kept: Counter,
    /// Hints that are durable where they belong, and deleted.
    pub hints_delivered: Counter,
    /// Reads that asked one replica more than R.
    pub hedged_reads: Counter,
    /// Of these, those whose answer came from the replica that was asked in addition.
    pub hedges_won: Counter,
    /// Reads that would have asked one replica more, had there been fewer of them.
    pub hedges_withheld: Counter,
    /// Requests refused for a limit before any work was done.
    pub shed: Counter,
    /// Requests that were asked anew because a replica knew a newer ring.
    pub stale_epochs: Counter,
    /// What the garbage collector counts.
    pub garbage: GarbageMetrics,
    /// What the log of metadata counts.
    pub metadata: MetadataMetrics,
    /// What is counted of the ring.
    pub ring: RingMetrics,
    /// What is asked of this node.
    pub load: LoadMetrics,
    /// What the KV API counts.
    pub kv: KvMetrics,
    /// What anti-entropy counts.
    pub repair: RepairMetrics,
    /// What is counted of the choice of replicas for reads.
    pub routing: RoutingMetrics,
    /// What became of transactions.
    pub transactions: TransactionMetrics,
    /// Bridge connections now open.
    pub connections: Gauge,
    /// Bridge connections given up for what was said on them.
    pub refused_connections: Counter,
    disk_used_bytes: Gauge,
    disk_free_bytes: Gauge,
    read_only: Gauge,
}

/// How many keys hints have, how large they are and how old the oldest one is, by target.
fn register_hints(registry: &mut Registry) -> [Family<TargetLabel, Gauge>; 3] {
    let families: [Family<TargetLabel, Gauge>; 3] = Default::default();
    let [keys, bytes, ages] = &families;
    registry.register("hints_pending_keys", "Keys with a hint, by the node it waits for", keys.clone());
    registry.register_with_unit("hints_pending", "Size of the hints, by target", Unit::Bytes, bytes.clone());
    registry.register_with_unit("hints_oldest", "Age of the oldest hint, by target", Unit::Seconds, ages.clone());
    families
}

impl Metrics {
    /// A registry of its own.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("slipring");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        let requests = register_requests(&mut registry);
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let sibling_limit_rejections =
            counter("sibling_limit_rejections", "Client writes refused for limits.siblings_max");
        let clock_skew_refusals =
            counter("clock_skew_refusals", "Replica writes refused for a time stamp too far ahead");
        let outranked_puts = counter(
            "outranked_puts",
            "Writes to lww tables that were given a second time stamp, because a replica held a greater one",
        );
        let corrupt_records = counter("corrupt_records", "Records whose checksum did not match");
        let hints_kept = counter("hints_kept", "Hints kept by this node as a coordinator");
        let hints_delivered = counter("hints_delivered", "Hints that are durable where they belong, and deleted");
        let hedged_reads = counter("hedged_reads", "Reads that asked one replica more than R");
        let hedges_won = counter("hedges_won", "Hedged reads that the additional replica was the first to complete");
        let hedges_withheld =
            counter("hedges_withheld", "Times that a slow read was not hedged, because too many were");
        let shed = counter("shed", "Requests refused for a limit before any work was done");
        let stale_epochs = counter("stale_epochs", "Requests that were asked anew because a replica knew a newer ring");
        let refused_connections =
            counter("refused_connections", "Bridge connections given up for what was said on them");
        let siblings = Histogram::new(exponential_buckets(1.0, 2.0, 8));
        registry.register("siblings", "Siblings of a key after a client's write", siblings.clone());
        let repair = RepairMetrics::new(&mut registry);
        let garbage = GarbageMetrics::new(&mut registry);
        let metadata = MetadataMetrics::new(&mut registry);
        let ring = RingMetrics::new(&mut registry);
        let routing = RoutingMetrics::new(&mut registry);
        let (load, kv) = (LoadMetrics::new(&mut registry), KvMetrics::new(&mut registry));
        let transactions = TransactionMetrics::new(&mut registry);
        let mut gauge = |name: &str, help: &str| {
            let gauge: Gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let connections = gauge("connections", "Bridge connections now open");
        let disk_used_bytes = gauge("disk_used_bytes", "Bytes that the data directory takes");
        let disk_free_bytes = gauge("disk_free_bytes", "Bytes free on its device");
        let read_only = gauge("read_only", "1 while writes are refused for want of disk space");
        let dirty_ranges = gauge("hints_dirty_ranges", "Ranges of which a node misses writes that no hint will bring");
        let handoff_rate = gauge("hints_replay_rate", "Hints per second that may be handed over now; 0: none wait");
        let link_errors = Family::default();
        registry.register("link_errors", "Replica messages without an answer, by peer and reason", link_errors.clone());
        let peers = Family::default();
        registry.register("peer_up", "1 while a member can be reached", peers.clone());
        let detection = DetectionMetrics::new(&mut registry);
        let read_repairs = Family::default();
        registry.register("read_repairs", "Replicas brought up to date by a read", read_repairs.clone());
        let [hint_keys, hint_bytes, hint_ages] = register_hints(&mut registry);
        let hints_dropped = Family::default();
        registry.register("hints_dropped", "Hints not kept, or given up, by reason", hints_dropped.clone());
        Self(Arc::new(Registered {
            registry: Mutex::new(registry),
            requests,
            link_errors,
            peers,
            detection,
            read_repairs,
            hint_keys,
            hint_bytes,
            hint_ages,
            hints_dropped,
            dirty_ranges,
            handoff_rate,
            siblings,
            sibling_limit_rejections,
            clock_skew_refusals,
            outranked_puts,
            corrupt_records,
            hints_kept,
            hints_delivered,
            hedged_reads,
            hedges_won,
            hedges_withheld,
            shed,
            stale_epochs,
            garbage,
            metadata,
            ring,
            load,
            kv,
            repair,
            routing,
            transactions,
            connections,
            refused_connections,
            disk_used_bytes,
            disk_free_bytes,
            read_only,
        }))
    }

    /// Begins to measure a client request.
    pub fn request(&self, op: &'static str) -> Measured {
        Measured { metrics: self.requests.get(op).cloned(), started: Instant::now() }
    }

    /// A replica message got no answer.
    pub fn link_error(&self, peer: &NodeId, error: &LinkError) {
        let kind = match error {
            LinkError::Unreachable => "unreachable",
            LinkError::ConnectionLost => "connection_lost",
            LinkError::TimedOut => "timed_out",
            LinkError::Overloaded(_) => "overloaded",
            LinkError::BadAnswer => "bad_answer",
            LinkError::Stopped => "stopped",
        };
        self.link_errors.get_or_create(&LinkErrorLabels { peer: peer.to_string(), kind }).inc();
    }

    /// A member can, or cannot, be reached.
    pub fn peer_up(&self, peer: &NodeId, up: bool) {
        self.peers.get_or_create(&PeerLabel { peer: peer.to_string() }).set(i64::from(up));
    }

    /// A member is one no more.
    pub fn forget_peer(&self, peer: &NodeId) {
        self.peers.remove(&PeerLabel { peer: peer.to_string() });
    }

    /// A replica that was behind has, or has not, been brought up to date.
    pub fn read_repair(&self, repaired: bool) {
        self.read_repairs.get_or_create(&ResultLabel { result: if repaired { "ok" } else { "failed" } }).inc();
    }

    /// A hint is not kept, or kept no longer, although its owner has not got it.
    pub fn hint_lost(&self, why: HintLoss) {
        self.hints_dropped.get_or_create(&ReasonLabel { reason: why.label() }).inc();
    }

    /// How old the oldest hint for a node is.
    pub fn hints_oldest(&self, target: &NodeId, age_s: u64) {
        self.hint_ages.get_or_create(&TargetLabel::of(target)).set(i64::try_from(age_s).unwrap_or(i64::MAX));
    }

    /// How fast hints may be handed over, per second, and of how many ranges a node misses something.
    pub fn handing_over(&self, rate: f64, dirty_ranges: usize) {
        self.handoff_rate.set(rate as i64);
        self.dirty_ranges.set(i64::try_from(dirty_ranges).unwrap_or(i64::MAX));
    }

    /// How long all gets, and all puts and deletes, so far took.
    pub fn served(&self) -> Served {
        let counts = |of: fn(&str) -> bool| {
            let counted = || self.requests.iter().filter(move |(op, _)| of(op)).map(|(_, metrics)| metrics);
            LatencyCounts::read(|bucket| counted().map(|metrics| metrics.took[bucket].load(Ordering::Relaxed)).sum())
        };
        Served { reads: counts(|op| op == GET), writes: counts(|op| ![GET, SCAN, QUERY, MODIFY].contains(&op)) }
    }

    /// The hints that wait for a node have become more, or fewer.
    pub fn hints_changed(&self, target: &NodeId, keys: i64, bytes: i64) {
        let label = TargetLabel::of(target);
        self.hint_keys.get_or_create(&label).inc_by(keys);
        self.hint_bytes.get_or_create(&label).inc_by(bytes);
    }

    /// Room used and left on the disk.
    pub fn disk(&self, used_bytes: u64, free_bytes: u64, read_only: bool) {
        self.disk_used_bytes.set(i64::try_from(used_bytes).unwrap_or(i64::MAX));
        self.disk_free_bytes.set(i64::try_from(free_bytes).unwrap_or(i64::MAX));
        self.read_only.set(i64::from(read_only));
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if encode(&mut text, &registry).is_err() {
            let _ = writeln!(text, "# some metrics could not be written");
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn register_requests(registry: &mut Registry) -> BTreeMap<&'static str, Arc<RequestMetrics>> {
    let counters: Family<RequestLabels, Counter> = Family::default();
    registry.register("requests", "Client requests by operation and outcome", counters.clone());
    let buckets = || Histogram::new(exponential_buckets(0.000_1, 2.0, 17));
    let durations: Family<OpLabel, Histogram, fn() -> Histogram> = Family::new_with_constructor(buckets);
    registry.register_with_unit("request_duration", "Time from arrival to reply", Unit::Seconds, durations.clone());
    let of = |op: &'static str| {
        let counter =
            |outcome: Outcome| counters.get_or_create(&RequestLabels { op, outcome: outcome.label() }).clone();
        let duration = durations.get_or_create(&OpLabel { op }).clone();
        let took = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        (op, Arc::new(RequestMetrics { by_outcome: Outcome::ALL.map(counter), duration, took }))
    };
    OPERATIONS.into_iter().map(of).collect()
}

/// A request that is being measured.
pub struct Measured {
    metrics: Option<Arc<RequestMetrics>>,
    started: Instant,
}

impl Measured {
    /// It has ended.
    pub fn finish(self, outcome: Outcome) {
        self.count(outcome);
    }

    /// One of several that began together has ended.
    pub fn count(&self, outcome: Outcome) {
        let Some(metrics) = &self.metrics else { return };
        let elapsed = self.elapsed();
        metrics.duration.observe(elapsed.as_secs_f64());
        metrics.took[bucket_of(elapsed)].fetch_add(1, Ordering::Relaxed);
        metrics.by_outcome[outcome as usize].inc();
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
