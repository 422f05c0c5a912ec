//! What the methods do: a request becomes a message to the actors, and their answer one of HTTP.
//!
//! ```text
//!   GET     an item         Get, again and again where it waits for news        siblings, context
//!   GET     a partition key Query                                               items, next
//!   PUT                     Put                                                 how many siblings there are now, context
//!   DELETE                  Delete                                              the same
//! ```
//!
//! Nothing here knows how items are replicated.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::address::{Address, Place};
use super::document::{self, Form};
use super::failure::KvError;
use super::long_poll::{Pauses, Waiters};
use super::parameters::{Basics, DeleteParameters, PutParameters, RangeParameters, ReadParameters};
use super::range::Range;
use super::{cursor, failure};
use crate::dynamo::context::Context;
use crate::http::store::Store;
use crate::item::{Item, Key, KeyError, KeyValue, TableId, TableSchema};
use crate::messages::TraceId;
use crate::messages::client::{Delete, Get, GetReply, Put, PutError, PutReply, Query};
use crate::messages::cluster::View;

/// What is answered, but for failures.
#[derive(Debug, PartialEq)]
pub(super) enum Done {
    /// A body, and the context of its key if it is about one.
    Body { body: Value, context: Option<Context> },
    /// There is nothing that the context of the request has not seen.
    NoNews,
}

/// A request that has passed the door.
pub(super) struct Asked<'a> {
    pub(super) store: &'a Store,
    pub(super) waiters: &'a Rc<Waiters>,
    pub(super) trace: TraceId,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// What the client has seen of the key.
    pub(super) context: Option<Context>,
}

impl Asked<'_> {
    pub(super) async fn get(self) -> Result<Done, KvError> {
        let address = Address::parse(self.path)?;
        let view = self.store.view_with(&address.table).await;
        let table = known(&view, &address.table)?;
        match address.place(table)? {
            Place::Item(key) => {
                let asked = ReadParameters::parse(self.query)?;
                check_n(&view, table, asked.basics)?;
                self.get_item(table, &key, asked).await
            }
            Place::Range(partition) => {
                let asked = RangeParameters::parse(self.query)?;
                check_n(&view, table, asked.basics)?;
                self.get_range(table, partition, &asked).await
            }
        }
    }

    pub(super) async fn put(self, body: &[u8]) -> Result<Done, KvError> {
        let address = Address::parse(self.path)?;
        let asked = PutParameters::parse(self.query)?;
        let view = self.store.view_with(&address.table).await;
        let table = known(&view, &address.table)?;
        check_n(&view, table, asked.basics)?;
        let key = whole_key(&address, table)?;
        let item = with_key(asked.basics.form.read(body)?, table, key)?;
        let put = Put {
            trace: self.trace,
            table: address.table,
            item: item.to_bytes(),
            context: self.context,
            ttl_ms: asked.ttl_ms,
            w: asked.w,
            timeout_ms: asked.basics.timeout_ms,
        };
        let answer = self.store.put.ask(put);
        let reply = answer.await.map_err(|_| failure::lost())?;
        written(reply)
    }

    pub(super) async fn delete(self) -> Result<Done, KvError> {
        let address = Address::parse(self.path)?;
        let asked = DeleteParameters::parse(self.query)?;
        let view = self.store.view_with(&address.table).await;
        let table = known(&view, &address.table)?;
        check_n(&view, table, asked.basics)?;
        let key = whole_key(&address, table)?;
        let delete = Delete {
            trace: self.trace,
            table: address.table,
            key: key.to_bytes(),
            context: self.context,
            w: asked.w,
            timeout_ms: asked.basics.timeout_ms,
        };
        let reply = self.store.delete.send(delete).await.map_err(|_| failure::lost())?;
        written(reply)
    }

    async fn get_item(self, table: &TableSchema, key: &Key, asked: ReadParameters) -> Result<Done, KvError> {
        let get = Get {
            trace: self.trace,
            table: table.name.to_string(),
            key: key.to_bytes(),
            r: asked.r,
            timeout_ms: asked.basics.timeout_ms,
        };
        let form = asked.basics.form;
        match asked.wait {
            None => found(form, self.look(&get).await?),
            Some(wait) => self.get_news(&get, wait, form).await,
        }
    }

    /// Looks until there is something that the context has not seen, or the time is over. A failure of the first look is the answer; a later
    /// one that may pass is waited out.
    async fn get_news(self, get: &Get, wait: Duration, form: Form) -> Result<Done, KvError> {
        let _waiter = self.waiters.enter()?;
        let deadline = Instant::now() + wait;
        let mut pauses = Pauses::begin();
        let mut last: Result<GetReply, KvError> = Ok(self.look(get).await?);
        loop {
            match last {
                Ok(reply) if self.is_news(&reply)? => return found(form, reply),
                Err(error) if !error.is_transient() => return Err(error),
                outcome => last = outcome,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return last.map(|_| Done::NoNews);
            }
            sleep(pauses.next().map_or(left, |pause| pause.min(left))).await;
            self.waiters.metrics.looks.inc();
            last = self.look(get).await;
        }
    }

    fn is_news(&self, reply: &GetReply) -> Result<bool, KvError> {
        let Some(seen) = &self.context else { return Ok(!reply.context.is_empty()) };
        let dots = reply.versions.iter().map(|version| &version.dot);
        Ok(!seen.covers(&reply.context, dots)?)
    }

    async fn look(&self, get: &Get) -> Result<GetReply, KvError> {
        let answer = self.store.get.ask(get.clone());
        Ok(answer.await.map_err(|_| KvError::NotServing)??)
    }

    async fn get_range(
        self,
        table: &TableSchema,
        partition: KeyValue,
        asked: &RangeParameters,
    ) -> Result<Done, KvError> {
        let range = Range::of(table, partition, asked)?;
        let query = Query {
            trace: self.trace,
            table: table.name.to_string(),
            partition_key: range.partition_key,
            range: range.keys,
            limit: asked.limit,
            r: asked.r,
            timeout_ms: asked.basics.timeout_ms,
        };
        let reply = self.store.query.send(query).await.map_err(|_| KvError::NotServing)??;
        let items = reply.items.iter().map(|versions| asked.basics.form.siblings(versions));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let next = reply.next.map(|last| cursor::to_text(&table.storage_name(), asked.descends, &last));
        Ok(Done::Body { body: document::of_range(items, next), context: None })
    }
}

/// The table of transactions is nobody's.
fn known<'a>(view: &'a View, name: &str) -> Result<&'a TableSchema, KvError> {
    let known = view.table(name).filter(|table| table.id != TableId::TRANSACTIONS);
    known.ok_or_else(|| KvError::NoSuchTable { table: name.to_owned() })
}

/// How many replicas an item has is the table's, from when it was created: a request can only agree.
fn check_n(view: &View, table: &TableSchema, basics: Basics) -> Result<(), KvError> {
    let n = table.n.map_or(view.quorum.n(), usize::from);
    match basics.n {
        Some(asked) if usize::from(asked) != n => Err(KvError::InvalidQuorum {
            reason: format!(
                "n = {asked}: items of the table {} have n = {n} replicas, which is decided when it is created; leave n out",
                table.name
            ),
        }),
        _ => Ok(()),
    }
}

/// The key of a write.
fn whole_key(address: &Address, table: &TableSchema) -> Result<Key, KvError> {
    match (address.place(table)?, &table.sort_key) {
        (Place::Item(key), _) => Ok(key),
        (Place::Range(_), sort) => {
            let attribute = sort.as_ref().map(|sort| sort.name.clone()).unwrap_or_default();
            Err(KeyError::MissingSortKey { attribute }.into())
        }
    }
}

/// The item with the key that the path says, which it may have already.
fn with_key(mut item: Item, table: &TableSchema, key: Key) -> Result<Item, KvError> {
    let other = |error: crate::item::OtherKey| KvError::InvalidKey { reason: error.to_string() };
    table.partition_key.fill(&mut item, key.partition).map_err(other)?;
    if let (Some(attribute), Some(value)) = (&table.sort_key, key.sort) {
        attribute.fill(&mut item, value).map_err(other)?;
    }
    item.validate()?;
    Ok(item)
}

fn found(form: Form, reply: GetReply) -> Result<Done, KvError> {
    let GetReply { versions, context } = reply;
    if versions.is_empty() {
        return Err(KvError::NoSuchItem { context });
    }
    let body = document::of_key(form.siblings(&versions)?, &context);
    Ok(Done::Body { body, context: Some(context) })
}

fn written(reply: Result<PutReply, PutError>) -> Result<Done, KvError> {
    let PutReply { context, siblings } = reply?;
    Ok(Done::Body { body: document::of_key(siblings, &context), context: Some(context) })
}
