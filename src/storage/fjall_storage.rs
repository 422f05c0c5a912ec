//! The engine on a disk: fjall, an LSM tree with values kept apart from their keys.
//!
//! ```text
//! commit ─ check ─ SpaceGate ─ make_room ─ journal append, fdatasync ─ visible to reads
//!            │         │           │
//!         KeySize   DiskFull    Stalled            (nothing applied in any of these)
//! ```
//!
//! It owns the files below its path. It does not decide who commits (`GroupCommit`), nor who may open
//! the path (`DataDirectory`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::{AbstractTree, Database, Keyspace, PersistMode};

use super::contract::PageBuilder;
use super::fjall_errors::{EngineOpenError, commit_error, is_damage, open_error, read_error};
use super::fjall_options::keyspace_options;
use super::journal_tail::{self, Rot};
use super::reclaimer::Reclaimer;
use super::space_gate::{SpaceGate, SpaceRequest};
use super::{
    Batch, CommitError, EngineOptions, MAX_KEY_BYTES, Persist, ReadError, ScanPage, ScanRange, Space, SpaceProbe,
    SpaceReading, Storage, Usage, Write, frame,
};

/// A write buffer is sealed only while fewer than this many sealed ones wait to be flushed. At four,
/// fjall would sleep inside a commit in steps of 100 ms, and for ever if its workers have failed.
pub(super) const MAX_SEALED_BUFFERS: usize = 3;

/// ... and while fewer than this many runs wait in level 0: from 20 on fjall slows commits down, at
/// 30 it stops them.
const MAX_LEVEL_ZERO_RUNS: usize = 20;

/// How often a commit that waits for a flush looks again.
const STALL_STEP: Duration = Duration::from_millis(1);

/// Values up to this many bytes are copied out of the engine's 4 KiB blocks, so that a small value
/// held by a caller does not keep a whole block in memory.
const COPY_BYTES: usize = 4096;

/// The fjall engine. Dropping it stops its threads; unsynced commits reach the operating system.
pub struct FjallStorage {
    /// The first field, so that it is dropped first: its thread works with the others.
    reclaimer: Reclaimer,
    database: Database,
    records: Keyspace,
    hints: Keyspace,
    meta: Keyspace,
    path: PathBuf,
    options: EngineOptions,
    gate: Mutex<SpaceGate>,
    probe: Arc<SpaceProbe>,
    opened_at: Instant,
}

impl FjallStorage {
    /// Opens the engine in the folder `path`, or creates it. Replays what was committed but not yet
    /// in tables.
    ///
    /// # Errors
    ///
    /// See [`EngineOpenError`].
    pub fn open(path: &Path, options: EngineOptions) -> Result<Self, EngineOpenError> {
        let probed = path.to_path_buf();
        Self::open_with_probe(path, options, Box::new(move || probe_device(&probed)))
    }

    /// Like [`open`](Self::open), with another way to learn how much room there is.
    ///
    /// # Errors
    ///
    /// See [`EngineOpenError`].
    pub fn open_with_probe(path: &Path, options: EngineOptions, probe: SpaceProbe) -> Result<Self, EngineOpenError> {
        let failed = |error| open_error(path, error);
        let database = open_database(path, &options)?;
        let keyspace = |space: Space| database.keyspace(space.name(), || keyspace_options(space)).map_err(failed);
        let keyspaces = [keyspace(Space::Records)?, keyspace(Space::Hints)?, keyspace(Space::Meta)?];
        let probe = Arc::new(probe);
        let reclaimer = Reclaimer::new(database.clone(), keyspaces.clone(), Arc::clone(&probe));
        let [records, hints, meta] = keyspaces;
        Ok(Self {
            reclaimer,
            records,
            hints,
            meta,
            database,
            path: path.to_path_buf(),
            gate: Mutex::new(SpaceGate::new(options.reserve_bytes)),
            options,
            probe,
            opened_at: Instant::now(),
        })
    }

    pub(super) const fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::Records => &self.records,
            Space::Hints => &self.hints,
            Space::Meta => &self.meta,
        }
    }

    fn admit(&self, batch: &Batch) -> Result<(), CommitError> {
        let framed = batch.bytes() + batch.len() * frame::FRAME_BYTES;
        let request = SpaceRequest {
            batch_bytes: framed as u64,
            only_deletes: batch.only_deletes(),
            pending_bytes: self.database.write_buffer_size() + self.reclaimer.claimed_bytes(),
        };
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).admit(self.opened_at.elapsed(), request, &**self.probe)
    }

    /// Makes room: turns write buffers into tables, so that their journals can go and garbage is
    /// compacted away. With nothing left to flush the engine does no more by itself: a reclaim does.
    /// The gate has kept room for both. Returns whether a reclaim has begun.
    fn relieve(&self) -> Result<bool, CommitError> {
        for space in Space::ALL {
            let tree = &self.keyspace(space).tree;
            if tree.sealed_memtable_count() == 0 && tree.active_memtable().size() > 0 {
                self.keyspace(space).rotate_memtable().map_err(commit_error)?;
            }
        }
        Ok(self.reclaimer.start())
    }

    /// Seals the write buffers that have grown too large, once the flushes have caught up.
    fn make_room(&self) -> Result<(), CommitError> {
        for space in Space::ALL {
            let keyspace = self.keyspace(space);
            if keyspace.tree.active_memtable().size() > self.options.write_buffer_bytes {
                self.wait_for_flushes(keyspace)?;
                keyspace.rotate_memtable().map_err(commit_error)?;
            }
        }
        Ok(())
    }

    fn wait_for_flushes(&self, keyspace: &Keyspace) -> Result<(), CommitError> {
        let waiting_since = Instant::now();
        while keyspace.tree.sealed_memtable_count() >= MAX_SEALED_BUFFERS
            || keyspace.tree.l0_run_count() >= MAX_LEVEL_ZERO_RUNS
        {
            // Notices workers that have failed: they will not flush any more.
            self.database.persist(PersistMode::Buffer).map_err(commit_error)?;
            let waited = waiting_since.elapsed();
            if waited >= self.options.stall_limit {
                return Err(CommitError::Stalled {
                    write_buffer_bytes: self.database.write_buffer_size(),
                    waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
                });
            }
            std::thread::sleep(STALL_STEP);
        }
        Ok(())
    }

    fn write(&self, batch: &Batch, mode: PersistMode) -> Result<(), CommitError> {
        let mut engine_batch =
            fjall::OwnedWriteBatch::with_capacity(self.database.clone(), batch.len()).durability(Some(mode));
        let mut framed = Vec::new();
        for write in batch.writes() {
            let keyspace = self.keyspace(write.space());
            match write {
                Write::Put { space, key, value } => {
                    frame::seal_into(&mut framed, *space, key, value);
                    engine_batch.insert(keyspace, &key[..], &framed[..]);
                }
                Write::Delete { key, .. } => engine_batch.remove(keyspace, &key[..]),
            }
        }
        engine_batch.commit().map_err(commit_error)
    }

    /// Allocated bytes of the journals. Read from the file system: the engine's own count waits for a
    /// running commit.
    fn journal_bytes(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let Ok(entries) = std::fs::read_dir(&self.path) else {
            return 0;
        };
        entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().extension().is_some_and(|end| end == "jnl"))
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.blocks() * 512)
            .sum()
    }
}

impl Storage for FjallStorage {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        // No such key can be stored; fjall panics when it is asked for a longer one.
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Ok(None);
        }
        self.keyspace(space)
            .get(key)
            .map_err(|error| read_error(space, key, error))?
            .map(|stored| frame::open(space, key, &to_bytes(stored)))
            .transpose()
    }

    fn scan(&self, space: Space, range: ScanRange<'_>, limit: usize) -> Result<ScanPage, ReadError> {
        let mut page = PageBuilder::new(limit);
        let Some(bounds) = range.bounds() else {
            return Ok(page.finish());
        };
        let mut entries = self.keyspace(space).range(bounds);
        while let Some(entry) = if range.descends() { entries.next_back() } else { entries.next() } {
            if page.is_full() {
                return Ok(page.finish_full());
            }
            let (key, value) = open_entry(space, entry).map_err(|error| read_error(space, page.last_key(), error))?;
            page.record(key, value);
        }
        Ok(page.finish())
    }

    fn commit(&self, batch: &Batch, persist: Persist) -> Result<(), CommitError> {
        batch.check()?;
        if batch.is_empty() {
            return match persist {
                Persist::Sync => self.sync(),
                Persist::Buffer => Ok(()),
            };
        }
        if let Err(refused) = self.admit(batch) {
            self.relieve()?;
            return Err(refused);
        }
        self.make_room()?;
        let mode = match persist {
            Persist::Sync => PersistMode::SyncData,
            Persist::Buffer => PersistMode::Buffer,
        };
        self.write(batch, mode)
    }

    fn sync(&self) -> Result<(), CommitError> {
        self.database.persist(PersistMode::SyncData).map_err(commit_error)
    }

    fn collect_garbage(&self) -> bool {
        self.relieve().unwrap_or_else(|error| {
            tracing::warn!(%error, "room that was given up cannot be collected now");
            false
        })
    }

    fn usage(&self) -> Usage {
        let tables: u64 = Space::ALL.iter().map(|space| self.keyspace(*space).disk_space()).sum();
        let write_buffer_bytes = self.database.write_buffer_size();
        let reading = (self.probe)().ok();
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        Usage {
            used_bytes: tables + self.journal_bytes(),
            free_bytes: reading.map_or(u64::MAX, |reading| reading.free_bytes),
            write_buffer_bytes,
            refuses_puts: reading.is_some_and(|reading| gate.refuses_puts(reading, write_buffer_bytes)),
        }
    }
}

fn open_database(path: &Path, options: &EngineOptions) -> Result<Database, EngineOpenError> {
    match journal_tail::repair(path, options.cut_rotten_tail) {
        Ok(None) => {}
        Ok(Some(Rot { journal, offset })) => {
            return Err(EngineOpenError::RottenJournal { journal, offset });
        }
        Err(error) => return Err(open_error(path, error.into())),
    }
    let opened = options.database(path).open();
    opened.map_err(|error| open_error(path, error))
}

/// Key and verified value of a scanned entry; no value when it is damaged.
fn open_entry(space: Space, entry: fjall::Guard) -> fjall::Result<(Bytes, Option<Bytes>)> {
    // An entry whose separated value is unreadable still has a readable key; this is the only way
    // to it.
    let seen = std::cell::RefCell::new(None);
    let read = entry.into_inner_if(|key| {
        *seen.borrow_mut() = Some(Bytes::copy_from_slice(key));
        true
    });
    let value = match (read, seen.into_inner()) {
        (Ok((key, Some(stored))), _) => {
            let key = Bytes::copy_from_slice(&key);
            let value = frame::open(space, &key, &to_bytes(stored)).ok();
            return Ok((key, value));
        }
        (Ok((key, None)), _) => (Bytes::copy_from_slice(&key), None),
        (Err(error), Some(key)) if is_damage(&error) => (key, None),
        (Err(error), _) => return Err(error),
    };
    Ok(value)
}

fn to_bytes(stored: fjall::Slice) -> Bytes {
    if stored.len() <= COPY_BYTES { Bytes::copy_from_slice(&stored) } else { Bytes::from_owner(stored) }
}

fn probe_device(path: &Path) -> io::Result<SpaceReading> {
    let found = rustix::fs::statvfs(path)?;
    Ok(SpaceReading {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        device_bytes: found.f_blocks.saturating_mul(found.f_frsize),
    })
}
