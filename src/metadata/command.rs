//! What can be asked of the metadata, and why it is refused.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::QuorumError;
use crate::item::{SchemaError, SettingChange, SettingError, TableName, TableSchema};

use super::membership::StagedChange;
use super::state::TABLES_MAX;
use crate::dynamo::ring::PartitionId;

/// What shall become of a table's R or W.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuorumChoice {
    /// As it is.
    #[default]
    Keep,
    /// The cluster's default.
    Default,
    /// This many replicas.
    Exactly(u8),
}

impl QuorumChoice {
    pub(super) fn of(self, present: Option<u8>) -> Option<u8> {
        match self {
            Self::Keep => present,
            Self::Default => None,
            Self::Exactly(count) => Some(count),
        }
    }
}

/// What is to be altered of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alteration {
    /// The table.
    pub table: TableName,
    /// How many replicas each item has. Another number moves partitions.
    pub n: QuorumChoice,
    /// How many replicas a read waits for.
    pub r: QuorumChoice,
    /// How many replicas a write waits for.
    pub w: QuorumChoice,
}

/// One change of the tables.
#[expect(clippy::large_enum_variant, reason = "tables are created now and then: nobody keeps many of these")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableChange {
    /// Creates a table. Its `id` is given by whoever applies it.
    Create(TableSchema),
    /// Alters N, R and W.
    Alter(Alteration),
    /// Changes what the DynamoDB API says of a table.
    Configure {
        /// The table.
        table: TableName,
        /// The changes: all are made, or none.
        changes: Vec<SettingChange>,
    },
    /// Drops a table with all its items.
    Drop {
        /// The table.
        table: TableName,
    },
}

/// One change of who belongs to the cluster and who owns what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RingChange {
    /// A change waits to be committed from now on.
    Stage(StagedChange),
    /// What waits is forgotten.
    Abort,
    /// What waits is done: partitions begin to move.
    Commit {
        /// The epoch of the metadata in which this was planned.
        planned_at: u64,
        /// The owners in the next ring, as places among its members by name.
        owners: Vec<u16>,
    },
    /// A new replica holds all of these partitions.
    Arrived {
        /// The replica.
        node: NodeId,
        /// The epoch of the ring that it knew: what it says is of no other transition.
        ring_epoch: u64,
        /// The partitions.
        partitions: Vec<PartitionId>,
    },
    /// So many old replicas of these partitions refuse reads of before that no quorum of them is left.
    Release {
        /// The epoch of the ring that was known.
        ring_epoch: u64,
        /// The partitions.
        partitions: Vec<PartitionId>,
    },
    /// Writes that depend on what an item is are not put in order at this node any more, because it cannot be reached; or are again.
    Sideline {
        /// The node.
        node: NodeId,
        /// Whether it is sidelined from now on.
        sidelined: bool,
    },
    /// What moves goes back to where it came from. What is staged is forgotten: it was meant for another ring.
    Cancel {
        /// The epoch of the ring in which the move began.
        began: u64,
    },
    /// A member that owns nothing any more, and keeps nothing for others, is no member from now on.
    Dismiss {
        /// The member.
        node: NodeId,
    },
}

/// One change of the metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The member takes part in the log under this number from now on: its disk is a new one, or was set back.
    Enrol {
        /// The member.
        node: NodeId,
        /// Its number.
        log_id: u64,
    },
    /// The tables change.
    ChangeTables(TableChange),
    /// The members or the owners change.
    ChangeRing(RingChange),
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum CommandError {
    /// There is one of that name. Drop it first, or choose another name.
    #[error("there is a table `{table}` already")]
    TableExists {
        /// The name.
        table: TableName,
    },
    /// There is none of that name.
    #[error("there is no table `{table}`")]
    NoSuchTable {
        /// The name.
        table: TableName,
    },
    /// The built-in table stays as it is.
    #[error("the table `{table}` is built in: it can neither be created nor dropped")]
    BuiltIn {
        /// The name.
        table: TableName,
    },
    /// What the DynamoDB API says of it stays as it is.
    #[error("the table `{table}`: {reason}")]
    Setting {
        /// The name.
        table: TableName,
        /// Why.
        reason: SettingError,
    },
    /// It was agreed that it stays.
    #[error("the table `{table}` is protected from being deleted: change that first")]
    Protected {
        /// The name.
        table: TableName,
    },
    /// The key attributes do not go together.
    #[error("{reason}")]
    Schema {
        /// What is wrong.
        reason: String,
    },
    /// N, R and W do not go together.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// There are as many tables as there may be.
    #[error("there are {TABLES_MAX} tables already: drop one first")]
    TooManyTables,
    /// No member has this name.
    #[error("{node} is no member")]
    NotAMember {
        /// The name.
        node: NodeId,
    },
    /// A member has this name already.
    #[error("{node} is a member already")]
    IsAMember {
        /// The name.
        node: NodeId,
    },
    /// A member has this address already.
    #[error("a member is reached at {address} already")]
    AddressTaken {
        /// The address.
        address: String,
    },
    /// There is a staged change that speaks of the same node.
    #[error(
        "a change of {node} is staged already: `cluster commit` does it, `cluster abort` forgets all that is staged"
    )]
    StagedAlready {
        /// The node.
        node: NodeId,
    },
    /// Nothing waits to be committed.
    #[error("nothing is staged: stage a join, leave or replace first")]
    NothingStaged,
    /// What was planned is not what is staged now, or not from the ring as it is now. Plan again.
    #[error("what is staged, or the ring, has changed since it was planned: look at `cluster plan` again")]
    PlanIsOld,
    /// The partitions of the last commit are still moving. Wait until they have.
    #[error("partitions are still moving since the last commit: wait until `tasks` shows none")]
    RingMoves,
    /// What moves goes on.
    #[error("move-{began} cannot be cancelled: {reason}")]
    NotCancelled {
        /// The epoch in which it began.
        began: u64,
        /// Why.
        reason: String,
    },
    /// So few nodes cannot keep N copies, and those that there are can.
    #[error("{members} members cannot keep replication.n = {n} copies: join another node first")]
    TooFewMembers {
        /// How many would be left.
        members: usize,
        /// How many copies there are of each item.
        n: usize,
    },
    /// Those who decide must not go all at once.
    #[error("a member goes already in what is staged: one at a time, commit that first")]
    OneGoes,
    /// It owns partitions, or is about to.
    #[error("{node} owns partitions: let it leave first")]
    StillOwns {
        /// The member.
        node: NodeId,
    },
    /// A member that owns nothing is none.
    #[error("a weight is at least 1: to take everything from a node, let it leave")]
    NoWeight,
    /// Other changes would be planned from owners that are just being exchanged.
    #[error(
        "an exchange of owners is done by itself: `cluster commit` does what is staged, `cluster abort` forgets it"
    )]
    ExchangeAlone,
    /// Owners cannot be exchanged in this way.
    #[error("these owners cannot be exchanged: {reason}")]
    BadExchange {
        /// Why.
        reason: String,
    },
    /// No ring can be made of these members.
    #[error("no ring can be made of these members: {reason}")]
    NoRing {
        /// Why.
        reason: String,
    },
}

impl From<SchemaError> for CommandError {
    fn from(error: SchemaError) -> Self {
        Self::Schema { reason: error.to_string() }
    }
}
