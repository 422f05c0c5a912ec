//! The replicated log on this node's disk: written in order, one batch at a time, and tried again where the disk had no room.
//!
//! ```text
//!  log/id              the number under which this node takes part, where that is not its directory's id
//!  log/hard            term, vote, commit
//!  log/snapshot        the state that the dropped entries led to
//!  log/entry/INDEX     the entries behind it (8 bytes, big endian)
//! ```

use std::collections::{BTreeMap, VecDeque};

use actix::Message;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::consensus::{Change, Electorate, Entry, LogGroup, Snapshot, Stored};
use crate::dynamo::node_id::NodeId;
use crate::messages::cluster::FoundedCluster;
use crate::metadata::{Enrolled, Metadata};
use crate::storage::{Batch, CommitOutcome, Committer, ReadError, ScanRange, Space, Storage};

const ID_KEY: &[u8] = b"log/id";
const HARD_KEY: &[u8] = b"log/hard";
const SNAPSHOT_KEY: &[u8] = b"log/snapshot";
const ENTRY_PREFIX: &[u8] = b"log/entry/";

/// The committing thread has written a part of the log, or refused it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct LogWritten(pub CommitOutcome);

/// What the disk holds of the log.
pub(super) struct LoadedLog {
    /// The number under which this node takes part.
    pub(super) id: u64,
    pub(super) stored: Stored,
    /// It has just begun, and is not on the disk yet.
    pub(super) is_new: bool,
}

/// Writes the log.
pub(super) struct LogOnDisk {
    committer: Box<dyn Committer>,
    last_ticket: u64,
    /// What is to be written, the oldest first; the first is on its way if `writing`.
    queue: VecDeque<(Batch, Option<u64>)>,
    writing: bool,
    /// The entries that are on the disk once all of the queue is there: from the first up to, and without, the second.
    entries: (u64, u64),
}

impl LogOnDisk {
    /// Reads what earlier lives left. A log that is damaged counts as none: this node takes part under the number `fresh` then.
    pub(super) fn load(
        storage: &dyn Storage,
        committer: Box<dyn Committer>,
        founded: &FoundedCluster,
        node: &NodeId,
        directory: u64,
        state: Bytes,
        fresh: u64,
    ) -> Result<(Self, LoadedLog), ReadError> {
        let mut disk = Self { committer, last_ticket: 0, queue: VecDeque::new(), writing: false, entries: (0, 0) };
        let (found, is_damaged) = read_log(storage)?;
        let own_id = read::<u64>(storage, ID_KEY)?;
        let id = own_id.unwrap_or(directory);
        let begins_with_all =
            own_id.is_none() && founded.joined.is_none() && founded.log_ids.get(node) == Some(&directory);
        disk.entries = found.extent;
        let loaded = match found.stored {
            Some(stored) if !is_damaged => LoadedLog { id, stored, is_new: false },
            None if begins_with_all && !is_damaged => {
                LoadedLog { id, stored: LogGroup::genesis(first_electorate(founded), state), is_new: true }
            }
            None if !is_damaged => LoadedLog { id, stored: Stored::default(), is_new: false },
            _ => {
                disk.forget(fresh);
                LoadedLog { id: fresh, stored: Stored::default(), is_new: false }
            }
        };
        if loaded.is_new {
            let hard = loaded.stored.hard;
            disk.write(vec![Change::Restore(loaded.stored.snapshot.clone()), Change::Hard(hard)], None);
        }
        Ok((disk, loaded))
    }

    /// Nothing of the log is believed any more; from now on this node takes part under another number.
    pub(super) fn forget(&mut self, id: u64) {
        let mut batch = Batch::default();
        batch.demand_sync();
        batch.put(Space::Meta, Bytes::from_static(ID_KEY), bytes_of(&id));
        batch.delete(Space::Meta, Bytes::from_static(HARD_KEY));
        batch.delete(Space::Meta, Bytes::from_static(SNAPSHOT_KEY));
        self.delete_entries(&mut batch, self.entries.0..self.entries.1);
        self.entries = (0, 0);
        // What was still to be written belongs to what is forgotten, and so does whoever waits for it.
        self.queue.truncate(usize::from(self.writing));
        self.queue.iter_mut().for_each(|(_, then)| *then = None);
        self.queue.push_back((batch, None));
        self.write_next();
    }

    /// Writes changes behind all that was to be written before.
    pub(super) fn write(&mut self, changes: Vec<Change>, then: Option<u64>) {
        let mut batch = Batch::default();
        batch.demand_sync();
        for change in changes {
            self.add(&mut batch, change);
        }
        self.queue.push_back((batch, then));
        self.write_next();
    }

    fn add(&mut self, batch: &mut Batch, change: Change) {
        match change {
            Change::Hard(hard) => batch.put(Space::Meta, Bytes::from_static(HARD_KEY), bytes_of(&hard)),
            Change::Restore(snapshot) => {
                self.delete_entries(batch, self.entries.0..self.entries.1);
                self.entries = (snapshot.index + 1, snapshot.index + 1);
                batch.put(Space::Meta, Bytes::from_static(SNAPSHOT_KEY), bytes_of(&snapshot));
            }
            Change::Compact(snapshot) => {
                let end = (snapshot.index + 1).min(self.entries.1);
                self.delete_entries(batch, self.entries.0..end);
                self.entries.0 = snapshot.index + 1;
                self.entries.1 = self.entries.1.max(self.entries.0);
                batch.put(Space::Meta, Bytes::from_static(SNAPSHOT_KEY), bytes_of(&snapshot));
            }
            Change::Append(entries) => {
                let Some((first, last)) = entries.first().zip(entries.last()) else { return };
                self.delete_entries(batch, last.index + 1..self.entries.1);
                self.entries = (self.entries.0.min(first.index).max(1), last.index + 1);
                for entry in &entries {
                    batch.put(Space::Meta, entry_key(entry.index), bytes_of(entry));
                }
            }
        }
    }

    fn delete_entries(&self, batch: &mut Batch, indexes: std::ops::Range<u64>) {
        indexes.for_each(|index| batch.delete(Space::Meta, entry_key(index)));
    }

    /// One batch at a time: a later one must not be on the disk where an earlier one was refused.
    pub(super) fn write_next(&mut self) {
        if self.writing {
            return;
        }
        if let Some((batch, _)) = self.queue.front() {
            self.last_ticket += 1;
            self.writing = true;
            self.committer.submit(self.last_ticket, batch.clone());
        }
    }

    /// What waits for the batch that has been written; `None` where it was refused: it is tried again at the next [`write_next`](Self::write_next).
    pub(super) fn written(&mut self, outcome: &CommitOutcome) -> Option<u64> {
        self.writing = false;
        if outcome.result.is_err() {
            return None;
        }
        let then = self.queue.pop_front().and_then(|(_, then)| then);
        self.write_next();
        then
    }
}

/// The metadata as the last snapshot has them: what is known before the log has been read.
pub fn stored_metadata(storage: &dyn Storage) -> Result<Option<Metadata>, ReadError> {
    let snapshot: Option<Snapshot> = read(storage, SNAPSHOT_KEY)?;
    Ok(snapshot.and_then(|snapshot| Metadata::from_bytes(&snapshot.state)))
}

/// Those who take part from the beginning: all members, the first of them by name as voters.
fn first_electorate(founded: &FoundedCluster) -> Electorate {
    let ids: Vec<u64> = founded.log_ids.values().copied().collect();
    let (voters, learners) = ids.split_at(ids.len().min(crate::consensus::VOTERS_MAX));
    let sorted = |ids: &[u64]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    Electorate { voters: sorted(voters), learners: sorted(learners) }
}

struct FoundLog {
    /// `None`: there is nothing.
    stored: Option<Stored>,
    extent: (u64, u64),
}

/// What is there, and whether it is damaged.
fn read_log(storage: &dyn Storage) -> Result<(FoundLog, bool), ReadError> {
    let mut is_damaged = false;
    let snapshot: Option<Snapshot> = read_or_note(storage, SNAPSHOT_KEY, &mut is_damaged)?;
    let hard = read_or_note(storage, HARD_KEY, &mut is_damaged)?;
    let page = storage.scan(Space::Meta, ScanRange::prefix(ENTRY_PREFIX), usize::MAX)?;
    is_damaged |= !page.corrupt.is_empty();
    let keys = page.entries.iter().map(|(key, _)| key).chain(&page.corrupt);
    let indexes: Vec<u64> = keys.filter_map(|key| entry_index(key)).collect();
    let extent = indexes.iter().min().zip(indexes.iter().max()).map_or((0, 0), |(first, last)| (*first, last + 1));
    let decoded = page.entries.iter().map(|(_, value)| rmp_serde::from_slice::<Entry>(value));
    let entries: Vec<Entry> = decoded.map_while(Result::ok).collect();
    let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.index);
    let has_gap = (after + 1..).zip(&entries).any(|(index, entry)| index != entry.index);
    is_damaged |= has_gap || entries.len() < page.entries.len() || snapshot.is_some() != hard.is_some();
    let stored = snapshot.zip(hard).map(|(snapshot, hard)| Stored { hard, snapshot, entries });
    let extent = if extent == (0, 0) { (after + 1, after + 1) } else { extent };
    Ok((FoundLog { stored, extent }, is_damaged))
}

fn read<T: DeserializeOwned>(storage: &dyn Storage, key: &[u8]) -> Result<Option<T>, ReadError> {
    let mut is_damaged = false;
    read_or_note(storage, key, &mut is_damaged)
}

fn read_or_note<T: DeserializeOwned>(
    storage: &dyn Storage,
    key: &[u8],
    is_damaged: &mut bool,
) -> Result<Option<T>, ReadError> {
    let bytes = match storage.get(Space::Meta, key) {
        Err(ReadError::Corrupt { .. }) => {
            *is_damaged = true;
            None
        }
        other => other?,
    };
    let value = bytes.as_deref().map(rmp_serde::from_slice).transpose();
    *is_damaged |= value.is_err();
    Ok(value.unwrap_or_default())
}

fn bytes_of<T: Serialize>(value: &T) -> Bytes {
    // Plain values: serialising them into memory cannot fail.
    Bytes::from(rmp_serde::to_vec(value).unwrap_or_default())
}

fn entry_key(index: u64) -> Bytes {
    Bytes::from([ENTRY_PREFIX, &index.to_be_bytes()].concat())
}

fn entry_index(key: &[u8]) -> Option<u64> {
    let index = key.strip_prefix(ENTRY_PREFIX)?;
    index.try_into().ok().map(u64::from_be_bytes)
}

/// What is known of every number in the log: whose it is.
pub(super) fn by_number(members: &BTreeMap<NodeId, Enrolled>) -> BTreeMap<u64, NodeId> {
    members.iter().map(|(node, member)| (member.log_id, node.clone())).collect()
}
