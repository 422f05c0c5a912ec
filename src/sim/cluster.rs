//! The nodes of a run: started, crashed, paused, started again, on disks and clocks of their own.

mod damage;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use actix::Recipient;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use damage::DiskCopy;

use super::clock::NodeClock;
use super::defect::Defect;
use super::disk::Disk;
use super::network::Network;
use super::process::{Birth, ClusterFile, Process};
use super::roster::Roster;
use super::swarm::Plan;
use super::trace::Trace;
use super::trees::misfits;
use super::watch::hints;
use crate::actors::blueprint::{Blueprint, nobody_connected};
use crate::actors::founding::LocalIdentity;
use crate::config::Config;
use crate::dynamo::claim::claim;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::Quorum;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::{Member, PartitionId, Ring};
use crate::dynamo::siblings::Siblings;
use crate::dynamo::version::ReplicaId;
use crate::item::TableSchema;
use crate::messages::cluster::{ClusterIdentity, FoundedCluster, LeftCluster, MemberAddress};
use crate::messages::replica::StoredRecord;
use crate::messages::storage::StorageFailed;
use crate::metrics::Metrics;
use crate::storage::{CommitterSource, Space, Storage};

/// The cluster's name.
const NAME: &str = "simulated";

/// Often, for a run is short.
const WALK_INTERVAL_S: u64 = 5;

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
    /// What the process of this life has counted.
    metrics: Metrics,
    process: Option<Process>,
    /// Which cluster it belongs to. Lost with the disk.
    cluster_file: ClusterFile,
    /// It is joined, or has been; the others have founded the cluster.
    is_spare: bool,
    /// How often it has forgotten something that it had acknowledged.
    forgettings: u64,
    /// Where a record was changed behind its back: what the trees of these partitions say is true again after an audit.
    damaged: BTreeSet<PartitionId>,
    /// A copy of its disk.
    copy: Option<DiskCopy>,
}

/// All nodes.
pub struct Cluster {
    config: Config,
    network: Network,
    trace: Trace,
    rng: StdRng,
    plan: Plan,
    /// As the cluster was founded. Which partition a key lies in never changes.
    ring: Ring,
    roster: Roster,
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
        let everybody: Vec<MemberAddress> = (0..plan.nodes + plan.spares).map(member).collect::<Result<_, _>>()?;
        // A ring has its members in the order of their names: n10 comes before n2.
        let mut sorted = everybody[..plan.nodes].to_vec();
        sorted.sort_by(|a, b| a.member.id.cmp(&b.member.id));
        let plain: Vec<Member> = sorted.iter().map(|known| known.member.clone()).collect();
        let ring = claim(None, &plain, plan.partitions, plan.n.into()).map_err(SimError::plan)?;
        let place = |id: &NodeId| plain.iter().position(|member| member.id == *id).unwrap_or_default();
        let owners = ring.partition_ids().map(|at| u16::try_from(place(ring.owner(at))).unwrap_or_default()).collect();
        let uuid = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
        let identity = ClusterIdentity { uuid, name: NAME.to_owned() };
        let mut node = |member: MemberAddress| SimNode {
            member,
            disk: Disk::empty(plan.disk, plan.defect),
            directory: rng.random(),
            clock: NodeClock::new(
                rng.random_range(-plan.clock_error_max_ms..=plan.clock_error_max_ms),
                rng.random_range(-200..=200),
            ),
            life: 0,
            metrics: Metrics::new(),
            process: None,
            cluster_file: ClusterFile::default(),
            is_spare: false,
            forgettings: 0,
            damaged: BTreeSet::new(),
            copy: None,
        };
        let mut nodes: Vec<SimNode> = everybody.into_iter().map(&mut node).collect();
        let (founders, spares) = nodes.split_at_mut(plan.nodes);
        spares.iter_mut().for_each(|node| node.is_spare = true);
        let log_ids = founders.iter().map(|node| (node.member.member.id.clone(), node.directory)).collect();
        let founded =
            FoundedCluster { identity, members: sorted, partitions: plan.partitions, owners, log_ids, joined: None };
        founders.iter_mut().for_each(|node| node.cluster_file = Rc::new(RefCell::new(Some(founded.clone()))));
        let quorum = Quorum::new(plan.n, plan.r, plan.w).map_err(SimError::plan)?;
        let founding = founded.metadata(quorum).map_err(SimError::plan)?;
        let names = nodes.iter().map(|node| node.member.member.id.clone()).collect();
        let (network, trace, plan) = (network.clone(), trace.clone(), plan.clone());
        let (config, roster) = (config(&plan), Roster::new(names, founding, trace.clone()));
        Ok(Self { config, network, trace, rng, plan, ring, roster, nodes, broken: Vec::new() })
    }

    /// Changes the configuration of the nodes that are started from now on.
    pub fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
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

    /// Starts a node on the disk that it has, unless it runs, or is shut down for good.
    pub fn start(&mut self, at: usize) {
        if self.nodes[at].process.is_some() || self.roster.is_retired(at) {
            return;
        }
        self.nodes[at].life += 1;
        self.nodes[at].metrics = Metrics::new();
        let node = &self.nodes[at];
        self.trace.tell(None, format!("n{at} starts, life {}", node.life));
        // The engine is opened again: a device that was to fail, or has failed, is taken as it is.
        node.disk.crash(&mut self.rng);
        self.check_trees(at);
        let node = &self.nodes[at];
        let (commit, writer) = node.disk.open(self.rng.random());
        let storage = node.disk.reader();
        let epoch = match self.plan.defect {
            Some(Defect::EpochNotDurable) => 1 << 32,
            _ => (node.life << 32) | u64::from(self.rng.random::<u32>()),
        };
        let replica = ReplicaId { directory: node.directory, epoch };
        let local = self.identity(at);
        let blueprint = self.blueprint(node, local.clone(), replica, Arc::clone(&storage), Arc::new(commit));
        let birth = Birth {
            at,
            local,
            cluster_file: Rc::clone(&node.cluster_file),
            network: self.network.clone(),
            roster: self.roster.clone(),
            seed: self.rng.random(),
        };
        let process = Process::start(birth, blueprint, &storage, writer);
        self.nodes[at].process = Some(process);
    }

    /// Founders know each other from the beginning, whoever is joined asks everybody.
    fn identity(&self, at: usize) -> LocalIdentity {
        let SimNode { member, directory, is_spare, .. } = &self.nodes[at];
        let mut others = self.addresses();
        let founders = if *is_spare { Vec::new() } else { others[..self.plan.nodes].to_vec() };
        others.retain(|address| *is_spare && *address != member.address);
        LocalIdentity {
            member: member.clone(),
            directory: *directory,
            cluster_name: NAME.to_owned(),
            seeds: others,
            founders,
            partitions: self.plan.partitions,
            n: self.plan.n.into(),
        }
    }

    fn blueprint(
        &self,
        node: &SimNode,
        local: LocalIdentity,
        replica: ReplicaId,
        storage: Arc<dyn Storage>,
        commit: Arc<dyn CommitterSource>,
    ) -> impl FnOnce(FoundedCluster, Recipient<StorageFailed>, Recipient<LeftCluster>) -> Blueprint + use<> {
        let (config, workers) = (Arc::new(self.config.clone()), self.plan.workers);
        let (wall, metrics) = (node.clock.wall(), node.metrics.clone());
        move |founded, storage_failed, left| Blueprint {
            config,
            workers,
            local,
            replica,
            founded,
            secret: None,
            storage,
            commit,
            wall,
            cpu: Arc::new(|| None),
            metrics,
            storage_failed,
            left,
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

    /// Does what is wanted of nodes: some are shut down for good, some begin anew.
    pub async fn obey(&mut self) {
        for at in 0..self.nodes.len() {
            if self.roster.is_retired(at) && self.nodes[at].process.is_some() {
                self.trace.tell(None, format!("n{at} is shut down for good"));
                self.crash(&[at], false).await;
                self.look_at_what_is_left(at);
            }
        }
        for at in self.roster.take_renewed() {
            self.crash(&[at], false).await;
            self.nodes[at].is_spare = true;
            self.wipe(at);
            self.start(at);
        }
    }

    /// What waits on the disk of a node that has left the cluster, and goes with it.
    fn look_at_what_is_left(&self, at: usize) {
        if self.roster.is_lost(at) || self.roster.is_member(at) {
            return;
        }
        for (target, bytes) in hints(self, at) {
            self.trace.tell(None, format!("n{at} has left with {bytes} bytes of hints for {target}"));
        }
    }

    /// Crashes all nodes for good, and looks at what they leave.
    pub async fn end(&mut self) {
        let nodes: Vec<usize> = (0..self.nodes.len()).collect();
        self.crash(&nodes, false).await;
        nodes.into_iter().for_each(|at| self.check_trees(at));
    }

    /// The trees that the next life of a node will believe say what the records on its disk say.
    fn check_trees(&mut self, at: usize) {
        let node = &self.nodes[at];
        let intact = self.ring.partition_ids().filter(|partition| !node.damaged.contains(partition));
        let what = match misfits(&node.disk.storage, intact) {
            Ok(wrong) if wrong.is_empty() => return,
            Ok(wrong) => format!("n{at}: trees say other than the records: partitions {wrong:?}"),
            Err(error) => format!("n{at}: {error}"),
        };
        self.trace.tell(None, what.clone());
        self.broken.push(what);
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

    /// What the node has counted since its process started.
    #[must_use]
    pub fn metrics(&self, at: usize) -> &Metrics {
        &self.nodes[at].metrics
    }

    /// What must never happen to a process and did.
    #[must_use]
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// The id of a node's data directory.
    #[must_use]
    pub fn directory(&self, at: usize) -> u64 {
        self.nodes[at].directory
    }

    /// The ring.
    #[must_use]
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The storage key of a key of the built-in table.
    #[must_use]
    pub fn record_key(&self, key: &str) -> Option<RecordKey> {
        record_key(&self.ring, key)
    }

    /// Who belongs to the cluster.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The places of the nodes that answer reads of a partition: those that must hold all of it.
    #[must_use]
    pub fn primaries(&self, partition: PartitionId) -> BTreeSet<usize> {
        let known = self.roster.newest();
        let primaries = known.topology().rings(partition).reading.primaries(partition, self.plan.n.into());
        primaries.filter_map(|node| self.roster.place(node)).collect()
    }

    /// The places of all nodes that may hold a partition: those who answer reads, and while it moves those who take writes, too.
    #[must_use]
    pub fn holders(&self, partition: PartitionId) -> BTreeSet<usize> {
        let known = self.roster.newest();
        let holders = known.topology().holders(partition, self.plan.n.into());
        holders.into_iter().filter_map(|node| self.roster.place(node)).collect()
    }

    /// What each primary of a key holds on its disk.
    #[must_use]
    pub fn copies(&self, key: &str) -> Vec<(usize, Option<Siblings>)> {
        let Some(record) = self.record_key(key) else { return Vec::new() };
        let holds = |node: &SimNode| {
            let bytes = node.disk.storage.get(Space::Records, record.as_bytes()).ok().flatten()?;
            StoredRecord::from_bytes(&bytes).map(|stored| stored.siblings)
        };
        self.primaries(record.partition()).into_iter().map(|at| (at, holds(&self.nodes[at]))).collect()
    }
}

/// The storage key of a key of the built-in table.
pub(super) fn record_key(ring: &Ring, key: &str) -> Option<RecordKey> {
    let table = TableSchema::kv();
    let key = table.key_from_text(key, None).ok()?;
    let partition = ring.partition_of(&key.partition_bytes());
    Some(RecordKey::new(partition, &table.storage_name(), &key.to_bytes()))
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
    config.replication.sloppy = plan.sloppy || plan.defect == Some(Defect::FallbacksCountInStrictMode);
    config.cluster.name = NAME.to_owned();
    config.storage.cache_bytes = plan.cache_bytes;
    config.limits.hints_max_bytes = plan.hints_max_bytes;
    config.hinted_handoff.max_age_s = plan.hints_max_age_s;
    config.garbage.tombstones_min_age_s = plan.tombstones_min_age_s;
    config.garbage.walk_interval_s = WALK_INTERVAL_S;
    let is_hidden = plan.defect.is_some_and(Defect::is_made_up_for_by_comparing);
    config.anti_entropy.enabled = !is_hidden && plan.compared_every_s.is_some();
    config.anti_entropy.interval_s = plan.compared_every_s.unwrap_or(config.anti_entropy.interval_s);
    config.anti_entropy.audit_interval_s = 20;
    config
}
