//! A table as the API shows it: its schema, and keys taken from items in the service's words.

use std::ops::Deref;
use std::sync::Arc;

use crate::http::dynamodb::error::ApiError;
use crate::item::expression::Update;
use crate::item::{
    AttributeValue, Conflict, IndexSchema, Item, Key, KeyAttribute, KeyError, KeyPart, KeyValue, TableSchema,
};
use crate::messages::cluster::View;

/// A table in the view in which it was found.
pub(super) struct Table {
    view: Arc<View>,
    at: usize,
}

impl Deref for Table {
    type Target = TableSchema;

    fn deref(&self) -> &TableSchema {
        &self.view.tables[self.at]
    }
}

impl Table {
    /// The table of transactions is none of this API's.
    pub(super) fn find(view: Arc<View>, name: &str) -> Result<Self, ApiError> {
        let at = view.tables.binary_search_by(|table| table.name.as_str().cmp(name));
        let at = at.map_err(|_| ApiError::table_not_found())?;
        if view.tables[at].conflict != Conflict::Lww {
            return Err(ApiError::validation(format!(
                "The table {name} keeps siblings, which this API cannot show: use a table with conflict = lww"
            )));
        }
        Ok(Self { view, at })
    }

    /// So many replicas are asked that one of them holds whatever was acknowledged; `None`: as many as the table says.
    pub(super) fn replicas_to_read(&self, consistent: Option<bool>) -> Option<u8> {
        let quorum = self.view.quorum_for(Some(self));
        let consistent = consistent.unwrap_or(false);
        consistent.then(|| quorum.r().max(quorum.n() - quorum.w() + 1)).and_then(|r| u8::try_from(r).ok())
    }

    /// The number of partitions of the ring.
    pub(super) fn partitions(&self) -> u32 {
        self.view.ring().partitions()
    }

    /// The place of a key's partition.
    pub(super) fn partition_of(&self, key: &Key) -> crate::dynamo::ring::PartitionId {
        self.view.ring().partition_of(&key.partition_bytes())
    }

    /// The name under which its items are stored.
    pub(super) fn stored_as(&self) -> String {
        self.storage_name().into_owned()
    }

    pub(super) fn key_names(&self) -> impl Iterator<Item = &str> {
        key_parts(self).map(|part| part.name.as_str())
    }

    /// A key that stands by itself: it has the key attributes and no others.
    pub(super) fn key(&self, key: &Item) -> Result<Key, ApiError> {
        let parts = key_parts(self).count();
        if key.len() != parts {
            return Err(no_match());
        }
        if !self.has_key_in(key) {
            return Err(no_match());
        }
        self.check_not_empty(key)?;
        self.key_of(key).map_err(|error| size_error(&error).unwrap_or_else(no_match))
    }

    /// The key of a whole item that comes with others. The service has fewer words for what is wrong with it then.
    pub(super) fn key_within(&self, item: &Item) -> Result<Key, ApiError> {
        if self.has_key_in(item) { self.key_of_item(item) } else { Err(no_match()) }
    }

    /// Whether all parts of the key are there, of the right types.
    fn has_key_in(&self, item: &Item) -> bool {
        let fits =
            |part: &KeyAttribute| item.get(&part.name).is_some_and(|value| value.type_name() == part.kind.type_name());
        key_parts(self).all(fits)
    }

    /// The key of a whole item.
    pub(super) fn key_of_item(&self, item: &Item) -> Result<Key, ApiError> {
        for part in key_parts(self) {
            let invalid =
                |what: String| ApiError::validation(format!("One or more parameter values were invalid: {what}"));
            match item.get(&part.name) {
                None => return Err(invalid(format!("Missing the key {} in the item", part.name))),
                Some(value) if value.type_name() != part.kind.type_name() => {
                    let (expected, actual) = (part.kind, value.type_name());
                    let name = &part.name;
                    return Err(invalid(format!("Type mismatch for key {name} expected: {expected} actual: {actual}")));
                }
                Some(value) => check_not_empty(part, value)?,
            }
        }
        self.check_types_of_index_keys(item)?;
        self.check_not_empty(item)?;
        self.key_of(item).map_err(|error| size_error(&error).unwrap_or_else(no_match))
    }

    /// No attribute that is part of a key, the table's or an index's, is an empty text or empty bytes.
    pub(super) fn check_not_empty(&self, item: &Item) -> Result<(), ApiError> {
        let of = |part: &KeyAttribute| item.get(&part.name).map_or(Ok(()), |value| check_not_empty(part, value));
        key_parts(self).try_for_each(of)?;
        let Some(((index, KeyAttribute { name, .. }), what)) = self.empty_index_key(item) else { return Ok(()) };
        Err(ApiError::validation(format!(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty {what} value. IndexName: {}, IndexKey: {name}",
            index.name
        )))
    }

    /// The first attribute that is a key of an index and empty, and what it is.
    pub(super) fn empty_index_key(&self, item: &Item) -> Option<((&IndexSchema, &KeyAttribute), &'static str)> {
        self.index_keys().find_map(|found| Some((found, item.get(&found.1.name)?.empty_key()?)))
    }

    /// The attributes of an item that are keys of indexes have the types that the table says.
    pub(super) fn check_types_of_index_keys(&self, item: &Item) -> Result<(), ApiError> {
        for (index, KeyAttribute { name, kind }) in self.index_keys() {
            let Some(value) = item.get(name) else { continue };
            if value.type_name() != kind.type_name() {
                let actual = value.type_name();
                return Err(ApiError::validation(format!(
                    "One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: {kind} Actual: {actual} IndexName: {}",
                    index.name
                )));
            }
        }
        Ok(())
    }

    /// Each index, by name, with each attribute of its key.
    fn index_keys(&self) -> impl Iterator<Item = (&IndexSchema, &KeyAttribute)> {
        let settings = &self.settings;
        let mut indexes: Vec<_> = settings.local_indexes.iter().chain(&settings.global_indexes).collect();
        indexes.sort_by(|one, other| one.name.cmp(&other.name));
        indexes.into_iter().flat_map(|index| {
            let names = std::iter::once(&index.partition_key).chain(&index.sort_key);
            let defined = |name: &String| settings.attributes.iter().find(|known| known.name == *name);
            names.filter_map(defined).map(move |attribute| (index, attribute))
        })
    }

    /// An update leaves the table's key as it is, and makes of the keys of indexes only what they can be.
    pub(super) fn bind(&self, update: &mut Update) -> Result<(), ApiError> {
        update.check_keys(self.key_names())?;
        update.index_keys = self.index_keys().map(|(_, attribute)| (attribute.name.clone(), attribute.kind)).collect();
        Ok(())
    }
}

fn key_parts(table: &TableSchema) -> impl Iterator<Item = &KeyAttribute> {
    std::iter::once(&table.partition_key).chain(&table.sort_key)
}

fn no_match() -> ApiError {
    ApiError::validation("The provided key element does not match the schema")
}

fn check_not_empty(part: &KeyAttribute, value: &AttributeValue) -> Result<(), ApiError> {
    let Some(what) = value.empty_key() else { return Ok(()) };
    Err(ApiError::validation(format!(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {what} value. Key: {}",
        part.name
    )))
}

/// Whether the parts of a key have the lengths that they may have.
pub(super) fn check_size(key: &Key) -> Result<(), ApiError> {
    key.check_size().map_err(|error| size_error(&error).unwrap_or_else(no_match))
}

fn size_error(error: &KeyError) -> Option<ApiError> {
    let KeyError::TooLong { part, .. } = error else { return None };
    Some(ApiError::validation(match part {
        KeyPart::Partition => {
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"
        }
        KeyPart::Sort => {
            "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
        }
    }))
}

/// A key value as that of an attribute.
pub(super) fn attribute(value: &KeyValue) -> AttributeValue {
    AttributeValue::from(value.clone())
}
