//! The trees of a node's shard, and how they get to the disk in the same batch as the records that they stand for.
//!
//! ```text
//!  tree/log/EPOCH/SHARD/SLOT    the leaves that one batch has changed, as they are after it; one such write per batch, not per record
//!  tree/page/PARTITION          all leaves of a partition, as they are after the batch with this number
//!  tree/whole  (EPOCH)          since this life a partition without a page is one without records
//!  tree/off    (EPOCH)          up to this life records were written without their trees: nothing older counts
//! ```
//!
//! A write of its own for each leaf would cost every put one more insertion into the engine. So a batch writes the leaves that it
//! changes as one value, into one of a ring of slots in turn. Before a slot is written again, the partitions that it still
//! speaks for get a page. [`recover`](super::tree_recovery::recover) puts pages and slots together.
//!
//! The values are absolute, and batches follow each other without waiting. If a batch is refused and a later one is taken, that one's leaves count
//! records that are not there. The shard learns of it a moment later and writes those leaves anew; `settled` tells a recovery in between that it must
//! not believe what it sees: the batches after `settled` count only if none of them is missing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::merkle::{Digest, LEAVES, Tree, leaf_of};
use super::ring::PartitionId;
use super::tree_recovery::Recovered;

/// What all of it begins with in the metadata.
pub const TREE_PREFIX: &[u8] = b"tree/";

pub(super) const LOG_PREFIX: &[u8] = b"tree/log/";
pub(super) const PAGE_PREFIX: &[u8] = b"tree/page/";
pub(super) const WHOLE_KEY: &[u8] = b"tree/whole";
pub(super) const OFF_KEY: &[u8] = b"tree/off";

/// Batches whose leaves are kept before their slots are used again: what a start reads, at most, beside the pages.
///
/// More than there are ever batches on their way: of one that is overwritten before it is settled nobody could say whether it was taken.
pub const SLOTS: u64 = 16_384;

/// Pages that one batch carries, as long as that suffices: with it all 16,384 partitions a ring may have get theirs in time.
const PAGES_PER_BATCH: usize = 8;

/// Put this value there, or (`None`) delete it.
pub type TreeWrite = (Bytes, Option<Bytes>);

/// A batch on its way to the disk.
struct Flight {
    ticket: u64,
    seq: u64,
    leaves: Vec<(PartitionId, u8)>,
    /// With the first batch that each page stood for.
    pages: Vec<(PartitionId, u64)>,
    /// Those among them that say whether their partition is believed.
    trust_said: Vec<PartitionId>,
    deleted: Vec<Bytes>,
    /// Whether it carried the marker that the trees are whole.
    whole: bool,
}

/// The trees of one shard in one life.
pub struct TreeLog {
    epoch: u64,
    shard: u16,
    slots: u64,
    trees: BTreeMap<PartitionId, Tree>,
    /// Partitions whose tree may say other than their records.
    distrusted: BTreeSet<PartitionId>,
    /// Partitions of which the disk may not say whether they are believed. What is written of one that is not takes its page along, or the next life
    /// would believe it; one that is believed again is said to be with the next batch, or the next life would check it once more.
    trust_unwritten: BTreeSet<PartitionId>,
    /// Partitions that have been checked, where a missing page does not mean an empty partition.
    checked: BTreeSet<PartitionId>,
    /// A partition without a page is one without records.
    whole: bool,
    write_whole_marker: bool,
    seq: u64,
    settled: u64,
    changed: BTreeSet<(PartitionId, u8)>,
    /// The first batch that has changed a partition since its last page.
    unpaged: BTreeMap<PartitionId, u64>,
    /// The same, by age. May name a partition that has got its page since.
    by_age: VecDeque<(u64, PartitionId)>,
    /// Wanted with the next batches, however young.
    wanted_pages: BTreeSet<PartitionId>,
    obsolete: Vec<Bytes>,
    flights: VecDeque<Flight>,
}

impl TreeLog {
    /// Goes on from what an earlier life left. `epoch` is greater than any before.
    pub fn new(epoch: u64, shard: usize, recovered: Recovered) -> Self {
        let Recovered { slots, trees, distrusted, checked, whole, write_whole_marker, leftover, obsolete } = recovered;
        Self {
            epoch,
            shard: u16::try_from(shard).unwrap_or(u16::MAX),
            slots,
            trees,
            distrusted,
            trust_unwritten: BTreeSet::new(),
            checked,
            whole,
            write_whole_marker,
            seq: 0,
            settled: 0,
            changed: BTreeSet::new(),
            unpaged: BTreeMap::new(),
            by_age: VecDeque::new(),
            wanted_pages: leftover,
            obsolete,
            flights: VecDeque::new(),
        }
    }

    /// A record is about to be replaced in the batch that is being gathered.
    ///
    /// The leaf is written also where the digest stays: the record that it replaces may be on its way, and be refused.
    pub fn replace(&mut self, key: &[u8], partition: PartitionId, before: Digest, after: Digest) {
        let leaf = leaf_of(key);
        self.trees.entry(partition).or_default().replace(leaf, before, after);
        self.changed.insert((partition, leaf));
    }

    /// The partition's digest.
    pub fn root(&self, partition: PartitionId) -> Digest {
        self.trees.get(&partition).map_or(Digest::EMPTY, Tree::root)
    }

    /// The digests of its buckets.
    pub fn leaves(&self, partition: PartitionId) -> [Digest; LEAVES] {
        self.trees.get(&partition).map_or([Digest::EMPTY; LEAVES], |tree| *tree.leaves())
    }

    /// Whether the tree is known to say what the records say.
    pub fn trusts(&self, partition: PartitionId) -> bool {
        !self.distrusted.contains(&partition) && (self.whole || self.checked.contains(&partition))
    }

    /// Something does not fit: the tree counts again once it has been checked.
    pub fn distrust(&mut self, partition: PartitionId) {
        if self.distrusted.insert(partition) {
            self.trust_unwritten.insert(partition);
        }
    }

    /// The records say this. Returns how many leaves said otherwise.
    pub fn checked(&mut self, partition: PartitionId, leaves: &[Digest; LEAVES]) -> usize {
        let tree = self.trees.entry(partition).or_default();
        let wrong: Vec<u8> = (0..=u8::MAX).filter(|leaf| tree.leaf(*leaf) != leaves[usize::from(*leaf)]).collect();
        for leaf in &wrong {
            tree.set_leaf(*leaf, leaves[usize::from(*leaf)]);
            self.changed.insert((partition, *leaf));
        }
        let was_trusted = self.trusts(partition);
        self.distrusted.remove(&partition);
        self.checked.insert(partition);
        if !was_trusted {
            self.trust_unwritten.insert(partition);
        }
        if !was_trusted || !wrong.is_empty() {
            self.wanted_pages.insert(partition);
        }
        wrong.len()
    }

    /// Whether something waits for the next batch.
    pub fn has_writes(&self) -> bool {
        !self.changed.is_empty() || !self.wanted_pages.is_empty()
    }

    /// What has to go into the batch with this ticket. Nothing where the batch changes no tree.
    pub fn take_writes(&mut self, ticket: u64) -> Vec<TreeWrite> {
        if !self.has_writes() {
            return Vec::new();
        }
        self.seq += 1;
        let leaves: Vec<(PartitionId, u8)> = std::mem::take(&mut self.changed).into_iter().collect();
        let changed: BTreeSet<PartitionId> = leaves.iter().map(|(partition, _)| *partition).collect();
        for partition in &changed {
            let (seq, by_age) = (self.seq, &mut self.by_age);
            self.unpaged.entry(*partition).or_insert_with(|| {
                by_age.push_back((seq, *partition));
                seq
            });
        }
        let mut writes = vec![(self.log_key(), Some(self.encode_log(&leaves)))];
        let mut pages = self.take_pages_of_trust(&changed);
        let trust_said = pages.iter().map(|(partition, _)| *partition).collect();
        pages.extend(self.take_pages());
        writes.extend(pages.iter().map(|(partition, _)| (page_key(*partition), Some(self.encode_page(*partition)))));
        let deleted = std::mem::take(&mut self.obsolete);
        writes.extend(deleted.iter().map(|key| (key.clone(), None)));
        let whole = std::mem::take(&mut self.write_whole_marker);
        if whole {
            writes.push((Bytes::from_static(WHOLE_KEY), Some(epoch_value(self.epoch))));
        }
        self.flights.push_back(Flight { ticket, seq: self.seq, leaves, pages, trust_said, deleted, whole });
        writes
    }

    /// The pages that say whether their partition is believed: where it is again, or where it is not and this batch changes it.
    fn take_pages_of_trust(&mut self, changed: &BTreeSet<PartitionId>) -> Vec<(PartitionId, u64)> {
        let is_due = |partition: &&PartitionId| changed.contains(*partition) || self.trusts(**partition);
        let news: Vec<PartitionId> = self.trust_unwritten.iter().filter(is_due).copied().collect();
        let mut pages = Vec::with_capacity(news.len());
        for partition in news {
            self.trust_unwritten.remove(&partition);
            self.wanted_pages.remove(&partition);
            pages.push((partition, self.unpaged.remove(&partition).unwrap_or(self.seq)));
        }
        pages
    }

    /// The pages that are due, each with the first batch that it stands for.
    fn take_pages(&mut self) -> Vec<(PartitionId, u64)> {
        let mut pages = Vec::new();
        if let Some(partition) = self.wanted_pages.pop_first() {
            let first = self.unpaged.remove(&partition).unwrap_or(self.seq);
            pages.push((partition, first));
        }
        while let Some((first, partition)) = self.by_age.front().copied() {
            let (age, is_current) = (self.seq - first, self.unpaged.get(&partition) == Some(&first));
            // At half the way round, and at the latest with the batch that writes the slot again.
            if is_current && (age < self.slots / 2 || (pages.len() >= PAGES_PER_BATCH && age < self.slots)) {
                break;
            }
            self.by_age.pop_front();
            if is_current {
                self.unpaged.remove(&partition);
                pages.push((partition, first));
            }
        }
        pages
    }

    /// Batches up to this ticket are on the disk, or (`refused`) are not and never will be: then what they said has to be said again.
    pub fn settle(&mut self, ticket: u64, refused: bool) {
        while let Some(flight) = self.flights.pop_front_if(|flight| flight.ticket <= ticket) {
            self.settled = flight.seq;
            if !refused {
                continue;
            }
            self.changed.extend(flight.leaves);
            for (partition, first) in flight.pages {
                let first = self.unpaged.get(&partition).map_or(first, |later| first.min(*later));
                self.unpaged.insert(partition, first);
                self.by_age.push_front((first, partition));
                self.wanted_pages.insert(partition);
            }
            self.by_age.make_contiguous().sort_unstable();
            self.trust_unwritten.extend(flight.trust_said);
            self.obsolete.extend(flight.deleted);
            self.write_whole_marker |= flight.whole;
        }
    }

    fn log_key(&self) -> Bytes {
        let slot = (self.seq % self.slots) as u32;
        Bytes::from([LOG_PREFIX, &self.epoch.to_be_bytes(), &self.shard.to_be_bytes(), &slot.to_be_bytes()].concat())
    }

    /// This batch, the settled one, the leaves.
    fn encode_log(&self, leaves: &[(PartitionId, u8)]) -> Bytes {
        let mut bytes = Vec::with_capacity(16 + 21 * leaves.len());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.settled.to_be_bytes());
        for (partition, leaf) in leaves {
            let digest = self.trees.get(partition).map_or(Digest::EMPTY, |tree| tree.leaf(*leaf));
            bytes.extend_from_slice(&partition.0.to_be_bytes());
            bytes.push(*leaf);
            bytes.extend_from_slice(&digest.to_bytes());
        }
        bytes.into()
    }

    fn encode_page(&self, partition: PartitionId) -> Bytes {
        let mut bytes = Vec::with_capacity(17 + 16 * LEAVES);
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.push(u8::from(self.trusts(partition)));
        self.leaves(partition).iter().for_each(|leaf| bytes.extend_from_slice(&leaf.to_bytes()));
        bytes.into()
    }
}

/// What a life without trees writes with its first batch, so that a later one does not believe the old ones.
pub fn trees_are_off(epoch: u64) -> (Bytes, Bytes) {
    (Bytes::from_static(OFF_KEY), epoch_value(epoch))
}

fn epoch_value(epoch: u64) -> Bytes {
    Bytes::copy_from_slice(&epoch.to_be_bytes())
}

fn page_key(partition: PartitionId) -> Bytes {
    Bytes::from([PAGE_PREFIX, &partition.0.to_be_bytes()].concat())
}

#[cfg(test)]
#[path = "tree_log_tests.rs"]
mod tests;
