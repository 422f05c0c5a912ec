//! What a start makes of the pages and slots that earlier lives left. See [`tree_log`](super::tree_log).
//!
//! A partition's leaf is what the latest of its page and the later batches says; a life comes after another by its epoch, a batch after another
//! by its number. What is missing or damaged never passes for an empty partition: it is distrusted, and checked against the records.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::merkle::{Digest, LEAVES, Tree};
use super::ring::PartitionId;
use super::tree_log::{LOG_PREFIX, OFF_KEY, PAGE_PREFIX, WHOLE_KEY};

/// What a shard begins with.
#[derive(Debug, Default)]
pub struct Recovered {
    /// In how many slots the batches go round.
    pub slots: u64,
    /// The trees that there are.
    pub trees: BTreeMap<PartitionId, Tree>,
    /// Partitions whose tree may say other than their records.
    pub distrusted: BTreeSet<PartitionId>,
    /// Partitions with a page that says that it is right.
    pub checked: BTreeSet<PartitionId>,
    /// Whether a partition without a page is one without records.
    pub whole: bool,
    /// Whether that has to be written down first.
    pub write_whole_marker: bool,
    /// Partitions whose last word is in a slot of an earlier life.
    pub leftover: BTreeSet<PartitionId>,
    /// Slots that nobody needs any more.
    pub obsolete: Vec<Bytes>,
}

/// After which batch of which life.
type Moment = (u64, u64);

struct Page {
    at: Moment,
    trusted: bool,
    leaves: Vec<Digest>,
}

struct Logged {
    settled: u64,
    leaves: Vec<(PartitionId, u8, Digest)>,
    key: Bytes,
}

/// The batches of one shard in one life, by number.
type Log = BTreeMap<u64, Logged>;

/// Reads what is stored.
#[derive(Default)]
struct Stored {
    pages: BTreeMap<PartitionId, Page>,
    damaged_pages: BTreeSet<PartitionId>,
    logs: BTreeMap<(u64, u16), Log>,
    /// The life since which the trees are whole.
    whole: Option<u64>,
    /// The last life without trees.
    off: Option<u64>,
    /// A slot that cannot be read: its life is not known to be complete.
    damaged_slots: BTreeSet<(u64, u16)>,
}

/// What a shard is told of its node.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// In how many slots the batches go round: more, or as many, as in earlier lives.
    pub slots: u64,
    /// Whether there are records at all.
    pub has_records: bool,
    /// Whether this shard deletes, for all of them, what is not needed any more.
    pub clears_away: bool,
}

/// `entries` are all keys under [`TREE_PREFIX`](super::tree_log::TREE_PREFIX), the value `None` where it is damaged; `owns` says which partitions are this shard's.
/// Every shard of a node is given the same entries.
pub fn recover(
    entries: impl IntoIterator<Item = (Bytes, Option<Bytes>)>,
    owns: impl Fn(PartitionId) -> bool,
    standing: Standing,
) -> Recovered {
    let mut stored = Stored::default();
    entries.into_iter().for_each(|(key, value)| stored.take(&key, value.as_deref()));
    stored.forget_before_off();
    let gaps = stored.lives_with_gaps(standing.slots);
    let whole = stored.whole.is_some() || !standing.has_records;
    let mut result = Recovered { slots: standing.slots, whole, ..Recovered::default() };
    result.write_whole_marker = result.whole && stored.whole.is_none();
    for (partition, page) in stored.pages.iter().filter(|(partition, _)| owns(**partition)) {
        let tree = result.trees.entry(*partition).or_default();
        (0..=u8::MAX).zip(&page.leaves).for_each(|(leaf, digest)| tree.set_leaf(leaf, *digest));
        let into = if page.trusted { &mut result.checked } else { &mut result.distrusted };
        into.insert(*partition);
    }
    result.distrusted.extend(stored.damaged_pages.iter().filter(|partition| owns(**partition)));
    stored.replay(&owns, &mut result);
    stored.distrust_incomplete(&gaps, &owns, &mut result);
    if standing.clears_away {
        result.obsolete = stored.obsolete(&gaps);
    }
    result
}

impl Stored {
    fn take(&mut self, key: &Bytes, value: Option<&[u8]>) {
        let number = |value: Option<&[u8]>| value.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        if let Some(place) = key.strip_prefix(PAGE_PREFIX).and_then(|rest| rest.try_into().ok()) {
            let partition = PartitionId(u32::from_be_bytes(place));
            match value.and_then(decode_page) {
                Some(page) => drop(self.pages.insert(partition, page)),
                None => drop(self.damaged_pages.insert(partition)),
            }
        } else if let Some((epoch, shard)) = key.strip_prefix(LOG_PREFIX).and_then(decode_place) {
            match value.and_then(|value| decode_log(key, value)) {
                Some((seq, logged)) => drop(self.logs.entry((epoch, shard)).or_default().insert(seq, logged)),
                None => drop(self.damaged_slots.insert((epoch, shard))),
            }
        } else if &key[..] == WHOLE_KEY {
            self.whole = number(value);
        } else if &key[..] == OFF_KEY {
            // Damaged: as if the trees had been off until now.
            self.off = Some(number(value).unwrap_or(u64::MAX));
        }
    }

    fn forget_before_off(&mut self) {
        let Some(off) = self.off else { return };
        self.pages.retain(|_, page| page.at.0 > off);
        self.whole = self.whole.filter(|epoch| *epoch > off);
        for ((epoch, _), log) in &mut self.logs {
            if *epoch <= off {
                log.values_mut().for_each(|logged| logged.leaves.clear());
            }
        }
        self.damaged_slots.retain(|(epoch, _)| *epoch > off);
    }

    /// The lives of which a batch that matters is missing, or may be: what they and earlier ones wrote is not to be believed.
    fn lives_with_gaps(&self, slots: u64) -> BTreeSet<u64> {
        let has_gap = |log: &Log| {
            log.last_key_value().is_some_and(|(last, logged)| {
                let mut unsettled = logged.settled + 1..=*last;
                last - logged.settled > slots || unsettled.any(|seq| !log.contains_key(&seq))
            })
        };
        let gaps = self.logs.iter().filter(|(_, log)| has_gap(log)).map(|((epoch, _), _)| *epoch);
        gaps.chain(self.damaged_slots.iter().map(|(epoch, _)| *epoch)).collect()
    }

    fn replay(&self, owns: &impl Fn(PartitionId) -> bool, result: &mut Recovered) {
        for ((epoch, _), log) in &self.logs {
            for (seq, logged) in log {
                for (partition, leaf, digest) in &logged.leaves {
                    if owns(*partition) && self.is_news(*partition, (*epoch, *seq)) {
                        result.trees.entry(*partition).or_default().set_leaf(*leaf, *digest);
                        result.leftover.insert(*partition);
                    }
                }
            }
        }
    }

    fn is_news(&self, partition: PartitionId, at: Moment) -> bool {
        self.pages.get(&partition).is_none_or(|page| page.at < at)
    }

    /// A life with a gap may have written anything about any partition that has no page of a later one.
    fn distrust_incomplete(&self, gaps: &BTreeSet<u64>, owns: &impl Fn(PartitionId) -> bool, result: &mut Recovered) {
        let Some(last) = gaps.last() else { return };
        result.whole = false;
        result.write_whole_marker = false;
        for (partition, page) in self.pages.iter().filter(|(partition, _)| owns(**partition)) {
            if page.at.0 <= *last {
                result.checked.remove(partition);
                result.distrusted.insert(*partition);
            }
        }
    }

    /// Slots of lives all of whose words are in pages by now. A log goes as a whole, or the rest would look like one with a gap; one with a
    /// gap stays, for it says which pages are not to be believed.
    fn obsolete(&self, gaps: &BTreeSet<u64>) -> Vec<Bytes> {
        let is_paged = |(epoch, log): (u64, &Log)| {
            let is_paged = |seq: u64, logged: &Logged| {
                logged.leaves.iter().all(|(partition, ..)| !self.is_news(*partition, (epoch, seq)))
            };
            log.iter().all(|(seq, logged)| is_paged(*seq, logged))
        };
        let done = self.logs.iter().filter(|((epoch, _), log)| !gaps.contains(epoch) && is_paged((*epoch, log)));
        done.flat_map(|(_, log)| log.values().map(|logged| logged.key.clone())).collect()
    }
}

fn decode_place(rest: &[u8]) -> Option<(u64, u16)> {
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let (shard, _) = rest.split_first_chunk::<2>()?;
    Some((u64::from_be_bytes(*epoch), u16::from_be_bytes(*shard)))
}

fn decode_log(key: &Bytes, value: &[u8]) -> Option<(u64, Logged)> {
    let (seq, rest) = value.split_first_chunk::<8>()?;
    let (settled, rest) = rest.split_first_chunk::<8>()?;
    let (entries, odd) = rest.as_chunks::<21>();
    if !odd.is_empty() {
        return None;
    }
    let leaf = |entry: &[u8; 21]| {
        let [a, b, c, d, leaf, digest @ ..] = *entry;
        (PartitionId(u32::from_be_bytes([a, b, c, d])), leaf, Digest::from_bytes(digest))
    };
    let leaves = entries.iter().map(leaf).collect();
    Some((u64::from_be_bytes(*seq), Logged { settled: u64::from_be_bytes(*settled), leaves, key: key.clone() }))
}

fn decode_page(value: &[u8]) -> Option<Page> {
    let (epoch, rest) = value.split_first_chunk::<8>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (trusted, rest) = rest.split_first()?;
    let (leaves, odd) = rest.as_chunks::<16>();
    if leaves.len() != LEAVES || !odd.is_empty() {
        return None;
    }
    let at = (u64::from_be_bytes(*epoch), u64::from_be_bytes(*seq));
    Some(Page { at, trusted: *trusted == 1, leaves: leaves.iter().map(|leaf| Digest::from_bytes(*leaf)).collect() })
}
