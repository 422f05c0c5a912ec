//! Keys: how an item is named within its table.
//!
//! A key has a partition key, which places the item on the ring, and in some tables a sort key, which orders
//! the items of one partition key. The bytes of a key, by which storage sorts, are in `key_bytes.rs`.
//!
//! Limits are those of the DynamoDB developer guide, "Quotas": a partition key has 1 to 2048 bytes, a sort
//! key 1 to 1024.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::number::{Number, NumberError};
use super::schema::KeyKind;
use super::value::AttributeValue;

/// The most bytes that a partition key may have.
pub const MAX_PARTITION_KEY_BYTES: usize = 2048;

/// The most bytes that a sort key may have.
pub const MAX_SORT_KEY_BYTES: usize = 1024;

/// The value of a key attribute: one of the three types that DynamoDB allows in keys.
///
/// The order is that of the values within a type, by bytes for texts (as in UTF-8) and numeric for numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyValue {
    /// Text, in UTF-8.
    S(String),
    /// A decimal number.
    N(Number),
    /// Bytes.
    B(Bytes),
}

/// The key of an item. The order is by partition key, then by sort key, none before any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Places the item on the ring.
    pub partition: KeyValue,
    /// Orders the items that share the partition key; `None` in tables without a sort key.
    pub sort: Option<KeyValue>,
}

/// One of the two places in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The partition key.
    Partition,
    /// The sort key.
    Sort,
}

/// Why something is not a key of a table. Nothing was read or stored; correct the key and ask again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The item lacks a key attribute. Add it.
    #[error("the key attribute {attribute:?} is missing")]
    MissingAttribute {
        /// The name of the key attribute.
        attribute: String,
    },
    /// A key attribute has another type than the table's schema says. Give it that type.
    #[error("the key attribute {attribute:?} must have type {expected}, not {found}")]
    WrongType {
        /// The name of the key attribute.
        attribute: String,
        /// The type in the schema.
        expected: KeyKind,
        /// The type of the value, as DynamoDB names it.
        found: &'static str,
    },
    /// The table has a sort key and none was given. Give one.
    #[error("the table has a sort key, {attribute:?}, and none was given")]
    MissingSortKey {
        /// The name of the sort key attribute.
        attribute: String,
    },
    /// A sort key was given and the table has none. Leave it out.
    #[error("the table has no sort key, and one was given")]
    UnexpectedSortKey,
    /// A key value has no bytes. Key values cannot be empty.
    #[error("the {part} is empty")]
    Empty {
        /// Which part of the key.
        part: KeyPart,
    },
    /// A key value is longer than its limit. Shorten it, or hash it.
    #[error("the {part} has {bytes} bytes, more than {limit}")]
    TooLong {
        /// Which part of the key.
        part: KeyPart,
        /// Its length in bytes.
        bytes: usize,
        /// The most that it may have.
        limit: usize,
    },
    /// Text given for a key attribute of type N is not a number. Correct it.
    #[error("the key attribute {attribute:?} must be a number: {reason}")]
    NotANumber {
        /// The name of the key attribute.
        attribute: String,
        /// What is wrong with the text.
        reason: NumberError,
    },
    /// Text given for a key attribute of type B is not base64. Encode it in the standard alphabet, padded.
    #[error("the key attribute {attribute:?} must be bytes in base64")]
    NotBase64 {
        /// The name of the key attribute.
        attribute: String,
    },
}

impl KeyValue {
    /// The type of the value.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::S(_) => KeyKind::S,
            Self::N(_) => KeyKind::N,
            Self::B(_) => KeyKind::B,
        }
    }

    /// The length in bytes that the limits of keys are about; that of a number by [`Number::size`].
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
        }
    }
}

impl From<KeyValue> for AttributeValue {
    fn from(value: KeyValue) -> Self {
        match value {
            KeyValue::S(text) => Self::S(text),
            KeyValue::N(number) => Self::N(number),
            KeyValue::B(bytes) => Self::B(bytes),
        }
    }
}

impl Key {
    /// Checks the lengths of both parts. Whether the key fits a table is [`TableSchema::check_key`]'s question.
    ///
    /// [`TableSchema::check_key`]: super::TableSchema::check_key
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`] and [`KeyError::TooLong`].
    pub fn check_size(&self) -> Result<(), KeyError> {
        let sort = self.sort.iter().map(|sort| (KeyPart::Sort, sort, MAX_SORT_KEY_BYTES));
        let parts = [(KeyPart::Partition, &self.partition, MAX_PARTITION_KEY_BYTES)];
        for (part, value, limit) in parts.into_iter().chain(sort) {
            match value.size() {
                0 => return Err(KeyError::Empty { part }),
                bytes if bytes > limit => return Err(KeyError::TooLong { part, bytes, limit }),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Text in quotes, numbers as they are, bytes as `base64:…`.
impl fmt::Display for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S(text) => write!(f, "{text:?}"),
            Self::N(number) => write!(f, "{number}"),
            Self::B(bytes) => write!(f, "base64:{}", STANDARD.encode(bytes)),
        }
    }
}

/// The partition key, and after a slash the sort key: `"user#7" / 42`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.partition)?;
        self.sort.as_ref().map_or(Ok(()), |sort| write!(f, " / {sort}"))
    }
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Partition => "partition key",
            Self::Sort => "sort key",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyError, KeyPart, KeyValue};

    fn text(bytes: usize) -> KeyValue {
        KeyValue::S("x".repeat(bytes))
    }

    #[test]
    fn parts_have_their_lengths() {
        let check =
            |partition, sort: Option<usize>| Key { partition: text(partition), sort: sort.map(text) }.check_size();
        let too_long = |part, bytes, limit| Err(KeyError::TooLong { part, bytes, limit });
        assert_eq!(check(1, None), Ok(()));
        assert_eq!(check(2048, Some(1024)), Ok(()));
        assert_eq!(check(2049, None), too_long(KeyPart::Partition, 2049, 2048));
        assert_eq!(check(1, Some(1025)), too_long(KeyPart::Sort, 1025, 1024));
        assert_eq!(check(0, None), Err(KeyError::Empty { part: KeyPart::Partition }));
        assert_eq!(check(1, Some(0)), Err(KeyError::Empty { part: KeyPart::Sort }));
    }

    #[test]
    fn prints_legibly() {
        let number = |text: &str| KeyValue::N(text.parse().unwrap());
        let key = |partition, sort| Key { partition, sort }.to_string();
        assert_eq!(key(KeyValue::S("user#7".to_owned()), Some(number("42"))), "\"user#7\" / 42");
        assert_eq!(key(KeyValue::S("a\n".to_owned()), None), "\"a\\n\"");
        assert_eq!(key(number("-1.50"), Some(KeyValue::B(vec![0, 1, 2].into()))), "-1.5 / base64:AAEC");
    }
}
