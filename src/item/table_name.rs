//! The names of tables.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a table: 1 to 255 of the characters `a-z A-Z 0-9 _ . -`.
///
/// The rule is DynamoDB's (developer guide, "Naming rules") but for the least length, which is 3 there: the
/// built-in table is called `kv`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName(String);

/// Why a text cannot name a table. Choose another name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableNameError {
    /// The name is empty or too long.
    #[error("a table name has 1 to {} characters, not {chars}", TableName::MAX_CHARS)]
    Length {
        /// How many characters the text has.
        chars: usize,
    },
    /// A character is none of those allowed.
    #[error("{character:?} cannot stand in a table name, only a-z, A-Z, 0-9, '_', '.' and '-'")]
    Character {
        /// The first such character.
        character: char,
    },
}

impl TableName {
    /// The most characters that the name of a table may have.
    pub const MAX_CHARS: usize = 255;

    /// Checks a text and makes it a name.
    ///
    /// # Errors
    ///
    /// [`TableNameError`] when the text breaks the rule.
    pub fn new(name: impl Into<String>) -> Result<Self, TableNameError> {
        let name = name.into();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if let Some(character) = name.chars().find(|c| !allowed(*c)) {
            return Err(TableNameError::Character { character });
        }
        match name.len() {
            1..=Self::MAX_CHARS => Ok(Self(name)),
            chars => Err(TableNameError::Length { chars }),
        }
    }

    /// The name of the built-in table, `kv`.
    #[must_use]
    pub fn kv() -> Self {
        Self("kv".to_owned())
    }

    /// The name of the table of transactions. Nobody can create one of that name.
    #[must_use]
    pub fn transactions() -> Self {
        Self("slipring.transactions".to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for TableName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for TableName {
    type Err = TableNameError;

    fn from_str(name: &str) -> Result<Self, TableNameError> {
        Self::new(name)
    }
}

impl TryFrom<String> for TableName {
    type Error = TableNameError;

    fn try_from(name: String) -> Result<Self, TableNameError> {
        Self::new(name)
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::{TableName, TableNameError};

    #[test]
    fn takes_dynamodb_names_and_kv() {
        let longest = "x".repeat(255);
        for name in ["kv", "a", "Music", "my-table_1.v2", &longest] {
            assert_eq!(TableName::new(name).unwrap().as_str(), name);
        }
        assert_eq!(TableName::new("kv").unwrap(), TableName::kv());
    }

    #[test]
    fn refuses_other_names() {
        let too_long = "x".repeat(256);
        assert_eq!(TableName::new(""), Err(TableNameError::Length { chars: 0 }));
        assert_eq!(TableName::new(too_long), Err(TableNameError::Length { chars: 256 }));
        for (name, character) in [("a b", ' '), ("a/b", '/'), ("tablé", 'é'), ("a\0", '\0')] {
            assert_eq!(TableName::new(name), Err(TableNameError::Character { character }));
        }
    }

    #[test]
    fn is_checked_when_deserialized() {
        assert_eq!(serde_json::from_str::<TableName>("\"kv\"").unwrap(), TableName::kv());
        let error = serde_json::from_str::<TableName>("\"a b\"").unwrap_err();
        assert!(error.to_string().contains("cannot stand in a table name"), "{error}");
    }
}
