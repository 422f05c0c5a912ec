//! What can be asked of the metadata, and why it is refused.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::QuorumError;
use crate::item::{SchemaError, TableName, TableSchema};

use super::state::TABLES_MAX;

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
    /// How many replicas a read waits for.
    pub r: QuorumChoice,
    /// How many replicas a write waits for.
    pub w: QuorumChoice,
}

/// One change of the tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableChange {
    /// Creates a table. Its `id` is given by whoever applies it.
    Create(TableSchema),
    /// Alters R and W.
    Alter(Alteration),
    /// Drops a table with all its items.
    Drop {
        /// The table.
        table: TableName,
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
    #[error("the table `{table}` is built in: it cannot be dropped")]
    BuiltIn {
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
}

impl From<SchemaError> for CommandError {
    fn from(error: SchemaError) -> Self {
        Self::Schema { reason: error.to_string() }
    }
}
