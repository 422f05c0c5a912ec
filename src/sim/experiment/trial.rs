//! One case of an experiment, from an empty cluster to what was measured.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::load::{Load, Measured, chance};
use super::machines::{Ledger, Machines};
use super::outcome::{Figures, Trial};
use super::plan::{Case, FaultKind, Operation, Order, PlannedFault, Setup};
use super::statistics::Sample;
use crate::metrics::Metrics;
use crate::sim::cluster::{Cluster, SimError, part_of};
use crate::sim::delay::Delay;
use crate::sim::disk::DiskHabits;
use crate::sim::network::Network;
use crate::sim::swarm::{Plan, TOMBSTONES_KEPT_S};
use crate::sim::trace::Trace;

/// Before the first request, and between puts and gets, the nodes have this long to find each other and to finish what is under way.
const SETTLING: Duration = Duration::from_secs(3);

/// Bound of the records that a node keeps in memory, in bytes.
const CACHE_BYTES: u64 = 16 << 20;

/// Bound of the hints that a node keeps, in bytes: more than any experiment makes.
const HINTS_MAX_BYTES: u64 = 1 << 30;

/// The age from which a hint may be given up, in seconds: longer than any experiment.
const HINTS_MAX_AGE_S: u64 = 86_400;

/// Runs one case.
///
/// # Errors
///
/// The run could not be made.
pub(super) fn run_case(seed: u64, case: &Case) -> Result<Trial, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    LocalSet::new().block_on(&runtime, story(seed, case))
}

async fn story(seed: u64, case: &Case) -> Result<Trial, SimError> {
    let (setup, mut rng) = (&case.setup, chance(seed));
    let trace = Trace::begin();
    let network = Network::new(part_of(&mut rng), Delay { min_ms: 0, max_ms: 0 }, trace.clone());
    let mut cluster = Cluster::found(&plan(setup), &network, &trace, part_of(&mut rng))?;
    cluster.configure(|config| config.routing.reads = setup.routing.reads);
    let ledger = Ledger::default();
    network.obey(Machines::new(setup, &cluster.addresses(), Ledger::clone(&ledger)));
    (0..cluster.count()).for_each(|at| cluster.start(at));
    sleep(SETTLING).await;
    if let Some(at) = (0..cluster.count()).find(|at| cluster.has_failed(*at)) {
        return Err(SimError::Plan(format!("n{at} did not start")));
    }
    let load = Rc::new(Load::new(setup, &cluster, &network, &mut part_of(&mut rng))?);
    let mut clients = load.clients(&mut rng).await;
    let mut faults = Schedule::new(&setup.faults, Instant::now() + SETTLING);
    ledger.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let mut seconds = Vec::new();
    for phase in load.phases(&mut rng) {
        sleep(SETTLING).await;
        load.begin(phase);
        let began = Instant::now();
        let working = clients.into_iter().map(|client| tokio::task::spawn_local(client.work())).collect::<Vec<_>>();
        let mut working = std::pin::pin!(join_all(working));
        clients = loop {
            let Some(due) = faults.next_due() else { break working.await };
            match timeout_at(due, &mut working).await {
                Ok(clients) => break clients,
                Err(_) => faults.strike(&mut cluster, &network).await,
            }
        }
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| SimError::Plan(format!("a client has panicked: {error}")))?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    drop(clients);
    let told = ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let nodes: Vec<usize> = (0..cluster.count()).collect();
    cluster.crash(&nodes, false).await;
    if let Some(broken) = cluster.broken().first() {
        return Err(SimError::Plan(broken.clone()));
    }
    let figures = |operation| {
        let measured = load.measured(operation);
        let took = seconds_of(setup, operation, &seconds);
        figures(measured, took)
    };
    Ok(Trial {
        case: case.clone(),
        get: figures(Operation::Get),
        put: figures(Operation::Put),
        hedged: counted(&cluster, |metrics| metrics.hedged_reads.get()),
        hedges_won: counted(&cluster, |metrics| metrics.hedges_won.get()),
        messages: cluster.addresses().into_iter().map(|node| told.get(&node).copied().unwrap_or_default()).collect(),
        trace_hash: trace.hash(),
    })
}

/// What all nodes have counted together, each since its last start.
fn counted(cluster: &Cluster, count: impl Fn(&Metrics) -> u64) -> u64 {
    (0..cluster.count()).map(|at| count(cluster.metrics(at))).sum()
}

/// How long the phase took in which these operations were asked for.
fn seconds_of(setup: &Setup, operation: Operation, seconds: &[f64]) -> f64 {
    let is_last = operation == Operation::Get && setup.workload.order == Order::Phases;
    let phase = if is_last { seconds.last() } else { seconds.first() };
    phase.copied().unwrap_or_default()
}

fn figures(measured: Measured, seconds: f64) -> Figures {
    let per_second = if seconds > 0.0 { measured.latencies_ms.len() as f64 / seconds } else { 0.0 };
    let (sample, floor_ms) = (Sample::of(measured.latencies_ms), Sample::of(measured.floors_ms).mean());
    Figures { sample, failed: measured.failed, per_second, floor_ms }
}

/// A cluster in which nothing happens that the file does not say.
fn plan(setup: &Setup) -> Plan {
    let (latency_min_ms, latency_max_ms) = (setup.disk.sync_least_ms, setup.disk.sync_most_ms);
    // A group that is divided costs a sync more, which the file does not say.
    let disk = DiskHabits { latency_min_ms, latency_max_ms, divides_instants: false };
    let shape = setup.cluster;
    Plan {
        nodes: shape.nodes,
        partitions: shape.partitions,
        // What is measured are requests, and not how long the first comparison of all replicas keeps the processors busy.
        compared_every_s: None,
        workers: 1,
        n: shape.n,
        r: shape.r,
        w: shape.w,
        sloppy: shape.sloppy,
        disk,
        cache_bytes: CACHE_BYTES,
        hints_max_bytes: HINTS_MAX_BYTES,
        hints_max_age_s: HINTS_MAX_AGE_S,
        tombstones_min_age_s: TOMBSTONES_KEPT_S,
        defect: None,
        clock_error_max_ms: 0,
        faults: Vec::new(),
        ..Plan::drawn_from(0).without_moves()
    }
}

/// What begins and ends when.
struct Schedule(VecDeque<(Instant, PlannedFault, bool)>);

impl Schedule {
    fn new(faults: &[PlannedFault], began: Instant) -> Self {
        let at = |fault: &PlannedFault, ms: u64, begins| (began + Duration::from_millis(ms), fault.clone(), begins);
        let both = |fault: &PlannedFault| {
            [at(fault, fault.at_ms, true), at(fault, fault.at_ms.saturating_add(fault.for_ms), false)]
        };
        let mut events: Vec<_> = faults.iter().flat_map(both).collect();
        events.sort_by_key(|(due, ..)| *due);
        Self(events.into())
    }

    fn next_due(&self) -> Option<Instant> {
        self.0.front().map(|(due, ..)| *due)
    }

    /// Lets the next one happen.
    async fn strike(&mut self, cluster: &mut Cluster, network: &Network) {
        let Some((_, PlannedFault { kind, node, .. }, begins)) = self.0.pop_front() else { return };
        let addresses = cluster.addresses();
        let others = addresses.iter().filter(|other| **other != addresses[node]);
        match (kind, begins) {
            (FaultKind::Crash, true) => cluster.crash(&[node], false).await,
            (FaultKind::Crash, false) => cluster.start(node),
            (FaultKind::Pause, _) => cluster.pause(node, begins),
            (FaultKind::Cut, true) => others.for_each(|other| {
                network.cut(&addresses[node], other);
                network.cut(other, &addresses[node]);
            }),
            (FaultKind::Slow, true) => others.for_each(|other| network.slow(&addresses[node], other)),
            (FaultKind::Cut | FaultKind::Slow, false) => others.for_each(|other| {
                network.heal(&addresses[node], other);
                network.heal(other, &addresses[node]);
            }),
        }
    }
}
