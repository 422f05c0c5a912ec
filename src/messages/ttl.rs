//! `TtlReaper` to `Node`.

use actix::Message;
use bytes::Bytes;

use super::replica::ReadReplicaError;

/// Drop the payload of expired values among the next records. The answer is where to go on, or `None` at the end.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Option<Bytes>, ReadReplicaError>")]
pub struct ReapExpired {
    /// Only records after this storage key.
    pub after: Option<Bytes>,
    /// At most this many.
    pub limit: usize,
}
