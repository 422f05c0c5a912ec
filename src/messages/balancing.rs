//! Which partitions should have other owners, so that nodes bear load by their weights?
//!
//! ```text
//!  operator ── Rebalance ──▶ LoadBalancer ── DescribeLoad ──▶ LoadMonitor
//!                                └────────── ChangeRing ────▶ MetadataLog      the exchange is staged
//! ```

use actix::Message;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::metadata::ChangeError;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::PartitionId;

/// Look which owners should exchange partitions now.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Rebalancing, RebalanceError>")]
pub struct Rebalance {
    /// And stage that, if it helps. Nothing moves before it is committed.
    pub stage: bool,
}

/// The answer to [`Rebalance`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rebalancing {
    /// What is to be done.
    pub verdict: Verdict,
    /// Every member, by name.
    pub nodes: Vec<BorneLoad>,
    /// How many partitions get another owner.
    pub partitions: u32,
    /// How many copies of partitions have to be fetched.
    pub copies: u32,
    /// Partitions that are more than a node should bear by themselves: no ring balances these.
    pub too_hot: Vec<PartitionId>,
}

/// What is to be done about the balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Nothing: so little is asked of the cluster that chance decides who is out of balance.
    Idle,
    /// Nothing: every node is inside the band.
    Balanced,
    /// Nothing: no exchange of owners brings a node that is outside noticeably nearer.
    Stuck,
    /// An exchange of owners helps, and was not to be staged.
    Helps,
    /// An exchange of owners helps, and is staged.
    Staged,
}

/// What a node bears over what its weight would have it bear: 1 is just that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BorneLoad {
    /// The node.
    pub node: NodeId,
    /// As it is measured.
    pub measured: f64,
    /// As it would be if each copy of a partition were asked for alike: what placement decides about.
    pub before: f64,
    /// The same with the new owners.
    pub after: f64,
}

/// Why that is not known, or was not staged.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum RebalanceError {
    /// What is asked of these nodes is not known. Nothing was changed.
    #[error("no answer from {}: what they bear is not known, and nothing is staged", names(nodes))]
    Silent {
        /// Who did not answer.
        nodes: Vec<NodeId>,
    },
    /// It was not agreed on, or is not known to be.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ")
}
