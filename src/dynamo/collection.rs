//! When a tombstone may go: when nothing of what it deletes is left anywhere.
//!
//! ```text
//!   candidate   a record without any value, for long enough
//!   asked       every member of the cluster: what do you hold of this key?   twice, a settling time apart
//!   collected   each time every primary holds this very record, nobody anything else, nobody a hint of the key,
//!               and all members were up in between
//! ```
//!
//! An older version can come back only from a copy, from a hint, or from a message on its way. The answers rule out copies and hints; messages
//! that were on their way at the first asking have ended before the second one, for all that carries them has a time limit, and whoever
//! stops for longer than that is seen to be down. Age alone proves nothing: it is there for data directories that are set back to an earlier copy.
//!
//! Members that hold the record delete it one by one. A replica that could not gives it back to the others, and all begin again: that is
//! harmless, for what comes back is the tombstone.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::node_id::NodeId;
use super::siblings::Siblings;

/// For how long bytes may be under way on a connection before it is closed.
pub const UNDER_WAY_MAX: Duration = Duration::from_secs(10);

/// What one member holds of a key, beside the record that it was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyState {
    /// This very record, on its disk, and by its own clock nobody can read a value there.
    Same,
    /// Nothing.
    Absent,
    /// Something else, or something that is on its way to the disk, or that cannot be read.
    Other,
    /// A hint of the key, for whomever.
    Hinted,
}

/// Why a tombstone is still there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kept {
    /// It is younger than `garbage.tombstones_min_age_s`.
    Young,
    /// This member, the partition's first primary, decides about it.
    LeftTo(NodeId),
    /// This member is down, or did not answer: nobody knows what it holds.
    Unknown(NodeId),
    /// This member keeps a hint of the key, which may be older.
    Hinted(NodeId),
    /// This member holds something else: repair comes first.
    Differs(NodeId),
    /// The members have agreed once; they are asked again after a while, or somebody was down meanwhile.
    Settling,
    /// More were found than are looked at in one walk: its turn comes with the next one.
    Waiting,
    /// Partitions are moving: who has to agree is about to change.
    RingMoves,
}

/// Whether a record that holds no value may go, as far as the answers of all members say. `None`: nobody answered for that member.
pub fn verdict<'a>(
    members: impl Iterator<Item = &'a NodeId>,
    is_primary: impl Fn(&NodeId) -> bool,
    answer: impl Fn(&NodeId) -> Option<CopyState>,
) -> Result<(), Kept> {
    for member in members {
        match answer(member) {
            Some(CopyState::Same) => {}
            Some(CopyState::Absent) if !is_primary(member) => {}
            Some(CopyState::Absent | CopyState::Other) => return Err(Kept::Differs(member.clone())),
            Some(CopyState::Hinted) => return Err(Kept::Hinted(member.clone())),
            None => return Err(Kept::Unknown(member.clone())),
        }
    }
    Ok(())
}

/// How far apart the two questions are: longer than a request and the repair that follows it, with what may be under way on a connection in between.
pub fn settling_time(request_timeout: Duration) -> Duration {
    2 * UNDER_WAY_MAX + 4 * request_timeout
}

/// Since when a record holds nothing that anybody can read; `None`: it does hold something, or may.
///
/// In ms since the Unix epoch. The payload of an expired value must have been dropped.
pub fn dead_since_ms(siblings: &Siblings) -> Option<u64> {
    if siblings.is_empty() || siblings.versions().iter().any(|version| version.value.is_some()) {
        return None;
    }
    let written_ms = siblings.latest().map_or(0, |latest| latest.unix_ms());
    siblings.versions().iter().filter_map(|version| version.expires_at_ms).chain([written_ms]).max()
}

/// Counts what a walk has found, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptCounts(BTreeMap<(Kept, bool), Count>);

/// Some tombstones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub records: u64,
    /// Since when the oldest of them holds no value, in ms since the Unix epoch.
    pub oldest_ms: Option<u64>,
}

impl KeptCounts {
    /// One more. `is_expired`: a value whose time has passed, and not a delete.
    pub fn add(&mut self, why: Kept, is_expired: bool, since_ms: u64) {
        let count = self.0.entry((why, is_expired)).or_default();
        count.records += 1;
        count.oldest_ms = Some(count.oldest_ms.map_or(since_ms, |oldest_ms| oldest_ms.min(since_ms)));
    }

    /// Adds those of another shard.
    pub fn merge(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            let ours = self.0.entry(reason.clone()).or_default();
            ours.records += count.records;
            ours.oldest_ms = [ours.oldest_ms, count.oldest_ms].into_iter().flatten().min();
        }
    }

    /// All of them: the reason, whether they are expired values, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (&Kept, bool, Count)> {
        self.0.iter().map(|((why, is_expired), count)| (why, *is_expired, *count))
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.0.values().map(|count| count.records).sum()
    }
}

#[cfg(test)]
#[path = "collection_tests.rs"]
mod tests;
