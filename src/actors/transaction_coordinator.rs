//! Runs transactions of the clients of its worker: changes and reads of several items that are one.
//!
//! It gives the stories what they need and bounds how many there are. It decides nothing about items (`Turn` does) nor what becomes of a transaction: its record
//! does. What is under way when it dies is brought to an end by whoever meets it, or by `TransactionRecovery`.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Recipient, ResponseFuture};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::coordination::Permit;
use super::node::WallClock;
use super::transact_get::transact_get;
use super::transact_write::{Ways, transact_write};
use crate::item::TransactionId;
use crate::messages::Overloaded;
use crate::messages::modify::{Modify, ReadSurely};
use crate::messages::transaction::{TransactError, TransactGet, TransactGetError, TransactWrite, Transacted};
use crate::metrics::Metrics;

/// What a [`TransactionCoordinator`] is told.
pub struct TransactionParts {
    /// Where steps of items are put in order.
    pub modify: Recipient<Modify>,
    /// Reads.
    pub read: Recipient<ReadSurely>,
    /// The wall clock.
    pub wall: WallClock,
    /// The longest a request may take.
    pub request_timeout: Duration,
    /// Bound of the items in transactions under way.
    pub inflight_max: usize,
    /// Seeds the names of transactions.
    pub seed: u64,
    /// Where it counts.
    pub metrics: Metrics,
}

/// One worker's coordinator of transactions.
pub struct TransactionCoordinator {
    ways: Rc<Ways>,
    read: Rc<Recipient<ReadSurely>>,
    request_timeout: Duration,
    inflight: Rc<Cell<usize>>,
    inflight_max: usize,
    rng: StdRng,
    metrics: Metrics,
}

impl TransactionCoordinator {
    /// A coordinator that is ready at once.
    pub fn new(parts: TransactionParts) -> Self {
        let timeout_ms = u32::try_from(parts.request_timeout.as_millis()).unwrap_or(u32::MAX);
        let ways = Ways { modify: parts.modify, wall: parts.wall, timeout_ms, metrics: parts.metrics.clone() };
        Self {
            ways: Rc::new(ways),
            read: Rc::new(parts.read),
            request_timeout: parts.request_timeout,
            inflight: Rc::default(),
            inflight_max: parts.inflight_max,
            rng: StdRng::seed_from_u64(parts.seed),
            metrics: parts.metrics,
        }
    }

    fn overdue_at(&self, timeout_ms: Option<u32>) -> Instant {
        let asked = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        Instant::now() + asked.map_or(self.request_timeout, |asked| asked.min(self.request_timeout))
    }

    fn admit(&self, items: usize) -> Result<Permit, Overloaded> {
        Permit::take(&self.inflight, items, self.inflight_max).ok_or_else(|| {
            self.metrics.shed.inc();
            Overloaded { limit: "limits.inflight_requests".to_owned(), max: self.inflight_max as u64 }
        })
    }
}

/// Why such a transaction cannot be.
fn check(request: &TransactWrite) -> Result<(), TransactError> {
    let items: BTreeSet<_> = request.writes.iter().map(|write| (&write.table, &write.key)).collect();
    let reason = match request.writes.len() {
        0 => "a transaction needs at least one item",
        count if count != items.len() => "a transaction cannot have several steps for one item",
        _ => return Ok(()),
    };
    Err(TransactError::Invalid { reason: reason.to_owned() })
}

impl Actor for TransactionCoordinator {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
    }
}

impl Handler<TransactWrite> for TransactionCoordinator {
    type Result = ResponseFuture<Result<Transacted, TransactError>>;

    fn handle(&mut self, request: TransactWrite, _: &mut Self::Context) -> Self::Result {
        let admitted = check(&request).and_then(|()| Ok(self.admit(request.writes.len())?));
        let (ways, overdue_at) = (Rc::clone(&self.ways), self.overdue_at(request.timeout_ms));
        let id = TransactionId::new((self.ways.wall)(), self.rng.random());
        Box::pin(async move {
            let permit = admitted?;
            let (answer, answered) = oneshot::channel();
            // The story goes on after the answer.
            actix::spawn(async move {
                transact_write(ways, id, request, overdue_at, answer).await;
                drop(permit);
            });
            answered.await.unwrap_or(Err(TransactError::Unknown { reason: "the node is stopping".to_owned() }))
        })
    }
}

impl Handler<TransactGet> for TransactionCoordinator {
    type Result = ResponseFuture<Result<Vec<Option<bytes::Bytes>>, TransactGetError>>;

    fn handle(&mut self, request: TransactGet, _: &mut Self::Context) -> Self::Result {
        let admitted = self.admit(request.keys.len());
        let (read, overdue_at) = (Rc::clone(&self.read), self.overdue_at(request.timeout_ms));
        Box::pin(async move {
            let _permit = admitted?;
            transact_get(read, request, overdue_at).await
        })
    }
}
