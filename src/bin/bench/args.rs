//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::distribution::Distribution;
use super::route::Route;

/// Puts load on a node and reports throughput and latency.
///
/// A closed loop keeps K requests outstanding per connection: the next one goes when one is answered. An open loop sends at a
/// fixed rate whether or not answers come, and counts each latency from the instant at which the request was meant to go:
/// a stall of the node is counted for every request that it delays (no coordinated omission).
#[derive(Debug, Parser)]
#[command(name = "slipring-bench", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Exit codes: 0 all answered, 1 system error, 2 usage, 5 cannot connect, 10 some requests failed."
)]
pub struct Arguments {
    /// What to do instead of loading a node.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The load on a node.
    #[command(flatten)]
    pub load: Load,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure what this machine allows: frames over the loopback, durable puts into the engine.
    Limits(Limits),
    /// Answer every request with its own payload; what `limits` measures against.
    EchoServer {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:7499")]
        listen: SocketAddr,
        /// End when the standard input does: whoever started this is gone then, however it ended.
        #[arg(long, hide = true)]
        until_input_ends: bool,
    },
    /// The same load on Redis, for the comparison.
    #[command(hide = true)]
    Redis(Peer),
    /// The same load on etcd's JSON gateway, for the comparison. Puts only.
    #[command(hide = true)]
    Etcd(Peer),
    /// PutItem or GetItem of the DynamoDB API, on a node or any other server of that API. The table must be there, with the text
    /// `id` as its partition key.
    Dynamodb(DynamoDb),
    /// Answer every POST with the same bytes; what the DynamoDB API is measured against.
    ConstantServer {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:7498")]
        listen: SocketAddr,
        /// Threads.
        #[arg(long, default_value_t = 1)]
        workers: usize,
        /// Bytes of each answer.
        #[arg(long, default_value_t = 1024)]
        body_bytes: usize,
        /// Have what was sent on the disk before answering: it is appended to this new file, and synced.
        #[arg(long, value_name = "FILE")]
        append_to: Option<PathBuf>,
    },
}

/// When requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// When one of K is answered.
    Closed,
    /// At a fixed rate.
    Open,
}

/// Load on a node.
#[derive(Clone, Debug, Args)]
pub struct Load {
    /// Bridge addresses of nodes; connections are spread over them in turn.
    #[arg(long, value_delimiter = ',', default_value = "127.0.0.1:7400")]
    pub connect: Vec<String>,
    /// Each key to the member that owns it (`ring`), to any member (`random`), or to the first address only [default: connections
    /// are spread over the addresses, and any key goes over any of them].
    #[arg(long, value_enum)]
    pub route: Option<Route>,
    /// The file with the cluster's secret, where it has one.
    #[arg(long)]
    pub secret_file: Option<PathBuf>,
    /// Closed loop at a concurrency, or open loop at a rate.
    #[arg(long, value_enum, default_value = "closed")]
    pub mode: Mode,
    /// Requests outstanding per connection; in an open loop the most there may be (default there: 1024).
    #[arg(long)]
    pub outstanding: Option<usize>,
    /// Requests per second over all connections (open loop).
    #[arg(long)]
    pub rate: Option<f64>,
    /// Connections, each driven by a thread of its own [default: one per address; with `--route ring` or `random` one per member].
    #[arg(long)]
    pub connections: Option<usize>,
    /// Seconds to measure.
    #[arg(long, default_value_t = 10.0, conflicts_with = "requests")]
    pub duration: f64,
    /// Requests to measure, instead of a duration.
    #[arg(long)]
    pub requests: Option<u64>,
    /// Seconds of the same load before that, not counted.
    #[arg(long, default_value_t = 1.0)]
    pub warmup: f64,
    /// How many keys. Each connection writes a slice of its own and reads all.
    #[arg(long, default_value_t = 10_000)]
    pub keys: usize,
    /// `uniform`, or `hotspot[:KEYS:REQUESTS]`: the share of keys that gets the share of requests, in percent [hotspot: 20:80].
    #[arg(long, default_value = "uniform")]
    pub distribution: Distribution,
    /// Bytes of each value.
    #[arg(long, default_value_t = 1024)]
    pub value_bytes: usize,
    /// Share of gets in percent; the rest are puts.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub reads: u8,
    /// The table. It must have a text partition key and no sort key.
    #[arg(long, default_value = "kv")]
    pub table: String,
    /// Write every key once before.
    #[arg(long)]
    pub preload: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Where the random choices start.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Milliseconds after which the node is to give a request up [default: the node's own limit].
    #[arg(long)]
    pub timeout_ms: Option<u32>,
}

/// The machine's limits.
#[derive(Clone, Debug, Args)]
pub struct Limits {
    /// A directory on the disk to measure. A directory made in it is removed afterwards.
    #[arg(long)]
    pub dir: PathBuf,
    /// Numbers of requests outstanding.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    pub outstanding: Vec<usize>,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 5.0)]
    pub duration: f64,
    /// Bytes of each value.
    #[arg(long, default_value_t = 1024)]
    pub value_bytes: usize,
    /// How many keys the disk's puts go to.
    #[arg(long, default_value_t = 10_000)]
    pub keys: usize,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// How the outstanding requests are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// One connection per outstanding request.
    Connections,
    /// All on one connection, answered in order.
    Pipeline,
    /// All on one connection, sent together with one WAIT behind them (Redis puts).
    Batch,
}

/// Load on another store.
#[derive(Clone, Debug, Args)]
pub struct Peer {
    /// Where it listens; several are used in turn.
    #[arg(long, value_delimiter = ',', required = true)]
    pub connect: Vec<String>,
    /// Requests outstanding in all.
    #[arg(long, default_value_t = 64)]
    pub outstanding: usize,
    /// How they are spread.
    #[arg(long, value_enum, default_value = "connections")]
    pub shape: Shape,
    /// Gets instead of puts.
    #[arg(long)]
    pub gets: bool,
    /// Seconds to measure.
    #[arg(long, default_value_t = 5.0)]
    pub duration: f64,
    /// Seconds of the same load before that, not counted.
    #[arg(long, default_value_t = 1.0)]
    pub warmup: f64,
    /// How many keys.
    #[arg(long, default_value_t = 10_000)]
    pub keys: usize,
    /// Bytes of each value.
    #[arg(long, default_value_t = 1024)]
    pub value_bytes: usize,
    /// The process that answers: how much CPU it takes per request is reported, too.
    #[arg(long)]
    pub server_pid: Option<u32>,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Load on a server of the DynamoDB API.
#[derive(Clone, Debug, Args)]
pub struct DynamoDb {
    /// As for other stores.
    #[command(flatten)]
    pub peer: Peer,
    /// The table.
    #[arg(long, default_value = "bench")]
    pub table: String,
    /// Attributes over which the bytes of a value are spread.
    #[arg(long, default_value_t = 1)]
    pub attributes: usize,
    /// Do not write the keys before they are read.
    #[arg(long)]
    pub no_preload: bool,
}
