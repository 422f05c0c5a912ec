//! Walks through the records, slice by slice, and has dropped what nobody will miss: payloads of expired values, and tombstones.
//!
//! It asks this node's `Node` shards, one slice at a time with a pause between, so that it never holds anybody up; about tombstones it asks all members
//! (`collect_tombstones.rs` tells that story). Readers do not depend on it: an expired value is hidden the moment its time has come. It decides nothing;
//! if it dies, space is freed later.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Context, Handler, Recipient};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::collect_tombstones::collect;
use super::links::LinksChanged;
use super::node::WallClock;
use crate::dynamo::collection::{Kept, KeptCounts};
use crate::dynamo::node_id::NodeId;
use crate::item::TableSchema;
use crate::messages::admin::AdminError;
use crate::messages::cluster::{View, ViewChanged};
use crate::messages::garbage::{
    CollectTombstones, DeadRecord, DescribeTombstones, KeptRow, ProbeTombstones, ReapExpired, TombstoneReport,
};
use crate::messages::together::Together;
use crate::metrics::Metrics;
use crate::storage::Storage;

/// The pause between two slices of a walk.
const SLICE_PAUSE: Duration = Duration::from_millis(50);

/// Records looked at per slice.
const SLICE: usize = 256;

/// Most tombstones that one walk through a shard tries to have collected: they are kept in memory meanwhile.
const CANDIDATES_MAX: usize = 16_384;

/// For fewer records that were deleted the engine is not asked to give room back.
const LEFT_OVER_MIN: u64 = 1_000;

/// The pause before it is asked again.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

/// How often it is asked: where it never comes to rest, it collects by itself.
const ROOM_ATTEMPTS: u32 = 60;

/// Where the garbage collector's messages about one replica go: a `Node` of this process or a `Peer`.
#[derive(Clone)]
pub struct GarbageRecipients {
    /// Says what it holds.
    pub probe: Recipient<Together<ProbeTombstones>>,
    /// Deletes.
    pub collect: Recipient<Together<CollectTombstones>>,
}

impl GarbageRecipients {
    /// The recipients of an actor that takes both messages.
    pub fn of<A>(address: &Addr<A>) -> Self
    where
        A: Actor + Handler<Together<ProbeTombstones>> + Handler<Together<CollectTombstones>>,
        A::Context: ToEnvelope<A, Together<ProbeTombstones>> + ToEnvelope<A, Together<CollectTombstones>>,
    {
        Self { probe: address.clone().recipient(), collect: address.clone().recipient() }
    }
}

/// What a [`GarbageCollector`] is told.
pub struct GarbageParts {
    /// The cluster as it is at the start.
    pub view: Arc<View>,
    /// This node's shards, in order: they walk.
    pub walkers: Vec<Recipient<ReapExpired>>,
    /// The same shards.
    pub shards: Vec<GarbageRecipients>,
    /// The other members.
    pub peers: BTreeMap<NodeId, GarbageRecipients>,
    /// `garbage.walk_interval_s`.
    pub walk_interval: Duration,
    /// `garbage.tombstones_min_age_s`.
    pub tombstones_min_age: Duration,
    /// How far apart the two questions about a tombstone are.
    pub settling_time: Duration,
    /// Gives room back to the device.
    pub storage: Arc<dyn Storage>,
    /// The wall clock.
    pub wall: WallClock,
    /// Where it counts.
    pub metrics: Metrics,
}

/// The collector.
pub struct GarbageCollector(Rc<Yard>);

/// What the actor and its walks share.
pub(super) struct Yard {
    pub(super) view: RefCell<Arc<View>>,
    pub(super) shards: Vec<GarbageRecipients>,
    pub(super) peers: RefCell<BTreeMap<NodeId, GarbageRecipients>>,
    pub(super) settling_time: Duration,
    pub(super) metrics: Metrics,
    /// Counts how often members have changed, or one of them was no longer reachable.
    pub(super) disturbances: Cell<u64>,
    walkers: Vec<Recipient<ReapExpired>>,
    walk_interval: Duration,
    /// A table was dropped, or partitions were handed over: for each shard.
    dropped: Vec<Notify>,
    storage: Arc<dyn Storage>,
    /// Whether somebody sees to it that room is given back.
    makes_room: Cell<bool>,
    min_age: Duration,
    wall: WallClock,
    collected: Cell<u64>,
    found: RefCell<Vec<Found>>,
}

/// What the last walk through one shard has found.
#[derive(Default)]
struct Found {
    kept: KeptCounts,
    ended: Option<Instant>,
}

impl GarbageCollector {
    /// Begins to walk when it is started.
    pub fn new(parts: GarbageParts) -> Self {
        let found = parts.walkers.iter().map(|_| Found::default()).collect();
        let dropped = parts.walkers.iter().map(|_| Notify::new()).collect();
        Self(Rc::new(Yard {
            view: RefCell::new(parts.view),
            shards: parts.shards,
            peers: RefCell::new(parts.peers),
            settling_time: parts.settling_time,
            metrics: parts.metrics,
            disturbances: Cell::new(0),
            walkers: parts.walkers,
            dropped,
            storage: parts.storage,
            makes_room: Cell::new(false),
            walk_interval: parts.walk_interval,
            min_age: parts.tombstones_min_age,
            wall: parts.wall,
            collected: Cell::new(0),
            found: RefCell::new(found),
        }))
    }
}

impl Yard {
    /// Ends when the shard does.
    async fn walk_for_ever(self: Rc<Self>, shard: usize) {
        loop {
            // What is left over need not take up room until the next turn.
            let _ = timeout(self.walk_interval, self.dropped[shard].notified()).await;
            let (mut kept, mut candidates) = (KeptCounts::default(), Vec::new());
            match self.walk(shard, &mut kept, &mut candidates).await {
                Ok(left_over) if left_over >= LEFT_OVER_MIN => drop(actix::spawn(Rc::clone(&self).make_room())),
                Ok(_) => {}
                Err(_) => return,
            }
            let collected = collect(&self, candidates, &mut kept).await;
            self.collected.set(self.collected.get() + collected);
            self.found.borrow_mut()[shard] = Found { kept, ended: Some(Instant::now()) };
            self.metrics.garbage.kept(&self.kept());
        }
    }

    /// The engine gives room back only once what was deleted has been written into its tables, which takes it a moment.
    async fn make_room(self: Rc<Self>) {
        if self.makes_room.replace(true) {
            return;
        }
        for _ in 0..ROOM_ATTEMPTS {
            if self.storage.collect_garbage() {
                break;
            }
            sleep(ROOM_INTERVAL).await;
        }
        self.makes_room.set(false);
    }

    /// How many records were left over.
    async fn walk(
        &self,
        shard: usize,
        kept: &mut KeptCounts,
        candidates: &mut Vec<DeadRecord>,
    ) -> Result<u64, actix::MailboxError> {
        let (mut after, mut left_over) = (None, 0);
        loop {
            let slice = match self.walkers[shard].send(ReapExpired { after, limit: SLICE }).await? {
                Ok(slice) => slice,
                Err(error) => {
                    debug!(%error, "a walk through the records has stopped early");
                    return Ok(left_over);
                }
            };
            left_over += slice.left_over;
            for dead in slice.dead {
                match self.why_kept(&dead, candidates.len()) {
                    Some(why) => kept.add(why, dead.is_expired, dead.since_ms),
                    None => candidates.push(dead),
                }
            }
            after = slice.resume_after;
            if after.is_none() {
                return Ok(left_over);
            }
            sleep(SLICE_PAUSE).await;
        }
    }

    /// `None`: the other members have to be asked.
    fn why_kept(&self, dead: &DeadRecord, candidates: usize) -> Option<Kept> {
        let age = Duration::from_millis((self.wall)().saturating_sub(dead.since_ms));
        if age < self.min_age {
            return Some(Kept::Young);
        }
        let view = self.view.borrow();
        if view.topology.transition().is_some() {
            return Some(Kept::RingMoves);
        }
        let decides = view.ring().owner(dead.tombstone.key.partition());
        if *decides != view.local {
            return Some(Kept::LeftTo(decides.clone()));
        }
        (candidates >= CANDIDATES_MAX).then_some(Kept::Waiting)
    }

    fn kept(&self) -> KeptCounts {
        let mut kept = KeptCounts::default();
        self.found.borrow().iter().for_each(|found| kept.merge(&found.kept));
        kept
    }

    fn report(&self) -> TombstoneReport {
        let now_ms = (self.wall)();
        let row = |(why, is_expired, count): (&Kept, bool, crate::dynamo::collection::Count)| KeptRow {
            why: why.clone(),
            is_expired,
            records: count.records,
            oldest_s: now_ms.saturating_sub(count.oldest_ms.unwrap_or(now_ms)) / 1_000,
        };
        let ends: BTreeSet<Option<Instant>> = self.found.borrow().iter().map(|found| found.ended).collect();
        TombstoneReport {
            // A shard that has not been walked through comes first, and says so for all.
            walked_s_ago: ends.into_iter().next().flatten().map(|ended| ended.elapsed().as_secs()),
            min_age_s: self.min_age.as_secs(),
            kept: self.kept().iter().map(row).collect(),
            collected: self.collected.get(),
        }
    }
}

impl Actor for GarbageCollector {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        for shard in 0..self.0.walkers.len() {
            actix::spawn(Rc::clone(&self.0).walk_for_ever(shard));
        }
    }
}

impl Handler<ViewChanged> for GarbageCollector {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        let before = self.0.view.replace(Arc::clone(&view));
        let is_same_cluster = before.topology.epoch() == view.topology.epoch() && before.members == view.members;
        let is_dropped = |table: &TableSchema| !view.tables.iter().any(|known| known.id == table.id);
        let has_moved = before.topology.transition().is_some() && view.topology.transition().is_none();
        if has_moved || before.tables.iter().any(is_dropped) {
            self.0.dropped.iter().for_each(Notify::notify_one);
        }
        if !is_same_cluster || !before.reachable.is_subset(&view.reachable) {
            self.0.disturbances.set(self.0.disturbances.get() + 1);
        }
    }
}

impl Handler<LinksChanged<GarbageRecipients>> for GarbageCollector {
    type Result = ();

    fn handle(&mut self, LinksChanged(peers): LinksChanged<GarbageRecipients>, _: &mut Self::Context) {
        self.0.peers.replace(peers);
    }
}

impl Handler<DescribeTombstones> for GarbageCollector {
    type Result = Result<TombstoneReport, AdminError>;

    fn handle(&mut self, _: DescribeTombstones, _: &mut Self::Context) -> Self::Result {
        Ok(self.0.report())
    }
}
