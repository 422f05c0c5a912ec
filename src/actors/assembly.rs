//! The composition root: starts every actor of a node and tells each whom it may speak to. The only file that names them all.
//!
//! ```text
//!  worker 0..W (the HTTP threads)     Node shard, WriteSequencer, ReplicationCoordinator, Links, Peer per member, BridgeListener, BridgeSession per connection
//!  control thread                     RingManager, FailureDetector, Links, MetadataLog, Planner, HintedHandoff, AntiEntropy, PartitionTransfer, GarbageCollector, LoadMonitor, LoadBalancer,
//!                                    AdminSession
//!  commit thread                      GroupCommit
//! ```
//!
//! First all `Node` shards start, and their sequencers, for everybody needs to know all of them; then the control actors; then the rest of each worker.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext as _, Context, Recipient};
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::watch;

use super::admin_session::{AdminParts, AdminSession};
use super::anti_entropy::{AntiEntropy, AntiEntropyParts};
use super::blueprint::Blueprint;
use super::bridge_listener::{BridgeListener, ListenerParts, Nonces};
use super::bridge_session::SessionRecipients;
use super::coordination::{ReplicaRecipients, Replicas};
use super::failure_detector::{DetectorParts, FailureDetector};
use super::garbage_collector::{GarbageCollector, GarbageParts, GarbageRecipients};
use super::hand_over::HintShard;
use super::hinted_handoff::{HandoffParts, HintedHandoff};
use super::links::{FollowLinks, Links, LinksParts};
use super::load_balancer::{BalancerParts, LoadBalancer};
use super::load_monitor::{LoadMonitor, LoadParts};
use super::log_on_disk::LogWritten;
use super::log_recipients::LogRecipients;
use super::metadata_log::{MetadataLog, MetadataLogParts};
use super::node::{Committed, Node, NodeLimits, NodeParts};
use super::partition_transfer::{PartitionTransfer, TransferParts};
use super::planner::{Planner, PlannerParts};
use super::repair_marks::MarksWritten;
use super::repair_recipients::{RepairPeer, RepairRecipients};
use super::replication_coordinator::{CoordinatorParts, ReplicationCoordinator};
use super::ring_manager::RingManager;
use super::sideliner::Sideliner;
use super::transaction_coordinator::{TransactionCoordinator, TransactionParts};
use super::transaction_recovery::{RecoveryParts, TransactionRecovery};
use super::write_sequencer::{Attach, SequencerParts, WriteSequencer};
use crate::config::Durability;
use crate::dynamo::collection::settling_time;
use crate::dynamo::handoff_rate::RateBounds;
use crate::dynamo::swim::Life;
use crate::dynamo::work::LoadWeights;
use crate::messages::cluster::{PeerDown, PeerUp, Subscribe, View};
use crate::messages::detection::LinkMeasured;
use crate::messages::load::Enlist;
use crate::messages::metadata::{FollowMetadata, MetadataChanged};
use crate::messages::modify::ReadSurely;
use crate::storage::ReadError;
use crate::wire::transport::{Acceptor, Connector};

/// A running `Node` shard.
pub type Shard = Addr<Node>;

/// Starts a `Node` shard on the current thread.
pub fn start_shard(blueprint: &Blueprint, shard: usize) -> Result<Shard, ReadError> {
    let context = Context::<Node>::new();
    let committed: Recipient<Committed> = context.address().recipient();
    let limits = &blueprint.config.limits;
    let node = Node::open(NodeParts {
        local: blueprint.local.member.member.id.clone(),
        shard,
        shards: blueprint.workers,
        replica: blueprint.replica,
        wall: Arc::clone(&blueprint.wall),
        storage: Arc::clone(&blueprint.storage),
        committer: blueprint.commit.committer(Box::new(move |outcome| committed.do_send(Committed(outcome)))),
        limits: NodeLimits {
            siblings_warn: limits.siblings_warn,
            siblings_max: limits.siblings_max,
            siblings_max_bytes: blueprint.config.bridge.frame_max_bytes as u64 / 2,
            max_clock_skew_ms: limits.max_clock_skew_ms,
            hints: blueprint.hint_bounds(),
            cache_bytes: blueprint.config.storage.cache_bytes / blueprint.workers as u64,
            keeps_trees: blueprint.config.anti_entropy.enabled,
        },
        metrics: blueprint.metrics.clone(),
        storage_failed: blueprint.storage_failed.clone(),
    })?;
    Ok(context.run(node))
}

/// A sequencer of one shard's keys.
pub type Sequencer = Addr<WriteSequencer>;

/// Starts a shard's `WriteSequencer` on the current thread.
pub fn start_sequencer(blueprint: &Blueprint, view: &Arc<View>) -> Sequencer {
    let parts = SequencerParts {
        view: Arc::clone(view),
        request_timeout: blueprint.request_timeout(),
        waiting_max: blueprint.config.limits.inflight_requests,
        wall: Arc::clone(&blueprint.wall),
        metrics: blueprint.metrics.clone(),
    };
    WriteSequencer::new(parts).start()
}

/// The actors that exist once per node.
#[derive(Clone)]
pub struct Control {
    ring: Addr<RingManager>,
    handoff: Addr<HintedHandoff>,
    detector: Addr<FailureDetector>,
    admin: Addr<AdminSession>,
    repair: Addr<AntiEntropy>,
    garbage: Addr<GarbageCollector>,
    log: Addr<MetadataLog>,
    load: Addr<LoadMonitor>,
    transfer: Addr<PartitionTransfer>,
    planner: Addr<Planner>,
    balancer: Addr<LoadBalancer>,
}

impl Control {
    /// Has this recipient told of all that members agree on from now on, and of the present state at once.
    pub fn follow_metadata(&self, follower: Recipient<MetadataChanged>) {
        self.log.do_send(FollowMetadata(follower));
    }
}

/// Starts the control actors on the current thread. Hints and repair travel over links of their own.
pub fn start_control(
    blueprint: &Blueprint,
    view: &Arc<View>,
    shards: &[Shard],
    connector: &Rc<dyn Connector>,
    rng: &mut StdRng,
) -> Result<Control, ReadError> {
    let metrics = blueprint.metrics.clone();
    let ring = RingManager::new(Arc::clone(view), blueprint.left.clone(), metrics.clone()).start();
    let detector = start_detector(blueprint, view, &ring, rng.random());
    // Before any `Links`: a link to a new member that is ready before the detector has heard of the member would count as none.
    ring.do_send(Subscribe(detector.clone().recipient()));
    // The number behind the last worker's stands for the control thread.
    let links = start_links(blueprint, view, blueprint.workers, &detector, connector, rng.random());
    links.do_send(FollowLinks::new(detector.clone().recipient(), |peer| peer.clone().recipient()));
    let log = start_metadata_log(blueprint, view, rng.random())?;
    links.do_send(FollowLinks::new(log.clone().recipient(), LogRecipients::of));
    ring.do_send(Subscribe(log.clone().recipient()));
    log.do_send(FollowMetadata(ring.clone().recipient()));
    shards.iter().for_each(|shard| log.do_send(FollowMetadata(shard.clone().recipient())));
    let planner = start_planner(blueprint, &log, connector, rng.random());
    log.do_send(FollowMetadata(planner.clone().recipient()));
    let handoff_context = Context::<HintedHandoff>::new();
    let handoff_address = handoff_context.address();
    let repair_context = Context::<AntiEntropy>::new();
    let parts = TransferParts {
        view: Arc::clone(view),
        log: log.clone().recipient(),
        hints: handoff_address.clone().recipient(),
        tries: repair_context.address().recipient(),
        metrics: metrics.clone(),
    };
    let transfer = PartitionTransfer::new(parts).start();
    links.do_send(FollowLinks::new(transfer.clone().recipient(), |peer| peer.clone().recipient()));
    ring.do_send(Subscribe(transfer.clone().recipient()));
    let (status, agree) = (log.clone().recipient(), log.clone().recipient());
    let sideliner = Sideliner::new(Arc::clone(view), status, agree, metrics.clone()).start();
    ring.do_send(Subscribe(sideliner.recipient()));
    let seed = rng.random();
    let repair = start_anti_entropy(blueprint, view, shards, &handoff_address, &transfer, (repair_context, seed))?;
    links.do_send(FollowLinks::new(repair.clone().recipient(), RepairPeer::of));
    ring.do_send(Subscribe(repair.clone().recipient()));
    let garbage = start_garbage_collector(blueprint, view, shards);
    links.do_send(FollowLinks::new(garbage.clone().recipient(), GarbageRecipients::of));
    ring.do_send(Subscribe(garbage.clone().recipient()));
    let load = start_load_monitor(blueprint, view, shards);
    links.do_send(FollowLinks::new(load.clone().recipient(), |peer| peer.clone().recipient()));
    ring.do_send(Subscribe(load.clone().recipient()));
    let balancer = start_load_balancer(blueprint, view, &load, &log, &planner);
    log.do_send(FollowMetadata(balancer.clone().recipient()));
    let handoff = handoff_context.run(handoff(blueprint, view, shards, &repair));
    links.do_send(FollowLinks::new(handoff.clone().recipient(), |peer| peer.clone().recipient()));
    ring.do_send(Subscribe(handoff.clone().recipient()));
    ring.do_send(Subscribe(links.recipient()));
    let admin = AdminSession::new(AdminParts {
        view: ring.clone().recipient(),
        hints: handoff.clone().recipient(),
        lost_hints: handoff.clone().recipient(),
        repair: repair.clone().recipient(),
        metadata: log.clone().recipient(),
        imbalance: load.clone().recipient(),
        storage: Arc::clone(&blueprint.storage),
        cluster_name: blueprint.founded.identity.name.clone(),
        cluster_uuid: blueprint.founded.identity.uuid,
        durability: match blueprint.config.storage.durability {
            Durability::Always => "always".to_owned(),
            Durability::Interval => format!("interval ({} ms)", blueprint.config.storage.sync_interval_ms),
        },
        metrics,
    });
    Ok(Control {
        ring,
        detector,
        handoff,
        admin: admin.start(),
        repair,
        garbage,
        load,
        log,
        transfer,
        planner,
        balancer,
    })
}

fn handoff(blueprint: &Blueprint, view: &Arc<View>, shards: &[Shard], repair: &Addr<AntiEntropy>) -> HintedHandoff {
    let hint_shard = |shard: &Shard| HintShard {
        next: shard.clone().recipient(),
        settle: shard.clone().recipient(),
        count: shard.clone().recipient(),
        survey: shard.clone().recipient(),
        forget: shard.clone().recipient(),
        write: shard.clone().recipient(),
    };
    let config = &blueprint.config.hinted_handoff;
    let parts = HandoffParts {
        shards: shards.iter().map(hint_shard).collect(),
        peers: BTreeMap::new(),
        view: Arc::clone(view),
        wall: Arc::clone(&blueprint.wall),
        bounds: blueprint.hint_bounds(),
        rate: RateBounds::new(config.rate_min, config.rate_max),
        // Where nobody compares, what is dirty stays where it is known.
        repair: blueprint.config.anti_entropy.enabled.then(|| repair.clone().recipient()),
        metrics: blueprint.metrics.clone(),
    };
    HintedHandoff::new(parts)
}

fn start_garbage_collector(blueprint: &Blueprint, view: &Arc<View>, shards: &[Shard]) -> Addr<GarbageCollector> {
    let config = &blueprint.config.garbage;
    let parts = GarbageParts {
        view: Arc::clone(view),
        walkers: shards.iter().map(|shard| shard.clone().recipient()).collect(),
        shards: shards.iter().map(GarbageRecipients::of).collect(),
        peers: BTreeMap::new(),
        walk_interval: Duration::from_secs(config.walk_interval_s),
        tombstones_min_age: Duration::from_secs(config.tombstones_min_age_s),
        settling_time: settling_time(blueprint.request_timeout()),
        storage: Arc::clone(&blueprint.storage),
        wall: Arc::clone(&blueprint.wall),
        metrics: blueprint.metrics.clone(),
    };
    GarbageCollector::new(parts).start()
}

fn start_load_monitor(blueprint: &Blueprint, view: &Arc<View>, shards: &[Shard]) -> Addr<LoadMonitor> {
    let config = &blueprint.config.balancing;
    let parts = LoadParts {
        view: Arc::clone(view),
        shards: shards.iter().map(|shard| shard.clone().recipient()).collect(),
        peers: BTreeMap::new(),
        cpu: Arc::clone(&blueprint.cpu),
        weights: LoadWeights { requests: config.requests_weight, bytes: config.bytes_weight, cpu: config.cpu_weight },
        patience: Duration::from_secs(config.patience_s),
        metrics: blueprint.metrics.clone(),
    };
    LoadMonitor::new(parts).start()
}

fn start_load_balancer(
    blueprint: &Blueprint,
    view: &View,
    load: &Addr<LoadMonitor>,
    log: &Addr<MetadataLog>,
    planner: &Addr<Planner>,
) -> Addr<LoadBalancer> {
    let config = &blueprint.config.balancing;
    let parts = BalancerParts {
        local: view.local.clone(),
        placement: config.placement,
        patience: Duration::from_secs(config.patience_s),
        load: load.clone().recipient(),
        metadata: log.clone().recipient(),
        log: log.clone().recipient(),
        plan: planner.clone().recipient(),
        commit: planner.clone().recipient(),
        metrics: blueprint.metrics.clone(),
    };
    LoadBalancer::new(parts).start()
}

/// Starts the detector. The links report to it, and carry what it says.
fn start_detector(blueprint: &Blueprint, view: &View, ring: &Addr<RingManager>, seed: u64) -> Addr<FailureDetector> {
    let detector = FailureDetector::new(DetectorParts {
        own: Life { node: view.local.clone(), generation: blueprint.replica.epoch },
        members: view.members.iter().map(|known| known.member.id.clone()).collect(),
        speed: blueprint.detection_speed(),
        peers: BTreeMap::new(),
        control_thread: blueprint.workers,
        standing: ring.clone().recipient(),
        seed,
        metrics: blueprint.metrics.clone(),
    });
    detector.start()
}

fn start_planner(
    blueprint: &Blueprint,
    log: &Addr<MetadataLog>,
    connector: &Rc<dyn Connector>,
    seed: u64,
) -> Addr<Planner> {
    let parts = PlannerParts {
        local: blueprint.local.clone(),
        cluster: blueprint.founded.identity.clone(),
        secret: blueprint.secret.clone(),
        connector: Rc::clone(connector),
        log: log.clone().recipient(),
        storage: Arc::clone(&blueprint.storage),
        bytes_per_s: blueprint.config.anti_entropy.bytes_per_s,
        seed,
    };
    Planner::new(parts).start()
}

fn start_metadata_log(blueprint: &Blueprint, view: &Arc<View>, seed: u64) -> Result<Addr<MetadataLog>, ReadError> {
    let context = Context::<MetadataLog>::new();
    let written: Recipient<LogWritten> = context.address().recipient();
    let log = MetadataLog::open(MetadataLogParts {
        view: Arc::clone(view),
        founded: blueprint.founded.clone(),
        directory: blueprint.local.directory,
        peers: BTreeMap::new(),
        storage: Arc::clone(&blueprint.storage),
        committer: blueprint.commit.committer(Box::new(move |outcome| written.do_send(LogWritten(outcome)))),
        storage_failed: blueprint.storage_failed.clone(),
        seed,
        metrics: blueprint.metrics.clone(),
    })?;
    Ok(context.run(log))
}

fn start_anti_entropy(
    blueprint: &Blueprint,
    view: &Arc<View>,
    shards: &[Shard],
    handoff: &Addr<HintedHandoff>,
    transfer: &Addr<PartitionTransfer>,
    (context, seed): (Context<AntiEntropy>, u64),
) -> Result<Addr<AntiEntropy>, ReadError> {
    let written: Recipient<MarksWritten> = context.address().recipient();
    let settings = &blueprint.config.anti_entropy;
    let repair = AntiEntropy::open(AntiEntropyParts {
        view: Arc::clone(view),
        shards: shards.iter().map(RepairRecipients::of).collect(),
        auditors: shards.iter().map(|shard| shard.clone().recipient()).collect(),
        peers: BTreeMap::new(),
        hint_keepers: [(view.local.clone(), handoff.clone().recipient())].into(),
        transfer: transfer.clone().recipient(),
        enabled: settings.enabled,
        interval_s: settings.interval_s,
        audit_interval_s: settings.audit_interval_s,
        rates: [settings.records_per_s, settings.bytes_per_s],
        storage: Arc::clone(&blueprint.storage),
        committer: blueprint.commit.committer(Box::new(move |outcome| written.do_send(MarksWritten(outcome)))),
        wall: Arc::clone(&blueprint.wall),
        seed,
        metrics: blueprint.metrics.clone(),
    })?;
    Ok(context.run(repair))
}

/// What every worker stands on once all shards and the control actors run.
#[derive(Clone)]
pub struct Foundation {
    /// What all parts share.
    pub blueprint: Blueprint,
    /// The cluster as it is at the start.
    pub view: Arc<View>,
    /// All shards of this node, in order.
    pub shards: Vec<Shard>,
    /// Their sequencers, in order.
    pub sequencers: Vec<Sequencer>,
    /// The actors that exist once.
    pub control: Control,
}

/// Where a worker's requests go, for its HTTP API.
#[derive(Clone)]
pub struct WorkerDoors {
    /// The same as for its bridge.
    pub recipients: SessionRecipients,
    /// Reads that no acknowledged write is missing from.
    pub surely: Recipient<ReadSurely>,
    /// The cluster as it is.
    pub views: watch::Receiver<Arc<View>>,
}

/// Starts the rest of a worker on the current thread and opens its door.
pub fn start_worker(
    foundation: &Foundation,
    worker: usize,
    acceptor: Box<dyn Acceptor>,
    connector: &Rc<dyn Connector>,
    rng: &mut StdRng,
) -> WorkerDoors {
    let Foundation { blueprint, view, shards, sequencers, control } = foundation;
    let links = start_links(blueprint, view, worker, &control.detector, connector, rng.random());
    let repairs = shards.iter().map(RepairRecipients::of).collect();
    let garbage = shards.iter().map(GarbageRecipients::of).collect();
    let shards: Vec<ReplicaRecipients> = shards.iter().map(ReplicaRecipients::of).collect();
    let coordinator = ReplicationCoordinator::new(CoordinatorParts {
        view: Arc::clone(view),
        replicas: Replicas { local: view.local.clone(), shards: shards.clone(), peers: BTreeMap::new() },
        wall: Arc::clone(&blueprint.wall),
        request_timeout: blueprint.request_timeout(),
        inflight_max: blueprint.config.limits.inflight_requests,
        reads: blueprint.config.routing.reads,
        rings: control.log.clone().recipient(),
        seed: rng.random(),
        metrics: blueprint.metrics.clone(),
    });
    let views = coordinator.views();
    let coordinator = coordinator.start();
    links.do_send(FollowLinks::new(coordinator.clone().recipient(), ReplicaRecipients::of));
    control.ring.do_send(Subscribe(coordinator.clone().recipient()));
    let sequencer = &sequencers[worker];
    sequencer.do_send(Attach {
        read: coordinator.clone().recipient(),
        write: coordinator.clone().recipient(),
        sequencers: sequencers.iter().map(|sequencer| sequencer.clone().recipient()).collect(),
        rings: control.log.clone().recipient(),
    });
    links.do_send(FollowLinks::new(sequencer.clone().recipient(), |peer| peer.clone().recipient()));
    control.ring.do_send(Subscribe(sequencer.clone().recipient()));
    control.ring.do_send(Subscribe(links.recipient()));
    control.load.do_send(Enlist(coordinator.clone().recipient()));
    let transactions = start_transactions(blueprint, &coordinator, sequencer, rng.random());
    if worker == 0 {
        start_recovery(blueprint, &coordinator, sequencer, &views);
    }
    let recipients =
        session_recipients((&coordinator, &transactions), (sequencer, sequencers), control, shards, repairs, garbage);
    let doors = WorkerDoors { recipients: recipients.clone(), surely: coordinator.recipient(), views };
    let parts = ListenerParts {
        local: blueprint.local.clone(),
        founded: blueprint.founded.clone(),
        view: Arc::clone(view),
        secret: blueprint.secret.clone(),
        recipients,
        frame_max_bytes: blueprint.config.bridge.frame_max_bytes,
        connections_max: blueprint.config.limits.connections,
        connections: Arc::clone(&blueprint.connections),
        connected: Arc::clone(&blueprint.connected),
        nonces: Nonces::drawn_from(rng),
        metrics: blueprint.metrics.clone(),
    };
    let listener = BridgeListener::new(parts, acceptor).start();
    control.ring.do_send(Subscribe(listener.clone().recipient()));
    control.log.do_send(FollowMetadata(listener.recipient()));
    doors
}

fn start_transactions(
    blueprint: &Blueprint,
    coordinator: &Addr<ReplicationCoordinator>,
    sequencer: &Sequencer,
    seed: u64,
) -> Addr<TransactionCoordinator> {
    let parts = TransactionParts {
        modify: sequencer.clone().recipient(),
        read: coordinator.clone().recipient(),
        wall: Arc::clone(&blueprint.wall),
        request_timeout: blueprint.request_timeout(),
        inflight_max: blueprint.config.limits.inflight_requests,
        seed,
        metrics: blueprint.metrics.clone(),
    };
    TransactionCoordinator::new(parts).start()
}

/// One worker looks after the transactions of the whole node whose coordinators are gone.
fn start_recovery(
    blueprint: &Blueprint,
    coordinator: &Addr<ReplicationCoordinator>,
    sequencer: &Sequencer,
    views: &watch::Receiver<Arc<View>>,
) {
    let parts = RecoveryParts {
        modify: sequencer.clone().recipient(),
        records: coordinator.clone().recipient(),
        views: views.clone(),
        wall: Arc::clone(&blueprint.wall),
        request_timeout: blueprint.request_timeout(),
        metrics: blueprint.metrics.clone(),
    };
    TransactionRecovery::new(parts).start();
}

fn session_recipients(
    (coordinator, transactions): (&Addr<ReplicationCoordinator>, &Addr<TransactionCoordinator>),
    (sequencer, sequencers): (&Sequencer, &[Sequencer]),
    control: &Control,
    shards: Vec<ReplicaRecipients>,
    repairs: Vec<RepairRecipients>,
    garbage: Vec<GarbageRecipients>,
) -> SessionRecipients {
    SessionRecipients {
        put: coordinator.clone().recipient(),
        delete: coordinator.clone().recipient(),
        get: coordinator.clone().recipient(),
        scan: coordinator.clone().recipient(),
        query: coordinator.clone().recipient(),
        modify: sequencer.clone().recipient(),
        transact_write: transactions.clone().recipient(),
        transact_get: transactions.clone().recipient(),
        sequencers: sequencers.iter().map(|sequencer| sequencer.clone().recipient()).collect(),
        place: coordinator.clone().recipient(),
        tables: coordinator.clone().recipient(),
        shards,
        gossip: control.detector.clone().recipient(),
        links: control.detector.clone().recipient(),
        repairs,
        garbage,
        hinted: control.handoff.clone().recipient(),
        log: LogRecipients::of(&control.log),
        metadata: control.log.clone().recipient(),
        change_tables: control.log.clone().recipient(),
        stage_node: control.planner.clone().recipient(),
        change_ring: control.log.clone().recipient(),
        plan: control.planner.clone().recipient(),
        commit_plan: control.planner.clone().recipient(),
        tasks: control.transfer.clone().recipient(),
        moves: control.transfer.clone().recipient(),
        rebalance: control.balancer.clone().recipient(),
        tombstones: control.garbage.clone().recipient(),
        repair_status: control.repair.clone().recipient(),
        repair_control: control.repair.clone().recipient(),
        status: control.admin.clone().recipient(),
        nodes: control.ring.clone().recipient(),
        ring: control.ring.clone().recipient(),
        metrics: control.admin.clone().recipient(),
        hints: control.handoff.clone().recipient(),
        cluster_load: control.load.clone().recipient(),
        load: control.load.clone().recipient(),
    }
}

/// Starts the links of a thread. They follow the view once they are subscribed to it.
fn start_links(
    blueprint: &Blueprint,
    view: &View,
    worker: usize,
    detector: &Addr<FailureDetector>,
    connector: &Rc<dyn Connector>,
    seed: u64,
) -> Addr<Links> {
    let links = Links::new(LinksParts {
        members: view.members.to_vec(),
        local: blueprint.local.member.clone(),
        directory: blueprint.local.directory,
        cluster: blueprint.founded.identity.clone(),
        secret: blueprint.secret.clone(),
        worker,
        frame_max_bytes: blueprint.config.bridge.frame_max_bytes,
        inflight_max: blueprint.config.limits.peer_inflight,
        request_timeout: blueprint.request_timeout(),
        connector: Rc::clone(connector),
        seed,
        up: detector.clone().recipient::<PeerUp>(),
        down: detector.clone().recipient::<PeerDown>(),
        measured: detector.clone().recipient::<LinkMeasured>(),
        metrics: blueprint.metrics.clone(),
    });
    links.start()
}
