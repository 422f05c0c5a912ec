//! What a data directory says about itself: whose it is, and which life of its node this is.

use std::path::Path;

use super::OpenError;

/// The newest layout of a data directory that this release reads, and the one it writes.
pub(super) const FORMAT_VERSION: u64 = 1;

/// The contents of the identity file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) node: String,
    /// Random, drawn when the directory was created.
    pub(super) directory: u64,
    /// See [`next_epoch`].
    pub(super) epoch: u64,
}

/// The file as it is written. The numbers are strings in hexadecimal because TOML's integers are
/// signed.
#[derive(serde::Serialize, serde::Deserialize)]
struct IdentityFile {
    format_version: u64,
    node: String,
    directory: String,
    epoch: String,
}

/// Only what every format has, so that a newer one can be named instead of called damaged.
#[derive(serde::Deserialize)]
struct FormatOnly {
    format_version: u64,
}

impl Identity {
    /// The identity of a new directory; its first open will have epoch counter 1.
    pub(super) fn new(node: &str, directory: u64) -> Self {
        Self { node: node.to_owned(), directory, epoch: 0 }
    }

    pub(super) fn encode(&self) -> String {
        format!(
            "# Written by slipring; do not edit or copy to another node.\n\
             format_version = {FORMAT_VERSION}\n\
             node = {}\n\
             directory = \"{:016x}\"\n\
             epoch = \"{:016x}\"\n",
            toml::Value::String(self.node.clone()),
            self.directory,
            self.epoch
        )
    }

    /// Reads the file `path` with the contents `text`, which lies in the data directory `root`.
    pub(super) fn decode(root: &Path, path: &Path, text: &str) -> Result<Self, OpenError> {
        let corrupt = |reason: String| OpenError::CorruptIdentity { path: path.to_path_buf(), reason };
        let format: FormatOnly = toml::from_str(text).map_err(|error| corrupt(error.message().to_owned()))?;
        if format.format_version > FORMAT_VERSION {
            return Err(OpenError::NewerFormat {
                path: root.to_path_buf(),
                found: format.format_version,
                supported: FORMAT_VERSION,
            });
        }
        let file: IdentityFile = toml::from_str(text).map_err(|error| corrupt(error.message().to_owned()))?;
        let number = |name: &str, digits: &str| {
            u64::from_str_radix(digits, 16).map_err(|_| corrupt(format!("{name} is not a number in hexadecimal")))
        };
        Ok(Self {
            directory: number("directory", &file.directory)?,
            epoch: number("epoch", &file.epoch)?,
            node: file.node,
        })
    }
}

/// The epoch of the next life: one more in the upper 32 bits, `random` in the lower.
///
/// The counter alone is not enough: a directory restored from a copy would count the same lives
/// again, and two different writes would carry the same dot. Random bits alone would not grow.
pub(super) const fn next_epoch(last: u64, random: u32) -> Option<u64> {
    match ((last >> 32) as u32).checked_add(1) {
        Some(counter) => Some((counter as u64) << 32 | random as u64),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decode_reads_what_encode_wrote(node: String, directory: u64, epoch: u64) {
            let identity = Identity { node, directory, epoch };
            let read = Identity::decode(Path::new("d"), Path::new("d/I"), &identity.encode());
            prop_assert_eq!(read.unwrap(), identity);
        }

        #[test]
        fn epochs_grow_whatever_the_random_bits(last: u64, random: u32) {
            match next_epoch(last, random) {
                Some(next) => prop_assert!(next > last && next as u32 == random),
                None => prop_assert_eq!(last >> 32, u64::from(u32::MAX)),
            }
        }
    }
}
