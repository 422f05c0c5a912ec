//! Runs client requests: checks them, takes the view as it is, and carries out what the quorum logic decides.
//!
//! Bridge sessions and the HTTP API of the same worker speak to it. It decides nothing about versions (a replica does) nor about who
//! can be reached (`RingManager` does). Requests under way die with it; what was acknowledged does not.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, MessageResult, Recipient, ResponseFuture};
use tokio::sync::watch;
use tokio::time::Instant;

use super::coordinate_get::{KeyRead, coordinate_get};
use super::coordinate_gets::{GetAnswers, PlacedRead, ReadGroup, coordinate_gets};
use super::coordinate_put::{KeyWrite, PlacedWrite, PutAnswers, WriteGroup, coordinate_put, coordinate_puts, put_back};
use super::coordinate_scan::{coordinate_query, coordinate_scan};
use super::coordinate_where::coordinate_where;
use super::coordination::{Coordination, Permit, ReplicaRecipients, Replicas, grouped};
use super::links::LinksChanged;
use super::load_monitor::{KEYS_MAX, LOAD_DECAY};
use super::node::WallClock;
use super::read_routing::ReadRouting;
use super::settle_intents::{holds_intent, settle};
use super::views::Views;
use crate::config::ReadOrder;
use crate::dynamo::context;
use crate::dynamo::hedge_budget::HedgeBudget;
use crate::dynamo::precedence::later_tenure;
use crate::dynamo::quantile::Quantile;
use crate::dynamo::ranking::Ranking;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::siblings::{Change, Siblings};
use crate::dynamo::top_k::TopK;
use crate::dynamo::version::VersionVector;
use crate::item::Item;
use crate::item::Key;
use crate::item::{Conflict, TableSchema};
use crate::messages::Overloaded;
use crate::messages::admin::AdminError;
use crate::messages::client::{
    Delete, FailureReason, Get, GetError, GetReply, ListTables, Put, PutError, PutReply, Query, QueryReply,
    ReplicaFailure, Scan, ScanReply, Where, WhereReply,
};
use crate::messages::cluster::{View, ViewChanged};
use crate::messages::load::RankKeys;
use crate::messages::metadata::HeardOfRing;
use crate::messages::modify::{ReadSurely, WriteSequenced};
use crate::messages::replica::StaleEpoch;
use crate::messages::together::{Answers, Together};
use crate::messages::transaction::ReadRecords;
use crate::metrics::{Metrics, Outcome};

/// A read asks one replica more after this quantile of the time that replicas take to answer.
const HEDGE_QUANTILE: f64 = 0.95;

/// The first guess of that time, in seconds.
const HEDGE_FIRST_S: f64 = 0.02;

/// A hedge sooner than this costs more than it saves, in seconds.
const HEDGE_LEAST_S: f64 = 0.002;

/// Hedges for each read, in the long run: what hedging may add to the load of replicas.
const HEDGE_SHARE: f64 = 0.05;

/// Hedges that may be saved up. A replica that hangs is found after two seconds; this is for the reads that meet it until then.
const HEDGES_SAVED_MAX: f64 = 1_000.0;

/// What a [`ReplicationCoordinator`] is told.
pub struct CoordinatorParts {
    /// The cluster as it is at the start.
    pub view: Arc<View>,
    /// Where replica messages go.
    pub replicas: Replicas,
    /// The wall clock.
    pub wall: WallClock,
    /// The longest a request may take.
    pub request_timeout: Duration,
    /// Bound of the requests under way.
    pub inflight_max: usize,
    /// Whom reads ask.
    pub reads: ReadOrder,
    /// Told of newer rings.
    pub rings: Recipient<HeardOfRing>,
    /// Seeds the choice of replicas.
    pub seed: u64,
    /// Where it counts.
    pub metrics: Metrics,
}

/// One worker's coordinator.
pub struct ReplicationCoordinator {
    view: Arc<View>,
    /// Requests that must learn of a newer view wait for it here.
    views: Views,
    /// The same for those on other threads.
    told: watch::Sender<Arc<View>>,
    replicas: Rc<Replicas>,
    wall: WallClock,
    request_timeout: Duration,
    inflight: Rc<Cell<usize>>,
    inflight_max: usize,
    read_latency: Rc<RefCell<Quantile>>,
    hedges: Rc<RefCell<HedgeBudget>>,
    routing: Rc<ReadRouting>,
    /// Which keys this worker's clients ask for.
    keys: TopK<RecordKey>,
    rings: Recipient<HeardOfRing>,
    started: Instant,
    metrics: Metrics,
}

impl ReplicationCoordinator {
    /// A coordinator that is ready at once.
    pub fn new(parts: CoordinatorParts) -> Self {
        Self {
            views: Views::new(Arc::clone(&parts.view)),
            told: watch::Sender::new(Arc::clone(&parts.view)),
            view: parts.view,
            replicas: Rc::new(parts.replicas),
            wall: parts.wall,
            request_timeout: parts.request_timeout,
            inflight: Rc::default(),
            inflight_max: parts.inflight_max,
            read_latency: Rc::new(RefCell::new(Quantile::new(HEDGE_QUANTILE, HEDGE_FIRST_S, HEDGE_LEAST_S))),
            hedges: Rc::new(RefCell::new(HedgeBudget::new(HEDGE_SHARE, HEDGES_SAVED_MAX))),
            routing: Rc::new(ReadRouting::new(parts.reads, parts.seed, parts.metrics.clone())),
            keys: TopK::new(KEYS_MAX, LOAD_DECAY, 0),
            rings: parts.rings,
            started: Instant::now(),
            metrics: parts.metrics,
        }
    }

    /// Every view that it is told of.
    pub(super) fn views(&self) -> watch::Receiver<Arc<View>> {
        self.told.subscribe()
    }

    /// Takes in `count` requests that go together.
    fn begin(&self, count: usize, timeout_ms: Option<u32>) -> Result<Rc<Coordination>, Overloaded> {
        let permit = Permit::take(&self.inflight, count, self.inflight_max).ok_or_else(|| self.shed())?;
        let asked = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let allowed = asked.map_or(self.request_timeout, |asked| asked.min(self.request_timeout));
        Ok(Rc::new(Coordination {
            view: Arc::clone(&self.view),
            is_newer: false,
            views: self.views.clone(),
            replicas: Rc::clone(&self.replicas),
            deadline: Instant::now() + allowed,
            read_latency: Rc::clone(&self.read_latency),
            hedges: Rc::clone(&self.hedges),
            routing: Rc::clone(&self.routing),
            wall: Arc::clone(&self.wall),
            metrics: self.metrics.clone(),
            rings: self.rings.clone(),
            permit: Rc::new(permit),
        }))
    }

    /// Requests that may take equally long are begun together, as far as the credits reach; what finds none is refused by itself.
    fn begin_all<M>(
        &self,
        requests: Vec<M>,
        timeout_ms: impl Fn(&M) -> Option<u32>,
        refuse: impl Fn(usize, Overloaded),
    ) -> Vec<Begun<M>> {
        let mut by_timeout: BTreeMap<Option<u32>, Vec<(usize, M)>> = BTreeMap::new();
        for (place, request) in requests.into_iter().enumerate() {
            by_timeout.entry(timeout_ms(&request)).or_default().push((place, request));
        }
        let mut begun = Vec::with_capacity(by_timeout.len());
        for (timeout_ms, mut requests) in by_timeout {
            let free = self.inflight_max.saturating_sub(self.inflight.get());
            let refused = requests.split_off(requests.len().min(free));
            begun.extend(self.begin(requests.len(), timeout_ms).map(|cx| Begun { cx, requests }));
            refused.into_iter().for_each(|(place, _)| refuse(place, self.shed()));
        }
        begun
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn shed(&self) -> Overloaded {
        self.metrics.shed.inc();
        Overloaded { limit: "limits.inflight_requests".to_owned(), max: self.inflight_max as u64 }
    }

    fn check_delete(&self, delete: &Delete) -> Result<(Rc<Coordination>, KeyWrite), PutError> {
        let cx = self.begin(1, delete.timeout_ms)?;
        let table = cx.table(&delete.table).ok_or_else(|| PutError::NoSuchTable { table: delete.table.clone() })?;
        let key = Key::from_bytes(&delete.key).map_err(|error| PutError::InvalidKey { reason: error.to_string() })?;
        table.check_key(&key)?;
        let terms = cx.terms(table, None, delete.w)?;
        let key = cx.record_key(table, &key);
        let context = seen(table, delete.context.as_ref(), &key)?;
        let change = Change { value: None, expires_at_ms: None, tenure: 0 };
        let conflict = table.conflict;
        let write =
            KeyWrite { trace: delete.trace, key, terms, conflict, context, change, decided_in: None, above: None };
        Ok((cx, write))
    }

    fn check_sequenced(&self, write: &WriteSequenced) -> Result<(Rc<Coordination>, KeyWrite), PutError> {
        let cx = self.begin(1, write.timeout_ms)?;
        if cx.epoch() != write.epoch {
            return Err(PutError::RingMoved);
        }
        let table = cx.table(&write.table).ok_or_else(|| PutError::NoSuchTable { table: write.table.clone() })?;
        let key = Key::from_bytes(&write.key).map_err(|error| PutError::InvalidKey { reason: error.to_string() })?;
        let (terms, conflict) = (cx.terms(table, None, None)?.strictly(), table.conflict);
        let key = cx.record_key(table, &key);
        let context = Some(write.seen.for_key(key.as_bytes())?.clone());
        let change = Change { value: write.item.clone(), expires_at_ms: None, tenure: 0 };
        let decided_in = Some(write.epoch);
        let write = KeyWrite { trace: write.trace, key, terms, conflict, context, change, decided_in, above: None };
        Ok((cx, write))
    }

    fn check_read_surely(&self, read: &ReadSurely) -> Result<(Rc<Coordination>, KeyRead), GetError> {
        let cx = self.begin(1, read.timeout_ms)?;
        let table = cx.table(&read.table).ok_or_else(|| GetError::NoSuchTable { table: read.table.clone() })?;
        let key = Key::from_bytes(&read.key).map_err(|error| GetError::InvalidKey { reason: error.to_string() })?;
        let (terms, conflict) = (cx.sure_terms(table)?, table.conflict);
        let read = KeyRead { trace: read.trace, key: cx.record_key(table, &key), terms, conflict };
        Ok((cx, read))
    }

    fn check_get(&self, get: &Get) -> Result<(Rc<Coordination>, KeyRead), GetError> {
        let cx = self.begin(1, get.timeout_ms)?;
        let read = key_read(&cx, get)?;
        Ok((cx, read))
    }
}

/// Requests that have been let in together.
struct Begun<M> {
    cx: Rc<Coordination>,
    /// Each with its place among those that arrived together.
    requests: Vec<(usize, M)>,
}

fn key_read(cx: &Coordination, get: &Get) -> Result<KeyRead, GetError> {
    let table = cx.table(&get.table).ok_or_else(|| GetError::NoSuchTable { table: get.table.clone() })?;
    let key = Key::from_bytes(&get.key).map_err(|error| GetError::InvalidKey { reason: error.to_string() })?;
    table.check_key(&key)?;
    let terms = cx.terms(table, get.r, None)?;
    Ok(KeyRead { trace: get.trace, key: cx.record_key(table, &key), terms, conflict: table.conflict })
}

fn key_write(cx: &Coordination, put: Put) -> Result<KeyWrite, PutError> {
    let table = cx.table(&put.table).ok_or(PutError::NoSuchTable { table: put.table })?;
    let item = Item::from_bytes(&put.item).map_err(|error| PutError::InvalidItem { reason: error.to_string() })?;
    item.validate().map_err(|error| PutError::InvalidItem { reason: error.to_string() })?;
    let key = cx.record_key(table, &table.key_of(&item)?);
    let terms = cx.terms(table, None, put.w)?;
    let context = seen(table, put.context.as_ref(), &key)?;
    let expires_at_ms = put.ttl_ms.map(|ttl| (cx.wall)().saturating_add(ttl));
    let change = Change { value: Some(put.item), expires_at_ms, tenure: 0 };
    let conflict = table.conflict;
    Ok(KeyWrite { trace: put.trace, key, terms, conflict, context, change, decided_in: None, above: None })
}

/// What a write may supersede: what its context says; without one, nothing, but on an `lww` table everything.
fn seen(
    table: &TableSchema,
    context: Option<&context::Context>,
    key: &RecordKey,
) -> Result<Option<VersionVector>, context::ContextError> {
    match (context, table.conflict) {
        (Some(context), _) => Ok(Some(context.for_key(key.as_bytes())?.clone())),
        (None, Conflict::Siblings) => Ok(Some(VersionVector::new())),
        (None, Conflict::Lww) => Ok(None),
    }
}

/// What a client is told of a key.
pub(super) fn reply(siblings: Siblings, key: &[u8], now_ms: u64) -> GetReply {
    let (clock, versions) = siblings.into_visible(now_ms);
    GetReply { versions, context: context::Context::new(key, clock) }
}

impl Actor for ReplicationCoordinator {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
    }
}

/// Puts that came together: those that go to the same replicas travel together, and each group has a task of its own, so that a
/// slow replica delays nobody who can do without it.
impl Handler<Together<Put>> for ReplicationCoordinator {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<Put>, _: &mut Self::Context) {
        let measured = self.metrics.request("put");
        let answers: PutAnswers = Answers::new(move |place, reply| {
            measured.count(Outcome::of_put(&reply));
            answers.give(place, reply);
        });
        let refuse = |place, overloaded: Overloaded| answers.give(place, Err(overloaded.into()));
        let now_ms = self.now_ms();
        for Begun { cx, requests } in self.begin_all(requests, |put| put.timeout_ms, refuse) {
            let checked = requests.into_iter().filter_map(|(place, put)| match key_write(&cx, put) {
                Ok(write) => {
                    self.keys.count(&write.key, now_ms);
                    Some(PlacedWrite::new(&cx, place, write))
                }
                Err(refused) => {
                    answers.give(place, Err(refused));
                    None
                }
            });
            for group in grouped::<WriteGroup>(&cx, checked) {
                actix::spawn(coordinate_puts(Rc::clone(&cx), group, answers.clone()));
            }
        }
    }
}

impl Handler<Delete> for ReplicationCoordinator {
    type Result = ResponseFuture<Result<PutReply, PutError>>;

    fn handle(&mut self, delete: Delete, _: &mut Self::Context) -> Self::Result {
        let (checked, measured) = (self.check_delete(&delete), self.metrics.request("delete"));
        if let Ok((_, write)) = &checked {
            self.keys.count(&write.key, self.now_ms());
        }
        let blind = delete.context.is_none();
        Box::pin(async move {
            let reply = match checked {
                Ok((cx, write)) if blind && write.conflict == Conflict::Siblings => {
                    delete_what_is_there(cx, write).await
                }
                Ok((cx, write)) => coordinate_put(cx, write).await,
                Err(refused) => Err(refused),
            };
            measured.finish(Outcome::of_put(&reply));
            reply
        })
    }
}

impl Handler<WriteSequenced> for ReplicationCoordinator {
    type Result = ResponseFuture<Result<PutReply, PutError>>;

    fn handle(&mut self, write: WriteSequenced, _: &mut Self::Context) -> Self::Result {
        let checked = self.check_sequenced(&write);
        if let Ok((_, write)) = &checked {
            self.keys.count(&write.key, self.now_ms());
        }
        Box::pin(async move {
            let (cx, write) = checked?;
            coordinate_put(cx, write).await
        })
    }
}

impl Handler<ReadSurely> for ReplicationCoordinator {
    type Result = ResponseFuture<Result<GetReply, GetError>>;

    fn handle(&mut self, read: ReadSurely, _: &mut Self::Context) -> Self::Result {
        let ReadSurely { least_epoch, as_stored, puts_back, .. } = read;
        let checked = self.check_read_surely(&read);
        // What is read in order to decide is part of another request.
        let measured = (!as_stored).then(|| self.metrics.request("get"));
        if let Ok((_, read)) = checked.as_ref()
            && !as_stored
        {
            self.keys.count(&read.key, self.now_ms());
        }
        Box::pin(async move {
            let reply = match checked {
                Ok((cx, read)) => read_surely(cx, read, least_epoch, as_stored, puts_back).await,
                Err(refused) => Err(refused),
            };
            if let Some(measured) = measured {
                measured.finish(Outcome::of_get(&reply));
            }
            reply
        })
    }
}

async fn read_surely(
    mut cx: Rc<Coordination>,
    read: KeyRead,
    least_epoch: u64,
    as_stored: bool,
    puts_back: bool,
) -> Result<GetReply, GetError> {
    if cx.epoch() < least_epoch {
        // Whoever asks on this node has been told a moment sooner.
        cx = cx.caught_up(StaleEpoch { epoch: least_epoch }).await.unwrap_or(cx);
    }
    let decides = least_epoch > 0;
    let found = loop {
        let found = coordinate_get(Rc::clone(&cx), read.clone()).await?;
        let tenure = cx.view.topology.tenure(read.key.partition());
        let Some(epoch) = later_tenure(&found, tenure).filter(|_| decides) else { break found };
        // What is made of it in an older tenure would lose to it.
        let stale = StaleEpoch { epoch };
        cx = cx.caught_up(stale).await.ok_or_else(|| too_old(&cx, stale))?;
    };
    if puts_back && !found.is_empty() {
        put_back(Rc::clone(&cx), read.clone(), found.clone()).await.map_err(not_put_back)?;
    }
    let GetReply { versions, context } = reply(found, read.key.as_bytes(), (cx.wall)());
    if as_stored || !holds_intent(&versions) {
        return Ok(GetReply { versions, context });
    }
    let settled = settle(&cx, read.trace, &read.key, versions).await?;
    Ok(GetReply { versions: settled.into(), context })
}

fn not_put_back(error: PutError) -> GetError {
    match error {
        PutError::QuorumNotReached { needed, got, failures, .. } => {
            GetError::QuorumNotReached { needed, got, failures }
        }
        _ => GetError::QuorumNotReached { needed: 1, got: 0, failures: Vec::new() },
    }
}

fn too_old(cx: &Coordination, stale: StaleEpoch) -> GetError {
    let failure = ReplicaFailure { node: cx.view.local.clone(), reason: FailureReason::Read(stale.into()) };
    GetError::QuorumNotReached { needed: 1, got: 0, failures: vec![failure] }
}

/// A delete without a context means "what is there now": read it, then delete exactly that.
async fn delete_what_is_there(cx: Rc<Coordination>, write: KeyWrite) -> Result<PutReply, PutError> {
    let read = KeyRead { trace: write.trace, key: write.key.clone(), terms: write.terms, conflict: write.conflict };
    let found = coordinate_get(Rc::clone(&cx), read).await.map_err(PutError::CannotReadFirst)?;
    coordinate_put(cx, KeyWrite { context: Some(found.context().clone()), ..write }).await
}

/// Gets that came together, grouped like puts.
impl Handler<Together<Get>> for ReplicationCoordinator {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<Get>, _: &mut Self::Context) {
        let measured = self.metrics.request("get");
        let answers: GetAnswers = Answers::new(move |place, reply| {
            measured.count(Outcome::of_get(&reply));
            answers.give(place, reply);
        });
        let refuse = |place, overloaded: Overloaded| answers.give(place, Err(overloaded.into()));
        let now_ms = self.now_ms();
        for Begun { cx, requests } in self.begin_all(requests, |get| get.timeout_ms, refuse) {
            let checked = requests.into_iter().filter_map(|(place, get)| match key_read(&cx, &get) {
                Ok(read) => {
                    self.keys.count(&read.key, now_ms);
                    Some(PlacedRead::new(&cx, place, read))
                }
                Err(refused) => {
                    answers.give(place, Err(refused));
                    None
                }
            });
            for group in grouped::<ReadGroup>(&cx, checked) {
                actix::spawn(coordinate_gets(Rc::clone(&cx), group, answers.clone()));
            }
        }
    }
}

impl Handler<Scan> for ReplicationCoordinator {
    type Result = ResponseFuture<Result<ScanReply, GetError>>;

    fn handle(&mut self, scan: Scan, _: &mut Self::Context) -> Self::Result {
        let begun = self.begin(1, scan.timeout_ms);
        let measured = self.metrics.request("scan");
        Box::pin(async move {
            let reply = match begun {
                Ok(cx) => coordinate_scan(cx, scan).await,
                Err(overloaded) => Err(overloaded.into()),
            };
            measured.finish(Outcome::of_get(&reply));
            reply
        })
    }
}

/// No client has asked for it.
impl Handler<ReadRecords> for ReplicationCoordinator {
    type Result = ResponseFuture<Result<ScanReply, GetError>>;

    fn handle(&mut self, ReadRecords(scan): ReadRecords, _: &mut Self::Context) -> Self::Result {
        let begun = self.begin(1, scan.timeout_ms);
        Box::pin(async move { coordinate_scan(begun?, scan).await })
    }
}

impl Handler<Query> for ReplicationCoordinator {
    type Result = ResponseFuture<Result<QueryReply, GetError>>;

    fn handle(&mut self, query: Query, _: &mut Self::Context) -> Self::Result {
        let begun = self.begin(1, query.timeout_ms);
        let measured = self.metrics.request("query");
        Box::pin(async move {
            let reply = match begun {
                Ok(cx) => coordinate_query(cx, query).await,
                Err(overloaded) => Err(overloaded.into()),
            };
            measured.finish(Outcome::of_get(&reply));
            reply
        })
    }
}

impl Handler<Where> for ReplicationCoordinator {
    type Result = ResponseFuture<Result<WhereReply, GetError>>;

    fn handle(&mut self, at: Where, _: &mut Self::Context) -> Self::Result {
        let get = Get { trace: at.trace, table: at.table, key: at.key, r: None, timeout_ms: None };
        let checked = self.check_get(&get);
        Box::pin(async move {
            let (cx, read) = checked?;
            Ok(coordinate_where(cx, read).await)
        })
    }
}

impl Handler<ListTables> for ReplicationCoordinator {
    type Result = Result<Vec<TableSchema>, AdminError>;

    fn handle(&mut self, _: ListTables, _: &mut Self::Context) -> Self::Result {
        Ok(self.view.tables.as_ref().clone())
    }
}

impl Handler<RankKeys> for ReplicationCoordinator {
    type Result = MessageResult<RankKeys>;

    fn handle(&mut self, RankKeys { keys }: RankKeys, _: &mut Self::Context) -> Self::Result {
        let ranking: Ranking<RecordKey> = self.keys.ranking(self.now_ms());
        MessageResult(ranking.first(keys))
    }
}

impl Handler<ViewChanged> for ReplicationCoordinator {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        self.routing.view_changed(&view);
        self.views.replace(Arc::clone(&view));
        self.told.send_replace(Arc::clone(&view));
        self.view = view;
    }
}

/// Requests under way keep the links that they began with; one that has ended refuses what is sent.
impl Handler<LinksChanged<ReplicaRecipients>> for ReplicationCoordinator {
    type Result = ();

    fn handle(&mut self, LinksChanged(peers): LinksChanged<ReplicaRecipients>, _: &mut Self::Context) {
        self.replicas = Rc::new(Replicas { peers, ..Replicas::clone(&self.replicas) });
    }
}
