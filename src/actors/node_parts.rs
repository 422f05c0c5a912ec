//! What a `Node` keeps in memory: the writes on their way to disk, the records read last, and the index of its hints.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::{BufMut, Bytes, BytesMut};

use super::node::hint_parts;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::messages::hints::HintsPending;
use crate::messages::replica::{Slot, StoredRecord, WriteReplicaError};
use crate::messages::together::Answers;
use crate::metrics::Metrics;
use crate::storage::{ReadError, ScanRange, Space, Storage};

/// How many hints are read from disk at once when a node starts.
const LOAD_SLICE: usize = 1024;

/// Where a copy lies on disk: a record under its own key, a hint under its target and key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StorageKey {
    pub(super) space: Space,
    pub(super) key: Bytes,
}

impl StorageKey {
    pub(super) fn of(key: &RecordKey, slot: &Slot) -> Self {
        match slot {
            Slot::Own => Self { space: Space::Records, key: key.as_bytes().clone() },
            Slot::HintFor(target) => Self { space: Space::Hints, key: hint_key(target, key) },
        }
    }
}

fn hint_key(target: &NodeId, key: &RecordKey) -> Bytes {
    let mut bytes = BytesMut::with_capacity(target.as_str().len() + 1 + key.as_bytes().len());
    bytes.extend_from_slice(target.as_str().as_bytes());
    bytes.put_u8(0);
    bytes.extend_from_slice(key.as_bytes());
    bytes.freeze()
}

/// Whom to tell when a write is on disk, or has been refused.
pub(super) struct Acknowledgement {
    pub(super) answers: Answers<Result<(), WriteReplicaError>>,
    pub(super) at: usize,
}

impl Acknowledgement {
    pub(super) fn give(self, outcome: Result<(), WriteReplicaError>) {
        self.answers.give(self.at, outcome);
    }
}

/// A write the disk has not reported yet.
pub(super) struct Written {
    pub(super) at: StorageKey,
    /// What the key holds once it is there; `None`: nothing.
    pub(super) record: Option<Rc<StoredRecord>>,
    pub(super) waiting: Vec<Acknowledgement>,
    /// Whether a later write of the same key is on its way.
    pub(super) superseded: bool,
}

/// The latest write of a key on its way: its ticket, and what the key holds then.
type LatestWrite = (u64, Option<Rc<StoredRecord>>);

/// Writes on their way to disk, in the order of their tickets.
#[derive(Default)]
pub(super) struct Pending {
    last_ticket: u64,
    latest: BTreeMap<StorageKey, LatestWrite>,
    in_order: VecDeque<(u64, StorageKey, Vec<Acknowledgement>)>,
}

impl Pending {
    pub(super) fn add(&mut self, at: StorageKey, record: Option<Rc<StoredRecord>>) -> u64 {
        self.last_ticket += 1;
        self.latest.insert(at.clone(), (self.last_ticket, record));
        self.in_order.push_back((self.last_ticket, at, Vec::new()));
        self.last_ticket
    }

    /// What the key will hold; `None`: nothing of it is on its way.
    pub(super) fn latest(&self, at: &StorageKey) -> Option<Option<Rc<StoredRecord>>> {
        self.latest.get(at).map(|(_, record)| record.clone())
    }

    /// The ticket given out last.
    pub(super) fn last_ticket(&self) -> u64 {
        self.last_ticket
    }

    pub(super) fn contains(&self, at: &StorageKey) -> bool {
        self.latest.contains_key(at)
    }

    /// The ticket of the latest write of this key, if one is on its way.
    pub(super) fn ticket(&self, at: &StorageKey) -> Option<u64> {
        self.latest.get(at).map(|(ticket, _)| *ticket)
    }

    /// Told when the ticket is on disk.
    pub(super) fn acknowledge(&mut self, ticket: u64, acknowledgement: Acknowledgement) {
        let first = self.in_order.front().map_or(0, |(first, _, _)| *first);
        let place = usize::try_from(ticket.saturating_sub(first)).unwrap_or(usize::MAX);
        match self.in_order.get_mut(place) {
            Some((_, _, waiting)) => waiting.push(acknowledgement),
            None => acknowledgement.give(Ok(())),
        }
    }

    /// Takes out the next write whose ticket is at most `last`.
    pub(super) fn next_up_to(&mut self, last: u64) -> Option<Written> {
        if self.in_order.front()?.0 > last {
            return None;
        }
        let (ticket, at, waiting) = self.in_order.pop_front()?;
        let superseded = self.latest.get(&at).is_some_and(|(latest, _)| *latest != ticket);
        let record = if superseded { None } else { self.latest.remove(&at).and_then(|(_, record)| record) };
        Some(Written { at, record, waiting, superseded })
    }
}

/// The records used last, up to a bound in bytes.
pub(super) struct RecordCache {
    records: quick_cache::unsync::Cache<StorageKey, Rc<StoredRecord>, ByPayload>,
}

#[derive(Clone)]
struct ByPayload;

impl quick_cache::Weighter<StorageKey, Rc<StoredRecord>> for ByPayload {
    fn weight(&self, at: &StorageKey, record: &Rc<StoredRecord>) -> u64 {
        const OVERHEAD_BYTES: usize = 256;
        (at.key.len() + record.siblings.payload_bytes() + OVERHEAD_BYTES) as u64
    }
}

impl RecordCache {
    pub(super) fn new(bytes: u64) -> Self {
        let expected_items = usize::try_from(bytes / 1024).unwrap_or(usize::MAX).max(16);
        Self { records: quick_cache::unsync::Cache::with_weighter(expected_items, bytes, ByPayload) }
    }

    pub(super) fn get(&mut self, at: &StorageKey) -> Option<Rc<StoredRecord>> {
        self.records.get(at).cloned()
    }

    pub(super) fn insert(&mut self, at: StorageKey, record: Rc<StoredRecord>) {
        self.records.insert(at, record);
    }

    pub(super) fn remove(&mut self, at: &StorageKey) {
        self.records.remove(at);
    }
}

/// Which hints this shard keeps, by target: their keys and sizes. The hints themselves are on disk.
pub(super) struct HintLedger {
    targets: BTreeMap<NodeId, Target>,
    /// Shows the sums over all shards.
    metrics: Metrics,
}

#[derive(Default)]
struct Target {
    bytes: u64,
    keys: BTreeMap<RecordKey, u64>,
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
            let sized = page.entries.iter().map(|(key, value)| (key, value.len() as u64));
            for (key, bytes) in sized.chain(page.corrupt.iter().map(|key| (key, 0))) {
                let Some((target, record)) = hint_parts(key) else { continue };
                if record.partition().0 as usize % shards == shard {
                    ledger.kept(&target, key, bytes);
                }
            }
            match page.resume_after {
                Some(last) => after = Some(last),
                None => return Ok(ledger),
            }
        }
    }

    pub(super) fn kept(&mut self, target: &NodeId, key: &Bytes, bytes: u64) {
        let Some((_, record)) = hint_parts(key) else { return };
        let entry = self.targets.entry(target.clone()).or_default();
        let before = entry.keys.insert(record, bytes);
        entry.bytes = entry.bytes + bytes - before.unwrap_or(0);
        let (keys, bytes) = (i64::from(before.is_none()), bytes.cast_signed() - before.unwrap_or(0).cast_signed());
        self.metrics.hints_changed(target, keys, bytes);
    }

    pub(super) fn delivered(&mut self, target: &NodeId, key: &Bytes) {
        let Some((_, record)) = hint_parts(key) else { return };
        let Some(entry) = self.targets.get_mut(target) else { return };
        let Some(bytes) = entry.keys.remove(&record) else { return };
        entry.bytes -= bytes;
        if entry.keys.is_empty() {
            self.targets.remove(target);
        }
        self.metrics.hints_changed(target, -1, -bytes.cast_signed());
    }

    pub(super) fn bytes(&self, target: &NodeId) -> u64 {
        self.targets.get(target).map_or(0, |target| target.bytes)
    }

    pub(super) fn next(&self, target: &NodeId, after: Option<&RecordKey>, limit: usize) -> Vec<RecordKey> {
        let Some(target) = self.targets.get(target) else { return Vec::new() };
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        target.keys.range((start, std::ops::Bound::Unbounded)).take(limit).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn count(&self) -> Vec<HintsPending> {
        let pending = |(node, target): (&NodeId, &Target)| HintsPending {
            target: node.clone(),
            keys: target.keys.len() as u64,
            bytes: target.bytes,
        };
        self.targets.iter().map(pending).collect()
    }
}
