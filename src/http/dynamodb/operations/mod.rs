//! What the operations do: requests as types become messages to the actors, and their answers replies.
//!
//! ```text
//!   Request ── check what needs the table ──▶ Get, Put, Delete, Query, Scan, Modify, ChangeTables ──▶ Reply
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `table` | a table as this API shows it, and keys in the service's words |
//! | `expressions`, `legacy` | conditions, projections and updates of a request |
//! | `items`, `queries`, `batches`, `transactions` | items |
//! | `tables`, `describe`, `settings` | tables |
//! | `capacity` | what it would have cost |
//! | `failures` | what the actors answer, as errors of this API |
//!
//! Nothing here knows how items are replicated. A write that depends on nothing is a put by quorum; one that has a condition, changes an item or returns
//! what was there goes to where the writes of its key are put in order.

mod batches;
mod capacity;
mod describe;
mod expressions;
mod failures;
mod items;
mod legacy;
mod queries;
mod settings;
mod table;
mod tables;
mod transactions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::Recipient;
use tokio::sync::watch;
use tokio::time::timeout;

use super::endpoint::{Api, Caller, Reply};
use super::error::ApiError;
use super::requests::Request;
use crate::http::gathering::Gathering;
use crate::messages::TraceId;
use crate::messages::client::{Delete, Get, Put, Query, Scan};
use crate::messages::cluster::View;
use crate::messages::metadata::ChangeTables;
use crate::messages::modify::{Modify, ReadSurely};
use crate::messages::transaction::{TransactGet, TransactWrite};
use table::Table;

/// How long a node waits to hear of a table that it does not know: another one may have created it a moment ago.
const HEARSAY: Duration = Duration::from_millis(200);

/// How long a worker waits to hear of a table that its node has just created: that comes from another thread, which may be slow.
const CREATED: Duration = Duration::from_secs(5);

/// Where the operations go, on one worker.
pub struct Store {
    /// Puts by quorum.
    pub put: Gathering<Put>,
    /// Gets.
    pub get: Gathering<Get>,
    /// Deletes by quorum.
    pub delete: Recipient<Delete>,
    /// Gets that no acknowledged write is missing from.
    pub surely: Recipient<ReadSurely>,
    /// Items of one partition key.
    pub query: Recipient<Query>,
    /// Slices of a table.
    pub scan: Recipient<Scan>,
    /// Changes that depend on what an item is.
    pub modify: Recipient<Modify>,
    /// Changes of several items, all or none.
    pub transact_write: Recipient<TransactWrite>,
    /// Reads of several items at one time.
    pub transact_get: Recipient<TransactGet>,
    /// Changes of tables.
    pub change_tables: Recipient<ChangeTables>,
    /// The cluster as it is.
    pub views: watch::Receiver<Arc<View>>,
    /// The wall clock, in ms since the Unix epoch.
    pub wall: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Names requests.
    pub traces: Traces,
}

/// Numbers for requests, different in each worker's life.
pub struct Traces(AtomicU64);

impl Traces {
    /// Numbers from here on.
    pub fn from(first: u64) -> Self {
        Self(AtomicU64::new(first))
    }

    fn next(&self) -> TraceId {
        TraceId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Api for Store {
    async fn run(&self, request: Request, caller: &Caller) -> Result<Reply, ApiError> {
        match request {
            Request::PutItem(put) => self.put_item(*put).await,
            Request::GetItem(get) => self.get_item(*get).await,
            Request::UpdateItem(update) => self.update_item(*update).await,
            Request::DeleteItem(delete) => self.delete_item(*delete).await,
            Request::Query(query) => self.run_query(*query).await,
            Request::Scan(scan) => self.run_scan(*scan).await,
            Request::BatchGetItem(batch) => self.batch_get(*batch).await,
            Request::BatchWriteItem(batch) => self.batch_write(*batch).await,
            Request::CreateTable(create) => self.create_table(*create, caller).await,
            Request::UpdateTable(update) => self.update_table(*update, caller).await,
            Request::DeleteTable(delete) => self.delete_table(*delete, caller).await,
            Request::DescribeTable(describe) => self.describe_table(*describe, caller).await,
            Request::ListTables(list) => Ok(self.list_tables(&list)),
            Request::TagResource(tag) => self.tag(*tag).await,
            Request::UntagResource(untag) => self.untag(*untag).await,
            Request::ListTagsOfResource(list) => self.list_tags(*list).await,
            Request::DescribeTimeToLive(describe) => self.describe_ttl(*describe).await,
            Request::UpdateTimeToLive(update) => self.update_ttl(*update).await,
            Request::DescribeLimits(_) => Ok(settings::limits()),
            Request::DescribeEndpoints(_) => Ok(settings::endpoints(caller)),
            Request::TransactGetItems(get) => self.transact_get(*get).await,
            Request::TransactWriteItems(write) => self.transact_write(*write).await,
        }
    }
}

impl Store {
    fn view(&self) -> Arc<View> {
        Arc::clone(&*self.views.borrow())
    }

    /// The table, if it is one of this API's. Of one that nobody here knows others may know.
    async fn table(&self, name: &str) -> Result<Table, ApiError> {
        let view = self.view();
        if view.table(name).is_none() && view.members.len() > 1 {
            self.hear_of(name, HEARSAY).await;
        }
        Table::find(self.view(), name)
    }

    /// Waits until this worker knows a table of this name.
    async fn hear_of(&self, name: &str, patience: Duration) {
        let mut views = self.views.clone();
        // Nothing heard is an answer, too.
        let _ = timeout(patience, views.wait_for(|view| view.table(name).is_some())).await;
    }
}
