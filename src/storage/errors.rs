//! What can go wrong, one enum per operation. Each variant says what happened to the data.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Space;

/// A read that gave no answer. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// What is stored is not what was written: a flipped bit, or another key's value.
    #[error("{} key {key_hex} is damaged on disk: repair it from another replica", space.name())]
    Corrupt {
        /// The keyspace.
        space: Space,
        /// The key in hexadecimal; for a scan that met an unreadable index block, the last key
        /// before it.
        key_hex: String,
    },
    /// The device or the file system failed. The value may be intact.
    #[error("reading {} failed: {source}", space.name())]
    Io {
        /// The keyspace.
        space: Space,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl ReadError {
    pub(super) fn corrupt(space: Space, key: &[u8]) -> Self {
        Self::Corrupt { space, key_hex: hex::encode(key) }
    }
}

/// A commit that was not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing was applied: writing on would eat the room that flushes and compactions need.
    /// Writes resume by themselves when space has been freed.
    #[error(
        "disk full, nothing written: {free_bytes} bytes free, {reserve_bytes} are kept in reserve; free space or add nodes"
    )]
    DiskFull {
        /// Bytes free on the device, less what the engine has yet to flush.
        free_bytes: u64,
        /// Bytes that must stay free before writes are taken again.
        reserve_bytes: u64,
    },
    /// Nothing was applied: an earlier write failed, and the engine takes no more until it is opened
    /// again. The node must stop and start.
    #[error("nothing written: an earlier write failed and the engine is read-only; restart the node")]
    ReadOnly,
    /// Nothing was applied: the engine has not flushed its write buffers in time. Try again later.
    #[error(
        "nothing written: {write_buffer_bytes} bytes wait to be flushed since {waited_ms} ms; the disk is too slow"
    )]
    Stalled {
        /// Bytes in memory that are not yet in tables.
        write_buffer_bytes: u64,
        /// Milliseconds that the commit waited.
        waited_ms: u64,
    },
    /// Nothing was applied: a key is empty or too long.
    #[error("nothing written: a key of {key_bytes} bytes (1 to 65535 are allowed)")]
    KeySize {
        /// Length of the key in bytes.
        key_bytes: usize,
    },
    /// Nothing was applied: a value is too long.
    #[error("nothing written: a value of {value_bytes} bytes (at most 64 MiB are allowed)")]
    ValueSize {
        /// Length of the value in bytes.
        value_bytes: usize,
    },
    /// Nothing was applied: the commit thread has been shut down.
    #[error("nothing written: the storage thread has been shut down")]
    Closed,
    /// Unknown whether it was applied, or will be after a restart. The node must stop.
    #[error("writing failed, it may or may not have been applied: {source}; restart the node")]
    Io {
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl CommitError {
    pub(super) fn io(source: io::Error) -> Self {
        Self::Io { source: Arc::new(source) }
    }

    /// Whether the engine cannot be written to any more, so that the node must stop (crash-only).
    #[must_use]
    pub const fn must_stop(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::ReadOnly)
    }

    /// Whether the batch is known not to be applied, now or after a restart.
    #[must_use]
    pub const fn nothing_applied(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }
}

/// A data directory that was not opened. Whatever was in it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock.
    #[error("{} is in use by another process: stop it, or choose another data directory", path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// A later release wrote it.
    #[error("{} has format {found}, this release reads up to {supported}: install a release that reads format {found}", path.display())]
    NewerFormat {
        /// The data directory.
        path: PathBuf,
        /// Its format version.
        found: u64,
        /// The newest format version that this release reads.
        supported: u64,
    },
    /// It belongs to a node of another name.
    #[error("{} belongs to node {found:?}, not to {expected:?}: correct node.name or node.data_dir", path.display())]
    OtherNode {
        /// The data directory.
        path: PathBuf,
        /// The node that it belongs to.
        found: String,
        /// The node that asked for it.
        expected: String,
    },
    /// The file system is mounted read-only.
    #[error("{} is on a read-only file system: remount it writable", path.display())]
    ReadOnly {
        /// The data directory, or the file in it that was to be written.
        path: PathBuf,
    },
    /// This user may not write there.
    #[error("no permission for {}: give it to the user that runs the node (chown, chmod 0700)", path.display())]
    PermissionDenied {
        /// The data directory, or the file in it that was refused.
        path: PathBuf,
    },
    /// Something else than a directory is in the way.
    #[error("{} is not a directory: choose another path, or move the file away", path.display())]
    NotADirectory {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The identity file cannot be understood.
    #[error("{} is damaged ({reason}): restore the file from a backup, or start the node on an empty directory and let it copy its partitions from the others", path.display())]
    CorruptIdentity {
        /// The identity file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory holds files, but no identity: it is not a data directory.
    #[error("{} is not empty and not a data directory (it holds {found:?}): choose an empty one", path.display())]
    NotOurs {
        /// The path that was asked for.
        path: PathBuf,
        /// One of the entries in the way.
        found: String,
    },
    /// The device, the file system or the system's random source failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// Names the cause that an operator can act on, if `source` shows one.
    pub(super) fn from_io(path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { path },
            io::ErrorKind::NotADirectory => Self::NotADirectory { path },
            _ => Self::Io { path, source },
        }
    }
}

/// A state file that was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// Nothing is known of its contents.
    #[error("reading {} failed: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds either its old or its new contents, whole.
    #[error("writing {} failed, it holds its old or its new contents: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
