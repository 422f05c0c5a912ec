//! A run whose course is written down instead of drawn: the same cluster, clients and invariants, and a script that says what happens when.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, SimError, part_of};
use super::history::{History, Violation};
use super::network::Network;
use super::run::compare;
use super::session::{Seen, Session, Value};
use super::stage::Stage;
use super::swarm::Plan;
use super::trace::{Line, Trace};
use super::watch::Watch;
use super::workload::Player;
use crate::client::CallError;
use crate::messages::ring::{ChangeRing, CommitPlan, DescribePlan, StageNode};
use crate::metadata::{RingChange, StagedChange};
use crate::wire::operation::BridgeRequest;

/// After a cut, nodes have this long to notice; after a healing, to find each other and to hand over hints.
const SETTLING: Duration = Duration::from_secs(15);

/// How often the disks are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// After a commit nothing moves any more within this time.
const MOVING_MAX: Duration = Duration::from_secs(120);

/// A cluster and what a script may do to it.
pub struct Scene {
    plan: Plan,
    network: Network,
    cluster: Cluster,
    watch: Watch,
    stage: Stage,
    clients: Vec<JoinHandle<()>>,
    rng: StdRng,
}

/// What a script has shown.
pub struct Ending {
    /// What must not happen, and did.
    pub violations: Vec<Violation>,
    /// What happened, to be read.
    pub lines: Vec<Line>,
}

/// Plays a script on a cluster whose nodes have found each other. Then everything is healed, read from all replicas, and compared.
///
/// # Errors
///
/// The run could not be made, which says nothing about the product.
pub fn play(plan: &Plan, script: impl AsyncFnOnce(&mut Scene)) -> Result<Ending, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut scene = Scene::set(plan)?;
        scene.settle().await;
        script(&mut scene).await;
        Ok(scene.end().await)
    })
}

impl Scene {
    fn set(plan: &Plan) -> Result<Self, SimError> {
        let mut rng = StdRng::seed_from_u64(1);
        let trace = Trace::begin();
        let network = Network::new(part_of(&mut rng), plan.delay, trace.clone());
        let mut cluster = Cluster::found(plan, &network, &trace, part_of(&mut rng))?;
        (0..cluster.count()).for_each(|at| cluster.start(at));
        let history = Rc::new(RefCell::new(History::new(plan.promises())));
        let stage = Stage {
            network: network.clone(),
            addresses: cluster.addresses(),
            ring: Arc::new(cluster.ring().clone()),
            roster: cluster.roster().clone(),
            history: Rc::clone(&history),
            trace: trace.clone(),
            at_rest: Rc::new(Cell::new(false)),
            over: Rc::new(Cell::new(false)),
        };
        let watch = Watch::new(plan, history, trace);
        Ok(Self { plan: plan.clone(), network, cluster, watch, stage, clients: Vec::new(), rng })
    }

    /// Lets time pass until nodes have noticed what has changed and have done what follows from it.
    pub async fn settle(&mut self) {
        self.wait(SETTLING).await;
    }

    /// Lets so much time pass.
    pub async fn wait(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            sleep(LOOK_INTERVAL.min(end - Instant::now())).await;
            self.watch.look(&self.cluster);
        }
    }

    /// How many primaries have a record of a key on their disk, be it a tombstone.
    #[must_use]
    pub fn holders(&self, key: &str) -> usize {
        self.cluster.copies(key).iter().filter(|(_, holds)| holds.is_some()).count()
    }

    /// The nodes that store a key, and the others.
    #[must_use]
    pub fn primaries_and_others(&self, key: &str) -> (Vec<usize>, Vec<usize>) {
        let record = self.cluster.record_key(key);
        let primaries = record.map(|record| self.cluster.primaries(record.partition())).unwrap_or_default();
        (0..self.cluster.count()).partition(|at| primaries.contains(at))
    }

    /// A client of one node.
    pub fn client(&mut self, name: &str, node: usize) -> Visitor {
        let session = Session::new(self.stage.clone(), name.to_owned(), part_of(&mut self.rng));
        Visitor { session, node }
    }

    /// These nodes and those cannot hear each other.
    pub fn part(&self, some: &[usize], others: &[usize]) {
        for (one, other) in some.iter().flat_map(|one| others.iter().map(move |other| (*one, *other))) {
            for (from, to) in [(one, other), (other, one)] {
                self.network.cut(&self.stage.addresses[from], &self.stage.addresses[to]);
            }
        }
    }

    /// Nothing arrives from one node at the other any more.
    pub fn cut(&self, from: usize, to: usize) {
        self.network.cut(&self.stage.addresses[from], &self.stage.addresses[to]);
    }

    /// Everybody hears everybody.
    pub fn heal(&self) {
        self.network.heal_all();
    }

    /// A process dies.
    pub async fn crash(&mut self, node: usize) {
        self.cluster.crash(&[node], false).await;
    }

    /// A process starts.
    pub fn start(&mut self, node: usize) {
        self.cluster.start(node);
    }

    /// The running node's copy of a key is gone from its disk.
    pub fn forget(&mut self, node: usize, key: &str) {
        self.cluster.forget(node, key);
    }

    /// Makes a copy of a node's disk.
    pub fn copy_disk(&mut self, node: usize) {
        self.cluster.copy_disk(node);
    }

    /// A node that does not run gets that copy in the place of its disk.
    pub fn set_back(&mut self, node: usize) {
        self.cluster.set_back(node);
    }

    /// A node's clock is so far ahead now, in ms.
    pub fn set_clock(&self, node: usize, ahead_ms: i64) {
        self.cluster.clock(node).jump(ahead_ms);
    }

    /// Clients begin to do what the plan says, until the end.
    pub fn employ(&mut self) {
        for at in 0..self.plan.clients {
            let session = Session::new(self.stage.clone(), format!("c{at}"), part_of(&mut self.rng));
            let player = Player::new(session, &self.plan);
            self.clients.push(tokio::task::spawn_local(player.play(self.plan.clone())));
        }
    }

    /// Who belongs to the cluster now.
    #[must_use]
    pub fn members(&self) -> Vec<usize> {
        self.stage.roster.serving()
    }

    /// A spare node becomes a member. Whether everything is where it belongs within two minutes.
    pub async fn join(&mut self, spare: usize) -> bool {
        let address = self.stage.addresses[spare].clone();
        let staged = self.ask(&StageNode { address, replaces: None }).await.is_some();
        staged && self.commit().await
    }

    /// A member leaves and is shut down. Whether everything is where it belongs within two minutes.
    pub async fn leave(&mut self, member: usize) -> bool {
        let node = self.stage.roster.name(member);
        let change = RingChange::Stage(StagedChange::Leave { node });
        let has_left = self.ask(&ChangeRing { change }).await.is_some() && self.commit().await;
        if has_left {
            self.stage.roster.retire(member, false);
            self.cluster.obey().await;
        }
        has_left
    }

    async fn commit(&mut self) -> bool {
        let Some(plan) = self.ask(&DescribePlan).await else { return false };
        if self.ask(&CommitPlan { planned_at: plan.planned_at }).await.is_none() {
            return false;
        }
        let end = Instant::now() + MOVING_MAX;
        while self.stage.roster.newest().topology().transition().is_some() && Instant::now() < end {
            self.wait(LOOK_INTERVAL).await;
        }
        self.stage.roster.newest().topology().transition().is_none()
    }

    async fn ask<M: BridgeRequest>(&mut self, request: &M) -> Option<M::Reply>
    where
        M::Error: std::error::Error + 'static,
    {
        let member = self.members().first().copied()?;
        let nonce = self.rng.random();
        self.stage.ask("operator", member, nonce, request).await?.ok()
    }

    async fn end(mut self) -> Ending {
        self.stage.over.set(true);
        for client in std::mem::take(&mut self.clients) {
            if let Err(error) = client.await {
                self.stage.report(format!("a client has ended early: {error}"));
            }
        }
        self.heal();
        for at in 0..self.cluster.count() {
            self.set_clock(at, 0);
            self.cluster.start(at);
        }
        self.settle().await;
        compare(&self.plan, &self.cluster, &mut self.watch, &self.stage, &mut self.rng).await;
        self.cluster.end().await;
        let mut violations = self.stage.history.borrow().violations().to_vec();
        violations.extend(self.cluster.broken().iter().map(|what| Violation {
            key: None,
            write: None,
            what: what.clone(),
        }));
        Ending { violations, lines: self.stage.trace.lines() }
    }
}

/// A client in a script.
pub struct Visitor {
    session: Session,
    node: usize,
}

impl Visitor {
    /// Reads a key; `None`: there was no answer.
    pub async fn get(&mut self, key: &str, r: Option<u8>) -> Option<Seen> {
        self.session.connect(self.node).await?;
        self.session.get(key, r).await
    }

    /// Writes a new value over what has been seen. What that leaves it with; `None`: it was not acknowledged.
    pub async fn put(&mut self, key: &str, seen: &Seen) -> Option<Seen> {
        self.session.connect(self.node).await?;
        self.session.put(key, seen, Value::default()).await
    }

    /// Asks the node for anything; `None`: nothing was sent.
    pub async fn ask<M: BridgeRequest>(&mut self, request: &M) -> Option<Result<M::Reply, CallError<M::Error>>>
    where
        M::Error: std::error::Error + 'static,
    {
        let nonce = self.session.rng.random();
        self.session.stage.ask("visitor", self.node, nonce, request).await
    }

    /// Deletes what has been seen; `None`: it was not acknowledged.
    pub async fn delete(&mut self, key: &str, seen: &Seen) -> Option<()> {
        self.session.connect(self.node).await?;
        self.session.delete(key, seen).await
    }
}
