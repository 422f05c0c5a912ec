//! The engine in memory, whose disk can be made to fail.
//!
//! ```text
//! commit ──▶ current (what reads see)  +  unsynced batches, in order
//! sync   ──▶ durable = current, no unsynced batches
//! crash  ──▶ current = durable + the whole batches at the front of what is left of the journal
//! ```
//!
//! A handle is a cable to the disk: clones share it, so the disk outlives the node that wrote to it.
//! Everything happens on the caller's thread and nothing depends on time, so a simulation replays
//! exactly.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::contract::PageBuilder;
use super::memory_journal::{self, JournalWrite};
use super::{Batch, CommitError, Persist, ReadError, ScanPage, ScanRange, Space, Storage, Usage, Write, frame};

/// Keys to frames. One map for all spaces would let a scan run from one into the next.
type Tables = BTreeMap<Space, BTreeMap<Bytes, Bytes>>;

/// A disk in memory. Clones are handles to the same disk.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Default)]
struct Disk {
    /// What reads see.
    current: Tables,
    /// What a crash cannot take away.
    durable: Tables,
    /// Batches since the last sync, oldest first.
    unsynced: Vec<Vec<JournalWrite>>,
    full: bool,
    /// The next commit or sync fails, and leaves open what became of it.
    failing: bool,
    /// One has failed: nothing is taken until the engine is opened again.
    read_only: bool,
}

impl MemoryStorage {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The power fails and comes back: the engine is opened again on what the disk has kept.
    ///
    /// All that was synced is kept. Of what was not, the disk keeps nothing in half of the cases and
    /// else a front part, as `seed` decides. With `tear` that part may end within a batch, which
    /// recovery then drops whole; without, it ends between two batches.
    pub fn crash(&self, seed: u64, tear: bool) {
        let mut disk = self.lock();
        let journal = disk.surviving_journal(&mut StdRng::seed_from_u64(seed), tear);
        disk.unsynced.clear();
        for batch in memory_journal::decode(&journal) {
            apply(&mut disk.durable, &batch);
        }
        disk.current = disk.durable.clone();
        disk.failing = false;
        disk.read_only = false;
    }

    /// Another disk with the same contents: what a crash at this instant could not take away.
    #[must_use]
    pub fn copy(&self) -> Self {
        let durable = self.lock().durable.clone();
        let disk = Disk { current: durable.clone(), durable, ..Disk::default() };
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Flips one bit of the stored value of `key`, wherever it is stored. Returns whether there was
    /// one.
    pub fn corrupt(&self, space: Space, key: &[u8]) -> bool {
        self.alter(space, key, |frame| {
            let mut bytes = frame.to_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            Bytes::from(bytes)
        })
    }

    /// Makes reads of `key` find the stored value of `other`, as a misdirected write would. Returns
    /// whether both were there.
    pub fn misdirect(&self, space: Space, key: &[u8], other: &[u8]) -> bool {
        let found = self.lock().table(space).and_then(|t| t.get(other)).cloned();
        found.is_some_and(|frame| self.alter(space, key, |_| frame.clone()))
    }

    /// Lets the disk be full, or not: while it is, commits with a put in them are refused and
    /// nothing of them is applied.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// Makes the next commit or sync fail with an I/O error. Whether its writes survive is decided by
    /// the next [`crash`](Self::crash); until then the engine takes no more writes.
    pub fn fail_next_write(&self) {
        self.lock().failing = true;
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alter(&self, space: Space, key: &[u8], change: impl Fn(&Bytes) -> Bytes) -> bool {
        let mut disk = self.lock();
        let Disk { current, durable, unsynced, .. } = &mut *disk;
        let journalled = unsynced
            .iter_mut()
            .flatten()
            .filter(|(s, k, _)| *s == space && k == key)
            .filter_map(|(_, _, frame)| frame.as_mut());
        for frame in journalled {
            *frame = change(frame);
        }
        let mut found = false;
        for tables in [durable, current] {
            if let Some(frame) = tables.get_mut(&space).and_then(|t| t.get_mut(key)) {
                *frame = change(frame);
                found = true;
            }
        }
        found
    }
}

impl Disk {
    fn table(&self, space: Space) -> Option<&BTreeMap<Bytes, Bytes>> {
        self.current.get(&space)
    }

    fn surviving_journal(&self, rng: &mut StdRng, tear: bool) -> Vec<u8> {
        let mut journal = Vec::new();
        let mut ends = vec![0];
        for batch in &self.unsynced {
            memory_journal::encode(&mut journal, batch);
            ends.push(journal.len());
        }
        let kept_bytes = match (rng.random_bool(0.5), tear) {
            (true, _) => 0,
            (false, true) => rng.random_range(0..=journal.len()),
            (false, false) => ends[rng.random_range(0..ends.len())],
        };
        journal.truncate(kept_bytes);
        journal
    }

    fn refuse_if_broken(&mut self) -> Result<(), CommitError> {
        if self.read_only {
            return Err(CommitError::ReadOnly);
        }
        self.read_only = std::mem::take(&mut self.failing);
        if self.read_only {
            return Err(CommitError::io(io::Error::other("simulated device failure")));
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), CommitError> {
        self.refuse_if_broken()?;
        for batch in std::mem::take(&mut self.unsynced) {
            apply(&mut self.durable, &batch);
        }
        Ok(())
    }

    fn commit(&mut self, batch: &Batch, persist: Persist) -> Result<(), CommitError> {
        if self.full && !batch.only_deletes() {
            return Err(CommitError::DiskFull { free_bytes: 0, reserve_bytes: 1 });
        }
        let writes: Vec<_> = batch.writes().iter().map(journal_write).collect();
        if self.failing && !self.read_only {
            // Written to the journal perhaps, never visible: the crash decides.
            self.unsynced.push(writes);
            return self.refuse_if_broken();
        }
        self.refuse_if_broken()?;
        apply(&mut self.current, &writes);
        self.unsynced.push(writes);
        match persist {
            Persist::Sync => self.sync(),
            Persist::Buffer => Ok(()),
        }
    }
}

impl Storage for MemoryStorage {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let stored = self.lock().table(space).and_then(|t| t.get(key)).cloned();
        stored.map(|bytes| frame::open(space, key, &bytes)).transpose()
    }

    fn scan(&self, space: Space, range: ScanRange<'_>, limit: usize) -> Result<ScanPage, ReadError> {
        let mut page = PageBuilder::new(limit);
        let disk = self.lock();
        let (Some(bounds), Some(table)) = (range.bounds(), disk.table(space)) else {
            return Ok(page.finish());
        };
        let mut entries = table.range::<[u8], _>((as_slice(&bounds.0), as_slice(&bounds.1)));
        while let Some((key, stored)) = if range.descends() { entries.next_back() } else { entries.next() } {
            if page.is_full() {
                return Ok(page.finish_full());
            }
            page.record(key.clone(), frame::open(space, key, stored).ok());
        }
        Ok(page.finish())
    }

    fn commit(&self, batch: &Batch, persist: Persist) -> Result<(), CommitError> {
        batch.check()?;
        self.lock().commit(batch, persist)
    }

    fn sync(&self) -> Result<(), CommitError> {
        self.lock().sync()
    }

    fn usage(&self) -> Usage {
        let disk = self.lock();
        let stored = disk.current.values().flatten();
        let unsynced = disk.unsynced.iter().flatten();
        Usage {
            used_bytes: stored.map(|(key, frame)| (key.len() + frame.len()) as u64).sum(),
            free_bytes: if disk.full { 0 } else { u64::MAX },
            refuses_puts: disk.full,
            write_buffer_bytes: unsynced
                .map(|(_, key, frame)| (key.len() + frame.as_ref().map_or(0, Bytes::len)) as u64)
                .sum(),
        }
    }
}

fn journal_write(write: &Write) -> JournalWrite {
    match write {
        Write::Put { space, key, value } => (*space, key.clone(), Some(frame::seal(*space, key, value))),
        Write::Delete { space, key } => (*space, key.clone(), None),
    }
}

fn apply(tables: &mut Tables, writes: &[JournalWrite]) {
    for (space, key, frame) in writes {
        let table = tables.entry(*space).or_default();
        match frame {
            Some(frame) => table.insert(key.clone(), frame.clone()),
            None => table.remove(key),
        };
    }
}

fn as_slice(bound: &std::ops::Bound<Vec<u8>>) -> std::ops::Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}
