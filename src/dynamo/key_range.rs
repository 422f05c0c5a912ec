//! Which items of a table a scan or query wants, by their key bytes, and in which order.
//!
//! ```text
//!   prefix     those of a partition key, or the beginning of a sort key behind it; empty: the whole table
//!   from, to   bounds within
//! ```

use std::ops::Bound;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::record_key::RecordKey;
use super::ring::PartitionId;

/// A range of the keys of a table, as `item::Key` orders their bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// What all of them begin with.
    pub prefix: Bytes,
    /// The least of them.
    pub from: Bound<Bytes>,
    /// The greatest of them.
    pub to: Bound<Bytes>,
    /// Whether the greatest comes first.
    pub descends: bool,
}

impl Default for KeyRange {
    /// All keys, from the least.
    fn default() -> Self {
        Self::prefix(Bytes::new())
    }
}

impl KeyRange {
    /// The keys that begin with these bytes, from the least.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        Self { prefix: prefix.into(), from: Bound::Unbounded, to: Bound::Unbounded, descends: false }
    }

    /// What is left of it in the order in which it is gone through, once `last` has been seen.
    #[must_use]
    pub fn after(self, last: Bytes) -> Self {
        if self.descends {
            Self { to: Bound::Excluded(last), ..self }
        } else {
            Self { from: Bound::Excluded(last), ..self }
        }
    }

    /// The same range as storage keys of a table in one partition: prefix, least and greatest.
    pub fn in_storage(&self, partition: PartitionId, table: &str) -> StorageRange {
        let place = |key: &Bytes| RecordKey::new(partition, table, key).as_bytes().clone();
        let bound = |bound: &Bound<Bytes>| bound.as_ref().map(place);
        StorageRange { prefix: place(&self.prefix), from: bound(&self.from), to: bound(&self.to) }
    }

    /// Of two places up to which replicas have looked, the one that comes first.
    pub fn nearer<K: Ord>(&self, one: K, other: K) -> K {
        if self.descends { one.max(other) } else { one.min(other) }
    }

    /// Whether `key` comes no later than `last`.
    pub fn reaches<K: Ord>(&self, key: &K, last: &K) -> bool {
        if self.descends { key >= last } else { key <= last }
    }
}

/// A [`KeyRange`] as storage keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRange {
    /// What all of them begin with.
    pub prefix: Bytes,
    /// The least of them.
    pub from: Bound<Bytes>,
    /// The greatest of them.
    pub to: Bound<Bytes>,
}

#[cfg(test)]
mod tests {
    use super::{Bound, KeyRange};
    use crate::dynamo::ring::PartitionId;

    #[test]
    fn what_is_left_lies_behind_what_was_seen_in_either_order() {
        let up = KeyRange::prefix("a").after("ab".into());
        assert_eq!((up.from, up.to), (Bound::Excluded("ab".into()), Bound::Unbounded));
        let down = KeyRange { descends: true, ..KeyRange::prefix("a") }.after("ab".into());
        assert_eq!((down.from, down.to), (Bound::Unbounded, Bound::Excluded("ab".into())));
    }

    #[test]
    fn storage_keys_carry_partition_and_table() {
        let range = KeyRange { from: Bound::Included("k1".into()), ..KeyRange::prefix("k") };
        let stored = range.in_storage(PartitionId(3), "t");
        assert_eq!(stored.prefix, &b"\0\0\0\x03t\0k"[..]);
        assert_eq!(stored.from, Bound::Included((&b"\0\0\0\x03t\0k1"[..]).into()));
        assert_eq!(stored.to, Bound::Unbounded);
    }
}
