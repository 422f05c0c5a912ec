//! A cluster without clients and without chance faults, for stories that are told step by step: what is done to it, and what its nodes
//! say of each other.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::{Cluster, SimError, part_of};
use super::delay::Delay;
use super::network::Network;
use super::swarm::Plan;
use super::trace::Trace;
use crate::client::{CallError, Client, ConnectOptions};
use crate::dynamo::link_matrix::LinkCell;
use crate::dynamo::swim::DetectionSpeed;
use crate::messages::admin::{DescribeNodes, NodeRow, ReadMetrics};
use crate::messages::detection::DescribeLinks;
use crate::messages::metadata::{ChangeError, ChangeTables, DescribeMetadata, MetadataStatus};
use crate::metadata::TableChange;
use crate::wire::handshake::Role;
use crate::wire::operation::BridgeRequest;

/// Who asks; nothing that is done to links between nodes concerns him.
const OBSERVER: &str = "observer";

/// An observer waits this long for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// And for a change of the tables, which may have to wait for an election.
const CHANGE_PATIENCE: Duration = Duration::from_secs(20);

/// How the cluster is made.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// How many nodes there are.
    pub nodes: usize,
    /// How long bytes take.
    pub delay: Delay,
    /// `[failure_detection]`.
    pub speed: DetectionSpeed,
}

/// A cluster, and what can be done to it.
pub struct ObservedCluster {
    cluster: Cluster,
    network: Network,
    addresses: Vec<String>,
    rng: StdRng,
    observed: Vec<Option<Client>>,
}

/// Starts a cluster in virtual time and tells the story.
///
/// # Errors
///
/// The cluster could not be made, which says nothing about the product.
pub fn observe<T>(seed: u64, cast: &Cast, story: impl AsyncFnOnce(&mut ObservedCluster) -> T) -> Result<T, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut cluster = ObservedCluster::open(seed, cast)?;
        let told = story(&mut cluster).await;
        let all: Vec<usize> = (0..cast.nodes).collect();
        cluster.cluster.crash(&all, false).await;
        Ok(told)
    })
}

impl ObservedCluster {
    fn open(seed: u64, cast: &Cast) -> Result<Self, SimError> {
        let mut rng = StdRng::seed_from_u64(seed);
        let trace = Trace::begin();
        let network = Network::new(part_of(&mut rng), cast.delay, trace.clone());
        let faults = Vec::new();
        let plan =
            Plan { nodes: cast.nodes, workers: 1, n: 2, r: 1, w: 1, faults, ..Plan::drawn_from(seed).without_moves() };
        let mut cluster = Cluster::found(&plan, &network, &trace, part_of(&mut rng))?;
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        cluster.configure(|config| {
            config.failure_detection.probe_interval_ms = ms(cast.speed.probe_interval);
            config.failure_detection.probe_timeout_ms = ms(cast.speed.probe_timeout);
            config.failure_detection.suspicion_ms = ms(cast.speed.suspicion);
        });
        (0..cast.nodes).for_each(|at| cluster.start(at));
        let (addresses, observed) = (cluster.addresses(), vec![None; cast.nodes]);
        Ok(Self { cluster, network, addresses, rng, observed })
    }

    /// Chance for the story.
    pub fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    /// A process dies; `silently`: nobody is told, as when its machine is gone.
    pub async fn crash(&mut self, at: usize, silently: bool) {
        self.observed[at] = None;
        self.cluster.crash(&[at], silently).await;
    }

    /// Starts it again on what it has on its disk.
    pub fn start(&mut self, at: usize) {
        self.cluster.start(at);
    }

    /// A node that does not run gets an empty disk.
    pub fn wipe(&mut self, at: usize) {
        self.cluster.wipe(at);
    }

    /// A process stops without having ended, or goes on.
    pub fn pause(&mut self, at: usize, paused: bool) {
        self.cluster.pause(at, paused);
    }

    /// Nothing arrives from one node at the other.
    pub fn cut(&self, from: usize, to: usize) {
        self.network.cut(&self.addresses[from], &self.addresses[to]);
    }

    /// Nothing arrives in either direction.
    pub fn part(&self, one: usize, other: usize) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// One node cannot dial the other any more.
    pub fn refuse(&self, from: usize, to: usize) {
        self.network.refuse(&self.addresses[from], &self.addresses[to]);
    }

    /// The connections between two nodes break; they may dial again.
    pub fn reset(&self, one: usize, other: usize) {
        self.network.reset(&self.addresses[one], &self.addresses[other]);
    }

    /// This share of what is sent has to be sent again.
    pub fn lose(&self, percent: u32) {
        self.network.lose(percent);
    }

    /// All links work.
    pub fn heal(&self) {
        self.network.heal_all();
    }

    /// What a node says of all members; none where it does not answer.
    pub async fn nodes(&mut self, at: usize) -> Option<Vec<NodeRow>> {
        self.ask(at, &DescribeNodes).await
    }

    /// What a node says of one member: `up`, `suspect` or `down`, and whether it reaches it.
    pub async fn sees(&mut self, at: usize, of: usize) -> Option<(String, bool)> {
        let row = self.nodes(at).await?.into_iter().find(|row| row.name.as_str() == format!("n{of}"))?;
        Some((row.state, row.reachable))
    }

    /// Whether each of these nodes says of each of them that it is up and reachable.
    pub async fn are_one(&mut self, nodes: &[usize]) -> bool {
        for at in nodes {
            for of in nodes {
                if self.sees(*at, *of).await != Some(("up".to_owned(), true)) {
                    return false;
                }
            }
        }
        true
    }

    /// The matrix of links as a node knows it.
    pub async fn links(&mut self, at: usize) -> Option<Vec<LinkCell>> {
        self.ask(at, &DescribeLinks).await
    }

    /// How the metadata stands on a node.
    pub async fn metadata(&mut self, at: usize) -> Option<MetadataStatus> {
        self.ask(at, &DescribeMetadata).await
    }

    /// Changes the tables through a node; the epoch in which that holds, or what the node said.
    ///
    /// # Errors
    ///
    /// `None`: the node did not answer.
    pub async fn change_tables(&mut self, at: usize, change: TableChange) -> Result<u64, Option<ChangeError>> {
        let Some(client) = timeout(PATIENCE, self.connect(at, CHANGE_PATIENCE)).await.ok().flatten() else {
            return Err(None);
        };
        match client.request(&ChangeTables { change }).await {
            Ok(epoch) => Ok(epoch),
            Err(CallError::Refused(refused)) => Err(Some(refused)),
            Err(_) => Err(None),
        }
    }

    /// The sum of a metric's samples on a node.
    pub async fn metric(&mut self, at: usize, name: &str) -> f64 {
        let text = self.ask(at, &ReadMetrics).await.unwrap_or_default();
        let sample = |line: &str| {
            let rest = line.strip_prefix(name)?;
            (rest.starts_with(['{', ' '])).then(|| line.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
        };
        text.lines().filter_map(sample).sum()
    }

    /// How long it takes until `holds`, looked at every 20 ms; none if it does not within `patience`.
    pub async fn until(
        &mut self,
        patience: Duration,
        mut holds: impl AsyncFnMut(&mut Self) -> bool,
    ) -> Option<Duration> {
        let begun = Instant::now();
        while begun.elapsed() <= patience {
            if holds(self).await {
                return Some(begun.elapsed());
            }
            sleep(Duration::from_millis(20)).await;
        }
        None
    }

    async fn ask<M: BridgeRequest>(&mut self, at: usize, request: &M) -> Option<M::Reply>
    where
        M::Error: std::error::Error + 'static,
    {
        if self.observed[at].as_ref().is_none_or(Client::is_closed) {
            self.observed[at] = timeout(PATIENCE, self.connect(at, PATIENCE)).await.ok().flatten();
        }
        let answer = timeout(PATIENCE, self.observed[at].as_ref()?.request(request)).await;
        if !matches!(answer, Ok(Ok(_))) {
            self.observed[at] = None;
        }
        answer.ok()?.ok()
    }

    async fn connect(&mut self, at: usize, patience: Duration) -> Option<Client> {
        let (address, nonce) = (self.addresses[at].clone(), self.rng.random());
        let stream = self.network.connect(OBSERVER, &address).await.ok()?;
        let options = ConnectOptions { role: Role::Admin, timeout: patience, ..ConnectOptions::default() };
        Client::introduce(stream, &address, options, nonce).await.ok()
    }
}
