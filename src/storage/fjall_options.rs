//! How the fjall engine is set up, and why with these numbers.

use std::path::Path;
use std::time::Duration;

use fjall::{Database, DatabaseBuilder, KeyspaceCreateOptions, KvSeparationOptions};

use super::Space;
use super::reclaim::{MIN_STALE_PART, REWRITTEN_PART};

const MIB: u64 = 1024 * 1024;

/// Background threads of the engine. One deadlocks under load (the worker waits in `send` on the
/// channel that only it drains); with two, one flushes while the other compacts.
const WORKER_THREADS: usize = 2;

/// The smallest journal limit that fjall accepts, in bytes.
const MIN_JOURNAL_BYTES: u64 = 64 * MIB;

/// What the engine may take of memory and disk.
///
/// With the defaults it takes, beside its indexes and filters, at most the cache (32 MiB) and four
/// write buffers of 16 MiB of a keyspace under load. Beside the items, journals and what waits for
/// compaction take up to about 300 MiB of the device: do not run it on less than 1 GiB.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Bytes of blocks and values kept in memory for reads. The operating system's page cache stands
    /// behind it, so a small one costs little.
    pub cache_bytes: u64,
    /// A keyspace's write buffer is flushed to a table when it is larger than this, in bytes. Smaller
    /// means less memory and a faster start, and more compaction.
    pub write_buffer_bytes: u64,
    /// Journals on disk, in bytes, before the keyspaces that hold them back are flushed. At least
    /// 64 MiB. It bounds what a start has to replay.
    pub journal_bytes: u64,
    /// Bytes of the device that writes leave free, for compaction and recovery. `None`: a tenth of
    /// the device, at most 512 MiB.
    pub reserve_bytes: Option<u64>,
    /// A commit that has waited this long for flushes is refused with
    /// [`CommitError::Stalled`](super::CommitError::Stalled).
    pub stall_limit: Duration,
    /// Open also when the newest journal is damaged before its last batch, and drop what follows.
    /// Right with [`Durability::Interval`](super::Durability::Interval), where a power loss can leave
    /// several torn batches; wrong with `Always`, where it hides that acknowledged puts are lost.
    pub cut_rotten_tail: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 32 * MIB,
            write_buffer_bytes: 16 * MIB,
            journal_bytes: 128 * MIB,
            reserve_bytes: None,
            stall_limit: Duration::from_secs(10),
            cut_rotten_tail: false,
        }
    }
}

impl EngineOptions {
    pub(super) fn database(&self, path: &Path) -> DatabaseBuilder<Database> {
        Database::builder(path)
            .cache_size(self.cache_bytes)
            .worker_threads(WORKER_THREADS)
            .max_journaling_size(self.journal_bytes.max(MIN_JOURNAL_BYTES))
    }
}

/// Records are separated from their keys (from 1 KiB up), which halves the write amplification. Hints
/// and metadata are small or short-lived: a plain tree suits them.
///
/// fjall never rotates a write buffer by itself here: `FjallStorage` does so on the committing thread.
/// fjall's own way queues a rotation with every commit past the limit; when that queue is full, its
/// workers wait for room in the queue that only they drain, and nothing is ever flushed again.
pub(super) fn keyspace_options(space: Space) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default().max_memtable_size(u64::MAX);
    match space {
        Space::Records => {
            let separation = KvSeparationOptions::default();
            let separation = separation.staleness_threshold(MIN_STALE_PART).age_cutoff(REWRITTEN_PART);
            options.with_kv_separation(Some(separation))
        }
        Space::Hints | Space::Meta => options,
    }
}
