//! Where the requests of a worker's HTTP surfaces go: the recipients of its actors, and the cluster as it is.
//!
//! The DynamoDB API and the KV API send their messages through it. It decides nothing, and knows nothing of replication.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::Recipient;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::messages::TraceId;
use crate::messages::client::{Delete, Get, Put, Query, Scan};
use crate::messages::cluster::View;
use crate::messages::metadata::ChangeTables;
use crate::messages::modify::Modify;
use crate::messages::together::Together;

/// How long a node waits to hear of a table that it does not know: another one may have created it a moment ago.
const HEARSAY: Duration = Duration::from_millis(200);

/// Where requests go, on one worker.
pub struct Store {
    /// Puts by quorum.
    pub put: Recipient<Together<Put>>,
    /// Gets.
    pub get: Recipient<Together<Get>>,
    /// Deletes by quorum.
    pub delete: Recipient<Delete>,
    /// Items of one partition key.
    pub query: Recipient<Query>,
    /// Slices of a table.
    pub scan: Recipient<Scan>,
    /// Changes that depend on what an item is.
    pub modify: Recipient<Modify>,
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
            let mut views = self.views.clone();
            // Nothing heard is an answer, too.
            let _ = timeout(HEARSAY, views.wait_for(|view| view.table(table).is_some())).await;
        }
        self.view()
    }
}
