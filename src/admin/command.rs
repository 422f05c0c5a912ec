//! The commands and their arguments, the same on the program's command line and in the REPL.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::item::KeyKind;

use super::help_texts::{
    CLUSTER_HELP, CREATE_HELP, EXPORT_HELP, IMPORT_HELP, LINE_HELP, PROGRAM_HELP, PUT_HELP, TASK_HELP, TOP_HELP,
};
use super::tasks::TaskName;

/// Look after a Slipring cluster: see its state, read and write items, move tables in and out.
///
/// Without a command it starts a session (or, when the standard input is not a terminal, runs the commands it reads there).
#[derive(Clone, Debug, Parser)]
#[command(name = "slipring-admin", version, after_help = PROGRAM_HELP)]
pub struct Program {
    /// How to reach a node.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// Print JSON instead of text and tables.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// How to reach a node.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArguments {
    /// Bridge address of a node; several, by commas or by repeating, are tried in turn.
    #[arg(long, global = true, value_name = "HOST:PORT", value_delimiter = ',', default_value = "127.0.0.1:7400")]
    #[arg(env = "SLIPRING_ADMIN_CONNECT", hide_env_values = true)]
    pub connect: Vec<String>,
    /// The file that holds the cluster's secret (`cluster.secret_file` of the nodes).
    #[arg(long, global = true, value_name = "FILE", env = "SLIPRING_ADMIN_SECRET_FILE", hide_env_values = true)]
    pub secret_file: Option<PathBuf>,
    /// Give up a request, or connecting, after this many milliseconds.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    pub timeout_ms: Option<u32>,
}

/// Commands of `slipring-admin`
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(name = "", no_binary_name = true, override_usage = "COMMAND [ARGUMENT ...]")]
#[command(disable_help_flag = true, after_help = LINE_HELP)]
pub struct Line {
    /// Print JSON instead of text and tables.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Command {
    /// One screen about the node and its cluster
    #[command(after_help = "Example:\n  status")]
    Status,
    /// The members: state, share of the ring, address
    #[command(after_help = "Example:\n  nodes")]
    Nodes,
    /// Who reaches whom: round trips, and links that work in one direction only
    #[command(after_help = "Example:\n  links")]
    Links,
    /// Partitions per node and balance
    #[command(after_help = "Examples:\n  ring\n  ring --all")]
    Ring {
        /// Also list the owner of every partition, in ranges
        #[arg(long)]
        all: bool,
    },
    /// Write an item
    #[command(after_help = PUT_HELP)]
    Put(PutArguments),
    /// Read an item: every sibling, and the context to write it back with
    #[command(after_help = "Examples:\n  get kv cart:1\n  get kv cart:1 --r 1\n  get kv cart:1 --json")]
    Get(GetArguments),
    /// Delete an item
    #[command(after_help = "Without --context whatever is there at the time is deleted; with it, only what that \
                            `get` has shown.\n\nExamples:\n  delete kv cart:1\n  delete kv cart:1 --context AQx5…")]
    Delete(DeleteArguments),
    /// Who stores a key, and what each replica holds of it
    #[command(after_help = "Examples:\n  where kv cart:1\n  where orders user#7 --sort 42")]
    Where(KeyArguments),
    /// The tables
    #[command(after_help = "Example:\n  tables")]
    Tables,
    /// A table's key, quorums and rule for conflicts
    #[command(after_help = "Example:\n  describe kv")]
    Describe {
        /// The table
        table: String,
    },
    /// Create a table
    #[command(after_help = CREATE_HELP)]
    Create(CreateArguments),
    /// Change how many replicas a table has, and how many its reads and writes wait for
    #[command(
        after_help = "Examples:\n  alter orders --n 5 --r 3 --w 3\n  alter orders --r 1 --w 3\n  alter orders --default-r --default-w"
    )]
    Alter(AlterArguments),
    /// Drop a table with all its items, for good
    #[command(after_help = "Example:\n  drop orders --confirm orders")]
    Drop(DropArguments),
    /// Who decides about tables, and how far the node has followed
    #[command(after_help = "Example:\n  metadata")]
    Metadata,
    /// Members: join, leave, replace, give a weight, rebalance; plan, commit, abort
    #[command(subcommand, after_help = CLUSTER_HELP)]
    Cluster(ClusterCommand),
    /// Partitions that move, and how far they are
    #[command(after_help = "Examples:\n  tasks\n  watch 2 tasks")]
    Tasks,
    /// One of them: all that is known of it, take it back, try again
    #[command(subcommand, after_help = TASK_HELP)]
    Task(TaskCommand),
    /// Writes that the node keeps for others until they are back
    #[command(after_help = "Example:\n  hints")]
    Hints,
    /// Anti-entropy: what has been compared with the other replicas, and what was repaired
    #[command(subcommand, after_help = "Examples:\n  repair status\n  repair run\n  watch 2 repair status")]
    Repair(RepairCommand),
    /// What is left of deleted items and expired values, and why it is still there
    #[command(after_help = "Example:\n  tombstones")]
    Tombstones,
    /// What is asked for most: keys, partitions, nodes
    #[command(after_help = TOP_HELP)]
    Top(TopArguments),
    /// Write the records of a file into a table; a second time changes nothing
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArguments),
    /// Write a table as JSON Lines
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArguments),
    /// The node's metrics
    #[command(after_help = "Examples:\n  metrics\n  metrics put\n  metrics --json slipring_build")]
    Metrics {
        /// Only metrics whose name contains this
        filter: Option<String>,
    },
    /// Repeat a command that only reads, until Ctrl-C
    #[command(after_help = "Examples:\n  watch 2 hints\n  watch 1 where kv cart:1")]
    Watch(WatchArguments),
}

/// The arguments of `top`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct TopArguments {
    /// What to compare
    pub what: TopSubject,
    /// Show at most so many keys or partitions
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub limit: u16,
}

/// What `top` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TopSubject {
    /// Keys, by requests of clients
    Keys,
    /// Partitions, by requests for their copies
    Partitions,
    /// Nodes, by requests for their copies, and whether that is within 15 % of the mean
    Nodes,
}

/// What to do with the members. Everything is staged first; nothing moves before `commit`.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum ClusterCommand {
    /// Stage a node that waits to be joined: it was started with `cluster.seeds`
    Join {
        /// Its bridge address
        address: String,
    },
    /// Stage that a member hands over all it has, and leaves
    Leave {
        /// Its name
        node: String,
    },
    /// Stage that a node that waits to be joined takes the place of a member that will not come back
    Replace(ReplaceArguments),
    /// Stage another share of the ring for a member
    Weight {
        /// Its name
        node: String,
        /// Its share, relative to those of the others
        #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
        weight: u32,
    },
    /// Stage other owners for a few partitions, so that nodes bear load by their weights
    Rebalance,
    /// What a commit would move
    Plan,
    /// Do what is staged
    Commit,
    /// Forget what is staged
    Abort,
}

/// What to do with a task. Its name is what `tasks` shows, or its beginning, `move-7`, for everybody's part in that move.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum TaskCommand {
    /// Progress, speed, what went wrong, and what is tried next
    Show {
        /// Its name
        #[arg(value_name = "TASK")]
        task: TaskName,
    },
    /// Take the whole move back: partitions return to their old owners, and whoever is new leaves
    Cancel {
        /// Its name
        #[arg(value_name = "TASK")]
        task: TaskName,
    },
    /// Have what waits for its next try go now
    Retry {
        /// Its name
        #[arg(value_name = "TASK")]
        task: TaskName,
    },
}

/// The arguments of `cluster replace`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct ReplaceArguments {
    /// The member that will not come back; its copies are lost
    pub dead: String,
    /// Bridge address of the node that takes its place
    #[arg(long, value_name = "ADDRESS")]
    pub with: String,
}

/// What to do with anti-entropy.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum RepairCommand {
    /// How many ranges are verified, by peer, and since when
    Status,
    /// Compare every range now, and wait until that is done
    Run {
        /// Do not wait
        #[arg(long)]
        detach: bool,
    },
    /// Begin no more comparisons until `resume`, also after a restart
    Pause,
    /// Go on
    Resume,
}

/// The key of an item.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct KeyArguments {
    /// The table
    pub table: String,
    /// The partition key: text, a number, or base64, as the table's key is
    pub key: String,
    /// The sort key, where the table has one
    #[arg(long, value_name = "S")]
    pub sort: Option<String>,
}

/// The arguments of `create`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct CreateArguments {
    /// Its name: 1 to 255 of a-z, A-Z, 0-9, `_`, `.` and `-`
    pub table: String,
    /// The partition key: an attribute, and its type after a colon (S, N or B) unless it is S
    #[arg(long, value_name = "ATTR[:TYPE]")]
    pub key: KeyAttributeArgument,
    /// The sort key, if it has one
    #[arg(long, value_name = "ATTR[:TYPE]")]
    pub sort: Option<KeyAttributeArgument>,
    /// Its own N, R and W.
    #[command(flatten)]
    pub quorum: OwnQuorum,
    /// What becomes of concurrent writes
    #[arg(long, value_enum, default_value = "siblings")]
    pub conflict: ConflictArgument,
}

/// N, R and W of a table instead of the cluster's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub struct OwnQuorum {
    /// How many replicas each item has [default: the cluster's]
    #[arg(long, value_name = "N")]
    pub n: Option<u8>,
    /// How many of them a read waits for [default: the cluster's]
    #[arg(long, value_name = "R")]
    pub r: Option<u8>,
    /// How many of them a write waits for [default: the cluster's]
    #[arg(long, value_name = "W")]
    pub w: Option<u8>,
}

/// What becomes of writes that did not know of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConflictArgument {
    /// All are kept, and a client merges them
    Siblings,
    /// The latest write wins
    Lww,
}

/// An attribute and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAttributeArgument {
    /// The attribute's name.
    pub name: String,
    /// The type of its values.
    pub kind: KeyKind,
}

impl FromStr for KeyAttributeArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, kind) = text.rsplit_once(':').unwrap_or((text, "S"));
        let kind = match kind {
            "S" | "s" => KeyKind::S,
            "N" | "n" => KeyKind::N,
            "B" | "b" => KeyKind::B,
            other => return Err(format!("the type of a key is S, N or B, not {other:?}")),
        };
        Ok(Self { name: name.to_owned(), kind })
    }
}

/// The arguments of `alter`.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(group = ArgGroup::new("alteration").required(true).multiple(true))]
pub struct AlterArguments {
    /// The table
    pub table: String,
    /// How many replicas each item has; another number moves partitions, see `tasks`
    #[arg(long, value_name = "N", group = "alteration", conflicts_with = "default_n")]
    pub n: Option<u8>,
    /// How many replicas a read waits for
    #[arg(long, value_name = "R", group = "alteration", conflicts_with = "default_r")]
    pub r: Option<u8>,
    /// How many replicas a write waits for
    #[arg(long, value_name = "W", group = "alteration", conflicts_with = "default_w")]
    pub w: Option<u8>,
    /// As many as the cluster's default
    #[arg(long, group = "alteration")]
    pub default_n: bool,
    /// As many as the cluster's default
    #[arg(long, group = "alteration")]
    pub default_r: bool,
    /// As many as the cluster's default
    #[arg(long, group = "alteration")]
    pub default_w: bool,
}

/// The arguments of `drop`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct DropArguments {
    /// The table
    pub table: String,
    /// The table's name once more
    #[arg(long, value_name = "TABLE")]
    pub confirm: String,
}

/// The arguments of `put`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct PutArguments {
    /// Which item.
    #[command(flatten)]
    pub key: KeyArguments,
    /// The item, in plain JSON
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    pub item: String,
    /// Hide the item after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=MAX_TTL_S))]
    pub ttl: Option<u64>,
    /// Wait for this many replicas instead of the table's W
    #[arg(long, value_name = "W")]
    pub w: Option<u8>,
    /// Replace what the `get` or `put` that printed this context has seen
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<String>,
}

/// A hundred years, in seconds: more is a mistake, and would not fit the clock.
const MAX_TTL_S: u64 = 100 * 366 * 24 * 3600;

/// The arguments of `get`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct GetArguments {
    /// Which item.
    #[command(flatten)]
    pub key: KeyArguments,
    /// Ask this many replicas instead of the table's R
    #[arg(long, value_name = "R")]
    pub r: Option<u8>,
}

/// The arguments of `delete`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct DeleteArguments {
    /// Which item.
    #[command(flatten)]
    pub key: KeyArguments,
    /// Delete only what the `get` or `put` that printed this context has seen
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// Wait for this many replicas instead of the table's W
    #[arg(long, value_name = "W")]
    pub w: Option<u8>,
}

/// The arguments of `import`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct ImportArguments {
    /// The table
    pub table: String,
    /// The file, or `-` for the standard input
    pub file: PathBuf,
    /// The attribute of the records that becomes the partition key [default: the one with the key's name]
    #[arg(long, value_name = "ATTR")]
    pub key: Option<String>,
    /// How many records are under way at a time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// How long to try again, per record, when nodes are down or busy
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub retry_for: u64,
}

/// The arguments of `export`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct ExportArguments {
    /// The table
    pub table: String,
    /// Write to this file, which appears once it is complete [default: the standard output]
    pub file: Option<PathBuf>,
    /// Rename the partition key to this attribute, the inverse of `import --key`
    #[arg(long, value_name = "ATTR")]
    pub key: Option<String>,
    /// How long to try again when nodes are down or busy
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub retry_for: u64,
}

/// The arguments of `watch`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct WatchArguments {
    /// Seconds between two runs
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// Stop after this many runs
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// The command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, num_args = 1..)]
    pub command: Vec<String>,
}

impl Command {
    /// Whether it changes what is stored, or what the node does.
    pub fn writes(&self) -> bool {
        let changes_repair = matches!(self, Self::Repair(command) if *command != RepairCommand::Status);
        let changes_tables = matches!(self, Self::Create(_) | Self::Alter(_) | Self::Drop(_));
        let changes_members = matches!(self, Self::Cluster(command) if *command != ClusterCommand::Plan);
        let changes_tasks = matches!(self, Self::Task(command) if !matches!(command, TaskCommand::Show { .. }));
        changes_repair
            || changes_tasks
            || changes_tables
            || changes_members
            || matches!(self, Self::Put(_) | Self::Delete(_) | Self::Import(_))
    }

    /// Whether `watch` may repeat it.
    pub fn can_be_watched(&self) -> bool {
        !self.writes() && !matches!(self, Self::Export(_) | Self::Watch(_))
    }
}
