//! One node's process: all its actors, in a task set of their own, so that a crash takes all of them at once.
//!
//! ```text
//!   the run's task ──polls──▶ LocalSet { Node, ReplicationCoordinator, Peer + Link, BridgeListener, BridgeSession, ... }
//!        ▲ killed: the set is dropped with everything in it;   paused: it is not polled
//! ```

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use actix::{Actor, Handler};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::{JoinHandle, LocalSet};

use super::disk::DiskWriter;
use super::network::Network;
use super::roster::Roster;
use super::stream::{VirtualAcceptor, VirtualConnector};
use crate::actors::assembly::{Foundation, Shard, start_control, start_sequencer, start_shard, start_worker};
use crate::actors::blueprint::Blueprint;
use crate::actors::bridge_listener::{Nonces, answer_while_founding};
use crate::actors::founding::{FoundingError, LocalIdentity, found_or_join};
use crate::messages::cluster::{FoundedCluster, LeftCluster};
use crate::messages::metadata::MetadataChanged;
use crate::messages::storage::StorageFailed;
use crate::storage::Storage;
use crate::wire::transport::Connector;

/// What steers a process from outside.
#[derive(Default)]
struct Steering {
    paused: Cell<bool>,
    killed: Cell<bool>,
    /// The process has ended by itself, for this reason.
    failed: RefCell<Option<String>>,
    waker: RefCell<Option<Waker>>,
}

impl Steering {
    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn fail(&self, reason: String) {
        self.failed.borrow_mut().get_or_insert(reason);
        self.wake();
    }

    fn is_over(&self) -> bool {
        self.killed.get() || self.failed.borrow().is_some()
    }
}

/// A node's CLUSTER file: which cluster it belongs to, once it does. It outlives the process.
pub(super) type ClusterFile = Rc<RefCell<Option<FoundedCluster>>>;

/// What a process begins with.
pub(super) struct Birth {
    pub(super) at: usize,
    pub(super) local: LocalIdentity,
    pub(super) cluster_file: ClusterFile,
    pub(super) network: Network,
    /// Told what the node hears of the cluster.
    pub(super) roster: Roster,
    pub(super) seed: u64,
}

impl Birth {
    fn connector(&self) -> Rc<dyn Connector> {
        Rc::new(VirtualConnector { network: self.network.clone(), from: self.local.member.address.clone() })
    }
}

/// A process that runs, or has failed by itself.
pub(super) struct Process {
    steering: Rc<Steering>,
    ended: JoinHandle<()>,
    /// Held by actors only: whoever still holds it when the process has ended has leaked.
    storage: Weak<dyn Storage>,
}

impl Process {
    /// Starts all actors of a node. `blueprint` makes the plan of this life; it is told where to report a failed storage.
    pub(super) fn start(
        birth: Birth,
        blueprint: impl FnOnce(FoundedCluster, actix::Recipient<StorageFailed>, actix::Recipient<LeftCluster>) -> Blueprint
        + 'static,
        storage: &Arc<dyn Storage>,
        writer: DiskWriter,
    ) -> Self {
        let steering = Rc::new(Steering::default());
        let set = LocalSet::new();
        set.spawn_local(writer.run());
        let guard = StorageGuard(Rc::clone(&steering));
        let seen = Rc::clone(&steering);
        set.spawn_local(async move {
            let acceptor = VirtualAcceptor::listen(&birth.network, &birth.local.member.address);
            let started = match belong(&birth, &acceptor).await {
                Ok(founded) => {
                    let guard = guard.start();
                    let blueprint = blueprint(founded, guard.clone().recipient(), guard.recipient());
                    start_actors(&blueprint, &birth, &acceptor)
                }
                Err(error) => Err(error.to_string()),
            };
            if let Err(reason) = started {
                seen.fail(reason);
            }
        });
        let ended = tokio::task::spawn_local(Running { set: Some(set), steering: Rc::clone(&steering) });
        Self { steering, ended, storage: Arc::downgrade(storage) }
    }

    /// It stops without having ended, or goes on.
    /// Whether that is a change.
    pub(super) fn pause(&self, paused: bool) -> bool {
        let changed = self.steering.paused.replace(paused) != paused;
        self.steering.wake();
        changed
    }

    /// Why it has ended by itself, if it has.
    pub(super) fn failure(&self) -> Option<String> {
        self.steering.failed.borrow().clone()
    }

    /// Ends it between two polls of its actors; [`gone`](Self::gone) must follow.
    pub(super) fn kill(&self) {
        self.steering.killed.set(true);
        self.steering.wake();
    }

    /// Waits until it has ended, and says whether any of its actors is still there.
    pub(super) async fn gone(self) -> Result<(), String> {
        self.ended.await.map_err(|error| format!("a process has panicked: {error}"))?;
        match self.storage.strong_count() {
            0 => Ok(()),
            left => Err(format!("{left} handles of the storage outlive the process: actors have leaked")),
        }
    }
}

/// Polls the actors.
struct Running {
    set: Option<LocalSet>,
    steering: Rc<Steering>,
}

impl std::future::Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        *self.steering.waker.borrow_mut() = Some(cx.waker().clone());
        if !self.steering.is_over() && !self.steering.paused.get() {
            // The set is idle when it is ready; something may wake it again.
            if let Some(set) = &mut self.set {
                let _ = Pin::new(set).poll(cx);
            }
        }
        if self.steering.is_over() {
            self.set = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// The cluster of the CLUSTER file, or one that lets the node in now, which is kept there.
async fn belong(birth: &Birth, acceptor: &VirtualAcceptor) -> Result<FoundedCluster, FoundingError> {
    if let Some(founded) = birth.cluster_file.borrow().clone() {
        return Ok(founded);
    }
    // Not the numbers that the actors draw.
    let mut rng = StdRng::seed_from_u64(!birth.seed);
    let nonces = Nonces::drawn_from(&mut rng);
    let founding = found_or_join(&birth.local, birth.connector(), None, rng, |_| {});
    let founded = tokio::select! {
        biased;
        founded = founding => founded?,
        () = answer_while_founding(acceptor, &birth.local, None, &nonces) => return std::future::pending().await,
    };
    *birth.cluster_file.borrow_mut() = Some(founded.clone());
    Ok(founded)
}

fn start_actors(blueprint: &Blueprint, birth: &Birth, acceptor: &VirtualAcceptor) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(birth.seed);
    let shards: Result<Vec<Shard>, _> = (0..blueprint.workers).map(|shard| start_shard(blueprint, shard)).collect();
    let shards = shards.map_err(|error| error.to_string())?;
    let view = Arc::new(blueprint.first_view().map_err(|error| error.to_string())?);
    let connector = birth.connector();
    let control = start_control(blueprint, &view, &shards, &connector, &mut rng).map_err(|error| error.to_string())?;
    let informant = Informant { at: birth.at, roster: birth.roster.clone() };
    control.follow_metadata(informant.start().recipient());
    let sequencers = (0..blueprint.workers).map(|_| start_sequencer(blueprint, &view)).collect();
    let foundation = Foundation { blueprint: blueprint.clone(), view, shards, sequencers, control };
    for worker in 0..blueprint.workers {
        let mut rng = StdRng::from_seed(rng.random());
        start_worker(&foundation, worker, Box::new(acceptor.clone()), &connector, &mut rng);
    }
    Ok(())
}

/// Passes on what the node knows of the cluster.
struct Informant {
    at: usize,
    roster: Roster,
}

impl Actor for Informant {
    type Context = actix::Context<Self>;
}

impl Handler<MetadataChanged> for Informant {
    type Result = ();

    fn handle(&mut self, MetadataChanged(metadata): MetadataChanged, _: &mut Self::Context) {
        self.roster.hears(self.at, metadata);
    }
}

/// Hears of what ends a process, and ends it.
struct StorageGuard(Rc<Steering>);

impl Actor for StorageGuard {
    type Context = actix::Context<Self>;
}

impl Handler<StorageFailed> for StorageGuard {
    type Result = ();

    fn handle(&mut self, failed: StorageFailed, _: &mut Self::Context) {
        self.0.fail(failed.reason);
    }
}

impl Handler<LeftCluster> for StorageGuard {
    type Result = ();

    fn handle(&mut self, _: LeftCluster, _: &mut Self::Context) {
        self.0.fail("it has left the cluster".to_owned());
    }
}
