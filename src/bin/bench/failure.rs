//! How the program ends when it cannot measure.

use std::io;
use std::process::ExitCode;

use thiserror::Error;

/// Why nothing was measured.
#[derive(Debug, Error)]
pub enum Failure {
    /// The arguments contradict each other.
    #[error("{reason}")]
    Usage {
        /// Which, and what to do.
        reason: String,
    },
    /// There is no connection to what is to be measured.
    #[error("cannot connect: {reason}")]
    NoConnection {
        /// To whom, and why.
        reason: String,
    },
    /// The keys could not be read or written before the measurement.
    #[error("the keys could not be prepared: {refused} of {keys} requests failed, the first with {first}")]
    NotPrepared {
        /// Requests that failed.
        refused: u64,
        /// Keys to prepare.
        keys: u64,
        /// One kind of failure.
        first: String,
    },
    /// The operating system reports an error.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// The disk's limit could not be measured.
    #[error("the disk's limit was not measured: {reason}")]
    Disk {
        /// What storage said.
        reason: String,
    },
}

impl Failure {
    /// Wraps an error of the operating system.
    pub fn io(doing: &str) -> impl FnOnce(io::Error) -> Self + use<> {
        let doing = doing.to_owned();
        move |source| Self::Io { doing, source }
    }

    /// What the shell is told.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } => ExitCode::from(2),
            Self::NoConnection { .. } => ExitCode::from(5),
            Self::NotPrepared { .. } => ExitCode::from(10),
            Self::Io { .. } | Self::Disk { .. } => ExitCode::FAILURE,
        }
    }
}
