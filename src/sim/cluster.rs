//! The nodes of a run: started, crashed, paused, started again, on disks and clocks of their own.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::Recipient;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::clock::NodeClock;
use super::disk::Disk;
use super::network::Network;
use super::process::Process;
use super::swarm::Plan;
use super::trace::Trace;
use crate::actors::assembly::{Blueprint, nobody_connected};
use crate::actors::founding::LocalIdentity;
use crate::config::Config;
use crate::dynamo::claim::claim;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::{Member, Ring};
use crate::dynamo::siblings::Siblings;
use crate::dynamo::version::ReplicaId;
use crate::item::TableSchema;
use crate::messages::cluster::{ClusterIdentity, FoundedCluster, MemberAddress};
use crate::messages::replica::StoredRecord;
use crate::messages::storage::StorageFailed;
use crate::metrics::Metrics;
use crate::storage::{CommitterSource, ScanRange, Space, Storage};

/// The ring's partitions: few, so that every one is met.
const PARTITIONS: u32 = 64;

/// The cluster's name.
const NAME: &str = "simulated";

/// Why a run could not be made. Says nothing about the product.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The plan does not describe a cluster.
    #[error("the plan is not one of a cluster: {0}")]
    Plan(String),
    /// The runtime refused.
    #[error("the runtime did not start: {0}")]
    Runtime(#[from] std::io::Error),
}

impl SimError {
    fn plan(error: impl ToString) -> Self {
        Self::Plan(error.to_string())
    }
}

struct SimNode {
    member: MemberAddress,
    disk: Disk,
    directory: u64,
    clock: NodeClock,
    life: u64,
    process: Option<Process>,
}

/// All nodes.
pub struct Cluster {
    config: Config,
    network: Network,
    trace: Trace,
    rng: StdRng,
    plan: Plan,
    founded: FoundedCluster,
    ring: Ring,
    nodes: Vec<SimNode>,
    /// What must never happen to a process.
    broken: Vec<String>,
}

impl Cluster {
    /// A cluster that is founded, with no process running yet.
    ///
    /// # Errors
    ///
    /// The plan's numbers contradict each other.
    pub fn found(plan: &Plan, network: &Network, trace: &Trace, mut rng: StdRng) -> Result<Self, SimError> {
        let member = |at: usize| -> Result<MemberAddress, SimError> {
            let id = NodeId::new(&format!("n{at}")).map_err(SimError::plan)?;
            Ok(MemberAddress { member: Member { id, zone: None, weight: 1 }, address: format!("n{at}:7400") })
        };
        let members: Vec<MemberAddress> = (0..plan.nodes).map(member).collect::<Result<_, _>>()?;
        let plain: Vec<Member> = members.iter().map(|known| known.member.clone()).collect();
        let ring = claim(None, &plain, PARTITIONS, plan.n.into()).map_err(SimError::plan)?;
        let place = |id: &NodeId| plain.iter().position(|member| member.id == *id).unwrap_or_default();
        let owners = ring.partition_ids().map(|at| u16::try_from(place(ring.owner(at))).unwrap_or_default()).collect();
        let uuid = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
        let identity = ClusterIdentity { uuid, name: NAME.to_owned() };
        let mut node = |member: MemberAddress| SimNode {
            member,
            disk: Disk::empty(plan.disk),
            directory: rng.random(),
            clock: NodeClock::new(
                rng.random_range(-plan.clock_error_max_ms..=plan.clock_error_max_ms),
                rng.random_range(-200..=200),
            ),
            life: 0,
            process: None,
        };
        let nodes = members.iter().cloned().map(&mut node).collect();
        let founded = FoundedCluster { identity, members, partitions: PARTITIONS, owners };
        let (network, trace, plan) = (network.clone(), trace.clone(), plan.clone());
        let config = config(&plan);
        Ok(Self { config, network, trace, rng, plan, founded, ring, nodes, broken: Vec::new() })
    }

    /// How many nodes there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// The addresses of all nodes.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.member.address.clone()).collect()
    }

    /// Whether the process of this node has ended by itself.
    #[must_use]
    pub fn has_failed(&self, at: usize) -> bool {
        self.nodes[at].process.as_ref().is_some_and(|process| process.failure().is_some())
    }

    /// Starts a node on the disk that it has, unless it runs.
    pub fn start(&mut self, at: usize) {
        if self.nodes[at].process.is_some() {
            return;
        }
        self.nodes[at].life += 1;
        let node = &self.nodes[at];
        self.trace.tell(None, format!("n{at} starts, life {}", node.life));
        // The engine is opened again: a device that was to fail, or has failed, is taken as it is.
        node.disk.crash(&mut self.rng);
        let (commit, writer) = node.disk.open(self.rng.random());
        let storage = node.disk.reader();
        let epoch = (node.life << 32) | u64::from(self.rng.random::<u32>());
        let replica = ReplicaId { directory: node.directory, epoch };
        let blueprint = self.blueprint(node, replica, Arc::clone(&storage), Arc::new(commit));
        let process = Process::start(blueprint, &storage, writer, self.network.clone(), self.rng.random());
        self.nodes[at].process = Some(process);
    }

    fn blueprint(
        &self,
        node: &SimNode,
        replica: ReplicaId,
        storage: Arc<dyn Storage>,
        commit: Arc<dyn CommitterSource>,
    ) -> impl FnOnce(Recipient<StorageFailed>) -> Blueprint + use<> {
        let (config, founded, workers) = (Arc::new(self.config.clone()), self.founded.clone(), self.plan.workers);
        let local = LocalIdentity {
            member: node.member.clone(),
            directory: node.directory,
            cluster_name: NAME.to_owned(),
            seeds: self.addresses(),
            partitions: PARTITIONS,
            n: self.plan.n.into(),
        };
        let wall = node.clock.wall();
        move |storage_failed| Blueprint {
            config,
            workers,
            local,
            replica,
            founded,
            secret: None,
            storage,
            commit,
            wall,
            metrics: Metrics::new(),
            storage_failed,
            connections: Arc::default(),
            connected: nobody_connected(),
        }
    }

    /// Crashes these nodes at the same instant; those that do not run have their ends cleared away. With `silently` nobody is told: their
    /// connections stay open and say nothing any more.
    pub async fn crash(&mut self, all: &[usize], silently: bool) {
        for at in all {
            let node = &self.nodes[*at];
            if let Some(process) = &node.process {
                let why =
                    process.failure().map_or_else(|| "crashes".to_owned(), |reason| format!("has ended: {reason}"));
                self.trace.tell(None, format!("n{at} {why}{}", if silently { ", silently" } else { "" }));
                if silently {
                    self.network.vanish(&node.member.address);
                }
                process.kill();
            }
        }
        for at in all {
            let node = &mut self.nodes[*at];
            if let Some(process) = node.process.take() {
                if let Err(reason) = process.gone().await {
                    self.broken.push(format!("n{at}: {reason}"));
                }
                node.disk.crash(&mut self.rng);
            }
        }
    }

    /// Gives a node that does not run an empty disk under a new id.
    pub fn wipe(&mut self, at: usize) {
        self.trace.tell(None, format!("n{at} has lost its disk"));
        self.nodes[at].disk = Disk::empty(self.plan.disk);
        self.nodes[at].directory = self.rng.random();
        self.nodes[at].life = 0;
    }

    /// Stops a node without ending it, or lets it go on.
    pub fn pause(&self, at: usize, paused: bool) {
        if self.nodes[at].process.as_ref().is_some_and(|process| process.pause(paused)) {
            self.trace.tell(None, format!("n{at} {}", if paused { "is paused" } else { "goes on" }));
        }
    }

    /// The clock of a node.
    #[must_use]
    pub fn clock(&self, at: usize) -> &NodeClock {
        &self.nodes[at].clock
    }

    /// The disk of a node.
    #[must_use]
    pub fn disk(&self, at: usize) -> &Disk {
        &self.nodes[at].disk
    }

    /// What must never happen to a process and did.
    #[must_use]
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// How many hints each node has on its disk.
    #[must_use]
    pub fn hints(&self) -> Vec<usize> {
        let kept = |node: &SimNode| node.disk.storage.scan(Space::Hints, ScanRange::all(), usize::MAX);
        self.nodes.iter().map(|node| kept(node).map_or(0, |page| page.entries.len())).collect()
    }

    /// What each primary of a key holds on its disk.
    #[must_use]
    pub fn copies(&self, key: &str) -> Vec<(usize, Option<Siblings>)> {
        let Ok(key) = TableSchema::kv().key_from_text(key, None) else { return Vec::new() };
        let partition = self.ring.partition_of(&key.partition_bytes());
        let record = RecordKey::new(partition, TableSchema::kv().name.as_str(), &key.to_bytes());
        let primaries: BTreeSet<&NodeId> = self.ring.primaries(partition, self.plan.n.into()).collect();
        let holds = |node: &SimNode| {
            let bytes = node.disk.storage.get(Space::Records, record.as_bytes()).ok().flatten()?;
            StoredRecord::from_bytes(&bytes).map(|stored| stored.siblings)
        };
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| primaries.contains(&node.member.member.id))
            .map(|(at, node)| (at, holds(node)))
            .collect()
    }
}

/// Seeds a source of its own for a part of the run.
pub(super) fn part_of(rng: &mut StdRng) -> StdRng {
    StdRng::from_seed(rng.random())
}

fn config(plan: &Plan) -> Config {
    let mut config = Config::default();
    config.replication.n = plan.n.into();
    config.replication.r = plan.r.into();
    config.replication.w = plan.w.into();
    config.replication.sloppy = plan.sloppy;
    config.cluster.name = NAME.to_owned();
    config.storage.cache_bytes = plan.cache_bytes;
    config.limits.hints_max_bytes = plan.hints_max_bytes;
    config.hinted_handoff.max_age_s = plan.hints_max_age_s;
    config
}
