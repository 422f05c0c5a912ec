//! What the DynamoDB API says of a table beside its keys. Part of the table's schema, and kept with it.
//!
//! Nothing of it changes where an item is or who may write it: indexes are described here, and what describes cost is echoed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::schema::KeyAttribute;

/// The most global secondary indexes of a table: quota of the developer guide.
pub const MAX_GLOBAL_INDEXES: usize = 20;

/// The most tags of a table: quota of the developer guide.
pub const MAX_TAGS: usize = 50;

/// What a table is besides its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSettings {
    /// When it was created, in ms since the Unix epoch; 0: not over the API.
    pub created_ms: u64,
    /// Drawn when it is created: `TableId` of the API.
    pub uuid: u128,
    /// The attributes that are part of any key: the table's own and those of its indexes.
    pub attributes: Vec<KeyAttribute>,
    /// How it is paid for.
    pub billing: Billing,
    /// `STANDARD_INFREQUENT_ACCESS` was asked for.
    pub is_infrequent: bool,
    /// The table cannot be deleted before this is changed.
    pub deletion_protected: bool,
    /// Indexes that share the table's partition key.
    pub local_indexes: Vec<IndexSchema>,
    /// Indexes with keys of their own.
    pub global_indexes: Vec<IndexSchema>,
    /// Labels.
    pub tags: BTreeMap<String, String>,
    /// The attribute that says when an item expires, in seconds since the Unix epoch.
    pub ttl_attribute: Option<String>,
}

/// How a table, or an index, is paid for. Nothing is limited by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Billing {
    /// By request.
    #[default]
    PayPerRequest,
    /// By what was provisioned, in units per second.
    Provisioned {
        /// Reads.
        read: u64,
        /// Writes.
        write: u64,
    },
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexSchema {
    /// Its name.
    pub name: String,
    /// Its partition key.
    pub partition_key: String,
    /// Its sort key.
    pub sort_key: Option<String>,
    /// Which attributes it holds.
    pub projection: Projected,
    /// How it is paid for.
    pub billing: Billing,
}

/// Which attributes an index holds besides the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projected {
    /// All.
    All,
    /// None.
    KeysOnly,
    /// These.
    Include(Vec<String>),
}

/// One change of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SettingChange {
    /// It is paid for in another way.
    Billing(Billing),
    /// It may be deleted, or not.
    DeletionProtected(bool),
    /// It is of another class.
    Infrequent(bool),
    /// It has this label from now on.
    Tag {
        /// The label.
        name: String,
        /// What it says.
        value: String,
    },
    /// It has this label no more.
    Untag(String),
    /// Items expire by this attribute; none: they do not.
    TtlAttribute(Option<String>),
    /// It has one index more, whose keys are among these attributes.
    AddIndex(IndexSchema, Vec<KeyAttribute>),
    /// An index is paid for in another way.
    IndexBilling(String, Billing),
    /// It has this index no more.
    DropIndex(String),
}

/// Why the settings stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SettingError {
    /// There is an index of that name.
    #[error("there is an index `{index}` already")]
    IndexExists {
        /// The name.
        index: String,
    },
    /// There is no index of that name.
    #[error("there is no index `{index}`")]
    NoSuchIndex {
        /// The name.
        index: String,
    },
    /// There would be more than [`MAX_GLOBAL_INDEXES`].
    #[error("a table has at most {MAX_GLOBAL_INDEXES} global secondary indexes")]
    TooManyIndexes,
    /// There would be more than [`MAX_TAGS`].
    #[error("a table has at most {MAX_TAGS} tags")]
    TooManyTags,
}

impl TableSettings {
    /// Makes all of these changes, or none. `own` are the names of the table's key: what is a key neither of it nor of an index is defined no more.
    pub(super) fn with(&self, changes: &[SettingChange], own: &[&str]) -> Result<Self, SettingError> {
        let mut next = self.clone();
        changes.iter().try_for_each(|change| next.change(change))?;
        if changes.iter().any(|change| matches!(change, SettingChange::DropIndex(_))) {
            let indexes = next.local_indexes.iter().chain(&next.global_indexes);
            let of_indexes = indexes
                .flat_map(|index| std::iter::once(&index.partition_key).chain(&index.sort_key))
                .map(String::as_str);
            let used: BTreeSet<&str> = of_indexes.chain(own.iter().copied()).collect();
            next.attributes.retain(|known| used.contains(known.name.as_str()));
        }
        Ok(next)
    }

    /// An index by its name, of either kind.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<&IndexSchema> {
        self.local_indexes.iter().chain(&self.global_indexes).find(|index| index.name == name)
    }

    fn change(&mut self, change: &SettingChange) -> Result<(), SettingError> {
        match change {
            SettingChange::Billing(billing) => self.billing = *billing,
            SettingChange::DeletionProtected(protected) => self.deletion_protected = *protected,
            SettingChange::Infrequent(infrequent) => self.is_infrequent = *infrequent,
            SettingChange::Tag { name, value } => {
                self.tags.insert(name.clone(), value.clone());
                if self.tags.len() > MAX_TAGS {
                    return Err(SettingError::TooManyTags);
                }
            }
            SettingChange::Untag(name) => {
                self.tags.remove(name);
            }
            SettingChange::TtlAttribute(attribute) => self.ttl_attribute.clone_from(attribute),
            SettingChange::AddIndex(index, attributes) => self.add_index(index, attributes)?,
            SettingChange::IndexBilling(name, billing) => self.global_index(name)?.billing = *billing,
            SettingChange::DropIndex(name) => {
                self.global_index(name)?;
                self.global_indexes.retain(|known| known.name != *name);
            }
        }
        Ok(())
    }

    fn add_index(&mut self, index: &IndexSchema, attributes: &[KeyAttribute]) -> Result<(), SettingError> {
        if self.index(&index.name).is_some() {
            return Err(SettingError::IndexExists { index: index.name.clone() });
        }
        if self.global_indexes.len() >= MAX_GLOBAL_INDEXES {
            return Err(SettingError::TooManyIndexes);
        }
        self.global_indexes.push(index.clone());
        for attribute in attributes {
            if !self.attributes.iter().any(|known| known.name == attribute.name) {
                self.attributes.push(attribute.clone());
            }
        }
        Ok(())
    }

    fn global_index(&mut self, name: &str) -> Result<&mut IndexSchema, SettingError> {
        let found = self.global_indexes.iter_mut().find(|known| known.name == name);
        found.ok_or_else(|| SettingError::NoSuchIndex { index: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Billing, IndexSchema, KeyAttribute, Projected, SettingChange, SettingError, TableSettings};
    use crate::item::KeyKind;

    fn index(name: &str) -> IndexSchema {
        let (name, partition_key) = (name.to_owned(), "by".to_owned());
        let (projection, billing) = (Projected::All, Billing::PayPerRequest);
        IndexSchema { name, partition_key, sort_key: None, projection, billing }
    }

    #[test]
    fn all_changes_are_made_or_none() {
        let before = TableSettings::default();
        let tag = |name: &str| SettingChange::Tag { name: name.to_owned(), value: "x".to_owned() };
        let refused = before.with(&[tag("a"), SettingChange::DropIndex("none".to_owned())], &[]);
        assert_eq!(refused, Err(SettingError::NoSuchIndex { index: "none".to_owned() }));
        let after = before.with(&[tag("a"), tag("b"), SettingChange::Untag("a".to_owned())], &[]).unwrap();
        assert_eq!(after.tags.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn names_of_indexes_are_used_once_and_their_number_is_bounded() {
        let add = |number: usize| SettingChange::AddIndex(index(&format!("i{number}")), Vec::new());
        let full = TableSettings::default().with(&(0..20).map(add).collect::<Vec<_>>(), &[]).unwrap();
        assert_eq!(full.with(&[add(3)], &[]), Err(SettingError::IndexExists { index: "i3".to_owned() }));
        assert_eq!(full.with(&[add(20)], &[]), Err(SettingError::TooManyIndexes));
        assert!(full.with(&[SettingChange::DropIndex("i3".to_owned()), add(20)], &[]).is_ok());
    }

    #[test]
    fn tags_are_bounded() {
        let tag = |number: usize| SettingChange::Tag { name: number.to_string(), value: String::new() };
        let tags: Vec<_> = (0..51).map(tag).collect();
        assert!(TableSettings::default().with(&tags[..50], &[]).is_ok());
        assert_eq!(TableSettings::default().with(&tags, &[]), Err(SettingError::TooManyTags));
    }

    /// Or the next index by that name would have the type of the one before.
    #[test]
    fn what_is_a_key_of_nothing_is_defined_no_more() {
        let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
        let before = TableSettings { attributes: vec![attribute("id", KeyKind::S)], ..TableSettings::default() };
        let add = |name: &str, kind| SettingChange::AddIndex(index(name), vec![attribute("by", kind)]);
        let drop = |name: &str| SettingChange::DropIndex(name.to_owned());
        let two = before.with(&[add("one", KeyKind::S), add("two", KeyKind::S)], &["id"]).unwrap();
        let one = two.with(&[drop("one")], &["id"]).unwrap();
        assert_eq!(one.attributes, two.attributes, "the other index needs it");
        let none = one.with(&[drop("two")], &["id"]).unwrap();
        assert_eq!(none.attributes, before.attributes);
        let again = none.with(&[add("three", KeyKind::N)], &["id"]).unwrap();
        assert_eq!(again.attributes[1].kind, KeyKind::N);
    }
}
