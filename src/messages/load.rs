//! What is asked of nodes, partitions and keys lately.
//!
//! ```text
//!   slipring-admin ── DescribeLoad ──▶ LoadMonitor ── ReadLoad ──▶ LoadMonitor of each member
//!                                          ├── TakeCounts ──▶ Node shards              what copies were asked for
//!                                          └── RankKeys ────▶ ReplicationCoordinators  which keys clients ask for
//! ```

use actix::{Message, Recipient};
use serde::{Deserialize, Serialize};

use super::LinkError;
use super::admin::AdminError;
use crate::dynamo::load::{Balance, LoadCount, LoadRates, balance};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ranking::Ranking;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::work::{LoadWeights, Measures, weighed};

/// What has been counted, by partition, since this was asked last.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<(PartitionId, LoadCount)>")]
pub struct TakeCounts;

/// Which keys do clients of this worker ask for most?
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Ranking<RecordKey>")]
pub struct RankKeys {
    /// At most so many of them.
    pub keys: usize,
}

/// Ask this coordinator, too.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Enlist(pub Recipient<RankKeys>);

/// What is asked of this node?
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<NodeLoad, LinkError>")]
pub struct ReadLoad {
    /// At most so many keys.
    pub keys: u32,
    /// At most so many partitions.
    pub partitions: u32,
}

/// The answer to [`ReadLoad`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeLoad {
    /// In all.
    pub totals: LoadTotals,
    /// Keys, by requests of clients that this node coordinates.
    pub keys: Ranking<RecordKey>,
    /// Partitions of which it holds copies, by requests for these; the most loaded first.
    pub partitions: Vec<(PartitionId, LoadRates)>,
}

/// What is asked of one node in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadTotals {
    /// Requests for its copies.
    pub copies: LoadRates,
    /// Requests of clients that it coordinates, per second.
    pub clients_per_s: f64,
    /// Processor time that its process takes: 100 is one core. `None` where the system does not tell.
    pub cpu_percent: Option<f64>,
}

/// What is asked of all members that can be reached?
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<ClusterLoad, AdminError>")]
pub struct DescribeLoad {
    /// At most so many keys.
    pub keys: u32,
    /// At most so many partitions.
    pub partitions: u32,
}

/// The answer to [`DescribeLoad`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterLoad {
    /// Every member, by name.
    pub members: Vec<MemberLoad>,
    /// Keys, by requests of clients.
    pub keys: Ranking<RecordKey>,
    /// Partitions, by requests for all of their copies; the most loaded first.
    pub partitions: Vec<PartitionLoad>,
    /// What counts how much in what members bear, for the node that answers.
    pub weights: LoadWeights,
}

impl ClusterLoad {
    /// How the members that have told their load compare, in their order.
    pub fn balances(&self) -> Vec<(&NodeId, Balance)> {
        let told: Vec<_> =
            self.members.iter().filter_map(|member| Some((&member.node, member.weight, member.totals?))).collect();
        let measures: Vec<Measures> =
            told.iter().map(|(.., totals)| Measures::of(&totals.copies, totals.cpu_percent)).collect();
        let borne = weighed(self.weights, &measures);
        let loads: Vec<(u32, f64)> = told.iter().zip(borne).map(|((_, weight, _), borne)| (*weight, borne)).collect();
        told.iter().map(|(node, ..)| *node).zip(balance(&loads)).collect()
    }
}

/// Who is out of balance, and has been for `balancing.patience_s`?
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<(NodeId, Balance)>")]
pub struct DescribeImbalance;

/// One member's load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberLoad {
    /// Its name.
    pub node: NodeId,
    /// Its weight.
    pub weight: u32,
    /// `None`: it cannot be reached, or did not answer.
    pub totals: Option<LoadTotals>,
}

/// One partition's load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionLoad {
    /// The partition.
    pub partition: PartitionId,
    /// Its owner.
    pub owner: NodeId,
    /// What is asked of its copies.
    pub copies: LoadRates,
}
