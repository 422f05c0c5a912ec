//! The admin REPL to a node: what is the state of things?

use actix::Message;
use serde::{Deserialize, Serialize};

use super::hints::HintsPending;
use crate::dynamo::node_id::NodeId;

/// One screen about the node and the cluster as it sees it.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Status, AdminError>")]
pub struct DescribeStatus;

/// Why an admin request got no answer. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum AdminError {
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// The answer to [`DescribeStatus`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// This node's name.
    pub node: NodeId,
    /// The program's version.
    pub version: String,
    /// The cluster's name.
    pub cluster: String,
    /// The cluster's UUID.
    pub cluster_uuid: String,
    /// Seconds since this process began to serve.
    pub uptime_s: u64,
    /// How many nodes belong to the cluster.
    pub members: u32,
    /// How many of them this node can reach, itself included.
    pub reachable: u32,
    /// N, R and W as configured.
    pub quorum: [u8; 3],
    /// N, R and W as they are in a cluster with this many members.
    pub effective_quorum: [u8; 3],
    /// Whether fallbacks may stand in.
    pub sloppy: bool,
    /// `always` or `interval`.
    pub durability: String,
    /// Bytes of the data directory.
    pub disk_used_bytes: u64,
    /// Bytes left on the device.
    pub disk_free_bytes: u64,
    /// Whether writes are refused for want of space.
    pub read_only: bool,
    /// Hints that this node keeps for others.
    pub hints: Vec<HintsPending>,
    /// What an operator should look at, one sentence each.
    pub warnings: Vec<String>,
}

/// The members and what they own.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Vec<NodeRow>, AdminError>")]
pub struct DescribeNodes;

/// One member, as this node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Its name.
    pub name: NodeId,
    /// Its bridge address.
    pub address: String,
    /// `up`, `suspect` or `down`, as the cluster says; instead of `up` also `joining` or `leaving`.
    pub state: String,
    /// Its zone, if it has one.
    pub zone: Option<String>,
    /// Its weight.
    pub weight: u32,
    /// How many partitions it owns.
    pub partitions: u32,
    /// That share of the ring, in percent.
    pub share_percent: f64,
    /// Whether it is the node that answers.
    pub this_node: bool,
    /// Whether the node that answers can reach it: it is not down, and all links to it work.
    pub reachable: bool,
}

/// Who owns which partition.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<RingDescription, AdminError>")]
pub struct DescribeRing;

/// The answer to [`DescribeRing`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RingDescription {
    /// Counts the ring's changes.
    pub epoch: u64,
    /// The owner of each partition, by partition.
    pub owners: Vec<NodeId>,
    /// The mean load over the greatest (1 is perfect), by partitions and weight.
    pub balance: f64,
}

/// What waits for other nodes, and why it waits.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Vec<HintsRow>, AdminError>")]
pub struct DescribeHints;

/// What waits for one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintsRow {
    /// Whom, how many, how large.
    pub pending: HintsPending,
    /// The age of the oldest, in seconds.
    pub oldest_s: u64,
    /// Why they are still here.
    pub state: HintState,
    /// How many have been settled per second lately.
    pub per_s: u64,
    /// When the last will be gone at that speed, in seconds; `None` while nothing moves.
    pub eta_s: Option<u64>,
    /// Partitions of which the node misses writes that no hint will bring.
    pub dirty_ranges: u32,
}

/// Why hints are still here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HintState {
    /// The node cannot be reached.
    TargetDown,
    /// They are being handed over.
    HandingOver,
    /// They are being handed over, and more slowly because requests take longer than before.
    Throttled,
    /// The node can be reached, and has not taken all: they are tried again.
    Failing,
    /// None is here; the node misses writes of which no hint was kept.
    OnlyDirty,
}

/// The metrics, as Prometheus scrapes them.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<String, AdminError>")]
pub struct ReadMetrics;
