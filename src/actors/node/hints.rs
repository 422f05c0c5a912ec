//! The hints of a `Node`: taken within their bounds, shown to hinted handoff, deleted once they are settled.
//!
//! What is refused here does not count toward anybody's W; that the target misses it is remembered as a dirty range.

use std::rc::Rc;

use actix::Handler;
use tracing::warn;

use super::Node;
use crate::actors::hint_ledger::{hint_parts, since_ms};
use crate::actors::node_parts::{StorageKey, Written};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::messages::hints::{
    CountHints, ForgetDirty, Hint, HintSurvey, HintsPending, NextHints, SettleHints, Settlement, SurveyHints,
    WhichHints,
};
use crate::messages::replica::{ReadReplicaError, Slot, StoredRecord};
use crate::metrics::HintLoss;
use crate::storage::Space;

/// At most one line per shard is logged in this time about hints that are not kept, in ms.
const LOSS_LOG_INTERVAL_MS: u64 = 10_000;

/// How many hints were not kept, and how many of them have been logged.
#[derive(Default)]
pub(super) struct Losses {
    unsaid: u64,
    said_at_ms: u64,
}

impl Node {
    /// Whether this hint may be kept: it makes the copy no larger, or there is room for it. Else whose hints are full.
    pub(super) fn check_hint_room(&self, key: &RecordKey, slot: &Slot, payload_bytes: usize) -> Result<(), NodeId> {
        let Slot::HintFor(target) = slot else { return Ok(()) };
        let waiting = self.hints.waiting(target);
        let held = waiting.map_or(0, |waiting| waiting.bytes());
        let growth = (payload_bytes as u64).saturating_sub(waiting.map_or(0, |waiting| waiting.bytes_of(key)));
        let bounds = self.limits.hints.shared_by(self.shards as u64);
        if bounds.take(held, growth) { Ok(()) } else { Err(target.clone()) }
    }

    /// A write for another node is not kept here: it will have to be found by comparing.
    pub(super) fn lose_hint(&mut self, partition: PartitionId, target: &NodeId, why: HintLoss) {
        self.metrics.hint_lost(why);
        if let Some(at) = self.dirty.mark(partition, target) {
            self.write_mark(at);
        }
        self.losses.unsaid += 1;
        let now_ms = (self.wall)();
        if now_ms.abs_diff(self.losses.said_at_ms) >= LOSS_LOG_INTERVAL_MS {
            let hints = std::mem::take(&mut self.losses.unsaid);
            self.losses.said_at_ms = now_ms;
            warn!(%target, %partition, hints, why = why.label(), "hints are not kept: their ranges are marked for repair");
        }
    }

    fn write_mark(&mut self, at: StorageKey) {
        self.gathered.put(at.space, at.key.clone(), Vec::new());
        self.pending.add(at, None);
    }

    /// A write of a hint or a mark, or a deletion, was refused: the disk holds what it held before.
    pub(super) fn unkeep(&mut self, written: &Written) {
        match written.at.space {
            Space::Hints if !written.superseded => {
                let Some((target, key)) = hint_parts(&written.at.key) else { return };
                let partition = key.partition();
                self.recount_hint(&target, key, &written.at);
                if written.record.is_some() {
                    self.lose_hint(partition, &target, HintLoss::Storage);
                }
            }
            Space::Meta => self.dirty.refused(&written.at),
            Space::Hints | Space::Records => {}
        }
    }

    fn recount_hint(&mut self, target: &NodeId, key: RecordKey, at: &StorageKey) {
        match self.storage.get(at.space, &at.key) {
            Ok(Some(bytes)) => self.hints.kept(target, key, bytes.len() as u64, since_ms(&bytes)),
            Ok(None) => self.hints.gone(target, &key),
            // It is there, and will be found corrupt when it is handed over.
            Err(_) => {}
        }
    }

    fn next_hints(&mut self, next: &NextHints) -> Result<Vec<Hint>, ReadReplicaError> {
        let Some(waiting) = self.hints.waiting(&next.target) else { return Ok(Vec::new()) };
        let keys: Vec<RecordKey> = match &next.which {
            WhichHints::ByKey(after) => waiting.after(after.as_ref()).take(next.limit).cloned().collect(),
            WhichHints::ByAge { before_ms, after } => {
                let older = waiting.older_than(*before_ms, after.as_ref());
                older.take(next.limit).map(|(_, key)| key.clone()).collect()
            }
        };
        let mut hints = Vec::with_capacity(keys.len());
        for key in keys {
            let at = StorageKey::of(&key, &Slot::HintFor(next.target.clone()));
            // A hint is read once: it must not drive out of the cache what is read often.
            match self.stored(&at) {
                Ok(Some(record)) => hints.push(hint(key, &record)),
                Err(ReadReplicaError::Corrupt) => {
                    // It helps nobody.
                    self.forget_hint(&next.target, &key, at);
                    self.lose_hint(key.partition(), &next.target, HintLoss::Corrupt);
                }
                // Not on disk yet: it comes with the next round.
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(hints)
    }

    fn forget_hint(&mut self, target: &NodeId, key: &RecordKey, at: StorageKey) {
        self.gathered.delete(at.space, at.key.clone());
        self.hints.gone(target, key);
        self.pending.add(at, None);
    }

    fn settle(&mut self, target: &NodeId, hint: &Hint, how: Settlement) {
        let at = StorageKey::of(&hint.key, &Slot::HintFor(target.clone()));
        let unchanged = matches!(self.latest(&at), Ok(Some(record)) if record.siblings == hint.siblings);
        if !unchanged {
            return;
        }
        self.forget_hint(target, &hint.key, at);
        match how {
            Settlement::Delivered | Settlement::Retargeted => {
                self.metrics.hints_delivered.inc();
            }
            Settlement::GivenUp => self.lose_hint(hint.key.partition(), target, HintLoss::TooOld),
        }
    }
}

fn hint(key: RecordKey, record: &Rc<StoredRecord>) -> Hint {
    Hint { key, siblings: record.siblings.clone(), since_ms: record.born.unix_ms() }
}

impl Handler<NextHints> for Node {
    type Result = Result<Vec<Hint>, ReadReplicaError>;

    fn handle(&mut self, next: NextHints, _: &mut Self::Context) -> Self::Result {
        let hints = self.next_hints(&next);
        self.send_off();
        hints
    }
}

impl Handler<SettleHints> for Node {
    type Result = ();

    fn handle(&mut self, SettleHints { target, hints, how }: SettleHints, _: &mut Self::Context) {
        hints.iter().for_each(|hint| self.settle(&target, hint, how));
        self.send_off();
    }
}

impl Handler<CountHints> for Node {
    type Result = Vec<HintsPending>;

    fn handle(&mut self, _: CountHints, _: &mut Self::Context) -> Self::Result {
        self.hints.count()
    }
}

/// Whoever asks also gives another chance to the marks that a full disk has refused.
impl Handler<SurveyHints> for Node {
    type Result = actix::MessageResult<SurveyHints>;

    fn handle(&mut self, _: SurveyHints, _: &mut Self::Context) -> Self::Result {
        for at in self.dirty.take_unsaved() {
            self.write_mark(at);
        }
        self.send_off();
        actix::MessageResult(HintSurvey { waiting: self.hints.survey(), dirty: self.dirty.list() })
    }
}

impl Handler<ForgetDirty> for Node {
    type Result = ();

    fn handle(&mut self, ForgetDirty { ranges }: ForgetDirty, _: &mut Self::Context) {
        for at in ranges.iter().filter_map(|range| self.dirty.forget(range)) {
            self.gathered.delete(at.space, at.key.clone());
            self.pending.add(at, None);
        }
        self.send_off();
    }
}
