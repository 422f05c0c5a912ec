//! `node.toml` as a typed, validated value.
//!
//! ```text
//!   keys.rs         one declaration per key: type, default, unit, rule, doc, how to choose
//!     |
//!     +-- typed     Config { node, cluster, bridge, ... }, its Default
//!     +-- load      file < environment -> rules per key -> relations between keys -> Config
//!     +-- to_toml   the effective configuration, which loads again as the same value
//!     +-- reference docs/configuration.md and config/node.toml (a test keeps them equal)
//! ```
//!
//! Nothing else in the program knows a default or a range. Every problem of a configuration is reported at
//! once, each with the line or the environment variable it comes from.

mod access_keys;
mod declare;
mod keys;
mod load;
mod nearest;
mod problem;
pub mod reference;
mod relations;
mod rule;
mod secret;
mod setting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

pub use access_keys::{AccessKeyPair, AccessKeysError, read_access_keys};
pub use declare::{Key, Section};
pub use keys::{
    AntiEntropySection, BalancingSection, BridgeSection, ClusterSection, Config, FailureDetectionSection,
    GarbageSection, HintedHandoffSection, HttpSection, LimitsSection, LogSection, NodeSection, ReplicationSection,
    RingSection, RoutingSection, SECTIONS, StorageSection,
};
pub(crate) use load::Document;
pub(crate) use nearest::nearest;
pub use problem::{ConfigError, Fault, Origin, Problem, Suggestion};
pub use rule::Rule;
pub use secret::{SECRET_MAX_BYTES, SECRET_MIN_BYTES, Secret, SecretError};
pub use setting::{Durability, LogFormat, Placement, ReadOrder, Setting};

/// What the name of an environment variable that overrides a key begins with.
pub const ENVIRONMENT_PREFIX: &str = "SLIPRING__";

impl Config {
    /// Reads the file at `path` (without one: the defaults), then the overrides in `env`, and validates the result.
    ///
    /// Variables that do not begin with [`ENVIRONMENT_PREFIX`] are ignored.
    ///
    /// # Errors
    ///
    /// Every problem found, in the order of the file and then of the variables. Nothing is started or written.
    pub fn load(path: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
        let mut loading = load::Loading::default();
        if let Some(path) = path {
            loading.read_file(path);
        }
        loading.read_environment(env);
        loading.finish()
    }

    /// Checks every key against its rule, and the keys against each other.
    ///
    /// Reads the secret file when one is set: that it can be used is part of a valid configuration.
    ///
    /// # Errors
    ///
    /// Every problem found; without origins, because a value does not know where it was written.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let mut broken = Vec::new();
        for key in keys() {
            let setting = key.read(self);
            if let Some(fault) = key.fault(&setting, setting.to_string()) {
                problems.push(Problem { origin: None, fault });
                broken.push(key.path);
            }
        }
        problems.extend(relations::violations(self, None, &broken));
        ConfigError::unless_empty(problems)
    }

    /// The effective configuration as TOML: every key, in the order of the reference. A secret appears only as the
    /// path of its file. Loading the text gives an equal value.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for section in SECTIONS {
            let gap = if text.is_empty() { "" } else { "\n" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{gap}[{}]", section.name);
            for key in section.keys {
                let _ = writeln!(text, "{} = {}", key.name, key.read(self));
            }
        }
        text
    }

    /// The bridge address that peers and clients are told: `bridge.advertise`, or `bridge.listen` where that is unset.
    pub fn advertise_address(&self) -> String {
        match &self.bridge.advertise {
            Some(address) => address.clone(),
            None => self.bridge.listen.to_string(),
        }
    }

    /// Worker threads on a machine of `cores`: `node.workers`, or one for every two cores and at least one.
    pub fn worker_threads(&self, cores: usize) -> usize {
        match self.node.workers {
            0 => (cores / 2).clamp(1, keys::WORKERS_MAX),
            workers => workers,
        }
    }

    /// Reads the keys that requests of the DynamoDB API are signed with; empty when no `http.access_keys_file` is set.
    ///
    /// # Errors
    ///
    /// The file cannot be used; see [`AccessKeysError`].
    pub fn access_keys(&self) -> Result<Vec<AccessKeyPair>, AccessKeysError> {
        self.http.access_keys_file.as_deref().map_or(Ok(Vec::new()), read_access_keys)
    }

    /// Reads the secret that the nodes of this cluster share; `None` when no `cluster.secret_file` is set.
    ///
    /// # Errors
    ///
    /// The file cannot be used; see [`SecretError`].
    pub fn secret(&self) -> Result<Option<Secret>, SecretError> {
        self.cluster.secret_file.as_deref().map(Secret::read).transpose()
    }
}

/// Every key, in the order of the reference.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// This process's environment, as [`Config::load`] takes it. Bytes that are not UTF-8 become replacement
/// characters, where `std::env::vars` would panic.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect()
}
