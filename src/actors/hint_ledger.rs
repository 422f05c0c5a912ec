//! What a `Node` remembers of its hints: which wait for whom, and of which ranges a node misses writes that no hint will bring.
//!
//! Both are read from disk when the node starts: hints lie under their target and key, dirty ranges in the metadata.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::node_parts::StorageKey;
use crate::dynamo::hint::Waiting;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::messages::hints::{DirtyRange, HintsPending, HintsWaiting};
use crate::messages::replica::StoredRecord;
use crate::metrics::Metrics;
use crate::storage::{ReadError, ScanRange, Space, Storage};

/// How many hints are read from disk at once when a node starts.
const LOAD_SLICE: usize = 1024;

/// Where dirty ranges are kept: partition (4 bytes) and node follow.
const DIRTY_KEY_PREFIX: &[u8] = b"hints_dirty/";

/// The storage key of a hint: whom it belongs to, and which record it is.
pub(super) fn hint_key(target: &NodeId, key: &RecordKey) -> Bytes {
    let mut bytes = BytesMut::with_capacity(target.as_str().len() + 1 + key.as_bytes().len());
    bytes.extend_from_slice(target.as_str().as_bytes());
    bytes.put_u8(0);
    bytes.extend_from_slice(key.as_bytes());
    bytes.freeze()
}

/// The inverse of [`hint_key`].
pub(super) fn hint_parts(key: &Bytes) -> Option<(NodeId, RecordKey)> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let target = NodeId::new(std::str::from_utf8(&key[..end]).ok()?).ok()?;
    Some((target, RecordKey::try_from(key.slice(end + 1..)).ok()?))
}

/// Which hints a shard keeps, by target. The hints themselves are on disk.
pub(super) struct HintLedger {
    /// None of them empty.
    targets: BTreeMap<NodeId, Waiting>,
    /// Shows the sums over all shards.
    metrics: Metrics,
}

impl HintLedger {
    /// Reads the keys of all hints that belong to the shard.
    pub(super) fn load(
        storage: &dyn Storage,
        shard: usize,
        shards: usize,
        metrics: Metrics,
    ) -> Result<Self, ReadError> {
        let mut ledger = Self { targets: BTreeMap::new(), metrics };
        let mut after: Option<Bytes> = None;
        loop {
            let range = after.as_deref().map_or(ScanRange::all(), |last| ScanRange::all().after(last));
            let page = storage.scan(Space::Hints, range, LOAD_SLICE)?;
            let sized = page.entries.iter().map(|(key, value)| (key, value.len() as u64, since_ms(value)));
            // A damaged hint is the oldest: it is looked at first, and then found out.
            for (key, bytes, since_ms) in sized.chain(page.corrupt.iter().map(|key| (key, 0, 0))) {
                let Some((target, record)) = hint_parts(key) else { continue };
                if record.partition().0 as usize % shards == shard {
                    ledger.kept(&target, record, bytes, since_ms);
                }
            }
            match page.resume_after {
                Some(last) => after = Some(last),
                None => return Ok(ledger),
            }
        }
    }

    pub(super) fn kept(&mut self, target: &NodeId, key: RecordKey, bytes: u64, since_ms: u64) {
        let before = self.targets.entry(target.clone()).or_default().insert(key, bytes, since_ms);
        let grown = bytes.cast_signed() - before.unwrap_or(0).cast_signed();
        self.metrics.hints_changed(target, i64::from(before.is_none()), grown);
    }

    pub(super) fn gone(&mut self, target: &NodeId, key: &RecordKey) {
        let Some(waiting) = self.targets.get_mut(target) else { return };
        let Some(bytes) = waiting.remove(key) else { return };
        if waiting.is_empty() {
            self.targets.remove(target);
        }
        self.metrics.hints_changed(target, -1, -bytes.cast_signed());
    }

    pub(super) fn waiting(&self, target: &NodeId) -> Option<&Waiting> {
        self.targets.get(target)
    }

    /// Whether a hint of this key waits, for whomever.
    pub(super) fn keeps(&self, key: &RecordKey) -> bool {
        self.targets.values().any(|waiting| waiting.contains(key))
    }

    pub(super) fn count(&self) -> Vec<HintsPending> {
        self.targets.iter().map(|(target, waiting)| pending(target, waiting)).collect()
    }

    pub(super) fn survey(&self) -> Vec<HintsWaiting> {
        let survey = |(target, waiting): (&NodeId, &Waiting)| HintsWaiting {
            pending: pending(target, waiting),
            oldest_ms: waiting.oldest_ms().unwrap_or_default(),
            partitions: waiting.partitions().collect(),
        };
        self.targets.iter().map(survey).collect()
    }
}

fn pending(target: &NodeId, waiting: &Waiting) -> HintsPending {
    HintsPending { target: target.clone(), keys: waiting.len() as u64, bytes: waiting.bytes() }
}

/// When a stored hint was first kept; one that cannot be read counts as the oldest.
pub(super) fn since_ms(value: &[u8]) -> u64 {
    StoredRecord::from_bytes(value).map_or(0, |record| record.born.unix_ms())
}

/// The ranges of this shard's partitions of which a node misses writes that no hint will bring.
#[derive(Default)]
pub(super) struct DirtyRanges {
    ranges: BTreeMap<(PartitionId, NodeId), Mark>,
}

struct Mark {
    /// How often something was missed in this life.
    times: u64,
    /// The disk refused it: it has to be written again.
    unsaved: bool,
}

impl DirtyRanges {
    /// Reads those that belong to the shard.
    pub(super) fn load(storage: &dyn Storage, shard: usize, shards: usize) -> Result<Self, ReadError> {
        let page = storage.scan(Space::Meta, ScanRange::prefix(DIRTY_KEY_PREFIX), usize::MAX)?;
        let mut dirty = Self::default();
        // Of a damaged mark the key still says all.
        for key in page.entries.into_iter().map(|(key, _)| key).chain(page.corrupt) {
            if let Some(range) = range_of(&key)
                && range.0.0 as usize % shards == shard
            {
                dirty.ranges.insert(range, Mark { times: 1, unsaved: false });
            }
        }
        Ok(dirty)
    }

    /// Something was missed. Where the mark has to be written; `None`: it is there, or on its way.
    pub(super) fn mark(&mut self, partition: PartitionId, peer: &NodeId) -> Option<StorageKey> {
        let mut is_new = false;
        let mark = self.ranges.entry((partition, peer.clone())).or_insert_with(|| {
            is_new = true;
            Mark { times: 0, unsaved: false }
        });
        mark.times += 1;
        is_new.then(|| storage_key(partition, peer))
    }

    /// The disk has refused what was written there.
    pub(super) fn refused(&mut self, at: &StorageKey) {
        if let Some(mark) = range_of(&at.key).and_then(|range| self.ranges.get_mut(&range)) {
            mark.unsaved = true;
        }
    }

    /// What has to be written again.
    pub(super) fn take_unsaved(&mut self) -> Vec<StorageKey> {
        let refused = self.ranges.iter_mut().filter(|(_, mark)| mark.unsaved);
        let take = |((partition, peer), mark): (&(PartitionId, NodeId), &mut Mark)| {
            mark.unsaved = false;
            storage_key(*partition, peer)
        };
        refused.map(take).collect()
    }

    /// Somebody else remembers the range. Where its mark has to be deleted; `None`: more was missed since, or nothing is known of it.
    pub(super) fn forget(&mut self, range: &DirtyRange) -> Option<StorageKey> {
        let key = (range.partition, range.peer.clone());
        if self.ranges.get(&key)?.times != range.times {
            return None;
        }
        self.ranges.remove(&key);
        Some(storage_key(range.partition, &range.peer))
    }

    pub(super) fn list(&self) -> Vec<DirtyRange> {
        let range = |((partition, peer), mark): (&(PartitionId, NodeId), &Mark)| DirtyRange {
            partition: *partition,
            peer: peer.clone(),
            times: mark.times,
        };
        self.ranges.iter().map(range).collect()
    }
}

fn storage_key(partition: PartitionId, peer: &NodeId) -> StorageKey {
    let key = [DIRTY_KEY_PREFIX, &partition.0.to_be_bytes(), peer.as_str().as_bytes()].concat();
    StorageKey { space: Space::Meta, key: Bytes::from(key) }
}

fn range_of(key: &[u8]) -> Option<(PartitionId, NodeId)> {
    let (partition, peer) = key.strip_prefix(DIRTY_KEY_PREFIX)?.split_first_chunk::<4>()?;
    let peer = NodeId::new(std::str::from_utf8(peer).ok()?).ok()?;
    Some((PartitionId(u32::from_be_bytes(*partition)), peer))
}

#[cfg(test)]
mod tests {
    use super::{DirtyRanges, range_of};
    use crate::dynamo::node_id::NodeId;
    use crate::dynamo::ring::PartitionId;
    use crate::storage::{Batch, MemoryStorage, Persist, Storage as _};

    fn node(name: &str) -> NodeId {
        NodeId::new(name).expect("a name")
    }

    #[test]
    fn a_range_is_written_once_again_when_refused_and_read_back_by_its_shard() {
        let (disk, mut dirty) = (MemoryStorage::new(), DirtyRanges::default());
        let at = dirty.mark(PartitionId(5), &node("n2")).expect("new");
        assert_eq!(range_of(&at.key), Some((PartitionId(5), node("n2"))));
        assert!(dirty.mark(PartitionId(5), &node("n2")).is_none(), "it is on its way");
        dirty.refused(&at);
        assert_eq!(dirty.take_unsaved(), std::slice::from_ref(&at));
        assert_eq!(dirty.take_unsaved(), []);

        let mut batch = Batch::default();
        batch.put(at.space, at.key, Vec::new());
        disk.commit(&batch, Persist::Sync).expect("there is space");
        assert_eq!(DirtyRanges::load(&disk, 1, 2).expect("readable").list().len(), 1);
        assert_eq!(DirtyRanges::load(&disk, 0, 2).expect("readable").list(), []);
    }

    #[test]
    fn a_range_is_forgotten_unless_more_was_missed() {
        let mut dirty = DirtyRanges::default();
        dirty.mark(PartitionId(5), &node("n2"));
        let told = dirty.list();
        dirty.mark(PartitionId(5), &node("n2"));
        assert!(dirty.forget(&told[0]).is_none());
        let told = dirty.list();
        assert!(dirty.forget(&told[0]).is_some());
        assert_eq!(dirty.list(), []);
        assert!(dirty.forget(&told[0]).is_none());
    }
}
