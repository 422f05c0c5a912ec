//! The partition key under another name: `import --key ATTR` and its inverse, `export --key ATTR`.

use serde_json::{Map, Value};
use thiserror::Error;

/// Why an attribute cannot be renamed. The record was left out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RenameError {
    /// There is no such attribute.
    #[error("has no attribute {name:?}, which is to be the key")]
    Missing {
        /// The attribute.
        name: String,
    },
    /// There is an attribute with the new name.
    #[error("has an attribute {name:?} already, which {from:?} is to be renamed to")]
    Taken {
        /// The new name.
        name: String,
        /// The old name.
        from: String,
    },
}

/// Renames the attribute `from` to `to`. Where both are the same it only has to be there.
///
/// # Errors
///
/// [`RenameError`]; nothing is renamed then.
pub fn rename(mut record: Map<String, Value>, from: &str, to: &str) -> Result<Map<String, Value>, RenameError> {
    if from != to && record.contains_key(to) {
        return Err(RenameError::Taken { name: to.to_owned(), from: from.to_owned() });
    }
    match record.remove(from) {
        Some(value) => {
            record.insert(to.to_owned(), value);
            Ok(record)
        }
        None => Err(RenameError::Missing { name: from.to_owned() }),
    }
}
