//! LAYER 1. What actors say to each other, one file per conversation.
//!
//! Requests are imperative and name their answer as `Message::Result`; facts are past tense. A message says nothing about
//! where its receiver runs: a local `Node` and a remote `Peer` take the same ones.

pub mod admin;
pub mod balancing;
pub mod client;
pub mod cluster;
pub mod detection;
pub mod garbage;
pub mod hints;
pub mod load;
pub mod metadata;
pub mod modify;
pub mod repair;
pub mod replica;
pub mod ring;
pub mod storage;
pub mod together;
pub mod transaction;

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Names one client request in the logs of every node that works on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceId(pub u64);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A limit that a request ran into before any work was done. Nothing was read or written; try again later, or raise the limit.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("overloaded: {limit} = {max} is reached")]
pub struct Overloaded {
    /// The configuration key of the limit.
    pub limit: String,
    /// Its value.
    pub max: u64,
}

/// Why a message did not get an answer from another node. What it asked for may or may not have been done there.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum LinkError {
    /// There is no connection: nothing was sent.
    #[error("unreachable")]
    Unreachable,
    /// The connection broke before the answer came: it may have been done.
    #[error("the connection was lost before the answer came")]
    ConnectionLost,
    /// No answer came in time: it may have been done, or be done yet.
    #[error("no answer in time")]
    TimedOut,
    /// Too many messages are on their way already: nothing was sent.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The answer could not be understood: it may have been done.
    #[error("an answer that this version does not understand")]
    BadAnswer,
    /// The receiver has stopped: it may have been done.
    #[error("stopped")]
    Stopped,
}
