//! Many items in one request, each by itself: what could not be done now is handed back.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::table::Table;
use super::{Store, capacity, expressions, legacy};
use crate::http::dynamodb::endpoint::Reply;
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json_out::JsonWriter;
use crate::http::dynamodb::requests::{BatchGetItem, BatchWriteItem, KeysAndAttributes, WriteRequest};
use crate::item::expression::Projection;
use crate::item::{Item, Key};

/// The most keys of a `BatchGetItem`.
const GETS_MAX: usize = 100;

/// The most requests of a `BatchWriteItem`.
const WRITES_MAX: usize = 25;

/// A reply to `BatchGetItem` holds no more bytes of items.
const REPLY_MAX_BYTES: usize = 16 * 1024 * 1024;

/// What is to be read of one table.
struct Reading {
    name: String,
    asked: KeysAndAttributes,
    projection: Option<Projection>,
    table: Table,
    keys: Vec<Key>,
}

/// What was read of it.
#[derive(Default)]
struct Found {
    items: Vec<Item>,
    /// Places of keys.
    unprocessed: Vec<usize>,
    units: f64,
}

/// What is to be done in one table.
struct Writing {
    name: String,
    table: Table,
    requests: Vec<(WriteRequest, Key)>,
}

impl Store {
    pub(super) async fn batch_get(&self, batch: BatchGetItem) -> Result<Reply, ApiError> {
        let mut readings = Vec::new();
        if batch.request_items.values().map(|asked| asked.keys.len()).sum::<usize>() > GETS_MAX {
            return Err(ApiError::validation("Too many items requested for the BatchGetItem call"));
        }
        // Before any table is looked for.
        batch.request_items.values().try_for_each(|asked| check_distinct(&asked.keys))?;
        for (name, asked) in batch.request_items {
            let given = [("ProjectionExpression", asked.projection_expression.is_some())];
            let names = asked.expression_attribute_names.clone();
            let mut placeholders = expressions::placeholders(names, None, &given)?;
            let projection = match expressions::projection(asked.projection_expression.as_ref(), &mut placeholders)? {
                None => legacy::attributes(asked.attributes_to_get.as_ref())?,
                projection => projection,
            };
            placeholders.check_all_used()?;
            let table = self.table(&name).await?;
            let keys = asked.keys.iter().map(|key| table.key(key)).collect::<Result<Vec<_>, _>>()?;
            readings.push(Reading { name, asked, projection, table, keys });
        }
        let mut room = REPLY_MAX_BYTES;
        let mut found = Vec::with_capacity(readings.len());
        for reading in &readings {
            found.push(self.read_all(reading, &mut room).await?);
        }
        Ok(Reply::object(|out| {
            out.name("Responses").object(|out| {
                for (reading, found) in readings.iter().zip(&found) {
                    out.name(&reading.name).array(|out| found.items.iter().for_each(|item| out.item(item)));
                }
            });
            out.name("UnprocessedKeys").object(|out| {
                for (reading, found) in readings.iter().zip(&found).filter(|(_, found)| !found.unprocessed.is_empty()) {
                    out.name(&reading.name);
                    write_unprocessed_keys(out, reading, &found.unprocessed);
                }
            });
            let units = readings.iter().zip(&found).map(|(reading, found)| (reading.name.as_str(), found.units));
            capacity::write_all(out, batch.return_consumed_capacity, units, capacity::Kind::Unsaid);
        }))
    }

    async fn read_all(&self, reading: &Reading, room: &mut usize) -> Result<Found, ApiError> {
        let consistent = reading.asked.consistent_read;
        let read = reading.keys.iter().map(|key| self.read(&reading.table, key, consistent));
        let mut found = Found::default();
        for (at, outcome) in join_all(read).await.into_iter().enumerate() {
            let item = match outcome {
                Ok(item) => item,
                Err(error) if may_be_tried_again(&error) => {
                    found.unprocessed.push(at);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let size = item.as_ref().map_or(0, Item::size);
            if size > *room {
                found.unprocessed.push(at);
                continue;
            }
            *room -= size;
            found.units += capacity::of_read(size, consistent);
            let projected = item.map(|item| match &reading.projection {
                Some(projection) => projection.apply(&item),
                None => item,
            });
            found.items.extend(projected);
        }
        Ok(found)
    }

    pub(super) async fn batch_write(&self, batch: BatchWriteItem) -> Result<Reply, ApiError> {
        if batch.request_items.values().map(Vec::len).sum::<usize>() > WRITES_MAX {
            return Err(ApiError::validation("Too many items requested for the BatchWriteItem call"));
        }
        let writings = self.writings(batch.request_items).await?;
        let mut outcomes = Vec::with_capacity(writings.len());
        for writing in &writings {
            let write = writing.requests.iter().map(|(request, key)| self.write_one(&writing.table, request, key));
            outcomes.push(join_all(write).await);
        }
        let mut unprocessed: BTreeMap<&str, Vec<&WriteRequest>> = BTreeMap::new();
        let mut units: BTreeMap<&str, f64> = BTreeMap::new();
        for (writing, outcomes) in writings.iter().zip(outcomes) {
            for ((request, _), outcome) in writing.requests.iter().zip(outcomes) {
                match outcome {
                    Ok(cost) => *units.entry(&writing.name).or_default() += cost,
                    Err(error) if may_be_tried_again(&error) => {
                        unprocessed.entry(&writing.name).or_default().push(request);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Reply::object(|out| {
            out.name("UnprocessedItems").object(|out| {
                for (table, requests) in &unprocessed {
                    out.name(table).array(|out| requests.iter().for_each(|request| write_request(out, request)));
                }
            });
            capacity::write_all(out, batch.return_consumed_capacity, units, capacity::Kind::Unsaid);
        }))
    }

    async fn writings(&self, asked: BTreeMap<String, Vec<WriteRequest>>) -> Result<Vec<Writing>, ApiError> {
        let mut writings = Vec::with_capacity(asked.len());
        for (name, requests) in asked {
            if requests.iter().any(|request| request.put_request.is_some() == request.delete_request.is_some()) {
                return Err(ApiError::validation(
                    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
                ));
            }
            let table = self.table(&name).await?;
            let mut checked = Vec::with_capacity(requests.len());
            for request in requests {
                let key = match (&request.put_request, &request.delete_request) {
                    (Some(put), _) => {
                        let key = table.key_within(&put.item)?;
                        put.item.validate()?;
                        key
                    }
                    (None, Some(delete)) => table.key(&delete.key)?,
                    (None, None) => continue,
                };
                checked.push((request, key));
            }
            check_distinct(checked.iter().map(|(_, key)| key))?;
            writings.push(Writing { name, table, requests: checked });
        }
        Ok(writings)
    }

    async fn write_one(&self, table: &Table, request: &WriteRequest, key: &Key) -> Result<f64, ApiError> {
        match &request.put_request {
            Some(put) => {
                self.put_by_quorum(table, put.item.to_bytes()).await?;
                Ok(capacity::of_write(put.item.size()))
            }
            None => {
                self.delete_by_quorum(table, key).await?;
                Ok(capacity::of_write(0))
            }
        }
    }
}

fn check_distinct<'a, K: Ord + 'a>(keys: impl IntoIterator<Item = &'a K>) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    match keys.into_iter().all(|key| seen.insert(key)) {
        true => Ok(()),
        false => Err(ApiError::validation("Provided list of item keys contains duplicates")),
    }
}

fn may_be_tried_again(error: &ApiError) -> bool {
    matches!(error, ApiError::Throttling { .. } | ApiError::ServiceUnavailable { .. })
}

fn write_unprocessed_keys(out: &mut JsonWriter, reading: &Reading, places: &[usize]) {
    out.object(|out| {
        let keys = places.iter().filter_map(|at| reading.asked.keys.get(*at));
        out.name("Keys").array(|out| keys.for_each(|key| out.item(key)));
        if let Some(consistent) = reading.asked.consistent_read {
            out.name("ConsistentRead").boolean(consistent);
        }
        if let Some(names) = &reading.asked.attributes_to_get {
            out.name("AttributesToGet").texts(names);
        }
        if let Some(text) = &reading.asked.projection_expression {
            out.name("ProjectionExpression").text(text);
        }
        if let Some(names) = &reading.asked.expression_attribute_names {
            out.name("ExpressionAttributeNames")
                .object(|out| names.iter().for_each(|(placeholder, name)| out.name(placeholder).text(name)));
        }
    });
}

fn write_request(out: &mut JsonWriter, request: &WriteRequest) {
    out.object(|out| {
        if let Some(put) = &request.put_request {
            out.name("PutRequest").object(|out| out.name("Item").item(&put.item));
        }
        if let Some(delete) = &request.delete_request {
            out.name("DeleteRequest").object(|out| out.name("Key").item(&delete.key));
        }
    });
}
