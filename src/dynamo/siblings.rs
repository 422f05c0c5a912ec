//! The versions of one key that no write has superseded, and the clock that proves which ones those are.
//!
//! ```text
//!  Siblings
//!    clock     VersionVector     every write of this key whose effect is included here
//!    versions  [Version]         those of them that no later write has seen, by dot
//! ```
//!
//! A dotted version vector set (Preguiça et al., "Dotted Version Vectors", 2010). A version is dropped in a merge only
//! when the other side's clock contains its dot and its versions do not: somebody saw it and wrote over it. So there are
//! never more siblings than writers that did not see each other, and none is lost. A delete is a version without a value.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::hlc::HlcTime;
use super::version::{Dot, Span, VersionVector};
use super::words::Words as _;

/// One write: its dot and what it left behind.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The write's name.
    pub dot: Dot,
    /// The encoded item; `None` is a tombstone, or an expired value that was reaped.
    pub value: Option<Bytes>,
    /// From this instant on (ms since the Unix epoch) the value is hidden. Part of the version, so replicas need not agree on it.
    pub expires_at_ms: Option<u64>,
    /// The [tenure](super::topology::Topology::tenure) in which it was written: where one version stays, that of the later tenure does.
    #[serde(default)]
    pub tenure: u64,
}

/// Copies of one version mostly share their bytes: those need not be fetched into the processor to be compared.
impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        let same_bytes = |ours: &Bytes, theirs: &Bytes| std::ptr::eq::<[u8]>(&**ours, &**theirs) || ours == theirs;
        let same_value = match (&self.value, &other.value) {
            (Some(ours), Some(theirs)) => same_bytes(ours, theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        self.dot == other.dot && self.expires_at_ms == other.expires_at_ms && same_value
    }
}

impl Version {
    /// Whether a reader at `now_ms` sees a value here.
    pub fn is_visible(&self, now_ms: u64) -> bool {
        self.value.is_some() && self.expires_at_ms.is_none_or(|expiry| now_ms < expiry)
    }

    /// Where one version stays, it is the one with the greatest of these: the latest, but no write of a former tenure wins over one of a later.
    pub fn rank(&self) -> impl Ord + Copy + use<> {
        (self.tenure, self.dot.time, self.dot.replica)
    }

    /// Of two copies of one version the reaped one is kept, or reaping would never spread.
    fn join(mut self, other: &Self) -> Self {
        if other.value.is_none() {
            self.value = None;
        }
        self
    }
}

/// What a write leaves: a value or a tombstone, and when it expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The encoded item; `None` deletes.
    pub value: Option<Bytes>,
    /// From this instant on (ms since the Unix epoch) the value is hidden.
    pub expires_at_ms: Option<u64>,
    /// The [tenure](super::topology::Topology::tenure) in which it is written.
    #[serde(default)]
    pub tenure: u64,
}

/// A new dot, and since when the replica that minted it has held this key without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mint {
    /// The new write's name.
    pub dot: Dot,
    /// Every dot that the same replica minted for this key from here on is in the siblings that the write is applied to.
    pub since: HlcTime,
}

/// The unsuperseded versions of one key. See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Siblings {
    clock: VersionVector,
    versions: Versions,
}

/// Nearly every key has one version: it takes no memory of its own.
pub type Versions = SmallVec<[Version; 1]>;

/// Stands for the state of one copy of a key: equal copies have equal fingerprints, and others have not (but for one chance in 2^64).
///
/// It covers the clock, the dots, and what has been reaped; a dot stands for its value, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(u64);

impl Siblings {
    /// Applies a write by somebody who has seen `context`: what the context contains is superseded, the rest stays beside it.
    pub fn write(&mut self, context: &VersionVector, mint: Mint, change: Change) {
        self.versions.retain(|version| !context.contains(&version.dot));
        self.clock.merge(context);
        self.clock.insert(Span { replica: mint.dot.replica, since: mint.since, until: mint.dot.time });
        let Change { value, expires_at_ms, tenure } = change;
        self.versions.push(Version { dot: mint.dot, value, expires_at_ms, tenure });
        self.versions.sort_unstable_by_key(|version| version.dot);
    }

    /// Adds all that another replica knows. Commutative, associative and idempotent.
    pub fn merge(&mut self, other: &Self) {
        if self == other {
            return;
        }
        let mut versions = Versions::new();
        for ours in std::mem::take(&mut self.versions) {
            match other.version(&ours.dot) {
                Some(theirs) => versions.push(ours.join(theirs)),
                None if !other.clock.contains(&ours.dot) => versions.push(ours),
                None => {}
            }
        }
        versions.extend(other.versions.iter().filter(|theirs| !self.clock.contains(&theirs.dot)).cloned());
        versions.sort_unstable_by_key(|version| version.dot);
        self.versions = versions;
        self.clock.merge(&other.clock);
    }

    /// Keeps the version with the greatest time stamp, ties broken by the replica id: the rule of an `lww` table.
    pub fn keep_latest(&mut self) {
        let latest = self.versions.iter().map(Version::rank).max();
        self.versions.retain(|version| Some(version.rank()) == latest);
    }

    /// Drops the payload of every expired value; dots and clock stay. Returns whether anything was dropped.
    pub fn reap(&mut self, now_ms: u64) -> bool {
        let mut reaped = false;
        for version in &mut self.versions {
            if version.value.is_some() && !version.is_visible(now_ms) {
                version.value = None;
                reaped = true;
            }
        }
        reaped
    }

    /// What a client has seen once it has read this: hand it back with the next write.
    pub fn context(&self) -> &VersionVector {
        &self.clock
    }

    /// What the client has seen whose write has just been applied here: all that is superseded, and that write itself, which is
    /// the newest version. The other versions are those that its context did not contain: it has not read them, and its next
    /// write must not supersede them unread.
    pub fn context_of_last_write(&self) -> VersionVector {
        let mut seen = self.clock.clone();
        let last = self.versions.iter().map(|version| version.dot).max_by_key(|dot| dot.time);
        for version in self.versions.iter().filter(|version| Some(version.dot) != last) {
            seen.remove(&version.dot);
        }
        seen
    }

    /// The versions, tombstones and expired values included, by dot.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The versions that a reader at `now_ms` sees.
    pub fn visible(&self, now_ms: u64) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(move |version| version.is_visible(now_ms))
    }

    /// The clock, and the versions that a reader at `now_ms` sees.
    pub fn into_visible(mut self, now_ms: u64) -> (VersionVector, Versions) {
        self.versions.retain(|version| version.is_visible(now_ms));
        (self.clock, self.versions)
    }

    /// The greatest time stamp that the clock or a version carries.
    pub fn latest(&self) -> Option<HlcTime> {
        self.clock.latest()
    }

    /// What this state is compared by where it need not travel.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(xxh3_64(&self.words(|version| version.value.is_some())))
    }

    /// What replicas agree on once they have merged: everything but the payload, and whether a value that expires is still there, for
    /// each replica reaps it when it comes round to it.
    pub fn converging_bytes(&self) -> Vec<u8> {
        self.words(|version| version.value.is_some() || version.expires_at_ms.is_some())
    }

    /// Whether it is the state of a key that was never written.
    pub fn is_empty(&self) -> bool {
        self.clock.is_empty() && self.versions.is_empty()
    }

    fn words(&self, has_value: impl Fn(&Version) -> bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 * self.clock.spans().len() + 8 + 40 * self.versions.len());
        let mut add = |words: &[u64]| words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        self.clock.spans().iter().for_each(|span| add(&span.to_words()));
        add(&[self.versions.len() as u64]);
        for version in &self.versions {
            add(&version.dot.to_words());
            // No flag for the expiry: none is as good as never.
            add(&[u64::from(has_value(version)), version.expires_at_ms.unwrap_or(u64::MAX)]);
        }
        bytes
    }

    /// The payload bytes of all versions.
    pub fn payload_bytes(&self) -> usize {
        self.versions.iter().filter_map(|version| version.value.as_ref()).map(Bytes::len).sum()
    }

    fn version(&self, dot: &Dot) -> Option<&Version> {
        self.versions.binary_search_by_key(dot, |version| version.dot).ok().map(|at| &self.versions[at])
    }
}

#[cfg(test)]
#[path = "siblings_tests.rs"]
mod tests;
