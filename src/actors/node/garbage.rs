//! What a `Node` shard does for the garbage collector: drops the payload of expired values and the records that nobody will ask for, says what it holds of a
//! key, deletes tombstones.

use std::rc::Rc;

use actix::Handler;

use super::{Node, unreadable};
use crate::actors::node_parts::{Acknowledgement, StorageKey};
use crate::dynamo::collection::{CopyState, dead_since_ms};
use crate::dynamo::merkle::Digest;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::siblings::Siblings;
use crate::item::TableSchema;
use crate::messages::garbage::{
    CollectError, CollectTombstones, DeadRecord, ProbeTombstones, ReapExpired, ReapSlice, Tombstone,
};
use crate::messages::replica::{ReadReplicaError, Slot, StoredRecord};
use crate::messages::together::{Answers, Together};
use crate::storage::{ScanRange, Space};

impl Node {
    /// Drops what has expired of a record of this shard. What is left of it, if nobody can read that.
    fn reap(&mut self, at: &StorageKey, key: RecordKey, mut record: StoredRecord) -> Option<DeadRecord> {
        if record.siblings.reap((self.wall)()) {
            self.metrics.garbage.ttl_reaped.inc();
            // Reaping changes no digest.
            let base = record.siblings.clone();
            self.store(at.clone(), &Slot::Own, &base, Rc::new(record));
            return None;
        }
        let since_ms = dead_since_ms(&record.siblings)?;
        let is_expired = record.siblings.versions().iter().any(|version| version.expires_at_ms.is_some());
        let tombstone = Tombstone { digest: Digest::of_record(&at.key, &record.siblings), key };
        Some(DeadRecord { tombstone, since_ms, is_expired })
    }

    /// Whether the record belongs to a table that was dropped.
    pub(super) fn is_of_dropped_table(&self, key: &RecordKey) -> bool {
        TableSchema::stored_id(key.table()).is_some_and(|id| self.tables.is_dropped(id))
    }

    /// Whether nobody will ask this node for the record any more: its table was dropped, or its partition handed over.
    fn is_left_over(&self, key: &RecordKey) -> bool {
        self.is_of_dropped_table(key) || self.ring.has_left(key.partition())
    }

    /// Puts a record that is left over on its way out.
    fn delete_left_over(&mut self, at: StorageKey, record: Option<&StoredRecord>) {
        match record {
            Some(record) => self.trees.replace(&at, &record.siblings, &Siblings::default()),
            // What the tree counted for it is not known.
            None => self.trees.distrust(&at),
        }
        self.metrics.metadata.dropped_records.inc();
        self.gathered.delete(at.space, at.key.clone());
        self.pending.add(at, None);
    }

    fn copy_state(&mut self, tombstone: &Tombstone) -> CopyState {
        if self.hints.keeps(&tombstone.key) {
            return CopyState::Hinted;
        }
        let at = StorageKey::of(&tombstone.key, &Slot::Own);
        if self.pending.contains(&at) {
            return CopyState::Other;
        }
        // Past the cache: what counts is on the disk.
        match self.stored(&at) {
            Ok(None) => CopyState::Absent,
            Ok(Some(record)) if self.is_dead(&at, &record, tombstone) => CopyState::Same,
            Ok(Some(_)) | Err(_) => CopyState::Other,
        }
    }

    /// Whether this is the record in question, and nobody can read anything of it, by this node's clock too.
    fn is_dead(&self, at: &StorageKey, held: &StoredRecord, tombstone: &Tombstone) -> bool {
        let is_visible = held.siblings.visible((self.wall)()).next().is_some();
        !is_visible && Digest::of_record(&at.key, &held.siblings) == tombstone.digest
    }

    /// Puts the deletion on its way to the disk, where exactly this is held.
    fn collect(&mut self, tombstone: &Tombstone) -> bool {
        if self.copy_state(tombstone) != CopyState::Same {
            return false;
        }
        let at = StorageKey::of(&tombstone.key, &Slot::Own);
        let Ok(Some(record)) = self.stored(&at) else { return false };
        self.trees.replace(&at, &record.siblings, &Siblings::default());
        self.gathered.delete(at.space, at.key.clone());
        self.pending.add(at, None);
        true
    }

    /// What was on its way to the disk by now is there, or was refused.
    fn when_durable(&mut self, then: impl Fn(Result<(), CollectError>) + Send + Sync + 'static) {
        let refused = self.trees.refused_since_now();
        let settled = Answers::new(move |_, outcome: Result<(), _>| {
            let is_right = outcome.is_ok() && !refused();
            then(if is_right { Ok(()) } else { Err(CollectError::Refused) });
        });
        self.pending.acknowledge(self.pending.last_ticket(), Acknowledgement { answers: settled, at: 0 });
    }
}

impl Handler<ReapExpired> for Node {
    type Result = Result<ReapSlice, ReadReplicaError>;

    fn handle(&mut self, reap: ReapExpired, _: &mut Self::Context) -> Self::Result {
        let range = reap.after.as_deref().map_or(ScanRange::all(), |last| ScanRange::all().after(last));
        let page = self.storage.scan(Space::Records, range, reap.limit).map_err(unreadable)?;
        let (mut dead, mut left_over) = (Vec::new(), 0);
        for (key, value) in page.entries {
            let Ok(record_key) = RecordKey::try_from(key.clone()) else { continue };
            let at = StorageKey { space: Space::Records, key };
            // A write on its way starts from what it found; its successor is looked at on the next walk.
            if !self.owns(record_key.partition()) || self.pending.contains(&at) {
                continue;
            }
            match StoredRecord::from_bytes(&value) {
                record if self.is_left_over(&record_key) => {
                    self.delete_left_over(at, record.as_ref());
                    left_over += 1;
                }
                Some(record) => dead.extend(self.reap(&at, record_key, record)),
                None => {}
            }
        }
        for key in page.corrupt {
            let Ok(record_key) = RecordKey::try_from(key.clone()) else { continue };
            if self.owns(record_key.partition()) && self.is_left_over(&record_key) {
                self.delete_left_over(StorageKey { space: Space::Records, key }, None);
                left_over += 1;
            }
        }
        self.send_off();
        Ok(ReapSlice { dead, left_over, resume_after: page.resume_after })
    }
}

impl Handler<Together<ProbeTombstones>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<ProbeTombstones>, _: &mut Self::Context) {
        for (at, probe) in requests.into_iter().enumerate() {
            let states: Vec<CopyState> = probe.tombstones.iter().map(|tombstone| self.copy_state(tombstone)).collect();
            let answers = answers.clone();
            self.when_durable(move |outcome| answers.give(at, outcome.map(|()| states.clone())));
        }
    }
}

impl Handler<Together<CollectTombstones>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<CollectTombstones>, _: &mut Self::Context) {
        for (at, collect) in requests.into_iter().enumerate() {
            let gone = collect.tombstones.iter().filter(|tombstone| self.collect(tombstone)).count() as u64;
            let answers = answers.clone();
            self.when_durable(move |outcome| answers.give(at, outcome.map(|()| gone)));
        }
        self.send_off();
    }
}
