//! How the program ends: a number for scripts, one meaning each.

use std::process::ExitCode;

/// The exit codes of `slipring-admin`. Scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Ok = 0,
    /// It failed for a reason that no other code names.
    Failed = 1,
    /// The command line, the item or the key is not valid; nothing was sent.
    Usage = 2,
    /// There is no such item, or no such table.
    NotFound = 3,
    /// What is stored stands against it: too many siblings, or a context of another key.
    Conflict = 4,
    /// No connection, or too few replicas answered.
    Unavailable = 5,
    /// A write was sent and its outcome is not known: read before you write again.
    Unknown = 6,
    /// The cluster's secret is missing or wrong.
    Auth = 7,
    /// A limit was reached before any work was done: try again later.
    Throttled = 8,
    /// What is stored failed its check.
    VerificationFailed = 9,
    /// A part of it is done; the rest is reported.
    Partial = 10,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
