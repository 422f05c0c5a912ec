//! Coordinator to replica: mint, write, read and scan copies.
//!
//! ```text
//!  CoordinateWrite   to one replica: mint a dot, apply the change, tell me the result      (not yet durable)
//!  WriteReplica      to every replica, the minting one too: hold this                      (answered when durable)
//!  ReadReplica       what do you hold?
//!  CompareReplica    what do you hold, unless it is what I hold?
//!  ScanReplica       a slice of what you hold of a table in a partition
//! ```
//!
//! A replica message travels unchanged to the local `Node` or through a `Peer`.

use actix::Message;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{LinkError, TraceId};
use crate::dynamo::hlc::{HlcTime, TooFarAhead};
use crate::dynamo::key_range::KeyRange;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::precedence::Insistence;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::{Change, Fingerprint, Siblings};
use crate::dynamo::version::VersionVector;
use crate::item::Conflict;

/// The partition has moved on: the asker must learn of the newer ring and ask again. Nothing was applied or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("the ring has moved on to epoch {epoch}: ask again with the newer ring")]
pub struct StaleEpoch {
    /// What the asker must know at least.
    pub epoch: u64,
}

/// In which of its roles a replica is spoken to: as a primary it keeps records, as a fallback it keeps hints for a primary.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Slot {
    /// The replica's own copy.
    Own,
    /// The copy it keeps for another node until that one is back.
    HintFor(NodeId),
}

/// Mint a dot for this change and apply it. The answer is what the key holds then.
///
/// It is not durable when the answer comes: the same replica acknowledges that like any other, through [`WriteReplica`].
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Siblings, CoordinateWriteError>")]
pub struct CoordinateWrite {
    /// The request this belongs to.
    pub trace: TraceId,
    /// The epoch of the ring that the asker knows.
    pub epoch: u64,
    /// The record.
    pub key: RecordKey,
    /// Own copy or hint.
    pub slot: Slot,
    /// What the client has seen. `None` for a client that cannot say, on an `lww` table: all that the replica holds is superseded.
    pub context: Option<VersionVector>,
    /// What the write leaves.
    pub change: Change,
    /// The table's rule for concurrent writes.
    pub conflict: Conflict,
    /// The dot's time has to be beyond this one.
    #[serde(default)]
    pub above: Option<HlcTime>,
}

/// Why no dot was minted. Nothing was applied on this replica unless the variant says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum CoordinateWriteError {
    /// The key has as many concurrent versions as the limit allows. Get it, merge them, and put with the context.
    #[error(
        "the key has {found} siblings (limits.siblings_max = {max}): get it, merge them, and put the result with its context"
    )]
    TooManySiblings {
        /// How many there would be.
        found: u64,
        /// The limit.
        max: u64,
    },
    /// The key's versions would together be too large to be read or replicated. Get it, merge them, and put with the context.
    #[error(
        "the key's siblings would have {bytes} bytes together, {max_bytes} are allowed (half of bridge.frame_max_bytes): get it, merge \
         them, and put the result with its context"
    )]
    SiblingsTooLarge {
        /// The bytes of all versions.
        bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// The context carries a time stamp that lies too far in this replica's future: it was forged, or one of the clocks is wrong.
    #[error(transparent)]
    ClockTooFarAhead(#[from] TooFarAhead),
    /// The hints kept for that node have reached their bound: another replica is asked.
    #[error("hints for {target} have reached limits.hints_max_bytes = {max_bytes}")]
    HintsFull {
        /// The node they are kept for.
        target: NodeId,
        /// The bound.
        max_bytes: u64,
    },
    /// The replica's storage refused.
    #[error(transparent)]
    Storage(#[from] StorageRefusal),
    /// The replica was not reached; after a lost connection or a time-out the write may be applied there.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The asker's ring is too old.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
}

/// Hold (at least) these siblings. Answered when they are as durable as `storage.durability` says. Idempotent.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<(), WriteReplicaError>")]
pub struct WriteReplica {
    /// The request this belongs to.
    pub trace: TraceId,
    /// The epoch of the ring that the asker knows.
    pub epoch: u64,
    /// The record.
    pub key: RecordKey,
    /// Own copy or hint.
    pub slot: Slot,
    /// What to merge into the copy.
    pub siblings: Siblings,
    /// The table's rule for concurrent writes.
    pub conflict: Conflict,
    /// What it does not put up with.
    #[serde(default)]
    pub insists: Insistence,
}

/// Why a replica did not acknowledge a write.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum WriteReplicaError {
    /// A time stamp lies too far in this replica's future: not applied. One of the two clocks is wrong.
    #[error(transparent)]
    ClockTooFarAhead(#[from] TooFarAhead),
    /// The hints kept for that node have reached their bound: not applied.
    #[error("hints for {target} have reached limits.hints_max_bytes = {max_bytes}")]
    HintsFull {
        /// The node they are kept for.
        target: NodeId,
        /// The bound.
        max_bytes: u64,
    },
    /// The replica's storage refused.
    #[error(transparent)]
    Storage(#[from] StorageRefusal),
    /// The replica was not reached; after a lost connection or a time-out the write may be applied there.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The asker's ring is too old.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// The write insists on its rank, and what the replica holds has a greater time: not applied.
    #[error("the replica holds a version with a greater time: {time}")]
    Outranked {
        /// Which one.
        time: HlcTime,
    },
}

/// What do you hold? Nothing is an answer too: empty siblings.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Siblings, ReadReplicaError>")]
pub struct ReadReplica {
    /// The request this belongs to.
    pub trace: TraceId,
    /// The epoch of the ring that the asker knows.
    pub epoch: u64,
    /// The record.
    pub key: RecordKey,
    /// Own copy or hint.
    pub slot: Slot,
    /// Whether the answer is a promise: whoever speaks of the partition and assumes an older epoch is refused from then on.
    #[serde(default)]
    pub binds: bool,
}

/// What do you hold? `None`: the same as the asker, whose copy has this fingerprint. So most of what a read asks of a second replica
/// travels as a number.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Option<Siblings>, ReadReplicaError>")]
pub struct CompareReplica {
    /// The request this belongs to.
    pub trace: TraceId,
    /// The epoch of the ring that the asker knows.
    pub epoch: u64,
    /// The record.
    pub key: RecordKey,
    /// Own copy or hint.
    pub slot: Slot,
    /// Of the asker's copy.
    pub known: Fingerprint,
}

/// Why a replica gave no answer to a read.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ReadReplicaError {
    /// The copy fails its checksum. The other replicas hold it; the next write or repair replaces this one.
    #[error("the copy on this replica is corrupt")]
    Corrupt,
    /// The storage could not be read.
    #[error("the storage could not be read: {reason}")]
    Unreadable {
        /// What the engine said.
        reason: String,
    },
    /// The replica was not reached.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The asker's ring is too old.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
}

/// A slice of a table in one partition, in the order of the range.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<ScanSlice, ReadReplicaError>")]
pub struct ScanReplica {
    /// The request this belongs to.
    pub trace: TraceId,
    /// The epoch of the ring that the asker knows.
    pub epoch: u64,
    /// The partition.
    pub partition: PartitionId,
    /// The table's name.
    pub table: String,
    /// Only these keys, in this order.
    pub range: KeyRange,
    /// At most this many records.
    pub limit: u32,
}

/// What a replica holds in a slice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScanSlice {
    /// The records, in the order that was asked for.
    pub records: Vec<(RecordKey, Siblings)>,
    /// The slice covers the keys up to and including this one; `None`: to the end of the range.
    pub covers_up_to: Option<RecordKey>,
}

/// Why the storage did not take a write.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum StorageRefusal {
    /// Not enough free space: nothing was applied. Reads go on; writes are taken again once there is space.
    #[error(
        "disk full: {free_bytes} bytes are free, storage.reserve_bytes = {reserve_bytes}: writes are refused until there is space"
    )]
    DiskFull {
        /// What is left.
        free_bytes: u64,
        /// What is kept free.
        reserve_bytes: u64,
    },
    /// The storage failed or is stopping: whether the write was applied is not known.
    #[error("the storage failed: {reason}")]
    Failed {
        /// What the engine said.
        reason: String,
    },
}

/// The stored form of one copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// Since when this data directory has held the key without a gap.
    pub born: HlcTime,
    /// What it holds.
    pub siblings: Siblings,
}

/// What a record with a few versions takes beside their payload, in bytes.
const STORED_OVERHEAD_BYTES: usize = 256;

impl StoredRecord {
    /// The bytes that are stored.
    pub fn to_bytes(&self) -> Bytes {
        // One allocation of about the right size, instead of a buffer that grows its way there.
        let mut bytes = Vec::with_capacity(self.siblings.payload_bytes() + STORED_OVERHEAD_BYTES);
        // Serialising plain values into memory cannot fail: there is no map with odd keys and no writer that refuses.
        let _ = rmp_serde::encode::write(&mut bytes, self);
        Bytes::from(bytes)
    }

    /// The inverse of [`to_bytes`](Self::to_bytes); `None` where the bytes are not a record.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}
