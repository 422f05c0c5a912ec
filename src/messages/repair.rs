//! `AntiEntropy` to replicas: what do you hold of a partition, as digests? And to `AntiEntropy`: compare this range soon.
//!
//! ```text
//!  ReadRoot       one digest for all records of a partition
//!  ReadLeaves     one for each of its 256 buckets
//!  ListBuckets    the keys of some buckets, each with its digest, slice by slice
//!  DistrustTree   your tree says other than your records: check it against them
//!  AuditPartition check the next slice of a tree against the records (never crosses the bridge)
//! ```
//!
//! The records themselves move as ordinary `ReadReplica` and `WriteReplica`.

use actix::Message;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::LinkError;
use super::admin::AdminError;
use crate::dynamo::merkle::{Digest, LeafSet};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;

/// What stands for all records of a partition? Answered when all that it covers is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<RootState, RepairError>")]
pub struct ReadRoot {
    /// The partition.
    pub partition: PartitionId,
}

/// A partition in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootState {
    /// The sum over its records.
    pub root: Digest,
    /// Whether the tree is known to say what the records say; if not, nothing follows from it.
    pub trusted: bool,
    /// The epoch of the ring that the replica goes by, and will go by after a restart: what was asked of it under an older one is in the root.
    pub epoch: u64,
}

/// What stands for each bucket of a partition? Answered when all that it covers is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Vec<Digest>, RepairError>")]
pub struct ReadLeaves {
    /// The partition.
    pub partition: PartitionId,
}

/// Which keys lie in these buckets, and what stands for each record?
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<BucketSlice, RepairError>")]
pub struct ListBuckets {
    /// The partition.
    pub partition: PartitionId,
    /// The buckets.
    pub leaves: LeafSet,
    /// Only keys greater than this one.
    pub after: Option<RecordKey>,
    /// Look at no more than this many records of the partition.
    pub limit: u32,
}

/// Some keys of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketSlice {
    /// Key and digest, in key order. A record that cannot be read is as good as none.
    pub records: Vec<(RecordKey, Digest)>,
    /// The slice covers the keys up to and including this one; `None`: to the end of the partition.
    pub covers_up_to: Option<RecordKey>,
    /// The part of its speed at which the replica would repair now, in percent: less than 100 while its own clients wait longer than usual.
    pub speed_percent: u8,
}

/// The tree of this partition does not say what the records say: do not believe it until it has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<(), RepairError>")]
pub struct DistrustTree {
    /// The partition.
    pub partition: PartitionId,
}

/// Check the next records of a partition against its tree. One partition at a time: another one begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[rtype(result = "Result<AuditProgress, RepairError>")]
pub struct AuditPartition {
    /// The partition.
    pub partition: PartitionId,
    /// Look at no more than this many records.
    pub limit: usize,
}

/// How far an audit has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditProgress {
    /// Records that this slice has looked at.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Set with the last slice.
    pub finding: Option<AuditFinding>,
}

/// What an audit has found. The tree is right afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditFinding {
    /// Records that could not be read.
    pub corrupt: u64,
    /// Leaves that said other than the records.
    pub corrected: u64,
    /// Whether the tree was not believed before.
    pub was_distrusted: bool,
}

/// The copies of this partition here and on that peer may differ: compare them soon. Answered once the mark is durable.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[rtype(result = "Result<(), MarkDirtyError>")]
pub struct MarkDirty {
    /// The partition.
    pub partition: PartitionId,
    /// The other primary.
    pub peer: NodeId,
}

/// The mark is not on the disk. The range is compared soon all the same, unless this process ends before.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the range is marked in memory only: {reason}")]
pub struct MarkDirtyError {
    /// What the storage said.
    pub reason: String,
}

/// Why a replica said nothing about its tree.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum RepairError {
    /// Writes that the digest covers were refused by the storage: ask again.
    #[error("writes that the digest covers were refused by the storage")]
    Unsettled,
    /// The storage could not be read.
    #[error("the storage could not be read: {reason}")]
    Unreadable {
        /// What the engine said.
        reason: String,
    },
    /// Anti-entropy is switched off there (`anti_entropy.enabled`).
    #[error("anti-entropy is switched off")]
    Disabled,
    /// The replica was not reached.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// How far is anti-entropy?
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<RepairStatus, AdminError>")]
pub struct DescribeRepair;

/// Do this with anti-entropy. The answer, once a restart would not undo it, is how it stands then.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<RepairStatus, ControlRepairError>")]
pub struct ControlRepair {
    /// What to do.
    pub action: RepairAction,
}

/// What an operator may do with anti-entropy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RepairAction {
    /// Compare every range now, whenever its turn would have been.
    Run,
    /// Begin no more comparisons until told otherwise, also after a restart.
    Pause,
    /// Go on.
    Resume,
}

/// Why it is not certain that anti-entropy will do as it was told.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ControlRepairError {
    /// The node is stopping: what it was told may be forgotten.
    #[error("the node is stopping: ask again once it is back")]
    Stopping,
    /// It does as it was told, and the disk has not taken that: a restart undoes it.
    #[error("done, but not written down, so that a restart of the node undoes it: {reason}")]
    NotDurable {
        /// What the storage said.
        reason: String,
    },
}

/// The answer to [`DescribeRepair`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepairStatus {
    /// `anti_entropy.enabled`.
    pub enabled: bool,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// `anti_entropy.interval_s`.
    pub interval_s: u64,
    /// The peers that this node shares partitions with.
    pub peers: Vec<PeerRepair>,
    /// The run that an operator has asked for, until the next one.
    pub run: Option<RepairRun>,
    /// Records that were brought to this node or to a peer, since the start.
    pub keys_repaired: u64,
    /// Their bytes.
    pub bytes_repaired: u64,
    /// Records that were read and checked against their digest, since the start.
    pub records_audited: u64,
    /// The part of its rates that repair may use now, in percent: less than 100 while requests take longer than usual.
    pub speed_percent: f64,
}

/// How the ranges shared with one peer stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerRepair {
    /// The peer.
    pub peer: NodeId,
    /// Whether it can be reached.
    pub reachable: bool,
    /// How many partitions are shared with it.
    pub ranges: u64,
    /// How many of them have been verified within the interval, and are not known to differ.
    pub verified: u64,
    /// How many are known to differ, or may.
    pub dirty: u64,
    /// How long ago the least recently verified one was, in seconds.
    pub oldest_unverified_s: u64,
    /// The partition that is being repaired now.
    pub repairing: Option<PartitionId>,
}

/// A run that an operator has asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepairRun {
    /// Ranges to compare.
    pub total: u64,
    /// Ranges that have been verified since it was asked for.
    pub done: u64,
    /// Seconds since it was asked for; of a finished run: that it took.
    pub elapsed_s: u64,
    /// Seconds that it will take yet, if it goes on like this; `None`: that cannot be said.
    pub eta_s: Option<u64>,
}
