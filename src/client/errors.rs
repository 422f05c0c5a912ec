//! What can go wrong between a client and a node.

use std::io;

use thiserror::Error;

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
