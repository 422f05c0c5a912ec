//! The keys that requests of the DynamoDB API are signed with, and the file that holds them.
//!
//! ```text
//!   # a comment
//!   AKIDEXAMPLE wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use thiserror::Error;

use super::secret::{SecretError, read_private};

/// More than this is some other file.
const FILE_MAX_BYTES: usize = 1 << 20;

/// Fewer bytes can be guessed.
const SECRET_MIN_BYTES: usize = 16;

/// A key. `Debug` does not show its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKeyPair {
    /// What requests name.
    pub id: String,
    /// What they are signed with.
    pub secret: String,
}

impl fmt::Debug for AccessKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKeyPair").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a file of access keys cannot be used. No secret is ever shown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessKeysError {
    /// The file is not there, or others can read it.
    #[error(transparent)]
    File(#[from] SecretError),
    /// It is not text, or too long.
    #[error("is not a text of at most {FILE_MAX_BYTES} bytes")]
    NotText,
    /// A line is not a key.
    #[error("line {line} must be an id and a secret of at least {SECRET_MIN_BYTES} bytes with a blank between them")]
    Line {
        /// Which, from 1.
        line: usize,
    },
    /// An id is there twice.
    #[error("line {line} has the id of a line before it")]
    Twice {
        /// Which, from 1.
        line: usize,
    },
    /// There is none.
    #[error("holds no key: nobody could send a request")]
    Empty,
}

/// Reads the keys of a file.
///
/// # Errors
///
/// See [`AccessKeysError`].
pub fn read_access_keys(path: &Path) -> Result<Vec<AccessKeyPair>, AccessKeysError> {
    let bytes = read_private(path, FILE_MAX_BYTES + 1)?;
    let text = String::from_utf8(bytes).ok().filter(|text| text.len() <= FILE_MAX_BYTES);
    keys_of(&text.ok_or(AccessKeysError::NotText)?)
}

fn keys_of(text: &str) -> Result<Vec<AccessKeyPair>, AccessKeysError> {
    let mut keys = Vec::new();
    let mut ids = BTreeSet::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')) {
        let line_number = at + 1;
        let mut words = line.split_whitespace();
        let (Some(id), Some(secret), None) = (words.next(), words.next(), words.next()) else {
            return Err(AccessKeysError::Line { line: line_number });
        };
        if secret.len() < SECRET_MIN_BYTES {
            return Err(AccessKeysError::Line { line: line_number });
        }
        if !ids.insert(id) {
            return Err(AccessKeysError::Twice { line: line_number });
        }
        keys.push(AccessKeyPair { id: id.to_owned(), secret: secret.to_owned() });
    }
    if keys.is_empty() { Err(AccessKeysError::Empty) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::{AccessKeysError, keys_of};

    #[test]
    fn a_line_is_a_key() {
        let keys = keys_of("# mine\n\nAKID 0123456789abcdef\r\nOTHER\tfedcba9876543210 \n").unwrap();
        let pairs: Vec<_> = keys.iter().map(|key| (key.id.as_str(), key.secret.as_str())).collect();
        assert_eq!(pairs, [("AKID", "0123456789abcdef"), ("OTHER", "fedcba9876543210")]);
        assert!(!format!("{keys:?}").contains("0123"), "secrets are not shown");
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_line() {
        let cases = [
            ("AKID", AccessKeysError::Line { line: 1 }),
            ("\nAKID short", AccessKeysError::Line { line: 2 }),
            ("AKID 0123456789abcdef more", AccessKeysError::Line { line: 1 }),
            ("A 0123456789abcdef\nA 0123456789abcdeg", AccessKeysError::Twice { line: 2 }),
            ("# none\n", AccessKeysError::Empty),
        ];
        for (text, error) in cases {
            assert_eq!(keys_of(text), Err(error), "{text}");
        }
    }
}
