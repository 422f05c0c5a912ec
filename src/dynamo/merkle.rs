//! Whether two replicas hold the same of a partition, told by few bytes.
//!
//! ```text
//!  root      the sum of the leaves
//!  leaves    256 buckets by a hash of the key; each the sum of the digests of its records
//!  digest    128 bits of (key, content) of one record
//! ```
//!
//! A Merkle tree (Dynamo, section 4.7) whose inner nodes are sums modulo 2^128 instead of hashes of their children: a write replaces its record's digest in the
//! sums without looking at any other record. Sums of digests of different sets are equal with a chance of 2^-128; against
//! somebody who *looks* for such sets they prove nothing, and need not: whoever may write records may also delete them.
//!
//! 256 leaves: a partition takes 4 KiB (1 MiB for 256 partitions), the leaves of one travel in one message, and one differing
//! record among a million in a partition leads to 4,000 keys.
//!
//! The digest covers what replicas converge to, and nothing else: the clock, the dots, the expiries. Not `born`, which tells since when
//! this disk has the record; and not whether an expired value has been reaped, for replicas reap at different moments.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::siblings::Siblings;
use super::words::{self, Words};

/// How many leaves a tree has.
pub const LEAVES: usize = 256;

/// Stands for a set of records: the sum of what stands for each of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u128);

impl Digest {
    /// Of the set that holds nothing.
    pub const EMPTY: Self = Self(0);

    /// Of one record. A key that holds nothing is no record.
    pub fn of_record(key: &[u8], siblings: &Siblings) -> Self {
        if siblings.is_empty() {
            return Self::EMPTY;
        }
        let mut bytes = siblings.converging_bytes();
        bytes.extend_from_slice(key);
        Self(xxh3_128(&bytes))
    }

    /// Of a set in which one part has been replaced by another.
    #[must_use]
    pub const fn replaced(self, before: Self, after: Self) -> Self {
        Self(self.0.wrapping_sub(before.0).wrapping_add(after.0))
    }

    /// As it is stored.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Words<2> for Digest {
    fn to_words(&self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }

    fn from_words([low, high]: [u64; 2]) -> Self {
        Self(u128::from(low) | u128::from(high) << 64)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        words::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        words::deserialize(deserializer)
    }
}

/// Which leaf a record belongs to.
pub fn leaf_of(key: &[u8]) -> u8 {
    // The upper bits of a hash of the partition key choose the partition; this hash covers the whole record key.
    xxh3_64(key) as u8
}

/// The digests of one partition's records.
#[derive(Clone, PartialEq, Eq)]
pub struct Tree {
    root: Digest,
    leaves: Box<[Digest; LEAVES]>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { root: Digest::EMPTY, leaves: Box::new([Digest::EMPTY; LEAVES]) }
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree({:?})", self.root)
    }
}

impl Tree {
    /// Stands for all records.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// The digests of the buckets.
    pub fn leaves(&self) -> &[Digest; LEAVES] {
        &self.leaves
    }

    /// The digest of one bucket.
    pub fn leaf(&self, leaf: u8) -> Digest {
        self.leaves[usize::from(leaf)]
    }

    /// A record of this leaf has changed; [`Digest::EMPTY`] where there was, or is, none.
    pub fn replace(&mut self, leaf: u8, before: Digest, after: Digest) {
        let place = &mut self.leaves[usize::from(leaf)];
        *place = place.replaced(before, after);
        self.root = self.root.replaced(before, after);
    }

    /// Sets a leaf to what it is known to be.
    pub fn set_leaf(&mut self, leaf: u8, digest: Digest) {
        let before = std::mem::replace(&mut self.leaves[usize::from(leaf)], digest);
        self.root = self.root.replaced(before, digest);
    }
}

/// Some of the leaves of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeafSet([u64; LEAVES / 64]);

impl LeafSet {
    /// The leaves in which two trees of one partition differ.
    pub fn differing(ours: &[Digest], theirs: &[Digest]) -> Self {
        let pairs = (0..=u8::MAX).zip(ours.iter().zip(theirs));
        pairs.filter(|(_, (ours, theirs))| ours != theirs).map(|(leaf, _)| leaf).collect()
    }

    /// The leaves that are in both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    /// Whether the leaf is one of them.
    pub fn contains(&self, leaf: u8) -> bool {
        self.0[usize::from(leaf) / 64] >> (leaf % 64) & 1 == 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; LEAVES / 64]
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

impl FromIterator<u8> for LeafSet {
    fn from_iter<I: IntoIterator<Item = u8>>(leaves: I) -> Self {
        let mut set = Self::default();
        for leaf in leaves {
            set.0[usize::from(leaf) / 64] |= 1 << (leaf % 64);
        }
        set
    }
}

impl Words<4> for LeafSet {
    fn to_words(&self) -> [u64; 4] {
        self.0
    }

    fn from_words(words: [u64; 4]) -> Self {
        Self(words)
    }
}

impl Serialize for LeafSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        words::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for LeafSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        words::deserialize(deserializer)
    }
}

#[cfg(test)]
#[path = "merkle_tests.rs"]
mod tests;
