//! A `Node` to the end of the process.

use actix::Message;

/// The storage has failed in a way that leaves the state of the disk unknown. The process ends; starting again recovers.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct StorageFailed {
    /// What the engine said.
    pub reason: String,
}
