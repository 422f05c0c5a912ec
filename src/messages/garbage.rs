//! `GarbageCollector` to replicas: drop the payload of what has expired, and tombstones that nobody needs.
//!
//! ```text
//!  ReapExpired         the next records of a shard: expired payloads are dropped, records without any value are named
//!  ProbeTombstones     what do you hold of these keys?
//!  CollectTombstones   delete these, where you hold exactly this
//! ```

use actix::Message;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::LinkError;
use super::admin::AdminError;
use super::replica::ReadReplicaError;
use crate::dynamo::collection::{CopyState, Kept};
use crate::dynamo::merkle::Digest;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;

/// Drop the payload of expired values among the next records, and name those that hold no value.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<ReapSlice, ReadReplicaError>")]
pub struct ReapExpired {
    /// Only records after this storage key.
    pub after: Option<Bytes>,
    /// At most this many.
    pub limit: usize,
}

/// What is left of some records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReapSlice {
    /// Those of this shard that hold no value.
    pub dead: Vec<DeadRecord>,
    /// How many records of dropped tables, and of partitions that were handed over, have been deleted.
    pub left_over: u64,
    /// Where to go on; `None` at the end.
    pub resume_after: Option<Bytes>,
}

/// A record that holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRecord {
    /// Its key, and what stands for its content.
    pub tombstone: Tombstone,
    /// Since when it has held none, in ms since the Unix epoch.
    pub since_ms: u64,
    /// Whether a value has expired there; else it was deleted.
    pub is_expired: bool,
}

/// A record that is to go, as one replica holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Its key.
    pub key: RecordKey,
    /// Stands for its content.
    pub digest: Digest,
}

/// What do you hold of these keys? Answered once all that the answer covers is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Vec<CopyState>, CollectError>")]
pub struct ProbeTombstones {
    /// The partition that all of them belong to.
    pub partition: PartitionId,
    /// As the asking node holds them.
    pub tombstones: Vec<Tombstone>,
}

/// Delete these records, each where you hold exactly this and no hint of its key. The answer is how many are gone, for good.
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<u64, CollectError>")]
pub struct CollectTombstones {
    /// The partition that all of them belong to.
    pub partition: PartitionId,
    /// As all replicas have said that they hold them.
    pub tombstones: Vec<Tombstone>,
}

/// Why a replica did not say what it holds, or did not delete it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum CollectError {
    /// The storage refused writes meanwhile, those asked for included: what is to be deleted is still there.
    #[error("the storage refused writes: nothing was deleted")]
    Refused,
    /// The replica was not reached, or its answer got lost: it may have been done.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Which tombstones are there, and why?
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<TombstoneReport, AdminError>")]
pub struct DescribeTombstones;

/// The answer to [`DescribeTombstones`]: what the last walk through this node's records has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TombstoneReport {
    /// How long ago that walk ended, in seconds; `None`: none has yet.
    pub walked_s_ago: Option<u64>,
    /// `garbage.tombstones_min_age_s`.
    pub min_age_s: u64,
    /// What this node still holds, and why.
    pub kept: Vec<KeptRow>,
    /// Tombstones that this node has had collected since its start.
    pub collected: u64,
}

/// Tombstones that are kept for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRow {
    /// The reason.
    pub why: Kept,
    /// Whether they are values that have expired; else they were deleted.
    pub is_expired: bool,
    /// How many there are.
    pub records: u64,
    /// For how long the oldest of them has held no value, in seconds.
    pub oldest_s: u64,
}
