//! What a `Node` keeps in memory: the writes on their way to disk, and the records read last.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;

use super::hint_ledger::hint_key;
use crate::dynamo::record_key::RecordKey;
use crate::messages::replica::{Slot, StoredRecord, WriteReplicaError};
use crate::messages::together::Answers;
use crate::storage::Space;

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

    /// The records on their way whose keys begin with `prefix`, behind `after` and up to `upto`.
    pub(super) fn records_after(&self, prefix: &[u8], after: Option<&Bytes>, upto: Option<&Bytes>) -> Vec<Bytes> {
        let start = after.map_or_else(|| Bytes::copy_from_slice(prefix), Bytes::clone);
        let behind = self.latest.range(StorageKey { space: Space::Records, key: start }..);
        let in_range = behind.map(|(at, _)| at).take_while(|at| {
            at.space == Space::Records && at.key.starts_with(prefix) && upto.is_none_or(|upto| at.key <= *upto)
        });
        in_range.filter(|at| Some(&at.key) != after).map(|at| at.key.clone()).collect()
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

/// The way of a clock's ceiling to the disk. It rides in every batch until one of them is there: one may be refused, and the next one taken.
#[derive(Default)]
pub(super) struct Laying {
    /// Whether it is not known to be on the disk.
    is_open: bool,
    /// The batches in which it is on its way.
    tickets: Vec<u64>,
}

impl Laying {
    /// A new ceiling, which is in no batch yet.
    pub(super) fn begun() -> Self {
        Self { is_open: true, tickets: Vec::new() }
    }

    /// Whether it has to be in the batch with this ticket, which is about to be sent off.
    pub(super) fn rides_in(&mut self, ticket: u64) -> bool {
        if self.is_open {
            self.tickets.push(ticket);
        }
        self.is_open
    }

    /// The disk has taken, or refused, all batches up to this ticket that it had not told of.
    pub(super) fn settle(&mut self, last: u64, refused: bool) {
        let told = self.tickets.extract_if(.., |ticket| *ticket <= last).count();
        self.is_open &= told == 0 || refused;
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

    pub(super) fn clear(&mut self) {
        self.records.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Laying;

    #[test]
    fn a_ceiling_rides_until_a_batch_with_it_is_on_the_disk() {
        let mut laying = Laying::begun();
        assert!(laying.rides_in(1));
        laying.settle(1, true);
        // A batch of deletes alone, which is taken although the disk is full.
        laying.settle(1, false);
        assert!(laying.rides_in(2) && laying.rides_in(3));
        laying.settle(2, false);
        assert!(!laying.rides_in(4));
    }
}
