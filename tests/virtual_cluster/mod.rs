//! A cluster of real `Node` and `ReplicationCoordinator` actors on one thread in virtual time. Disks can crash; every message between nodes is
//! encoded, delayed, decoded, and each directed link can be cut or made slow.
#![allow(dead_code, reason = "each test file uses its own part of this module")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, Recipient};
use slipring::actors::anti_entropy::{AntiEntropy, AntiEntropyParts};
use slipring::actors::coordination::{ReplicaRecipients, Replicas};
use slipring::actors::garbage_collector::{GarbageCollector, GarbageParts, GarbageRecipients};
use slipring::actors::hand_over::HintShard;
use slipring::actors::hinted_handoff::{HandoffParts, HintedHandoff};
use slipring::actors::load_monitor::{LoadMonitor, LoadParts};
use slipring::actors::node::{Committed, Node, NodeLimits, NodeParts, WallClock};
use slipring::actors::repair_marks::MarksWritten;
use slipring::actors::repair_recipients::RepairRecipients;
use slipring::actors::replication_coordinator::{CoordinatorParts, ReplicationCoordinator};
use slipring::config::ReadOrder;
use slipring::dynamo::claim::claim;
use slipring::dynamo::context::Context as Seen;
use slipring::dynamo::handoff_rate::RateBounds;
use slipring::dynamo::hint::HintBounds;
use slipring::dynamo::merkle::{Digest, LEAVES, leaf_of};
use slipring::dynamo::node_id::NodeId;
use slipring::dynamo::quorum::Quorum;
use slipring::dynamo::record_key::RecordKey;
use slipring::dynamo::ring::{Member, PartitionId, Ring};
use slipring::dynamo::siblings::Siblings;
use slipring::dynamo::topology::Topology;
use slipring::dynamo::tree_log::{SLOTS, TREE_PREFIX, TreeLog};
use slipring::dynamo::tree_recovery::{Standing, recover};
use slipring::dynamo::version::ReplicaId;
use slipring::dynamo::work::LoadWeights;
use slipring::item::{AttributeValue, Conflict, Item, TableSchema};
use slipring::messages::client::{Delete, Get, GetError, GetReply, Put, PutError, PutReply, Where, WhereReply};
use slipring::messages::cluster::{MemberAddress, View, ViewChanged};
use slipring::messages::hints::{HintSurvey, SurveyHints};
use slipring::messages::load::{Enlist, ReadLoad};
use slipring::messages::metadata::HeardOfRing;
use slipring::messages::repair::{ControlRepair, MarkDirty, RepairAction};
use slipring::messages::replica::StoredRecord;
use slipring::messages::ring::RangeCompared;
use slipring::messages::storage::StorageFailed;
use slipring::messages::together::Together;
use slipring::messages::{LinkError, TraceId};
use slipring::metrics::Metrics;
use slipring::storage::{Batch, CommitOutcome, Committer, MemoryStorage, Persist, ScanRange, Space, Storage};
use slipring::wire::operation::BridgeRequest;
use tokio::time::sleep;

/// Every message takes this long, one way.
pub const LINK_DELAY: Duration = Duration::from_millis(2);

/// The longest a request may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// The time between the two questions about a tombstone.
pub const SETTLING_TIME: Duration = Duration::from_secs(28);

/// Hints are bounded by this, unless a test says otherwise.
pub const HINT_BOUNDS: HintBounds = HintBounds { max_bytes: 1 << 20, max_age_ms: 3_600_000 };

/// How a directed link treats messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Up,
    /// The sender is told at once.
    Down,
    /// Messages vanish; the sender learns nothing before its time-out.
    Silent,
    /// The request arrives and is done; the answer is lost with the connection.
    AnswerLost,
    /// Each way takes this many milliseconds.
    Slow(u64),
}

pub struct VirtualCluster {
    pub names: Vec<NodeId>,
    pub disks: Vec<MemoryStorage>,
    pub nodes: Vec<Addr<Node>>,
    pub coordinators: Vec<Addr<ReplicationCoordinator>>,
    pub links: BTreeMap<(usize, usize), Rc<Cell<Link>>>,
    pub clock: Arc<AtomicU64>,
    /// By how many milliseconds the clock of each node's shard is ahead of that.
    pub ahead_ms: Vec<Arc<AtomicU64>>,
    pub metrics: Metrics,
    pub handoffs: BTreeMap<usize, Addr<HintedHandoff>>,
    /// Runs once [`VirtualCluster::start_repair`] has been called.
    pub repairs: Vec<Addr<AntiEntropy>>,
    /// Run once [`VirtualCluster::start_garbage_collectors`] has been called.
    pub collectors: Vec<Addr<GarbageCollector>>,
    /// Run once [`VirtualCluster::start_load_monitors`] has been called.
    pub monitors: Vec<Addr<LoadMonitor>>,
    clock_runs: bool,
    view: View,
    inflight_max: usize,
    reads: ReadOrder,
    hints: HintBounds,
    lives: Vec<u64>,
    repair_lives: Arc<AtomicU64>,
}

impl VirtualCluster {
    pub fn start(count: usize, quorum: (u8, u8, u8), sloppy: bool) -> Self {
        Self::start_with_inflight_max(count, quorum, sloppy, 1_000)
    }

    /// With another bound of the requests that a coordinator has under way.
    pub fn start_with_inflight_max(count: usize, quorum: (u8, u8, u8), sloppy: bool, inflight_max: usize) -> Self {
        Self::start_bounded(count, quorum, sloppy, inflight_max, HINT_BOUNDS)
    }

    /// With other bounds of the hints that a node keeps for another one.
    pub fn start_with_hints(count: usize, quorum: (u8, u8, u8), sloppy: bool, hints: HintBounds) -> Self {
        Self::start_bounded(count, quorum, sloppy, 1_000, hints)
    }

    fn start_bounded(count: usize, quorum: (u8, u8, u8), sloppy: bool, inflight_max: usize, hints: HintBounds) -> Self {
        let names: Vec<NodeId> = (0..count).map(|at| NodeId::new(&format!("n{at}")).expect("a name")).collect();
        let members: Vec<Member> = names.iter().map(|id| Member { id: id.clone(), zone: None, weight: 1 }).collect();
        let ring: Ring = claim(None, &members, 64, quorum.0.into()).expect("a ring");
        let view = View {
            local: names[0].clone(),
            members: Arc::new(members.iter().map(address_of).collect()),
            topology: Arc::new(Topology::settled(ring)),
            quorum: Quorum::new(quorum.0, quorum.1, quorum.2).expect("a quorum"),
            sloppy,
            reachable: names.iter().cloned().collect(),
            tables: Arc::new(vec![TableSchema::kv()]),
        };
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let mut cluster = Self {
            disks: (0..count).map(|_| MemoryStorage::new()).collect(),
            links: pairs.map(|pair| (pair, Rc::new(Cell::new(Link::Up)))).collect(),
            clock: Arc::new(AtomicU64::new(1_000_000)),
            ahead_ms: (0..count).map(|_| Arc::default()).collect(),
            metrics: Metrics::new(),
            repairs: Vec::new(),
            collectors: Vec::new(),
            monitors: Vec::new(),
            clock_runs: false,
            lives: vec![0; count],
            repair_lives: Arc::default(),
            nodes: Vec::new(),
            coordinators: Vec::new(),
            handoffs: BTreeMap::new(),
            names,
            view,
            inflight_max,
            reads: ReadOrder::Fastest,
            hints,
        };
        cluster.nodes = (0..count).map(|at| cluster.open_node(at)).collect();
        cluster.coordinators = (0..count).map(|at| cluster.start_coordinator(at)).collect();
        cluster
    }

    fn open_node(&mut self, at: usize) -> Addr<Node> {
        self.lives[at] += 1;
        let context = Context::<Node>::new();
        let committed: Recipient<Committed> = context.address().recipient();
        let (clock, ahead_ms) = (Arc::clone(&self.clock), Arc::clone(&self.ahead_ms[at]));
        let wall: WallClock = Arc::new(move || clock.load(Ordering::Relaxed) + ahead_ms.load(Ordering::Relaxed));
        let node = Node::open(NodeParts {
            local: self.names[at].clone(),
            shard: 0,
            shards: 1,
            replica: ReplicaId { directory: at as u64 + 1, epoch: self.lives[at] << 32 },
            wall,
            storage: Arc::new(self.disks[at].clone()),
            committer: Box::new(AtOnce { disk: self.disks[at].clone(), committed }),
            limits: NodeLimits {
                siblings_warn: 25,
                siblings_max: 100,
                siblings_max_bytes: 8 << 20,
                max_clock_skew_ms: 500,
                hints: self.hints,
                cache_bytes: 1 << 16,
                keeps_trees: true,
            },
            metrics: self.metrics.clone(),
            storage_failed: Ignored.start().recipient::<StorageFailed>(),
        });
        context.run(node.expect("the disk can be read"))
    }

    fn start_coordinator(&self, at: usize) -> Addr<ReplicationCoordinator> {
        let peers = self.relays(at).into_iter().map(|(name, relay)| (name, ReplicaRecipients::of(&relay)));
        let clock = Arc::clone(&self.clock);
        let mut view = self.view.clone();
        view.local = self.names[at].clone();
        ReplicationCoordinator::new(CoordinatorParts {
            view: Arc::new(view),
            replicas: Replicas {
                local: self.names[at].clone(),
                shards: vec![ReplicaRecipients::of(&self.nodes[at])],
                peers: peers.collect(),
            },
            wall: Arc::new(move || clock.load(Ordering::Relaxed)),
            request_timeout: REQUEST_TIMEOUT,
            inflight_max: self.inflight_max,
            reads: self.reads,
            rings: Ignored.start().recipient(),
            seed: at as u64,
            metrics: self.metrics.clone(),
        })
        .start()
    }

    /// From now on, reads choose their replicas in this way. What coordinators have learned is forgotten.
    pub fn choose(&mut self, reads: ReadOrder) {
        self.reads = reads;
        self.coordinators = (0..self.names.len()).map(|at| self.start_coordinator(at)).collect();
    }

    /// Starts hinted handoff on this node; `repair` hears what is dirty.
    pub fn start_handoff(&mut self, at: usize, repair: Option<Recipient<MarkDirty>>) {
        let peers = self.relays(at).into_iter().map(|(name, relay)| (name, relay.recipient()));
        let (node, clock) = (&self.nodes[at], Arc::clone(&self.clock));
        let shard = HintShard {
            next: node.clone().recipient(),
            settle: node.clone().recipient(),
            count: node.clone().recipient(),
            survey: node.clone().recipient(),
            forget: node.clone().recipient(),
            write: node.clone().recipient(),
        };
        let parts = HandoffParts {
            shards: vec![shard],
            peers: peers.collect(),
            view: Arc::new(View { local: self.names[at].clone(), ..self.view.clone() }),
            wall: Arc::new(move || clock.load(Ordering::Relaxed)),
            bounds: self.hints,
            rate: RateBounds::new(100, 20_000),
            repair,
            metrics: self.metrics.clone(),
        };
        self.handoffs.insert(at, HintedHandoff::new(parts).start());
    }

    /// What waits on a node, and what it knows to be missing elsewhere.
    pub async fn hint_survey(&self, at: usize) -> HintSurvey {
        self.nodes[at].send(SurveyHints).await.expect("the node lives")
    }

    /// How many hints a node keeps.
    pub async fn hints_kept(&self, at: usize) -> u64 {
        self.hint_survey(at).await.waiting.iter().map(|waiting| waiting.pending.keys).sum()
    }

    /// The links of a node to all others.
    fn relays(&self, at: usize) -> Vec<(NodeId, Addr<Relay>)> {
        let relay = |to: usize| {
            let (replica, repair) = (ReplicaRecipients::of(&self.nodes[to]), RepairRecipients::of(&self.nodes[to]));
            let garbage = GarbageRecipients::of(&self.nodes[to]);
            let relay = Relay { link: Rc::clone(&self.links[&(at, to)]), to: Destination { replica, repair, garbage } };
            (self.names[to].clone(), relay.start())
        };
        (0..self.names.len()).filter(|to| *to != at).map(relay).collect()
    }

    /// The links of a node to all others, in the form in which an actor is told of them.
    pub fn links<R>(&self, at: usize, of: impl Fn(&Addr<Relay>) -> R) -> BTreeMap<NodeId, R> {
        self.relays(at).iter().map(|(name, relay)| (name.clone(), of(relay))).collect()
    }

    /// Anti-entropy on every node from now on, or anew where nodes have been opened anew; the wall clock follows virtual time.
    pub fn start_repair(&mut self, interval_s: u64) {
        self.let_clock_run();
        self.end_repair();
        self.repairs = (0..self.names.len()).map(|at| self.start_repairer(at, interval_s)).collect();
    }

    /// The processes of anti-entropy end, and write nothing any more. An actor that knows itself does not stop for want of others.
    pub fn end_repair(&mut self) {
        self.repair_lives.fetch_add(1, Ordering::Relaxed);
        self.repairs.iter().for_each(|old| old.do_send(ControlRepair { action: RepairAction::Pause }));
    }

    /// The wall clock follows virtual time from now on.
    fn let_clock_run(&mut self) {
        if std::mem::replace(&mut self.clock_runs, true) {
            return;
        }
        let clock = Arc::clone(&self.clock);
        actix::spawn(async move {
            loop {
                sleep(Duration::from_millis(10)).await;
                clock.fetch_add(10, Ordering::Relaxed);
            }
        });
    }

    /// A garbage collector on every node from now on, that walks every ten seconds; the wall clock follows virtual time.
    pub fn start_garbage_collectors(&mut self, tombstones_min_age: Duration) {
        self.let_clock_run();
        let collector = |at: usize| {
            let clock = Arc::clone(&self.clock);
            let peers = self.relays(at).into_iter().map(|(name, relay)| (name, GarbageRecipients::of(&relay)));
            let parts = GarbageParts {
                view: Arc::new(View { local: self.names[at].clone(), ..self.view.clone() }),
                walkers: vec![self.nodes[at].clone().recipient()],
                shards: vec![GarbageRecipients::of(&self.nodes[at])],
                peers: peers.collect(),
                walk_interval: Duration::from_secs(10),
                tombstones_min_age,
                settling_time: SETTLING_TIME,
                storage: Arc::new(self.disks[at].clone()),
                wall: Arc::new(move || clock.load(Ordering::Relaxed)),
                metrics: self.metrics.clone(),
            };
            GarbageCollector::new(parts).start()
        };
        self.collectors = (0..self.names.len()).map(collector).collect();
    }

    /// A load monitor on every node from now on; the process of node number `at` takes `at + 1` quarters of a core.
    pub fn start_load_monitors(&mut self) {
        let contexts: Vec<Context<LoadMonitor>> = self.names.iter().map(|_| Context::new()).collect();
        let addresses: Vec<Addr<LoadMonitor>> = contexts.iter().map(|context| context.address()).collect();
        let begun = tokio::time::Instant::now();
        for (at, context) in contexts.into_iter().enumerate() {
            let relay = |to: usize| {
                let (link, to_monitor) = (Rc::clone(&self.links[&(at, to)]), addresses[to].clone().recipient());
                (self.names[to].clone(), LoadRelay { link, to: to_monitor }.start().recipient())
            };
            let monitor = LoadMonitor::new(LoadParts {
                view: Arc::new(View { local: self.names[at].clone(), ..self.view.clone() }),
                shards: vec![self.nodes[at].clone().recipient()],
                peers: (0..self.names.len()).filter(|to| *to != at).map(relay).collect(),
                cpu: Arc::new(move || Some(begun.elapsed() * (at as u32 + 1) / 4)),
                weights: LoadWeights::REQUESTS,
                patience: Duration::from_secs(60),
                metrics: self.metrics.clone(),
            });
            self.monitors.push(context.run(monitor));
            self.monitors[at].do_send(Enlist(self.coordinators[at].clone().recipient()));
        }
    }

    fn start_repairer(&self, at: usize, interval_s: u64) -> Addr<AntiEntropy> {
        let context = Context::<AntiEntropy>::new();
        let committed: Recipient<MarksWritten> = context.address().recipient();
        let clock = Arc::clone(&self.clock);
        let mut view = self.view.clone();
        view.local = self.names[at].clone();
        let repair = AntiEntropy::open(AntiEntropyParts {
            view: Arc::new(view),
            shards: vec![RepairRecipients::of(&self.nodes[at])],
            auditors: vec![self.nodes[at].clone().recipient()],
            peers: self.relays(at).into_iter().map(|(name, relay)| (name, RepairRecipients::of(&relay))).collect(),
            hint_keepers: self
                .handoffs
                .iter()
                .map(|(at, keeper)| (self.names[*at].clone(), keeper.clone().recipient()))
                .collect(),
            transfer: Ignored.start().recipient::<RangeCompared>(),
            enabled: true,
            interval_s,
            audit_interval_s: interval_s,
            rates: [100_000, 1 << 30],
            storage: Arc::new(self.disks[at].clone()),
            committer: Box::new(MarksAtOnce {
                disk: self.disks[at].clone(),
                committed,
                life: self.repair_lives.load(Ordering::Relaxed),
                lives: Arc::clone(&self.repair_lives),
            }),
            wall: Arc::new(move || clock.load(Ordering::Relaxed)),
            seed: at as u64,
            metrics: self.metrics.clone(),
        });
        context.run(repair.expect("the disk can be read"))
    }

    /// What each primary of a key holds on its disk, read past all actors.
    pub fn stored(&self, key: &str) -> Vec<Option<Siblings>> {
        let record = self.record_key(key);
        let holds = |at: usize| {
            let bytes = self.disks[at].get(Space::Records, record.as_bytes()).ok().flatten()?;
            Some(StoredRecord::from_bytes(&bytes).expect("a record").siblings)
        };
        self.primaries(key).into_iter().map(holds).collect()
    }

    /// On every disk the stored trees say what the stored records say.
    pub fn assert_trees_fit(&self) {
        for (at, disk) in self.disks.iter().enumerate() {
            let all = |space, range| disk.scan(space, range, usize::MAX).expect("it can be read").entries;
            let entries =
                all(Space::Meta, ScanRange::prefix(TREE_PREFIX)).into_iter().map(|(key, value)| (key, Some(value)));
            let standing = Standing { slots: SLOTS, has_records: true, clears_away: false };
            let log = TreeLog::new(u64::MAX, 0, recover(entries, |_| true, standing));
            let mut expected: BTreeMap<PartitionId, [Digest; LEAVES]> = BTreeMap::new();
            for (key, value) in all(Space::Records, ScanRange::all()) {
                let partition = RecordKey::try_from(key.clone()).expect("a record key").partition();
                let digest = Digest::of_record(&key, &StoredRecord::from_bytes(&value).expect("a record").siblings);
                let leaf =
                    &mut expected.entry(partition).or_insert([Digest::EMPTY; LEAVES])[usize::from(leaf_of(&key))];
                *leaf = leaf.replaced(Digest::EMPTY, digest);
            }
            for partition in self.view.ring().partition_ids() {
                let leaves = expected.get(&partition).unwrap_or(&[Digest::EMPTY; LEAVES]);
                let trusts = log.trusts(partition);
                assert!(
                    trusts || !expected.contains_key(&partition),
                    "n{at}: partition {partition} would have to be rebuilt"
                );
                assert!(
                    !trusts || log.leaves(partition) == *leaves,
                    "n{at}: partition {partition}: the tree says other than the records"
                );
            }
        }
    }

    /// The place of a key in storage.
    pub fn record_key(&self, key: &str) -> RecordKey {
        let schema = TableSchema::kv();
        let key = schema.key_from_text(key, None).expect("a key");
        let partition = self.view.ring().partition_of(&key.partition_bytes());
        RecordKey::new(partition, schema.name.as_str(), &key.to_bytes())
    }

    /// The node loses what was not synced, and starts again on the same disk under a new epoch. Its peers' links lead to the new process.
    pub fn crash(&mut self, at: usize) {
        self.disks[at].crash(7, true);
        self.nodes[at] = self.open_node(at);
        self.coordinators = (0..self.names.len()).map(|at| self.start_coordinator(at)).collect();
    }

    /// The node loses its disk.
    pub fn wipe(&mut self, at: usize) {
        self.disks[at] = MemoryStorage::new();
        self.nodes[at] = self.open_node(at);
        self.coordinators = (0..self.names.len()).map(|at| self.start_coordinator(at)).collect();
    }

    /// Every coordinator sees exactly these nodes.
    pub async fn see(&mut self, reachable: &[usize]) {
        self.view.reachable = reachable.iter().map(|at| self.names[*at].clone()).collect();
        for (at, coordinator) in self.coordinators.iter().enumerate() {
            let mut view = self.view.clone();
            view.local = self.names[at].clone();
            coordinator.send(ViewChanged(Arc::new(view))).await.expect("the coordinator lives");
        }
        for (at, collector) in self.collectors.iter().enumerate() {
            let view = View { local: self.names[at].clone(), ..self.view.clone() };
            collector.send(ViewChanged(Arc::new(view))).await.expect("the collector lives");
        }
        for (at, monitor) in self.monitors.iter().enumerate() {
            let view = View { local: self.names[at].clone(), ..self.view.clone() };
            monitor.send(ViewChanged(Arc::new(view))).await.expect("the monitor lives");
        }
        for (at, handoff) in &self.handoffs {
            let view = View { local: self.names[*at].clone(), ..self.view.clone() };
            handoff.send(ViewChanged(Arc::new(view))).await.expect("hinted handoff lives");
        }
    }

    /// From now on the table keeps the last write of each key alone.
    pub fn keep_the_last_write(&mut self) {
        self.view.tables = Arc::new(vec![TableSchema { conflict: Conflict::Lww, ..TableSchema::kv() }]);
        self.coordinators = (0..self.names.len()).map(|at| self.start_coordinator(at)).collect();
    }

    /// The ring in which this node puts no writes in order.
    pub fn sidelining(&self, at: usize) -> Topology {
        let mut topology = Topology::clone(&self.view.topology);
        assert!(topology.sideline(&self.names[at], true), "that is news");
        topology
    }

    /// One coordinator learns of it, and nobody else.
    pub async fn tell(&self, at: usize, topology: Topology) {
        let view = View { local: self.names[at].clone(), topology: Arc::new(topology), ..self.view.clone() };
        self.coordinators[at].send(ViewChanged(Arc::new(view))).await.expect("the coordinator lives");
    }

    /// Everybody learns of another ring.
    pub async fn change_ring(&mut self, ring: Ring) {
        let reachable = (0..self.names.len()).filter(|at| self.view.reachable.contains(&self.names[*at])).collect();
        self.view.topology = Arc::new(Topology::settled(ring));
        let reachable: Vec<usize> = reachable;
        self.see(&reachable).await;
    }

    pub fn link(&self, from: usize, to: usize, link: Link) {
        self.links[&(from, to)].set(link);
    }

    /// The primaries of a key, in order.
    pub fn primaries(&self, key: &str) -> Vec<usize> {
        let key = TableSchema::kv().key_from_text(key, None).expect("a key");
        let partition = self.view.ring().partition_of(&key.partition_bytes());
        let place = |node: &NodeId| self.names.iter().position(|name| name == node).expect("a member");
        self.view.ring().primaries(partition, self.view.quorum.n()).map(place).collect()
    }

    /// Where a key lies on disk.
    pub fn record(&self, key: &str) -> RecordKey {
        let table = TableSchema::kv();
        let key = table.key_from_text(key, None).expect("a key");
        RecordKey::new(self.view.ring().partition_of(&key.partition_bytes()), table.name.as_str(), &key.to_bytes())
    }

    pub async fn put(&self, at: usize, key: &str, value: &str, context: Option<Seen>) -> Result<PutReply, PutError> {
        self.put_w(at, key, value, context, None).await
    }

    pub async fn put_w(
        &self,
        at: usize,
        key: &str,
        value: &str,
        context: Option<Seen>,
        w: Option<u8>,
    ) -> Result<PutReply, PutError> {
        let item: Item = [("key", key), ("value", value)]
            .into_iter()
            .map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned())))
            .collect();
        let (trace, table, item) = (TraceId::default(), "kv".to_owned(), item.to_bytes());
        let put = Put { trace, table, item, context, ttl_ms: None, w, timeout_ms: None };
        self.ask(at, put).await
    }

    pub async fn delete(&self, at: usize, key: &str) -> Result<PutReply, PutError> {
        let key = TableSchema::kv().key_from_text(key, None).expect("a key").to_bytes();
        let (trace, table) = (TraceId::default(), "kv".to_owned());
        let delete = Delete { trace, table, key, context: None, w: None, timeout_ms: None };
        self.coordinators[at].send(delete).await.expect("the coordinator lives")
    }

    /// Puts that arrive together; their answers come in the order of the puts.
    pub async fn put_together(&self, at: usize, puts: Vec<Put>) -> Vec<Result<PutReply, PutError>> {
        let (together, answers) = Together::gathered(puts);
        self.coordinators[at].do_send(together);
        answers.await.expect("the coordinator lives")
    }

    /// Gets that arrive together; their answers come in the order of the gets.
    pub async fn get_together(&self, at: usize, gets: Vec<Get>) -> Vec<Result<GetReply, GetError>> {
        let (together, answers) = Together::gathered(gets);
        self.coordinators[at].do_send(together);
        answers.await.expect("the coordinator lives")
    }

    async fn ask<M>(&self, at: usize, request: M) -> M::Result
    where
        M: actix::Message + Send + 'static,
        M::Result: Send,
        ReplicationCoordinator: Handler<Together<M>>,
        Context<ReplicationCoordinator>: actix::dev::ToEnvelope<ReplicationCoordinator, Together<M>>,
    {
        let (alone, answer) = Together::alone(request);
        self.coordinators[at].do_send(alone);
        answer.await.expect("the coordinator lives")
    }

    pub async fn get(&self, at: usize, key: &str, r: u8) -> Result<GetReply, GetError> {
        let key = TableSchema::kv().key_from_text(key, None).expect("a key").to_bytes();
        let get = Get { trace: TraceId::default(), table: "kv".to_owned(), key, r: Some(r), timeout_ms: None };
        self.ask(at, get).await
    }

    pub async fn place(&self, at: usize, key: &str) -> WhereReply {
        let key = TableSchema::kv().key_from_text(key, None).expect("a key").to_bytes();
        let place = Where { trace: TraceId::default(), table: "kv".to_owned(), key };
        self.coordinators[at].send(place).await.expect("the coordinator lives").expect("where answers")
    }
}

fn address_of(member: &Member) -> MemberAddress {
    MemberAddress { member: member.clone(), address: format!("{}:7400", member.id) }
}

/// The values of all siblings, sorted.
pub fn values(reply: &GetReply) -> Vec<String> {
    let text = |bytes: &bytes::Bytes| match Item::from_bytes(bytes).expect("an item").get("value") {
        Some(AttributeValue::S(text)) => text.clone(),
        other => panic!("no value: {other:?}"),
    };
    let mut values: Vec<String> =
        reply.versions.iter().filter_map(|version| version.value.as_ref()).map(text).collect();
    values.sort();
    values
}

/// Runs a test on one thread, in virtual time, as actors need it.
pub async fn on_one_thread(test: impl Future<Output = ()>) {
    tokio::task::LocalSet::new().run_until(test).await;
}

/// Commits as soon as it is told to: the disk is instant, the report is an ordinary message.
struct AtOnce {
    disk: MemoryStorage,
    committed: Recipient<Committed>,
}

impl Committer for AtOnce {
    fn submit(&self, ticket: u64, batch: Batch) {
        let result = self.disk.commit(&batch, Persist::Sync);
        self.committed.do_send(Committed(CommitOutcome { first: ticket, last: ticket, result }));
    }

    fn backlog_bytes(&self) -> usize {
        0
    }
}

/// The same for the marks of anti-entropy.
struct MarksAtOnce {
    disk: MemoryStorage,
    committed: Recipient<MarksWritten>,
    /// Which of the lives it belongs to; the last one is under way.
    life: u64,
    lives: Arc<AtomicU64>,
}

impl Committer for MarksAtOnce {
    fn submit(&self, ticket: u64, batch: Batch) {
        if self.life != self.lives.load(Ordering::Relaxed) {
            return;
        }
        let result = self.disk.commit(&batch, Persist::Sync);
        self.committed.do_send(MarksWritten(CommitOutcome { first: ticket, last: ticket, result }));
    }

    fn backlog_bytes(&self) -> usize {
        0
    }
}

/// The node that a link leads to.
struct Destination {
    replica: ReplicaRecipients,
    repair: RepairRecipients,
    garbage: GarbageRecipients,
}

/// One directed link.
pub struct Relay {
    link: Rc<Cell<Link>>,
    to: Destination,
}

impl Actor for Relay {
    type Context = Context<Self>;
}

impl<M> Handler<Together<M>> for Relay
where
    M: BridgeRequest + Clone,
    M::Error: From<LinkError>,
    Destination: Carries<M>,
{
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<M>, _: &mut Self::Context) {
        for (at, message) in requests.into_iter().enumerate() {
            let (link, answers) = (Rc::clone(&self.link), answers.clone());
            let to = <Destination as Carries<M>>::recipient(&self.to);
            actix::spawn(async move { answers.give(at, travel(link, to, message).await) });
        }
    }
}

/// A directed link between two load monitors.
struct LoadRelay {
    link: Rc<Cell<Link>>,
    to: Recipient<Together<ReadLoad>>,
}

impl Actor for LoadRelay {
    type Context = Context<Self>;
}

impl Handler<Together<ReadLoad>> for LoadRelay {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<ReadLoad>, _: &mut Self::Context) {
        for (at, message) in requests.into_iter().enumerate() {
            let (link, answers, to) = (Rc::clone(&self.link), answers.clone(), self.to.clone());
            actix::spawn(async move { answers.give(at, travel(link, to, message).await) });
        }
    }
}

/// Where a kind of replica message goes.
trait Carries<M: actix::Message + Send>
where
    M::Result: Send,
{
    fn recipient(&self) -> Recipient<Together<M>>;
}

macro_rules! carries {
    ($($conversation:ident::$message:ident => $part:ident.$field:ident),*) => {$(
        impl Carries<slipring::messages::$conversation::$message> for Destination {
            fn recipient(&self) -> Recipient<Together<slipring::messages::$conversation::$message>> {
                self.$part.$field.clone()
            }
        }
    )*};
}

carries!(
    replica::CoordinateWrite => replica.coordinate,
    replica::WriteReplica => replica.write,
    replica::ReadReplica => replica.read,
    replica::CompareReplica => replica.compare,
    replica::ScanReplica => replica.scan,
    repair::ReadRoot => repair.root,
    repair::ReadLeaves => repair.leaves,
    repair::ListBuckets => repair.list,
    repair::DistrustTree => repair.distrust,
    garbage::ProbeTombstones => garbage.probe,
    garbage::CollectTombstones => garbage.collect
);

async fn travel<M>(link: Rc<Cell<Link>>, to: Recipient<Together<M>>, message: M) -> Result<M::Reply, M::Error>
where
    M: BridgeRequest,
    M::Error: From<LinkError>,
{
    let delay = match link.get() {
        Link::Down => return Err(LinkError::Unreachable.into()),
        Link::Silent => {
            sleep(REQUEST_TIMEOUT).await;
            return Err(LinkError::TimedOut.into());
        }
        Link::Slow(ms) => Duration::from_millis(ms),
        Link::Up | Link::AnswerLost => LINK_DELAY,
    };
    sleep(delay).await;
    let arrived: M = rmp_serde::from_slice(&rmp_serde::to_vec(&message).expect("encodes")).expect("decodes");
    let (alone, answer) = Together::alone(arrived);
    to.do_send(alone);
    let Ok(answer) = answer.await else { return Err(LinkError::ConnectionLost.into()) };
    if link.get() == Link::AnswerLost {
        return Err(LinkError::ConnectionLost.into());
    }
    sleep(delay).await;
    rmp_serde::from_slice(&rmp_serde::to_vec(&answer).expect("encodes")).expect("decodes")
}

struct Ignored;

impl Actor for Ignored {
    type Context = Context<Self>;
}

impl Handler<HeardOfRing> for Ignored {
    type Result = ();

    fn handle(&mut self, _: HeardOfRing, _: &mut Self::Context) {}
}

impl Handler<RangeCompared> for Ignored {
    type Result = ();

    fn handle(&mut self, _: RangeCompared, _: &mut Self::Context) {}
}

impl Handler<StorageFailed> for Ignored {
    type Result = ();

    fn handle(&mut self, failed: StorageFailed, _: &mut Self::Context) {
        panic!("the storage failed: {}", failed.reason);
    }
}
