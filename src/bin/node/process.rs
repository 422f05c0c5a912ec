//! One node process from start to end: open, found or join, serve, stop.
//!
//! Starting is recovering: there is no other way in, whether the last process was stopped or killed.

use std::net::TcpListener as StdListener;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::{Actor, Context, Handler};
use actix_rt::{ArbiterHandle, System};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::time::{ClockId, clock_gettime};
use slipring::actors::assembly::{
    Foundation, Sequencer, Shard, WorkerDoors, start_control, start_sequencer, start_shard, start_worker,
};
use slipring::actors::blueprint::{Blueprint, ViewError, nobody_connected};
use slipring::actors::bridge_listener::{Nonces, answer_while_founding};
use slipring::actors::founding::{FoundingError, LocalIdentity, check_founded, found_or_join};
use slipring::config::{Config, Durability};
use slipring::dynamo::node_id::{NodeId, NodeIdError};
use slipring::dynamo::quorum::Quorum;
use slipring::dynamo::ring::Member;
use slipring::dynamo::version::ReplicaId;
use slipring::http::dynamodb::signature::AccessKey;
use slipring::http::gathering::Gathering;
use slipring::http::store::{Store, Traces};
use slipring::http::{self, Admission, Health, Origins, Worker};
use slipring::messages::cluster::{FoundedCluster, LeftCluster, MemberAddress, View};
use slipring::messages::storage::StorageFailed;
use slipring::metrics::Metrics;
use slipring::storage::{
    ClaimedDirectory, CommitterSource, DataDirectory, EngineOpenError, EngineOptions, FjallStorage, GroupCommit,
    OpenError, ReadError, StateFile, StateFileError, Storage,
};
use slipring::wire::handshake::Secret;
use slipring::wire::transport::{Connector, TcpAcceptor, TcpConnector};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

/// The engine's own cache, of blocks, in bytes: small, for `storage.cache_bytes` keeps whole records in front of it.
const ENGINE_CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// How often is looked for a failed sync.
const FAILURE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Why the node does not serve. What was acknowledged before is on disk.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("node.name: {0}")]
    Name(#[from] NodeIdError),
    #[error("cluster.secret_file: {0}")]
    Secret(#[from] slipring::config::SecretError),
    #[error("http.access_keys_file: {0}")]
    AccessKeys(#[from] slipring::config::AccessKeysError),
    #[error(transparent)]
    DataDirectory(#[from] OpenError),
    #[error("{0}")]
    Engine(#[from] EngineOpenError),
    #[error("{key} = \"{address}\" cannot be listened on: {source}; is another node running?")]
    Listen { key: &'static str, address: String, source: std::io::Error },
    #[error(transparent)]
    Founding(#[from] FoundingError),
    #[error(transparent)]
    ClusterFile(#[from] StateFileError),
    #[error("{} is damaged ({source}): copy the file from another member of the cluster, or restore it from a backup", path.display())]
    DamagedClusterFile { path: PathBuf, source: serde_json::Error },
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("the storage cannot be read: {0}")]
    Storage(#[from] ReadError),
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    #[error("a worker thread did not start")]
    WorkerLost,
    #[error("the storage failed: {reason}")]
    StorageFailed { reason: String },
}

impl StartError {
    /// 2 where the configuration or its surroundings are wrong, 1 where something broke.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::System(_) | Self::WorkerLost | Self::StorageFailed { .. } | Self::Storage(_) => 1,
            _ => 2,
        }
    }
}

/// Runs a node until it is told to stop.
pub fn run(config: Config) -> Result<(), StartError> {
    let bridge = listen("bridge.listen", config.bridge.listen)?;
    let http = listen("http.listen", config.http.listen)?;
    let claimed = DataDirectory::claim(&config.node.data_dir, &config.node.name)?;
    let local = identity(&config, claimed.directory_id())?;
    let founded = stored_cluster(&config, &claimed, &local)?;
    // From here on the directory changes: whatever can be refused has been.
    let directory = claimed.begin()?;
    let storage = Arc::new(FjallStorage::open(&directory.engine_path(), engine_options(&config))?);
    let commit = Arc::new(GroupCommit::start(Arc::clone(&storage) as Arc<dyn Storage>, durability(&config))?);
    let node = Opened { config: Arc::new(config), local, founded, directory, storage, commit };
    System::new().block_on(node.live(bridge, http))
}

/// What the process owns while it lives.
struct Opened {
    config: Arc<Config>,
    local: LocalIdentity,
    /// The cluster that the data directory belongs to, if it does already.
    founded: Option<FoundedCluster>,
    directory: DataDirectory,
    storage: Arc<FjallStorage>,
    commit: Arc<GroupCommit>,
}

impl Opened {
    async fn live(self, bridge: StdListener, http: StdListener) -> Result<(), StartError> {
        let (health, metrics) = (Health::starting(), Metrics::new());
        let workers = self.config.worker_threads(cores());
        let pairs = self.config.access_keys()?;
        let keys = pairs.into_iter().map(|pair| AccessKey::new(pair.id, pair.secret)).collect();
        let (tell, mut started) = mpsc::unbounded_channel();
        let admission = Admission {
            keys,
            origins: Origins::of(&self.config.http.cors_origins),
            long_polls_max: self.config.limits.long_polls,
        };
        let server = http::serve(http, workers, health.clone(), metrics.clone(), admission, tell)?;
        actix_rt::spawn(server);
        let mut handles: Vec<Worker> = Vec::new();
        while handles.len() < workers {
            handles.push(started.recv().await.ok_or(StartError::WorkerLost)?);
        }
        let (guard, mut ended) = EndGuard::start_watching();
        let local = self.local.clone();
        let secret = self.config.secret()?.map(|secret| Secret::new(secret.as_bytes().to_vec()));
        let founded = tokio::select! {
            biased;
            () = stop_signal() => return Ok(()),
            founded = self.belong(&bridge, &local, secret.as_ref(), &health) => founded?,
        };
        let blueprint = self.blueprint(workers, local, founded, secret, metrics, guard);
        let view = Arc::new(blueprint.first_view()?);
        start_actors(&blueprint, &view, &handles, bridge).await?;
        health.ready();
        let (node, uuid) = (&blueprint.local.member.member.id, blueprint.founded.identity.uuid);
        info!(%node, cluster = blueprint.founded.identity.name, %uuid, bridge = %self.config.bridge.listen, http = %self.config.http.listen, "ready");
        tokio::select! {
            biased;
            Some(end) = ended.recv() => match end {
                End::StorageFailed { reason } => Err(StartError::StorageFailed { reason }),
                End::LeftCluster => {
                    info!("this node has left the cluster: nobody needs its data directory any more");
                    Ok(())
                }
            },
            reason = failed_sync(&self.commit) => Err(StartError::StorageFailed { reason }),
            () = stop_signal() => {
                info!("stopping");
                Ok(())
            }
        }
    }

    /// The cluster in the data directory, or one that is founded or joined now and then kept there.
    async fn belong(
        &self,
        bridge: &StdListener,
        local: &LocalIdentity,
        secret: Option<&Secret>,
        health: &Health,
    ) -> Result<FoundedCluster, StartError> {
        if let Some(founded) = &self.founded {
            return Ok(founded.clone());
        }
        let acceptor = TcpAcceptor(TcpListener::from_std(bridge.try_clone()?)?);
        let nonces = Nonces::drawn_from(&mut rng());
        let connector: Rc<dyn Connector> = Rc::new(TcpConnector);
        let founding = found_or_join(local, connector, secret, rng(), |why| health.wait_for(why));
        let founded = tokio::select! {
            biased;
            founded = founding => founded?,
            () = answer_while_founding(&acceptor, local, secret, &nonces) => return Err(StartError::WorkerLost),
        };
        self.directory.write_file(StateFile::Cluster, &cluster_file(&founded)?)?;
        Ok(founded)
    }

    fn blueprint(
        &self,
        workers: usize,
        local: LocalIdentity,
        founded: FoundedCluster,
        secret: Option<Secret>,
        metrics: Metrics,
        guard: actix::Addr<EndGuard>,
    ) -> Blueprint {
        let replica = ReplicaId { directory: self.directory.directory_id(), epoch: self.directory.epoch() };
        Blueprint {
            config: Arc::clone(&self.config),
            workers,
            local,
            replica,
            founded,
            secret,
            storage: Arc::clone(&self.storage) as Arc<dyn Storage>,
            commit: Arc::clone(&self.commit) as Arc<dyn CommitterSource>,
            wall: Arc::new(unix_ms),
            cpu: Arc::new(|| Some(cpu_time())),
            metrics,
            storage_failed: guard.clone().recipient(),
            left: guard.recipient(),
            connections: Arc::default(),
            connected: nobody_connected(),
        }
    }
}

/// Returns when a sync that no write waits for has failed, as happens with `storage.durability = "interval"`.
async fn failed_sync(commit: &GroupCommit) -> String {
    loop {
        if let Some(failure) = commit.failure() {
            return failure.to_string();
        }
        tokio::time::sleep(FAILURE_CHECK_INTERVAL).await;
    }
}

/// Starts all shards, then the control actors here, then the rest of each worker.
async fn start_actors(
    blueprint: &Blueprint,
    view: &Arc<View>,
    workers: &[Worker],
    bridge: StdListener,
) -> Result<(), StartError> {
    let mut shards: Vec<Shard> = Vec::new();
    for (number, worker) in workers.iter().enumerate() {
        let blueprint = blueprint.clone();
        shards.push(on_worker(&worker.arbiter, move || start_shard(&blueprint, number)).await??);
    }
    let connector: Rc<dyn Connector> = Rc::new(TcpConnector);
    let control = start_control(blueprint, view, &shards, &connector, &mut rng())?;
    let mut sequencers: Vec<Sequencer> = Vec::new();
    for worker in workers {
        let (blueprint, view) = (blueprint.clone(), Arc::clone(view));
        sequencers.push(on_worker(&worker.arbiter, move || start_sequencer(&blueprint, &view)).await?);
    }
    let foundation = Foundation { blueprint: blueprint.clone(), view: Arc::clone(view), shards, sequencers, control };
    for (number, worker) in workers.iter().enumerate() {
        let (foundation, listener) = (foundation.clone(), bridge.try_clone()?);
        let start = move || -> std::io::Result<WorkerDoors> {
            let connector: Rc<dyn Connector> = Rc::new(TcpConnector);
            let acceptor = Box::new(TcpAcceptor(TcpListener::from_std(listener)?));
            Ok(start_worker(&foundation, number, acceptor, &connector, &mut rng()))
        };
        let doors = on_worker(&worker.arbiter, start).await??;
        worker.door.open(store(doors, blueprint));
    }
    Ok(())
}

/// What the HTTP API of a worker works with.
fn store(WorkerDoors { recipients, surely, views }: WorkerDoors, blueprint: &Blueprint) -> Store {
    Store {
        put: Gathering::new(recipients.put),
        get: Gathering::new(recipients.get),
        delete: recipients.delete,
        query: recipients.query,
        scan: recipients.scan,
        modify: recipients.modify,
        surely,
        transact_write: recipients.transact_write,
        transact_get: recipients.transact_get,
        change_tables: recipients.change_tables,
        views,
        wall: Arc::clone(&blueprint.wall),
        traces: Traces::from(rng().random()),
    }
}

async fn on_worker<T: Send + 'static>(
    worker: &ArbiterHandle,
    start: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    let (done, result) = oneshot::channel();
    worker.spawn_fn(move || {
        // Nobody waits only when the process is ending.
        let _ = done.send(start());
    });
    result.await.map_err(|_| StartError::WorkerLost)
}

/// Why a process ends by itself.
enum End {
    StorageFailed { reason: String },
    LeftCluster,
}

/// Hears of what ends a process and passes it on to its end.
struct EndGuard {
    ended: mpsc::UnboundedSender<End>,
}

impl EndGuard {
    fn start_watching() -> (actix::Addr<Self>, mpsc::UnboundedReceiver<End>) {
        let (ended, hears) = mpsc::unbounded_channel();
        (Self { ended }.start(), hears)
    }
}

impl Actor for EndGuard {
    type Context = Context<Self>;
}

impl Handler<StorageFailed> for EndGuard {
    type Result = ();

    fn handle(&mut self, failed: StorageFailed, _: &mut Self::Context) {
        let _ = self.ended.send(End::StorageFailed { reason: failed.reason });
    }
}

impl Handler<LeftCluster> for EndGuard {
    type Result = ();

    fn handle(&mut self, _: LeftCluster, _: &mut Self::Context) {
        let _ = self.ended.send(End::LeftCluster);
    }
}

/// Who this node is, by its configuration and its data directory.
fn identity(config: &Config, directory: u64) -> Result<LocalIdentity, StartError> {
    let member =
        Member { id: NodeId::new(&config.node.name)?, zone: config.node.zone.clone(), weight: config.node.weight };
    Ok(LocalIdentity {
        member: MemberAddress { member, address: config.advertise_address() },
        directory,
        cluster_name: config.cluster.name.clone(),
        seeds: config.cluster.seeds.clone(),
        founders: config.cluster.founders.clone(),
        partitions: config.ring.partitions,
        n: config.replication.n,
    })
}

/// The cluster that the data directory belongs to, if it does; it must be the one that is configured.
fn stored_cluster(
    config: &Config,
    claimed: &ClaimedDirectory,
    local: &LocalIdentity,
) -> Result<Option<FoundedCluster>, StartError> {
    let Some(bytes) = claimed.read_file(StateFile::Cluster)? else { return Ok(None) };
    let path = config.node.data_dir.join("CLUSTER");
    let founded: FoundedCluster =
        serde_json::from_slice(&bytes).map_err(|source| StartError::DamagedClusterFile { path, source })?;
    check_founded(local, &founded)?;
    // Whatever N is: only the shape of the ring is looked at here.
    let one = Quorum::new(1, 1, 1).map_err(ViewError::from)?;
    founded.metadata(one).map_err(ViewError::from)?;
    Ok(Some(founded))
}

fn cluster_file(founded: &FoundedCluster) -> Result<Vec<u8>, std::io::Error> {
    Ok(serde_json::to_vec_pretty(founded)?)
}

fn listen(key: &'static str, address: std::net::SocketAddr) -> Result<StdListener, StartError> {
    let refused = |source| StartError::Listen { key, address: address.to_string(), source };
    let listener = StdListener::bind(address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    Ok(listener)
}

fn engine_options(config: &Config) -> EngineOptions {
    EngineOptions {
        cache_bytes: ENGINE_CACHE_BYTES,
        reserve_bytes: Some(config.storage.reserve_bytes),
        cut_rotten_tail: config.storage.durability == Durability::Interval,
        ..EngineOptions::default()
    }
}

fn durability(config: &Config) -> slipring::storage::Durability {
    match config.storage.durability {
        Durability::Always => slipring::storage::Durability::Always,
        Durability::Interval => slipring::storage::Durability::Interval {
            sync_interval: Duration::from_millis(config.storage.sync_interval_ms),
        },
    }
}

/// Returns when the process is told to stop: SIGTERM or Ctrl-C.
pub async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        warn!("signals cannot be heard: only a kill stops this process");
        return std::future::pending().await;
    };
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn rng() -> StdRng {
    StdRng::from_seed(
        *[uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()]
            .concat()
            .first_chunk()
            .unwrap_or(&[0; 32]),
    )
}

/// The processor time of all threads of this process since its start.
fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
