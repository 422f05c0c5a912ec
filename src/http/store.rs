//! Where the requests of a worker's HTTP surfaces go: the recipients of its actors, and the cluster as it is.
//!
//! The DynamoDB API and the KV API send their messages through it. It decides nothing, and knows nothing of replication.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::Recipient;
use tokio::sync::watch;
use tokio::time::timeout;

use super::gathering::Gathering;
use crate::messages::TraceId;
use crate::messages::client::{Delete, Get, Put, Query, Scan};
use crate::messages::cluster::View;
use crate::messages::metadata::ChangeTables;
use crate::messages::modify::{Modify, ReadSurely};
use crate::messages::transaction::{TransactGet, TransactWrite};

/// How long a node waits to hear of a table that it does not know: another one may have created it a moment ago.
const HEARSAY: Duration = Duration::from_millis(200);

/// How long a worker waits to hear of a table that its node has just created: that comes from another thread, which may be slow.
pub(super) const CREATED: Duration = Duration::from_secs(5);

/// Where requests go, on one worker.
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

    pub(super) fn next(&self) -> TraceId {
        TraceId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Store {
    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&*self.views.borrow())
    }

    /// The view, as soon as the table is in it. Of one that nobody here knows others may know, so it waits a moment for that.
    pub(super) async fn view_with(&self, table: &str) -> Arc<View> {
        let view = self.view();
        if view.table(table).is_none() && view.members.len() > 1 {
            self.hear_of(table, HEARSAY).await;
        }
        self.view()
    }

    /// Waits until this worker knows a table of this name, and no longer than that.
    pub(super) async fn hear_of(&self, table: &str, patience: Duration) {
        self.wait_for(patience, |view| view.table(table).is_some()).await;
    }

    /// Waits until this worker knows of a change that has been made, and no longer than that takes.
    pub(super) async fn wait_until(&self, is_so: impl Fn(&View) -> bool) {
        self.wait_for(CREATED, is_so).await;
    }

    async fn wait_for(&self, patience: Duration, is_so: impl Fn(&View) -> bool) {
        let mut views = self.views.clone();
        // Nothing heard is an answer, too.
        let _ = timeout(patience, views.wait_for(|view| is_so(view))).await;
    }
}
