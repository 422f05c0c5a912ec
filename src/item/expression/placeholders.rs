//! What the `#names` and `:values` of a request's expressions stand for.
//!
//! One [`Placeholders`] serves all expressions of a request: each is parsed with it and marks what it uses, and
//! [`Placeholders::check_all_used`] then refuses what none did.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ExpressionError, PlaceholderMap, Problem};
use crate::item::value::{AttributeValue, MAX_NAME_BYTES};

/// The most bytes that a placeholder may have with its mark: DynamoDB developer guide, "Quotas", expression parameters.
pub const MAX_PLACEHOLDER_BYTES: usize = 255;

/// The most bytes that all names, or all values, of a request may have: 2 MB, from the same place.
pub const MAX_PLACEHOLDER_MAP_BYTES: usize = 2 * 1024 * 1024;

/// The most bytes that all uses of placeholders together may put into a request's expressions. DynamoDB names no such
/// limit. Without one, a value of 2 MB that is used a thousand times would be 2 GB.
pub const MAX_SUBSTITUTED_BYTES: usize = 2 * MAX_PLACEHOLDER_MAP_BYTES;

/// The names and values that the expressions of one request may use, and which of them they have used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, AttributeValue>,
    used_names: BTreeSet<String>,
    used_values: BTreeSet<String>,
    /// How many bytes all uses so far have put into expressions.
    substituted_bytes: usize,
}

impl Placeholders {
    /// Those of a request that has none.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes `ExpressionAttributeNames` and `ExpressionAttributeValues`, each if the request has it.
    ///
    /// # Errors
    ///
    /// [`ExpressionError`] for a map that is empty or too large, and for a placeholder that is malformed.
    pub fn new(
        names: Option<BTreeMap<String, String>>,
        values: Option<BTreeMap<String, AttributeValue>>,
    ) -> Result<Self, ExpressionError> {
        if let Some(names) = &names {
            check_keys(PlaceholderMap::Names, '#', names)?;
            check_size(PlaceholderMap::Names, names.iter().map(|(key, name)| key.len() + name.len()))?;
            names.iter().try_for_each(|(key, name)| check_name(key, name))?;
        }
        if let Some(values) = &values {
            check_keys(PlaceholderMap::Values, ':', values)?;
            check_size(PlaceholderMap::Values, values.iter().map(|(key, value)| key.len() + value.size()))?;
        }
        let (names, values) = (names.unwrap_or_default(), values.unwrap_or_default());
        Ok(Self { names, values, ..Self::default() })
    }

    /// Takes placeholders that the program has made itself.
    pub(super) fn of(names: BTreeMap<String, String>, values: BTreeMap<String, AttributeValue>) -> Self {
        Self { names, values, ..Self::default() }
    }

    /// Checks that each name and each value is used by one of the expressions parsed with these placeholders.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::Unused`], about the names first.
    pub fn check_all_used(&self) -> Result<(), ExpressionError> {
        let unused = |map, keys: Vec<String>| match keys.is_empty() {
            true => Ok(()),
            false => Err(ExpressionError::Unused { map, keys }),
        };
        let names = self.names.keys().filter(|key| !self.used_names.contains(*key)).cloned().collect();
        unused(PlaceholderMap::Names, names)?;
        let values = self.values.keys().filter(|key| !self.used_values.contains(*key)).cloned().collect();
        unused(PlaceholderMap::Values, values)
    }

    /// What a `#name` stands for. It counts as used from now on.
    pub(super) fn use_name(&mut self, placeholder: &str) -> Result<String, Problem> {
        let name = self.names.get(placeholder);
        let name = name.ok_or_else(|| Problem::UndefinedName { name: placeholder.to_owned() })?;
        self.substituted_bytes = with_room(self.substituted_bytes, name.len())?;
        self.used_names.insert(placeholder.to_owned());
        Ok(name.clone())
    }

    /// Whether a `#name` is defined.
    pub(super) fn defines_name(&self, placeholder: &str) -> bool {
        self.names.contains_key(placeholder)
    }

    /// What a `:value` stands for. It counts as used from now on.
    pub(super) fn use_value(&mut self, placeholder: &str) -> Result<AttributeValue, Problem> {
        let value = self.values.get(placeholder);
        let value = value.ok_or_else(|| Problem::UndefinedValue { name: placeholder.to_owned() })?;
        self.substituted_bytes = with_room(self.substituted_bytes, value.size())?;
        self.used_values.insert(placeholder.to_owned());
        Ok(value.clone())
    }
}

fn with_room(substituted: usize, more: usize) -> Result<usize, Problem> {
    match substituted.saturating_add(more) {
        bytes if bytes > MAX_SUBSTITUTED_BYTES => Err(Problem::TooLong { bytes }),
        bytes => Ok(bytes),
    }
}

fn check_keys<T>(map: PlaceholderMap, mark: char, entries: &BTreeMap<String, T>) -> Result<(), ExpressionError> {
    if entries.is_empty() {
        return Err(ExpressionError::EmptyMap { map });
    }
    for key in entries.keys() {
        let word = key.strip_prefix(mark).unwrap_or_default();
        if key.len() > MAX_PLACEHOLDER_BYTES {
            return Err(ExpressionError::PlaceholderTooLong { map, bytes: key.len() });
        }
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(ExpressionError::BadPlaceholder { map, key: key.clone() });
        }
    }
    Ok(())
}

fn check_size(map: PlaceholderMap, sizes: impl Iterator<Item = usize>) -> Result<(), ExpressionError> {
    match sizes.sum::<usize>() <= MAX_PLACEHOLDER_MAP_BYTES {
        true => Ok(()),
        false => Err(ExpressionError::MapTooLarge { map }),
    }
}

fn check_name(key: &str, name: &str) -> Result<(), ExpressionError> {
    match name.len() {
        0 => Err(ExpressionError::EmptyAttributeName { key: key.to_owned() }),
        1..=MAX_NAME_BYTES => Ok(()),
        _ => Err(ExpressionError::AttributeNameTooLong { key: key.to_owned() }),
    }
}

/// Which parameters a request has, by name, of those that matter for how they go together.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// The expressions that the operation takes, in DynamoDB's order, and whether each is there.
    pub expressions: &'a [(&'static str, bool)],
    /// The parameters that the expressions replaced, in DynamoDB's order, and whether each is there.
    pub legacy: &'a [(&'static str, bool)],
    /// Whether `ExpressionAttributeNames` is there.
    pub names: bool,
    /// Whether `ExpressionAttributeValues` is there.
    pub values: bool,
}

impl Parameters<'_> {
    /// Checks that expressions do not stand beside what they replaced, and placeholders not alone.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::Mixed`] and [`ExpressionError::WithoutExpressions`].
    pub fn check(&self) -> Result<(), ExpressionError> {
        let present = |parameters: &[(&'static str, bool)]| -> Vec<&'static str> {
            parameters.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect()
        };
        let (expressions, legacy) = (present(self.expressions), present(self.legacy));
        if !expressions.is_empty() && !legacy.is_empty() {
            return Err(ExpressionError::Mixed { legacy, expressions });
        }
        if self.names && expressions.is_empty() {
            return Err(ExpressionError::WithoutExpressions { map: PlaceholderMap::Names });
        }
        // A projection has no values.
        if self.values && expressions.iter().all(|name| *name == "ProjectionExpression") {
            return Err(ExpressionError::WithoutExpressions { map: PlaceholderMap::Values });
        }
        Ok(())
    }
}
