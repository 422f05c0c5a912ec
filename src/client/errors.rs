//! What can go wrong between a client and a node.

use std::io;

use thiserror::Error;

use super::route_map::RouteMapError;
use crate::dynamo::node_id::NodeId;
use crate::messages::admin::AdminError;
use crate::messages::client::{PutError, WriteOutcome};
use crate::wire::handshake::HandshakeError;

/// Why there is no connection. Nothing was asked of the node.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nobody listens there, or the network does not lead there.
    #[error("cannot connect to {address}: {source}; is the node running?")]
    Unreachable {
        /// The address dialled.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody listens, and the handshake did not succeed.
    #[error("{address}: {source}")]
    Handshake {
        /// The address dialled.
        address: String,
        /// What went wrong.
        source: HandshakeError,
    },
    /// No answer in time.
    #[error("{address} did not answer within {timeout_ms} ms")]
    TimedOut {
        /// The address dialled.
        address: String,
        /// How long was waited.
        timeout_ms: u64,
    },
}

/// Why a request was not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError<E> {
    /// The node refused; the error says what became of the request.
    #[error(transparent)]
    Refused(E),
    /// The connection was lost before the answer came: a write may or may not have been done.
    #[error("the connection was lost before the answer came; a write may or may not have been done")]
    ConnectionLost,
    /// No answer came in time: a write may or may not have been done.
    #[error("no answer within {timeout_ms} ms; a write may or may not have been done")]
    TimedOut {
        /// How long was waited.
        timeout_ms: u64,
    },
    /// The answer is not one that this version understands: a write may or may not have been done.
    #[error("the answer is not one that this version understands: {reason}")]
    BadAnswer {
        /// What the decoder said.
        reason: String,
    },
    /// The message is too long for a frame: nothing was sent.
    #[error("nothing was sent: {reason}")]
    NotSent {
        /// The bound that it exceeds.
        reason: String,
    },
}

/// Why a node has not told who stores what. Nothing was changed.
#[derive(Debug, Error)]
pub enum LearnError {
    /// There is no connection to it.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It did not answer.
    #[error("{address}: {source}")]
    NoAnswer {
        /// The address asked.
        address: String,
        /// What became of the question.
        source: CallError<AdminError>,
    },
    /// Its answers do not go together.
    #[error("{address}: {source}")]
    NoMap {
        /// The address asked.
        address: String,
        /// What is wrong with them.
        source: RouteMapError,
    },
}

/// Why there is no router. No request has been sent.
#[derive(Debug, Error)]
pub enum RouterError {
    /// The list of seeds is empty. Give the bridge address of one member at least.
    #[error("a router needs the address of one member at least")]
    NoSeeds,
    /// None of the seeds could be asked for the members.
    #[error("no seed could be asked: {}", listed(errors))]
    NoSeedAnswers {
        /// What became of each, in the order of the seeds.
        errors: Vec<LearnError>,
    },
}

fn listed(errors: &[LearnError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Why a routed request was not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError<E> {
    /// A node refused; the error says what became of the request.
    #[error(transparent)]
    Refused(E),
    /// No member that the key may go through has a connection: nothing was sent. The router goes on connecting; try again later.
    #[error("nothing was sent: none of the {members} members is connected{}", because(last))]
    NobodyConnected {
        /// How many members there are.
        members: usize,
        /// Why one of them is not, where that is known.
        last: Option<String>,
    },
    /// The message is too long for a frame: nothing was sent.
    #[error("nothing was sent: {reason}")]
    NotSent {
        /// The bound that it exceeds.
        reason: String,
    },
    /// The request was sent and no answer came: a write may have been applied, or may be yet. Read before you write again. For a read,
    /// no other node was left, or the retries were too many already.
    #[error("{node} was asked, in vain: {reason}")]
    Unanswered {
        /// The node that was asked last.
        node: NodeId,
        /// What became of the connection or the wait.
        reason: String,
    },
}

fn because(last: &Option<String>) -> String {
    last.as_ref().map(|last| format!(" ({last})")).unwrap_or_default()
}

impl RouteError<PutError> {
    /// What became of the put or delete.
    pub fn outcome(&self) -> WriteOutcome {
        match self {
            Self::Refused(PutError::QuorumNotReached { outcome, .. }) => *outcome,
            Self::Refused(_) | Self::NobodyConnected { .. } | Self::NotSent { .. } => WriteOutcome::NotApplied,
            Self::Unanswered { .. } => WriteOutcome::Unknown,
        }
    }
}
