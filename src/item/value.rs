//! Attribute values and the items made of them.
//!
//! ```text
//!   Item   attribute name -> AttributeValue          level 1
//!                            ├ S N B BOOL NULL       one scalar
//!                            ├ SS NS BS              a set of scalars, never empty
//!                            └ L M                   more values, level 2, down to level 32
//! ```
//!
//! The ten types are those of the DynamoDB developer guide, "Supported data types and naming rules". Values
//! are ordered and hashable, so that siblings can be compared and kept in sorted collections; the order
//! between different types means nothing.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use bytes::Bytes;

use super::number::Number;
use super::path::Path;

/// The deepest level of nesting: an attribute of an item is on level 1, an element of a list there on level
/// 2. Quota "nested attribute depth" of the developer guide; the service itself counts this way.
pub const MAX_DEPTH: usize = 32;

/// The most bytes that an item may have by [`Item::size`]: 400 KB, names included.
pub const MAX_ITEM_BYTES: usize = 409_600;

/// The most bytes that an attribute name may have, in UTF-8.
pub const MAX_NAME_BYTES: usize = 65_535;

/// The value of an attribute, in one of DynamoDB's ten types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeValue {
    /// Text, in UTF-8.
    S(String),
    /// A decimal number.
    N(Number),
    /// Bytes.
    B(Bytes),
    /// True or false.
    Bool(bool),
    /// The attribute exists and has no value.
    Null,
    /// Values of any types in order.
    L(Vec<AttributeValue>),
    /// Values of any types by name.
    M(BTreeMap<String, AttributeValue>),
    /// Different texts.
    Ss(BTreeSet<String>),
    /// Different numbers.
    Ns(BTreeSet<Number>),
    /// Different byte strings.
    Bs(BTreeSet<Bytes>),
}

impl AttributeValue {
    /// The type's name as DynamoDB writes it, such as `S`, `BOOL` or `NS`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::L(_) => "L",
            Self::M(_) => "M",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
        }
    }

    /// What it is, if it is too short for the attribute of a key.
    #[must_use]
    pub fn empty_key(&self) -> Option<&'static str> {
        match self {
            Self::S(text) if text.is_empty() => Some("string"),
            Self::B(bytes) if bytes.is_empty() => Some("binary"),
            _ => None,
        }
    }

    pub(super) fn is_empty_set(&self) -> bool {
        match self {
            Self::Ss(members) => members.is_empty(),
            Self::Ns(members) => members.is_empty(),
            Self::Bs(members) => members.is_empty(),
            _ => false,
        }
    }
}

/// A set of named attributes: what a table stores under a key, with the key's own attributes among them.
///
/// An item built in memory may break a limit; whoever accepts one from outside calls [`Item::validate`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item(BTreeMap<String, AttributeValue>);

/// Why an item cannot be stored. Nothing was stored; change the item and send it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// A value is nested deeper than [`MAX_DEPTH`] levels. Flatten the document, or store it as text.
    #[error("{path} is nested deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// Where the first value below the limit is.
        path: String,
    },
    /// The item is larger than [`MAX_ITEM_BYTES`]. Split it, or keep large values elsewhere.
    #[error("the item has {bytes} bytes, more than the {MAX_ITEM_BYTES} that an item may have")]
    TooLarge {
        /// The size by [`Item::size`].
        bytes: usize,
    },
    /// A set has no members. Remove the attribute instead.
    #[error("{path} is an empty set")]
    EmptySet {
        /// Where the set is.
        path: String,
    },
    /// An attribute name, or a name within a map, is empty. Name it.
    #[error("an attribute name in {path} is empty")]
    EmptyName {
        /// Where the item or map with that name is.
        path: String,
    },
    /// An attribute name, or a name within a map, is longer than [`MAX_NAME_BYTES`]. Shorten it.
    #[error("an attribute name in {path} has {bytes} bytes, more than {MAX_NAME_BYTES}")]
    NameTooLong {
        /// Where the item or map with that name is.
        path: String,
        /// The length of the name in bytes of UTF-8.
        bytes: usize,
    },
}

impl Item {
    /// An item without attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.0.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut AttributeValue> {
        self.0.get_mut(name)
    }

    /// Sets an attribute and returns the value that it had.
    pub fn insert(&mut self, name: impl Into<String>, value: AttributeValue) -> Option<AttributeValue> {
        self.0.insert(name.into(), value)
    }

    /// Removes an attribute and returns the value that it had.
    pub fn remove(&mut self, name: &str) -> Option<AttributeValue> {
        self.0.remove(name)
    }

    /// The attributes in the order of their names.
    pub fn iter(&self) -> btree_map::Iter<'_, String, AttributeValue> {
        self.0.iter()
    }

    /// How many attributes the item has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the item has no attributes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks the limits that every stored item keeps: nesting, size, names, and sets that are not empty.
    ///
    /// # Errors
    ///
    /// [`ItemError`] for the first limit found broken.
    pub fn validate(&self) -> Result<(), ItemError> {
        validate_names(self, &Path::ITEM)?;
        // The depth is checked first: `size` walks as deep as the item goes.
        match self.size() {
            bytes if bytes > MAX_ITEM_BYTES => Err(ItemError::TooLarge { bytes }),
            _ => Ok(()),
        }
    }
}

fn validate_names<'a>(
    entries: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>,
    path: &Path<'_>,
) -> Result<(), ItemError> {
    for (name, value) in entries {
        match name.len() {
            0 => {
                return Err(ItemError::EmptyName { path: path.to_string() });
            }
            bytes if bytes > MAX_NAME_BYTES => {
                return Err(ItemError::NameTooLong { path: path.to_string(), bytes });
            }
            _ => validate_value(value, &path.name(name))?,
        }
    }
    Ok(())
}

fn validate_value(value: &AttributeValue, path: &Path<'_>) -> Result<(), ItemError> {
    if path.level() > MAX_DEPTH {
        return Err(ItemError::TooDeep { path: path.to_string() });
    }
    match value {
        AttributeValue::M(entries) => validate_names(entries, path),
        AttributeValue::L(values) => {
            values.iter().enumerate().try_for_each(|(index, value)| validate_value(value, &path.index(index)))
        }
        set if set.is_empty_set() => Err(ItemError::EmptySet { path: path.to_string() }),
        _ => Ok(()),
    }
}

impl<N: Into<String>> FromIterator<(N, AttributeValue)> for Item {
    fn from_iter<I: IntoIterator<Item = (N, AttributeValue)>>(attributes: I) -> Self {
        Self(attributes.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl IntoIterator for Item {
    type Item = (String, AttributeValue);
    type IntoIter = btree_map::IntoIter<String, AttributeValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Item {
    type Item = (&'a String, &'a AttributeValue);
    type IntoIter = btree_map::Iter<'a, String, AttributeValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
