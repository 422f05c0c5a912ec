//! The secret that the nodes of a cluster share, and the file that holds it.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;

/// Fewer bytes can be guessed.
pub const SECRET_MIN_BYTES: usize = 16;
/// More than this is some other file.
pub const SECRET_MAX_BYTES: usize = 4096;

/// The bytes of a secret file without the line ending at their end. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads the secret in the file at `path`.
    ///
    /// # Errors
    ///
    /// The file is not there, can be read by other users, or holds too little or too much; see [`SecretError`].
    pub fn read(path: &Path) -> Result<Secret, SecretError> {
        // Two more bytes than allowed: a line ending, or the proof that it is too long.
        let mut bytes = read_private(path, SECRET_MAX_BYTES + 2)?;
        drop_line_ending(&mut bytes);
        if bytes.len() < SECRET_MIN_BYTES {
            return Err(SecretError::TooShort { bytes: bytes.len() });
        }
        if bytes.len() > SECRET_MAX_BYTES {
            return Err(SecretError::TooLong);
        }
        Ok(Secret(bytes))
    }

    /// The bytes to authenticate with.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// Why a secret file cannot be used. No part of its content is ever shown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretError {
    /// It is missing or may not be read.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// What the system says.
        reason: String,
    },
    /// It is a directory, a pipe or a device.
    #[error("is not a regular file")]
    NotAFile,
    /// Users other than its owner can read it.
    #[error("can be read by other users (mode {mode:04o}): run chmod 600 on it, and replace the secret if it leaked")]
    ReadableByOthers {
        /// Its permission bits.
        mode: u32,
    },
    /// It can be guessed.
    #[error("holds {bytes} bytes: must be {SECRET_MIN_BYTES}..={SECRET_MAX_BYTES}, not counting a line ending")]
    TooShort {
        /// How many it holds.
        bytes: usize,
    },
    /// It is probably not a secret.
    #[error("holds more than {SECRET_MAX_BYTES} bytes: must be {SECRET_MIN_BYTES}..={SECRET_MAX_BYTES}")]
    TooLong,
}

/// Up to so many bytes of a file that nobody but its owner can read.
pub(super) fn read_private(path: &Path, most: usize) -> Result<Vec<u8>, SecretError> {
    // Opening a named pipe would wait for its writer, so its kind is asked first.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(SecretError::NotAFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    refuse_other_readers(&file.metadata().map_err(unreadable)?)?;
    let mut bytes = Vec::new();
    file.take(most as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn unreadable(error: io::Error) -> SecretError {
    SecretError::Unreadable { reason: error.to_string() }
}

#[cfg(unix)]
fn refuse_other_readers(metadata: &Metadata) -> Result<(), SecretError> {
    use std::os::unix::fs::PermissionsExt;

    /// Read permission of the group and of everybody.
    const OTHERS_READ: u32 = 0o044;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS_READ != 0 {
        return Err(SecretError::ReadableByOthers { mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_other_readers(_: &Metadata) -> Result<(), SecretError> {
    Ok(())
}

/// What an editor or `openssl rand -hex` adds, and what another editor on another node may not.
fn drop_line_ending(bytes: &mut Vec<u8>) {
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
}
