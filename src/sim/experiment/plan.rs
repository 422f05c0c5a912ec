//! What an experiment file says, as values.

use serde::{Serialize, Serializer};

use super::keys::KeyChoice;
use crate::config::ReadOrder;

/// Everything that a file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// What it is about, on one line.
    pub title: String,
    /// What is done.
    pub subject: Subject,
}

/// What an experiment looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Clusters in virtual time, one after another.
    Cluster {
        /// What is compared.
        cases: Vec<Case>,
        /// How it is drawn.
        plot: Plot,
    },
    /// Rings, without a cluster around them.
    Balance(Balance),
    /// Rings that nodes join and leave, without a cluster around them.
    Movement(Relocation),
}

/// One of the things that are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Names it in the results.
    pub name: String,
    /// Which line of a plot it is a point of.
    pub series: String,
    /// Where on that line it is.
    pub x: f64,
    /// What others have measured.
    pub published: Published,
    /// The cluster and what is asked of it.
    pub setup: Setup,
}

/// Means that others have published, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Published {
    /// Of a get.
    pub get_mean_ms: Option<f64>,
    /// Of a put.
    pub put_mean_ms: Option<f64>,
}

/// How the cases are drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Plot {
    /// How many requests took how long at most: a panel for gets, one for puts, a line per case.
    Distribution,
    /// A panel per quantity, a line per series, a point per case.
    Lines {
        /// What is drawn.
        panels: Vec<Panel>,
        /// What a case's `x` is.
        x_label: String,
    },
}

/// A quantity of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// The mean latency of gets.
    GetMean,
    /// The mean latency of puts.
    PutMean,
    /// The 99th percentile of gets.
    GetP99,
    /// The 99th percentile of puts.
    PutP99,
    /// Gets answered per second.
    GetRate,
    /// Puts answered per second.
    PutRate,
    /// What the busiest node was told, over the mean of all nodes.
    Busiest,
}

/// A cluster and what is asked of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Setup {
    /// The cluster.
    pub cluster: Shape,
    /// Links between nodes.
    pub link: LinkTime,
    /// Links between clients and nodes.
    pub client_link: LinkTime,
    /// Every node's disk.
    pub disk: DiskTime,
    /// Every node's processor.
    pub cpu: Cpu,
    /// A node that is slower than the others all the time.
    pub slow_node: SlowNode,
    /// Whom reads ask.
    pub routing: Routing,
    /// What is asked.
    pub workload: Workload,
    /// What goes wrong meanwhile.
    pub faults: Vec<PlannedFault>,
}

/// A cluster.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shape {
    /// How many nodes.
    pub nodes: usize,
    /// N.
    pub n: u8,
    /// R.
    pub r: u8,
    /// W.
    pub w: u8,
    /// Whether fallbacks count.
    pub sloppy: bool,
    /// Q.
    pub partitions: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self { nodes: 3, n: 3, r: 2, w: 2, sloppy: true, partitions: 256 }
    }
}

/// How the part of a latency beyond the least is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Spread {
    /// Evenly between nothing and `spread_ms`.
    #[default]
    Uniform,
    /// Exponentially, with the mean `spread_ms`.
    Exponential,
}

/// How long bytes take, one way, in whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LinkTime {
    /// Never less than this, in ms.
    pub least_ms: u64,
    /// How the rest is drawn.
    pub shape: Spread,
    /// How much that is, in ms.
    pub spread_ms: f64,
}

/// How long a disk takes to write and sync what waits, evenly between the bounds, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DiskTime {
    /// The shortest, in ms.
    pub sync_least_ms: u64,
    /// The longest, in ms.
    pub sync_most_ms: u64,
}

/// How long a node's only processor takes to receive, handle and answer a message, in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// Whatever it is.
    pub per_message_us: f64,
    /// For each KiB of it, besides.
    pub per_kib_us: f64,
}

/// A node that is slower than the others, all the time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SlowNode {
    /// Which one, counted from 0.
    pub node: usize,
    /// Its processor takes so many times as long.
    pub cpu_times: f64,
    /// What it says to other nodes, and they to it, takes so many times as long.
    pub link_times: f64,
}

impl Default for SlowNode {
    /// As fast as the others.
    fn default() -> Self {
        Self { node: 0, cpu_times: 1.0, link_times: 1.0 }
    }
}

/// Whom reads ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Routing {
    /// In which order.
    #[serde(serialize_with = "as_in_the_file")]
    pub reads: ReadOrder,
}

fn as_in_the_file<S: Serializer>(reads: &ReadOrder, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reads.as_str())
}

/// What is asked of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Workload {
    /// Clients that ask at the same time.
    pub clients: usize,
    /// Requests that a client sends at once; it waits for all answers before it sends more.
    pub batch: usize,
    /// How long a client rests between two batches, in ms.
    pub pause_ms: u64,
    /// Puts of all clients together.
    pub puts: usize,
    /// Gets of all clients together.
    pub gets: usize,
    /// Whether gets and puts mix.
    pub order: Order,
    /// How many keys there are.
    pub keys: usize,
    /// How a request's key is drawn.
    pub choice: KeyChoice,
    /// Size of a value, in bytes.
    pub value_bytes: usize,
    /// Which node a request is sent to.
    pub coordinator: Coordinator,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            clients: 1,
            batch: 10,
            pause_ms: 0,
            puts: 1_000,
            gets: 1_000,
            order: Order::Phases,
            keys: 1_000,
            choice: KeyChoice::Uniform,
            value_bytes: 100,
            coordinator: Coordinator::Any,
        }
    }
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Read a key.
    Get,
    /// Write a key.
    Put,
}

/// In which order puts and gets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// All puts, then all gets.
    Phases,
    /// Drawn at random.
    Mixed,
}

/// To which node a client sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Coordinator {
    /// One that is drawn at random.
    Any,
    /// A primary of the key, drawn at random: the client knows the ring.
    Primary,
    /// One that is drawn at random from all but the slow one: the client has noticed.
    #[serde(rename = "not_slow")]
    NotSlow,
}

/// A fault that strikes at a given time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedFault {
    /// What happens.
    pub kind: FaultKind,
    /// To which node, counted from 0.
    pub node: usize,
    /// How long after the first request, in ms.
    pub at_ms: u64,
    /// For how long, in ms.
    pub for_ms: u64,
}

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// Its process dies, and is started again.
    Crash,
    /// Its process stops, and goes on.
    Pause,
    /// It and the other nodes do not hear each other; clients hear all of them.
    Cut,
    /// What it sends to the other nodes takes a hundred times as long.
    Slow,
}

/// How evenly rings spread load, after Dynamo's section 6.2.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Balance {
    /// Q, one after another.
    pub partitions: Vec<u32>,
    /// N.
    pub n: usize,
    /// Cluster sizes for the efficiency.
    pub efficiency_nodes: Vec<usize>,
    /// The cluster size for imbalance against load.
    pub nodes: usize,
    /// How far a node may be from the mean before it counts as out of balance, in percent.
    pub band_percent: f64,
    /// Requests in an interval, one after another.
    pub loads: Vec<u64>,
    /// Intervals for each load.
    pub intervals: usize,
    /// How many keys there are.
    pub keys: usize,
    /// How much more popular some are than others.
    pub zipf_exponent: f64,
}

/// A cluster that grows and shrinks, node by node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Relocation {
    /// Q, one after another.
    pub partitions: Vec<u32>,
    /// N.
    pub n: usize,
    /// Into how many zones the nodes come in turn; 0: there are no zones.
    pub zones: usize,
    /// How many nodes there are at first, and how many after the changes that follow, one after another.
    pub nodes: Vec<usize>,
}

impl Experiment {
    /// The same with at most so many requests of each kind, intervals and loads, and on small rings: a quick look.
    #[must_use]
    pub fn shortened(mut self, requests_max: usize) -> Self {
        match &mut self.subject {
            Subject::Cluster { cases, .. } => {
                for Workload { puts, gets, .. } in cases.iter_mut().map(|case| &mut case.setup.workload) {
                    (*puts, *gets) = ((*puts).min(requests_max), (*gets).min(requests_max));
                }
            }
            Subject::Balance(balance) => {
                balance.intervals = balance.intervals.min(requests_max);
                balance.loads.retain(|load| *load <= 100 * requests_max as u64);
                balance.partitions.retain(|partitions| *partitions <= 256);
                balance.efficiency_nodes.truncate(4);
            }
            Subject::Movement(relocation) => relocation.partitions.retain(|partitions| *partitions <= 256),
        }
        self
    }
}
