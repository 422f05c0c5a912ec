//! What a table says about its items: its name, its key, how it is replicated and how conflicts end.
//!
//! ```text
//!   TableSchema  name            TableName
//!                partition_key   KeyAttribute { name, kind: S | N | B }
//!                sort_key        KeyAttribute, or none
//!                n, r, w         None: the cluster's default
//!                conflict        Siblings | Lww
//! ```
//!
//! A schema turns an item, or texts typed by a person, into a [`Key`], and says whether a key made elsewhere
//! fits. Whether N, R and W go together is not decided here: `Quorum::new` does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use super::key::{Key, KeyError, KeyValue};
use super::table_name::TableName;
use super::table_settings::{SettingChange, SettingError, TableSettings};
use super::value::{AttributeValue, Item};

/// The most bytes that the name of a key attribute may have: DynamoDB developer guide, "Quotas", names.
pub const MAX_KEY_NAME_BYTES: usize = 255;

/// Stands between a table's name and its id where its items are stored. No name holds it.
const ID_MARK: char = '#';

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyKind {
    /// Text.
    S,
    /// A decimal number.
    N,
    /// Bytes.
    B,
}

/// An attribute that is part of a table's key, and that each of its items therefore has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    /// The attribute's name.
    pub name: String,
    /// The type of its values.
    pub kind: KeyKind,
}

/// What becomes of writes that did not know of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conflict {
    /// All are kept as siblings, and a client that has read them writes their merge.
    Siblings,
    /// Last write wins: the one with the greatest hybrid time is kept and the others are dropped. The only
    /// choice that the DynamoDB API can express.
    Lww,
}

/// Tells a table from all others that ever had, or will have, its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableId(pub u32);

impl TableId {
    /// Of the built-in table `kv`.
    pub const BUILT_IN: Self = Self(0);

    /// Of the table of transactions.
    pub const TRANSACTIONS: Self = Self(u32::MAX);
}

/// The description of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// The table's name, unique in the cluster.
    pub name: TableName,
    /// Given when it is created.
    #[serde(default)]
    pub id: TableId,
    /// The attribute that places an item on the ring.
    pub partition_key: KeyAttribute,
    /// The attribute that orders the items of one partition key.
    pub sort_key: Option<KeyAttribute>,
    /// How many replicas each key has; `None` for the cluster's default.
    pub n: Option<u8>,
    /// How many replicas a read waits for; `None` for the cluster's default.
    pub r: Option<u8>,
    /// How many replicas a write waits for; `None` for the cluster's default.
    pub w: Option<u8>,
    /// What becomes of concurrent writes.
    pub conflict: Conflict,
    /// What the DynamoDB API says of it.
    #[serde(default)]
    pub settings: TableSettings,
}

/// Why a schema cannot be that of a table. No table was created; correct the schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The name of a key attribute is empty or longer than [`MAX_KEY_NAME_BYTES`].
    #[error("the key attribute name {name:?} must have 1 to {MAX_KEY_NAME_BYTES} bytes")]
    KeyNameLength {
        /// The name.
        name: String,
    },
    /// Partition key and sort key are the same attribute. Leave the sort key out, or name another.
    #[error("{name:?} cannot be both partition key and sort key")]
    SameAttribute {
        /// The name of both.
        name: String,
    },
}

impl TableSchema {
    /// Its settings after all of these changes; none is made where one cannot be.
    ///
    /// # Errors
    ///
    /// [`SettingError`] of the first that cannot be made.
    pub fn configured(&self, changes: &[SettingChange]) -> Result<TableSettings, SettingError> {
        let own: Vec<&str> =
            std::iter::once(&self.partition_key).chain(&self.sort_key).map(|part| part.name.as_str()).collect();
        self.settings.with(changes, &own)
    }

    /// The built-in table `kv`: a partition key `key` of type S, siblings, and the cluster's N, R and W.
    #[must_use]
    pub fn kv() -> Self {
        Self {
            name: TableName::kv(),
            id: TableId::BUILT_IN,
            partition_key: KeyAttribute { name: "key".to_owned(), kind: KeyKind::S },
            sort_key: None,
            n: None,
            r: None,
            w: None,
            conflict: Conflict::Siblings,
            settings: TableSettings::default(),
        }
    }

    /// The table in which transactions are decided: a partition key `id` of type S, and the cluster's N, R and W. Every cluster has it, and no list shows it.
    #[must_use]
    pub fn transactions() -> &'static Self {
        static TRANSACTIONS: LazyLock<TableSchema> = LazyLock::new(|| TableSchema {
            name: TableName::transactions(),
            id: TableId::TRANSACTIONS,
            partition_key: KeyAttribute { name: "id".to_owned(), kind: KeyKind::S },
            conflict: Conflict::Lww,
            ..TableSchema::kv()
        });
        &TRANSACTIONS
    }

    /// The name under which its items are stored: none of a table that was dropped must come back when another of its name is created.
    #[must_use]
    pub fn storage_name(&self) -> Cow<'_, str> {
        match self.id {
            TableId::BUILT_IN => Cow::Borrowed(self.name.as_str()),
            TableId(number) => Cow::Owned(format!("{}{ID_MARK}{number}", self.name)),
        }
    }

    /// The name of the table whose items are stored under this name, now or before it was dropped.
    #[must_use]
    pub fn shown_name(storage_name: &str) -> &str {
        storage_name.rsplit_once(ID_MARK).map_or(storage_name, |(name, _)| name)
    }

    /// The id of the table whose items are stored under this name; `None` where no table's are.
    #[must_use]
    pub fn stored_id(storage_name: &str) -> Option<TableId> {
        match storage_name.rsplit_once(ID_MARK) {
            None => Some(TableId::BUILT_IN),
            Some((_, number)) => number.parse().ok().map(TableId),
        }
    }

    /// Checks the names of the key attributes.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] for the first rule found broken.
    pub fn validate(&self) -> Result<(), SchemaError> {
        let sort_name = self.sort_key.as_ref().map(|sort| &sort.name);
        for name in std::iter::once(&self.partition_key.name).chain(sort_name) {
            if !(1..=MAX_KEY_NAME_BYTES).contains(&name.len()) {
                return Err(SchemaError::KeyNameLength { name: name.clone() });
            }
        }
        match sort_name {
            Some(name) if *name == self.partition_key.name => Err(SchemaError::SameAttribute { name: name.clone() }),
            _ => Ok(()),
        }
    }

    /// The key of an item.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when the item lacks a key attribute, or one has the wrong type or length.
    pub fn key_of(&self, item: &Item) -> Result<Key, KeyError> {
        let partition = self.partition_key.value_in(item)?;
        let sort = self.sort_key.as_ref().map(|sort| sort.value_in(item)).transpose()?;
        let key = Key { partition, sort };
        key.check_size().map(|()| key)
    }

    /// The key attributes of an item with this key.
    #[must_use]
    pub fn key_attributes(&self, key: &Key) -> Item {
        let sort = self.sort_key.as_ref().zip(key.sort.as_ref());
        let parts = std::iter::once((&self.partition_key, &key.partition)).chain(sort);
        parts.map(|(attribute, value)| (attribute.name.clone(), AttributeValue::from(value.clone()))).collect()
    }

    /// The key that a person typed: text for an S as it is, for an N as a decimal number, for a B in base64.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when a text is not of its type, a length is out of its limits, or there is a sort key
    /// where the table has none or none where it has one.
    pub fn key_from_text(&self, partition: &str, sort: Option<&str>) -> Result<Key, KeyError> {
        let partition = self.partition_key.value_from_text(partition)?;
        let sort = match (&self.sort_key, sort) {
            (Some(attribute), Some(text)) => Some(attribute.value_from_text(text)?),
            (Some(attribute), None) => {
                return Err(KeyError::MissingSortKey { attribute: attribute.name.clone() });
            }
            (None, Some(_)) => return Err(KeyError::UnexpectedSortKey),
            (None, None) => None,
        };
        let key = Key { partition, sort };
        key.check_size().map(|()| key)
    }

    /// Checks that a key made elsewhere is one of this table: parts, types and lengths.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it is not.
    pub fn check_key(&self, key: &Key) -> Result<(), KeyError> {
        self.partition_key.check_kind(&key.partition)?;
        match (&self.sort_key, &key.sort) {
            (Some(attribute), Some(value)) => attribute.check_kind(value)?,
            (Some(attribute), None) => {
                return Err(KeyError::MissingSortKey { attribute: attribute.name.clone() });
            }
            (None, Some(_)) => return Err(KeyError::UnexpectedSortKey),
            (None, None) => {}
        }
        key.check_size()
    }
}

/// An item has a key attribute, and it is not that of the key that it shall be stored under. Leave it out, or give the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the item's {attribute:?} is not {given}, as the key says")]
pub struct OtherKey {
    /// The key attribute.
    pub attribute: String,
    /// What the key says, as text.
    pub given: String,
}

impl KeyAttribute {
    /// Gives an item this key attribute, which it may have already.
    ///
    /// # Errors
    ///
    /// It has another one.
    pub fn fill(&self, item: &mut Item, value: KeyValue) -> Result<(), OtherKey> {
        let given = value.to_string();
        let value = value.into();
        match item.get(&self.name) {
            Some(found) if *found != value => Err(OtherKey { attribute: self.name.clone(), given }),
            Some(_) => Ok(()),
            None => {
                item.insert(self.name.clone(), value);
                Ok(())
            }
        }
    }

    fn value_in(&self, item: &Item) -> Result<KeyValue, KeyError> {
        let attribute = || self.name.clone();
        let found = item.get(&self.name).ok_or_else(|| KeyError::MissingAttribute { attribute: attribute() })?;
        match (self.kind, found) {
            (KeyKind::S, AttributeValue::S(text)) => Ok(KeyValue::S(text.clone())),
            (KeyKind::N, AttributeValue::N(number)) => Ok(KeyValue::N(*number)),
            (KeyKind::B, AttributeValue::B(bytes)) => Ok(KeyValue::B(bytes.clone())),
            (expected, found) => {
                Err(KeyError::WrongType { attribute: attribute(), expected, found: found.type_name() })
            }
        }
    }

    fn value_from_text(&self, text: &str) -> Result<KeyValue, KeyError> {
        let attribute = || self.name.clone();
        match self.kind {
            KeyKind::S => Ok(KeyValue::S(text.to_owned())),
            KeyKind::N => {
                text.parse().map(KeyValue::N).map_err(|reason| KeyError::NotANumber { attribute: attribute(), reason })
            }
            KeyKind::B => match STANDARD.decode(text) {
                Ok(bytes) => Ok(KeyValue::B(bytes.into())),
                Err(_) => Err(KeyError::NotBase64 { attribute: attribute() }),
            },
        }
    }

    fn check_kind(&self, value: &KeyValue) -> Result<(), KeyError> {
        match value.kind() {
            kind if kind == self.kind => Ok(()),
            kind => {
                Err(KeyError::WrongType { attribute: self.name.clone(), expected: self.kind, found: kind.type_name() })
            }
        }
    }
}

impl KeyKind {
    /// The type's name as DynamoDB writes it.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
