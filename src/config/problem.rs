//! What can be wrong with a configuration: a [`ConfigError`] holds every [`Problem`], each a [`Fault`] with the place
//! it comes from.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use super::{AccessKeysError, SecretError};

/// A configuration that cannot be used. Nothing was started or written. `Display` gives one line per problem.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", lines(.problems))]
pub struct ConfigError {
    /// Every problem found, in the order of the file and then of the variables; never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn unless_empty(problems: Vec<Problem>) -> Result<(), ConfigError> {
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// One thing to correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written; `None` for a value that was not loaded.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.fault),
            None => write!(f, "{}", self.fault),
        }
    }
}

/// Where a value was written. Ordered as problems are reported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The configuration file as a whole.
    File {
        /// As it was named.
        path: PathBuf,
    },
    /// A line of the configuration file.
    Line {
        /// As it was named.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path } => write!(f, "{}", path.display()),
            Origin::Line { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment { variable } => {
                write!(f, "environment variable {}", variable.escape_debug())
            }
        }
    }
}

/// What a misspelt name may have been meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suggestion {
    /// One known name is near.
    Nearest(String),
    /// None is: these are all there are.
    AllKnown {
        /// `sections`, or the keys of which section.
        what: String,
        /// Their names.
        names: Vec<&'static str>,
    },
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Suggestion::Nearest(name) => write!(f, "did you mean {name}?"),
            Suggestion::AllKnown { what, names } => {
                write!(f, "the {what} are {}", names.join(", "))
            }
        }
    }
}

/// What is wrong with a configuration, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The file is missing, is not UTF-8 or may not be read.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// What the system says.
        reason: String,
    },
    /// The file is not TOML.
    #[error("is not valid TOML: {reason}")]
    Malformed {
        /// What the parser expected.
        reason: String,
    },
    /// No such section.
    #[error("unknown section [{section}]: {suggestion}")]
    UnknownSection {
        /// As written.
        section: String,
        /// What may have been meant.
        suggestion: Suggestion,
    },
    /// No such key.
    #[error("unknown key {key}: {suggestion}")]
    UnknownKey {
        /// As written, with its section.
        key: String,
        /// What may have been meant.
        suggestion: Suggestion,
    },
    /// The environment variable overrides no key.
    #[error("overrides no key: {suggestion}")]
    UnknownVariable {
        /// What may have been meant.
        suggestion: Suggestion,
    },
    /// The name of a section has a value of its own.
    #[error("{section} = {value} has the wrong type: must be a section [{section}] with keys")]
    NotASection {
        /// The section's name.
        section: &'static str,
        /// As written.
        value: String,
    },
    /// The key takes another TOML type.
    #[error("{key} = {value} has the wrong type: must be {expected} ({allowed})")]
    WrongType {
        /// The key, with its section.
        key: String,
        /// As written.
        value: String,
        /// The type it takes.
        expected: &'static str,
        /// The values it takes.
        allowed: String,
    },
    /// A number outside of what the key takes.
    #[error("{key} = {value} is out of range: must be {allowed}")]
    OutOfRange {
        /// The key, with its section.
        key: String,
        /// As written.
        value: String,
        /// The numbers it takes, and what decides that.
        allowed: String,
    },
    /// A value of the right type that the key does not take.
    #[error("{key} = {value} is not allowed: must be {allowed}")]
    NotAllowed {
        /// The key, with its section.
        key: String,
        /// As written.
        value: String,
        /// The values it takes.
        allowed: String,
    },
    /// A listener that other machines reach, without authentication.
    #[error("{key} = {value} can be reached from other machines without authentication: {remedy}")]
    UnsafeBind {
        /// The listener's key, with its section.
        key: String,
        /// The address.
        value: String,
        /// What makes it acceptable.
        remedy: &'static str,
    },
    /// Any web page could use the node: a browser brings it behind every firewall.
    #[error(
        "http.cors_origins = {value} lets any web page that somebody opens read and change everything: set http.access_keys_file, or name \
         the origins that may"
    )]
    UnsafeOrigins {
        /// The list.
        value: String,
    },
    /// The bridge listens on every address and does not say which one others should use.
    #[error(
        "bridge.listen = {value} is no address to connect to: set bridge.advertise to the \"host:port\" that others reach"
    )]
    AdvertiseMissing {
        /// The address it listens on.
        value: String,
    },
    /// The bridge and HTTP cannot listen on the same port.
    #[error("http.listen = {value} is already taken by the bridge (bridge.listen = {bridge})")]
    SameAddress {
        /// Where HTTP should listen.
        value: String,
        /// Where the bridge listens.
        bridge: String,
    },
    /// A node founds a cluster, or is joined to one.
    #[error(
        "cluster.seeds = {seeds} and cluster.founders = {founders} exclude each other: a node with seeds is joined to a cluster, founders make a new one"
    )]
    SeedsAndFounders {
        /// Whom it asks.
        seeds: String,
        /// Who founds.
        founders: String,
    },
    /// The list of founders does not name this node.
    #[error(
        "cluster.founders = {value} lacks this node's own address {own} ({own_key}): list every founder, this one included"
    )]
    FoundersWithoutSelf {
        /// The list.
        value: String,
        /// The address that this node advertises.
        own: String,
        /// The key that says so.
        own_key: &'static str,
    },
    /// The file of access keys cannot be used.
    #[error("http.access_keys_file = {value} {source}")]
    AccessKeys {
        /// The path.
        value: String,
        /// Why.
        source: AccessKeysError,
    },
    /// The secret file cannot be used.
    #[error("cluster.secret_file = {value} {source}")]
    Secret {
        /// The path.
        value: String,
        /// Why.
        source: SecretError,
    },
}
