//! How the members change: what an operator asks of any node, and what nodes tell each other while partitions move.
//!
//! ```text
//!  StageNode      operator: the node at this address shall be joined, or take the place of a lost one
//!  ChangeRing     operator: another change, or abort        nodes: partitions have arrived, may be let go
//!  DescribePlan   operator: what would a commit of the staged changes do?
//!  CommitPlan     operator: do that
//!  DescribeTasks  operator: what moves, and how fast?
//!  TendMove       node to node, for him: what went wrong there last, and shall it try again now?
//!  RangeCompared  AntiEntropy to PartitionTransfer, in one process
//!  SeeToTries     the other way
//! ```

use actix::Message;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::LinkError;
use super::admin::AdminError;
use super::metadata::ChangeError;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::PartitionId;
use crate::metadata::{RingChange, Share, StagedChange};

/// Have the node at this bridge address joined, or put in the place of a member that will not come back. It must wait to be joined. It is staged only;
/// the answer is who is there.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<NodeId, StageError>")]
pub struct StageNode {
    /// Its bridge address.
    pub address: String,
    /// The member whose place it takes.
    pub replaces: Option<NodeId>,
}

/// Why a node was not staged.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum StageError {
    /// Nobody who could be joined answers there. Nothing was changed.
    #[error("{address} cannot be joined: {reason}")]
    NotWaiting {
        /// The address.
        address: String,
        /// What it said.
        reason: String,
    },
    /// It was not agreed on, or is not known to be.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Change the members or the owners. The answer is the epoch in which it holds; this node has applied it.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<u64, ChangeError>")]
pub struct ChangeRing {
    /// What is wanted.
    pub change: RingChange,
}

/// What would a commit of the staged changes do?
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<PlanDescription, ChangeError>")]
pub struct DescribePlan;

/// The answer to [`DescribePlan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanDescription {
    /// What has to be said to commit exactly this.
    pub planned_at: u64,
    /// What is staged.
    pub staged: Vec<StagedChange>,
    /// How many partitions get another owner, and the least that the members' shares allow.
    pub owners: [u32; 2],
    /// How many copies of partitions have to be fetched, and the least.
    pub copies: [u32; 2],
    /// Bytes that go over the network, judged by what this node keeps.
    pub bytes: u64,
    /// How long that takes at full speed, in seconds.
    pub seconds: u64,
    /// What each node has before and after.
    pub nodes: Vec<PlannedNode>,
    /// The fewest replicas that any partition has until it is done, those on lost nodes not counted.
    pub fewest_replicas: u32,
    /// The mean load over the greatest afterwards; 1 is perfect.
    pub balance: f64,
}

/// What a node has before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedNode {
    /// The node.
    pub node: NodeId,
    /// Before.
    pub before: Share,
    /// After.
    pub after: Share,
    /// Copies that it has to fetch.
    pub fetches: u32,
}

/// Do what was planned. The answer is the epoch in which partitions begin to move.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<u64, ChangeError>")]
pub struct CommitPlan {
    /// As [`PlanDescription`] says.
    pub planned_at: u64,
}

/// What moves, and how fast?
#[derive(Clone, Debug, Default, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Vec<TaskRow>, AdminError>")]
pub struct DescribeTasks {
    /// What waits for its next try in the move that began in this epoch is tried at once, on all nodes that can be reached.
    pub retry: Option<u64>,
}

/// What does this node know of its part in a move?
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<MoveTended, LinkError>")]
pub struct TendMove {
    /// The epoch in which the move began.
    pub began: u64,
    /// What waits for its next try is tried at once.
    pub retry: bool,
}

/// The answer to [`TendMove`]: of a move that the node does not know, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveTended {
    /// What went wrong last.
    pub last_error: Option<String>,
    /// So many comparisons wait for their next try.
    pub waiting: u32,
    /// When the first of them has its turn, in ms from now.
    pub next_try_ms: Option<u64>,
    /// Why nothing is fetched at all.
    pub held_up: Option<String>,
}

/// Which comparisons of partitions that this node fetches have failed and wait for their next try? With `now` they are tried at once.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "MoveTended")]
pub struct SeeToTries {
    /// Whether to.
    pub now: bool,
}

/// One long operation, as the node that answers sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// The epoch in which it began: what its name is made of, with its owner.
    pub began: u64,
    /// Who fetches partitions.
    pub owner: NodeId,
    /// It was cancelled, and goes back.
    pub returns: bool,
    /// How far it is.
    pub state: TaskState,
    /// Partitions that are there, as everybody knows.
    pub done: u32,
    /// All that it has to fetch.
    pub total: u32,
    /// Partitions per minute, lately.
    pub per_minute: f64,
    /// When the last will be there at that speed, in seconds; `None` while nothing moves.
    pub eta_s: Option<u64>,
    /// For how long nothing has arrived, in seconds.
    pub idle_s: u64,
    /// What the owner says of it; `None` where it does not answer.
    pub told: Option<MoveTended>,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskState {
    /// Partitions are being fetched.
    Copying,
    /// All are there; old replicas are let go of.
    Releasing,
    /// Nothing has arrived for so long that somebody should look.
    Stalled,
}

/// A range has been compared with a peer, or the peer has been asked for its root at least.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct RangeCompared {
    /// The peer.
    pub peer: NodeId,
    /// The partition.
    pub partition: PartitionId,
    /// The epoch that this node goes by.
    pub local_epoch: u64,
    /// The epoch that the peer goes by.
    pub peer_epoch: u64,
    /// Whether both hold now all that either held then; if not, why.
    pub outcome: Result<(), String>,
}
