//! What anti-entropy knows across restarts: which ranges are dirty, when each was last verified, and whether it is paused.
//!
//! ```text
//!  repair/dirty/PEER 0 PARTITION    marked; gone once the range has been verified
//!  repair/verified/PEER             per partition the instant (ms since the Unix epoch), written now and then
//!  repair/paused                    there while an operator has paused it
//! ```

use std::collections::BTreeMap;

use actix::Message;
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::dynamo::exchange::Schedule;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::PartitionId;
use crate::storage::{Batch, CommitError, CommitOutcome, Committer, ReadError, ScanRange, Space, Storage};

const DIRTY_PREFIX: &[u8] = b"repair/dirty/";
const VERIFIED_PREFIX: &[u8] = b"repair/verified/";
const PAUSED_KEY: &[u8] = b"repair/paused";

/// What was verified is written down once in so many chances: it is a hint for the next life, and no proof.
const WRITE_EVERY: u64 = 15;

/// How many values are read from disk at once at the start.
const LOAD_SLICE: usize = 1024;

/// The committing thread has written marks, or refused them.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct MarksWritten(pub CommitOutcome);

/// Arrives when a mark is on the disk, or says why it is not.
pub(super) type Written = oneshot::Receiver<Result<(), CommitError>>;

/// Writes marks, and remembers who waits for them.
pub(super) struct RepairMarks {
    committer: Box<dyn Committer>,
    last_ticket: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Result<(), CommitError>>>,
    chances: u64,
    written: BTreeMap<NodeId, Bytes>,
}

impl RepairMarks {
    /// Tells the schedule what earlier lives knew.
    pub(super) fn load(
        storage: &dyn Storage,
        committer: Box<dyn Committer>,
        schedule: &mut Schedule,
        now_ms: u64,
    ) -> Result<Self, ReadError> {
        let mut verified = Vec::new();
        for (key, value) in read_all(storage, VERIFIED_PREFIX)? {
            let Some(peer) = peer_named(&key[VERIFIED_PREFIX.len()..]) else { continue };
            verified.extend(decode_verified(&value).map(|(partition, at_ms)| (peer.clone(), partition, at_ms)));
        }
        for (peer, partition, at_ms) in verified {
            schedule.restore(&peer, partition, at_ms, now_ms);
        }
        for (key, _) in read_all(storage, DIRTY_PREFIX)? {
            if let Some((peer, partition)) = decode_dirty(&key[DIRTY_PREFIX.len()..]) {
                schedule.mark_dirty(&peer, partition, now_ms);
            }
        }
        Ok(Self { committer, last_ticket: 0, waiting: BTreeMap::new(), chances: 0, written: BTreeMap::new() })
    }

    /// Marks a range.
    pub(super) fn dirty(&mut self, peer: &NodeId, partition: PartitionId) -> Written {
        let mut batch = Batch::default();
        batch.put(Space::Meta, dirty_key(peer, partition), Bytes::new());
        self.submit_and_wait(batch)
    }

    /// An operator has paused anti-entropy, or lets it go on.
    pub(super) fn paused(&mut self, paused: bool) -> Written {
        let (mut batch, key) = (Batch::default(), Bytes::from_static(PAUSED_KEY));
        if paused {
            batch.put(Space::Meta, key, Bytes::new());
        } else {
            batch.delete(Space::Meta, key);
        }
        self.submit_and_wait(batch)
    }

    /// The range has been verified since.
    pub(super) fn clean(&mut self, peer: &NodeId, partition: PartitionId) {
        let mut batch = Batch::default();
        batch.delete(Space::Meta, dirty_key(peer, partition));
        self.submit(batch);
    }

    /// Writes down, now and then, what has been verified.
    pub(super) fn write_verified(&mut self, schedule: &Schedule) {
        self.chances += 1;
        if !self.chances.is_multiple_of(WRITE_EVERY) {
            return;
        }
        let mut values: BTreeMap<&NodeId, Vec<u8>> = BTreeMap::new();
        for (peer, partition, range) in schedule.ranges() {
            if let Some(at_ms) = range.verified_ms {
                let value = values.entry(peer).or_default();
                value.extend_from_slice(&partition.0.to_be_bytes());
                value.extend_from_slice(&at_ms.to_be_bytes());
            }
        }
        let mut batch = Batch::default();
        for (peer, value) in values {
            let value = Bytes::from(value);
            if self.written.get(peer) != Some(&value) {
                batch.put(Space::Meta, [VERIFIED_PREFIX, peer.as_str().as_bytes()].concat(), value.clone());
                self.written.insert(peer.clone(), value);
            }
        }
        if !batch.is_empty() {
            self.submit(batch);
        }
    }

    pub(super) fn written(&mut self, outcome: &CommitOutcome) {
        let waiting = std::mem::take(&mut self.waiting);
        for (ticket, sender) in waiting {
            if ticket > outcome.last {
                self.waiting.insert(ticket, sender);
                continue;
            }
            // Whoever marked may have gone.
            let _ = sender.send(outcome.result.clone());
        }
    }

    fn submit_and_wait(&mut self, batch: Batch) -> Written {
        let (sender, written) = oneshot::channel();
        self.submit(batch);
        self.waiting.insert(self.last_ticket, sender);
        written
    }

    fn submit(&mut self, batch: Batch) {
        self.last_ticket += 1;
        self.committer.submit(self.last_ticket, batch);
    }
}

/// Whether an earlier life was paused. A mark that has rotted is a mark all the same.
pub(super) fn was_paused(storage: &dyn Storage) -> Result<bool, ReadError> {
    match storage.get(Space::Meta, PAUSED_KEY) {
        Ok(mark) => Ok(mark.is_some()),
        Err(ReadError::Corrupt { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

fn read_all(storage: &dyn Storage, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, ReadError> {
    let (mut entries, mut after) = (Vec::new(), None::<Bytes>);
    loop {
        let all = ScanRange::prefix(prefix);
        let page = storage.scan(Space::Meta, after.as_deref().map_or(all, |last| all.after(last)), LOAD_SLICE)?;
        entries.extend(page.entries);
        // A mark that has rotted is a mark all the same: its name says it.
        entries.extend(page.corrupt.into_iter().map(|key| (key, Bytes::new())));
        match page.resume_after {
            Some(last) => after = Some(last),
            None => return Ok(entries),
        }
    }
}

fn dirty_key(peer: &NodeId, partition: PartitionId) -> Bytes {
    Bytes::from([DIRTY_PREFIX, peer.as_str().as_bytes(), &[0], &partition.0.to_be_bytes()].concat())
}

fn decode_dirty(rest: &[u8]) -> Option<(NodeId, PartitionId)> {
    let (name, partition) = rest.split_last_chunk::<4>()?;
    Some((peer_named(name.strip_suffix(&[0])?)?, PartitionId(u32::from_be_bytes(*partition))))
}

fn decode_verified(value: &[u8]) -> impl Iterator<Item = (PartitionId, u64)> {
    let (entries, _) = value.as_chunks::<12>();
    entries
        .iter()
        .map(|[a, b, c, d, at_ms @ ..]| (PartitionId(u32::from_be_bytes([*a, *b, *c, *d])), u64::from_be_bytes(*at_ms)))
}

fn peer_named(name: &[u8]) -> Option<NodeId> {
    NodeId::new(std::str::from_utf8(name).ok()?).ok()
}
