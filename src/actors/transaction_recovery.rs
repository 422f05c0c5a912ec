//! Brings transactions to an end whose coordinator is gone: has their items say what was decided, aborts what was never decided, and forgets what is over.
//!
//! It goes round the partitions of the table of transactions whose writes are put in order at this node, one at a time. It decides nothing: the records do.
//! Nothing is lost if it dies; a transaction that is decided is shown as decided whether it has been here or not.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, Recipient, WrapFuture as _};
use tokio::sync::watch;
use tracing::{info, warn};

use super::modify_in_turn::newest;
use super::node::WallClock;
use super::transact_write::{Ways, ask, decide, settle_and_forget};
use crate::dynamo::ring::PartitionId;
use crate::item::{Item, Key, KeyValue, Standing, Step, TableSchema, Token, TransactionRecord};
use crate::messages::TraceId;
use crate::messages::client::{Scan, ScanCursor, ScanReply};
use crate::messages::cluster::View;
use crate::messages::modify::Modify;
use crate::messages::transaction::ReadRecords;
use crate::metrics::Metrics;

/// Once round all partitions in this time, if there are not too many.
const ROUND: Duration = Duration::from_secs(10);

/// The least pause between two partitions.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// So long after a transaction's deadline its own coordinator may still be at it, in ms.
const GRACE_MS: u64 = 2_000;

/// So many records are looked at together.
const SLICE: u32 = 100;

/// What a [`TransactionRecovery`] is told.
pub struct RecoveryParts {
    /// Where steps of items are put in order.
    pub modify: Recipient<Modify>,
    /// Reads records.
    pub records: Recipient<ReadRecords>,
    /// The cluster as it is.
    pub views: watch::Receiver<Arc<View>>,
    /// The wall clock.
    pub wall: WallClock,
    /// The longest a request may take.
    pub request_timeout: Duration,
    /// Where it counts.
    pub metrics: Metrics,
}

/// The node's recovery of transactions.
pub struct TransactionRecovery {
    ways: Ways,
    records: Recipient<ReadRecords>,
    views: watch::Receiver<Arc<View>>,
    /// The partitions that are this node's, and the epoch in which they are.
    mine: (u64, Vec<PartitionId>),
    /// The next of them, by place.
    next: usize,
    /// Where to go on within the present one.
    cursor: Option<ScanCursor>,
}

/// The next partition.
#[derive(Message)]
#[rtype(result = "()")]
struct LookTick;

impl TransactionRecovery {
    /// One that begins when it is started.
    pub fn new(parts: RecoveryParts) -> Self {
        let timeout_ms = u32::try_from(parts.request_timeout.as_millis()).unwrap_or(u32::MAX);
        Self {
            ways: Ways { modify: parts.modify, wall: parts.wall, timeout_ms, metrics: parts.metrics },
            records: parts.records,
            views: parts.views,
            mine: (0, Vec::new()),
            next: 0,
            cursor: None,
        }
    }

    /// The next slice of records, if there is one that is this node's.
    fn next_slice(&mut self) -> Option<Scan> {
        let view = Arc::clone(&*self.views.borrow());
        if self.mine.0 != view.topology.epoch() {
            let mine = view.ring().partition_ids().filter(|partition| is_sequenced_here(&view, *partition));
            self.mine = (view.topology.epoch(), mine.collect());
        }
        let cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => {
                let (_, mine) = &self.mine;
                let partition = *mine.get(self.next % mine.len().max(1))?;
                self.next = (self.next + 1) % mine.len();
                ScanCursor { partition, after: None }
            }
        };
        Some(Scan {
            trace: TraceId::default(),
            table: TableSchema::transactions().name.to_string(),
            limit: SLICE,
            until: Some(PartitionId(cursor.partition.0 + 1)),
            cursor: Some(cursor),
            r: None,
            timeout_ms: None,
        })
    }

    fn pause(&self) -> Duration {
        let partitions = u32::try_from(self.mine.1.len().max(1)).unwrap_or(u32::MAX);
        (ROUND / partitions).max(PAUSE_MIN)
    }
}

fn is_sequenced_here(view: &View, partition: PartitionId) -> bool {
    let quorum = view.quorum_for(Some(TableSchema::transactions()));
    view.topology.sequencer(partition, quorum.n()) == Some(&view.local)
}

/// What has come to an end without anybody saying so.
async fn bring_to_an_end(ways: Ways, reply: ScanReply) {
    let now_ms = (ways.wall)();
    for item in reply.items.into_iter().filter_map(newest).filter_map(|bytes| Item::from_bytes(&bytes).ok()) {
        if let Some(record) = TransactionRecord::of_item(&item) {
            if record.deadline_ms.saturating_add(GRACE_MS) <= now_ms {
                end(&ways, record).await;
            }
        } else if Token::expiry_in(&item).is_some_and(|expiry| expiry <= now_ms) {
            forget_token(&ways, &item, now_ms).await;
        }
    }
}

async fn end(ways: &Ways, record: TransactionRecord) {
    let TransactionRecord { id, standing, parts, .. } = record;
    let trace = TraceId(u64::try_from(id.0 >> 64).unwrap_or_default());
    let decision = match standing {
        Standing::Decided(decision) => Some(decision),
        Standing::Pending => {
            let (table, key) = (TableSchema::transactions().name.to_string(), TransactionRecord::key(id).to_bytes());
            let abort = Step::Change(TransactionRecord::abort());
            decide(ask(ways, trace, table, key, abort, ways.timeout_ms).await)
        }
    };
    let Some(decision) = decision else { return warn!(transaction = %id, "cannot be decided yet") };
    info!(transaction = %id, ?decision, items = parts.len(), "a transaction whose coordinator is gone is brought to an end");
    ways.metrics.transactions.recovered.inc();
    settle_and_forget(ways, trace, id, &parts, decision).await;
}

async fn forget_token(ways: &Ways, item: &Item, now_ms: u64) {
    let table = TableSchema::transactions();
    let Ok(Key { partition: partition @ KeyValue::S(_), .. }) = table.key_of(item) else { return };
    let key = Key { partition, sort: None }.to_bytes();
    let step = Step::Change(Token::forget(now_ms));
    // Next time round there is another chance.
    let _ = ask(ways, TraceId::default(), table.name.to_string(), key, step, ways.timeout_ms).await;
}

impl Actor for TransactionRecovery {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.notify_later(LookTick, PAUSE_MIN);
    }
}

impl Handler<LookTick> for TransactionRecovery {
    type Result = ();

    fn handle(&mut self, _: LookTick, ctx: &mut Self::Context) {
        let Some(slice) = self.next_slice() else {
            ctx.notify_later(LookTick, PAUSE_MIN);
            return;
        };
        let (ways, asked) = (self.ways.clone(), self.records.send(ReadRecords(slice)));
        let look = async move {
            let Ok(Ok(reply)) = asked.await else { return None };
            let next = reply.next.clone();
            bring_to_an_end(ways, reply).await;
            next
        };
        let go_on = look.into_actor(self).map(|next, recovery, ctx| {
            recovery.cursor = next;
            ctx.notify_later(LookTick, recovery.pause());
        });
        ctx.spawn(go_on);
    }
}
