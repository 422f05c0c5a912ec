//! What fjall says, in the words of the storage contract.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::LsmError;

use super::{CommitError, ReadError, Space};

/// An engine that was not opened.
#[derive(Debug, thiserror::Error)]
pub enum EngineOpenError {
    /// Another process has it open. It is as it was.
    #[error("the engine in {} is in use by another process", path.display())]
    Locked {
        /// The engine's folder.
        path: PathBuf,
    },
    /// The device or the file system failed. The files are as a crash would have left them.
    #[error("opening the engine in {} failed: {source}", path.display())]
    Io {
        /// The engine's folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A journal is damaged before batches that may have been acknowledged. Nothing was changed.
    #[error("{} is damaged at byte {offset}: move the data directory away and let the node copy its partitions from the others", journal.display())]
    RottenJournal {
        /// The damaged file.
        journal: PathBuf,
        /// Where the first damaged batch begins, in bytes.
        offset: u64,
    },
    /// Its files are damaged, or of an unknown version. Nothing was changed that was acknowledged.
    #[error("the engine in {} is damaged: {source}; move the data directory away and let the node copy its partitions from the others", path.display())]
    Damaged {
        /// The engine's folder.
        path: PathBuf,
        /// What the engine said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The engine's error as an I/O error, when the device caused it.
fn into_io(error: fjall::Error) -> Result<io::Error, fjall::Error> {
    match error {
        fjall::Error::Io(source) | fjall::Error::Storage(LsmError::Io(source)) => Ok(source),
        other => Err(other),
    }
}

/// Whether the bytes read were wrong, rather than unreadable. A file that ends too early counts.
pub(super) fn is_damage(error: &fjall::Error) -> bool {
    match error {
        fjall::Error::Io(source) | fjall::Error::Storage(LsmError::Io(source)) => {
            source.kind() == io::ErrorKind::UnexpectedEof
        }
        _ => true,
    }
}

pub(super) fn read_error(space: Space, key: &[u8], error: fjall::Error) -> ReadError {
    if is_damage(&error) {
        return ReadError::corrupt(space, key);
    }
    let source = into_io(error).unwrap_or_else(io::Error::other);
    ReadError::Io { space, source: Arc::new(source) }
}

pub(super) fn commit_error(error: fjall::Error) -> CommitError {
    match error {
        fjall::Error::Poisoned => CommitError::ReadOnly,
        other => CommitError::io(into_io(other).unwrap_or_else(io::Error::other)),
    }
}

pub(super) fn open_error(path: &Path, error: fjall::Error) -> EngineOpenError {
    let path = path.to_path_buf();
    if matches!(error, fjall::Error::Locked) {
        return EngineOpenError::Locked { path };
    }
    match into_io(error) {
        Ok(source) => EngineOpenError::Io { path, source },
        Err(other) => EngineOpenError::Damaged { path, source: Box::new(other) },
    }
}
