//! Collects garbage on a full device, or where much has been deleted, on a thread of its own.
//!
//! ```text
//! commit refused, or asked to; all flushed ─▶ ReclaimSchedule ─▶ thread: let go ─ compact ─ let go ─▶ log
//! ```
//!
//! Reads go on meanwhile, and deletes while there is room for them beside the compaction. What is there
//! to collect: values that were overwritten or deleted in tables that were never merged; value files in
//! which nothing is in use any more, which fjall drops one compaction later than it could; and files of
//! superseded versions, see `let_go`.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use fjall::{AbstractTree, Database, Keyspace};

use super::fjall_storage::MAX_SEALED_BUFFERS;
use super::reclaim::{ReclaimSchedule, Situation, ValueFile, has_room, room_needed};
use super::space_gate::{SpaceProbe, SpaceReading};

/// A key that no one uses, for a delete that deletes nothing.
const NOTHING: &[u8] = b"reclaim";

/// Starts reclaims. Dropping it waits for a running one, which may take as long as one compaction.
pub(super) struct Reclaimer {
    collector: Arc<Collector>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread works with.
struct Collector {
    database: Database,
    records: Keyspace,
    hints: Keyspace,
    meta: Keyspace,
    probe: Arc<SpaceProbe>,
    created_at: Instant,
    schedule: Mutex<ReclaimSchedule>,
    /// Room that the running compaction may take, with what it has already taken.
    claimed_bytes: AtomicU64,
    is_stopping: AtomicBool,
}

impl Reclaimer {
    pub(super) fn new(database: Database, [records, hints, meta]: [Keyspace; 3], probe: Arc<SpaceProbe>) -> Self {
        let collector = Arc::new(Collector {
            database,
            records,
            hints,
            meta,
            probe,
            created_at: Instant::now(),
            schedule: Mutex::default(),
            claimed_bytes: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
        });
        Self { collector, thread: Mutex::default() }
    }

    /// Starts a reclaim, unless one is running or it would be of no use. Returns whether it has.
    pub(super) fn start(&self) -> bool {
        let Ok(situation) = self.collector.situation() else {
            return false;
        };
        if !self.collector.schedule().start(self.collector.created_at.elapsed(), situation) {
            return false;
        }
        let collector = Arc::clone(&self.collector);
        let started = std::thread::Builder::new().name("reclaim".to_owned()).spawn(move || collector.run(situation));
        match started {
            Ok(thread) => {
                self.keep(Some(thread));
                true
            }
            Err(error) => {
                tracing::error!(%error, "no thread to collect garbage with");
                self.collector.schedule().end(self.collector.created_at.elapsed(), situation);
                false
            }
        }
    }

    /// Free bytes that are not for others, because the running compaction may take them.
    pub(super) fn claimed_bytes(&self) -> u64 {
        self.collector.claimed_bytes.load(Ordering::Relaxed)
    }

    /// Waits for the thread before, which has reported its end if there is a new one, but may not yet
    /// have let go of the engine.
    fn keep(&self, thread: Option<JoinHandle<()>>) {
        let before = std::mem::replace(&mut *self.thread.lock().unwrap_or_else(PoisonError::into_inner), thread);
        if before.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the reclaim thread panicked");
        }
    }
}

impl Drop for Reclaimer {
    fn drop(&mut self) {
        self.collector.is_stopping.store(true, Ordering::Relaxed);
        self.keep(None);
    }
}

impl Collector {
    fn run(&self, situation: Situation) {
        tracing::info!(free_bytes = situation.free_bytes, "collecting garbage");
        let started_at = Instant::now();
        if let Err(error) = self.collect() {
            tracing::error!(%error, "garbage could not be collected");
        }
        // A device that cannot be asked any more counts as one on which nothing was freed.
        let situation = self.situation().unwrap_or(situation);
        let freed_bytes = self.schedule().end(self.created_at.elapsed(), situation);
        let took_ms = u64::try_from(started_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(freed_bytes, free_bytes = situation.free_bytes, took_ms, "garbage collected");
    }

    fn collect(&self) -> fjall::Result<()> {
        self.let_go()?;
        for keyspace in [&self.hints, &self.meta, &self.records] {
            // The first compaction finds out what is not in use any more; files with separated values
            // that it finds are dropped and rewritten by the second.
            let times = if keyspace.is_kv_separated() { 2 } else { 1 };
            for _ in 0..times {
                if has_garbage(keyspace) {
                    let needed_bytes = compaction_bytes(keyspace)?;
                    self.claimed_bytes.store(needed_bytes, Ordering::Relaxed);
                    let compacted = self.compact(keyspace, needed_bytes);
                    self.claimed_bytes.store(0, Ordering::Relaxed);
                    compacted?;
                }
            }
        }
        Ok(())
    }

    /// Deletes the files of superseded versions. fjall keeps a version of a tree, with all its files,
    /// until a write that came later has been sealed, and no longer looks when writes stop: so this is
    /// such a write.
    fn let_go(&self) -> fjall::Result<()> {
        // With more sealed buffers fjall would wait for flushes, for ever if they fail.
        if self.meta.tree.sealed_memtable_count() < MAX_SEALED_BUFFERS {
            self.meta.remove(NOTHING)?;
            self.meta.rotate_memtable()?;
        }
        Ok(())
    }

    fn compact(&self, keyspace: &Keyspace, needed_bytes: u64) -> fjall::Result<()> {
        let situation = self.situation()?;
        if !has_room(needed_bytes, situation) {
            let (keyspace, free_bytes) = (&**keyspace.name(), situation.free_bytes);
            tracing::warn!(keyspace, needed_bytes, free_bytes, "too little room to collect garbage");
        } else if !self.is_stopping.load(Ordering::Relaxed) {
            keyspace.major_compact()?;
            self.let_go()?;
        }
        Ok(())
    }

    fn situation(&self) -> io::Result<Situation> {
        let SpaceReading { free_bytes, .. } = (self.probe)()?;
        // Not of the metadata: `let_go` writes there.
        let last_write = self.records.tree.get_highest_seqno().max(self.hints.tree.get_highest_seqno());
        Ok(Situation {
            free_bytes,
            unflushed_bytes: self.database.write_buffer_size(),
            is_compacting: self.database.active_compactions() > 0,
            last_write,
        })
    }

    fn schedule(&self) -> MutexGuard<'_, ReclaimSchedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is something that a compaction could find: the last level holds each key once.
fn has_garbage(keyspace: &Keyspace) -> bool {
    let version = keyspace.tree.current_version();
    let above_last_level = version.level_count() - 1;
    version.iter_levels().take(above_last_level).any(|level| !level.is_empty()) || keyspace.tree.stale_blob_bytes() > 0
}

/// The most that a compaction of the whole keyspace takes before it gives anything back.
fn compaction_bytes(keyspace: &Keyspace) -> fjall::Result<u64> {
    let version = keyspace.tree.current_version();
    let mut live_bytes = BTreeMap::<_, u64>::new();
    for table in version.iter_tables() {
        for file in table.list_blob_file_references()?.unwrap_or_default() {
            *live_bytes.entry(file.blob_file_id).or_default() += file.on_disk_bytes;
        }
    }
    // Ids grow, so the oldest comes first.
    let mut files = Vec::new();
    for (id, live_bytes) in live_bytes {
        if let Some(file) = version.blob_files.get(id) {
            files.push(ValueFile { bytes: std::fs::metadata(file.path())?.len(), live_bytes });
        }
    }
    let table_bytes = version.iter_levels().map(|level| level.size()).sum();
    Ok(room_needed(table_bytes, &files))
}
