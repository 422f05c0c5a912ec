//! What becomes of a record before it is sent, and what an import tells at its end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::records::{Place, Record, RecordError};
use crate::admin::answer::{Paint, View};
use crate::admin::exit::Exit;
use crate::admin::rename::{RenameError, rename};
use crate::admin::view::units::{count, grouped};
use crate::item::{ItemError, JsonError, KeyError, TableSchema, item_from_json};

/// A record that can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Where it stood.
    pub place: Place,
    /// Its key's bytes.
    pub key: Bytes,
    /// The item's bytes.
    pub item: Bytes,
}

/// Why a record is not stored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// It is not an object.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The key attribute is missing, or its new name is taken.
    #[error(transparent)]
    Rename(#[from] RenameError),
    /// It is not an item.
    #[error("is not an item: {0}")]
    Json(#[from] JsonError),
    /// It breaks a limit.
    #[error("is not a valid item: {0}")]
    Item(#[from] ItemError),
    /// Its key does not fit the table.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// An earlier record of the file has its key.
    #[error("has the key of {first} and another content")]
    Repeated {
        /// The earlier record.
        first: Place,
    },
}

/// Turns records into items, each key once.
pub struct Preparer {
    /// The table they are for.
    pub table: TableSchema,
    attribute: String,
    /// Of each key (its hash) the item's hash and the record's place.
    seen: HashMap<u128, (u64, Place)>,
}

impl Preparer {
    /// For records whose `attribute` becomes the partition key.
    pub fn new(table: TableSchema, attribute: String) -> Self {
        Self { table, attribute, seen: HashMap::new() }
    }

    /// The item to store; none where an equal record has come before.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why there is none.
    pub fn prepare(&mut self, record: Record) -> Result<Option<Prepared>, Refused> {
        let renamed = rename(record.object?, &self.attribute, &self.table.partition_key.name)?;
        let item = item_from_json(&serde_json::Value::Object(renamed))?;
        item.validate()?;
        let key = self.table.key_of(&item)?.to_bytes();
        let item = item.to_bytes();
        match self.seen.entry(xxh3_128(&key)) {
            Entry::Vacant(free) => {
                free.insert((xxh3_64(&item), record.place));
                Ok(Some(Prepared { place: record.place, key, item }))
            }
            Entry::Occupied(first) if first.get().0 == xxh3_64(&item) => Ok(None),
            Entry::Occupied(first) => Err(Refused::Repeated { first: first.get().1 }),
        }
    }
}

/// What an import has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportView {
    /// Records written.
    pub written: u64,
    /// Records that were there already.
    pub unchanged: u64,
    /// Records that were not written, or perhaps not.
    pub failed: u64,
    /// Whether it stopped before the end of the file, because nothing succeeded any more.
    pub stopped: bool,
    /// The first of the failures.
    pub failures: Vec<FailureRow>,
}

/// A record that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureRow {
    /// Where it stands, such as `line 3`.
    pub place: String,
    /// What is wrong with it, or what happened.
    pub reason: String,
}

/// How many failures are kept.
const FAILURES_KEPT: usize = 100;

impl ImportView {
    /// Counts a failure.
    pub fn fail(&mut self, place: String, reason: String) {
        self.failed += 1;
        if self.failures.len() < FAILURES_KEPT {
            self.failures.push(FailureRow { place, reason });
        }
    }

    /// Records that are in the table now.
    pub fn succeeded(&self) -> u64 {
        self.written + self.unchanged
    }

    /// How it went.
    pub fn exit(&self) -> Exit {
        match self.failed {
            0 => Exit::Ok,
            _ if self.stopped && self.succeeded() == 0 => Exit::Unavailable,
            _ => Exit::Partial,
        }
    }
}

impl View for ImportView {
    fn text(&self, paint: Paint) -> String {
        let total = count(self.succeeded() + self.failed, "record");
        let failed = format!("{} failed", grouped(self.failed));
        let failed = if self.failed > 0 { paint.red(&failed) } else { failed };
        let stopped = if self.stopped { "; stopped before the end of the file" } else { "" };
        let (written, unchanged) = (grouped(self.written), grouped(self.unchanged));
        format!("{total}: {written} written, {unchanged} unchanged, {failed}{stopped}\n")
    }
}
