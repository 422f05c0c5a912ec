//! One run from its seed to its report: a phase with faults, then everything is healed and must work, then everything must be there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, SimError, part_of};
use super::history::{History, Violation};
use super::nemesis::Nemesis;
use super::network::Network;
use super::swarm::Plan;
use super::trace::{Line, Trace};
use super::workload::{Seen, Session, Stage};
use crate::dynamo::siblings::Siblings;

/// Before the first fault the nodes have this long to find each other.
const SETTLING: Duration = Duration::from_secs(2);

/// After everything is healed, operations succeed through every node within this time.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// After the last write, hints are handed over and stragglers heard within this time.
const QUIET: Duration = Duration::from_secs(20);

/// Read repair has this long after each round of reads from all replicas.
const REPAIR: Duration = Duration::from_secs(3);

/// A defect that is built into a run, to see whether it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Disks report what they have not synced.
    ReportBeforeSync,
    /// Hints leave the disk when they are read to be handed over, before their owner has acknowledged them.
    HintGoneBeforeItsAcknowledgement,
}

/// What a run has shown.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the seed decided.
    pub plan: Plan,
    /// Stands for all that happened, in order.
    pub trace_hash: u64,
    /// How much happened: chunks of bytes delivered and lines told.
    pub events: u64,
    /// How many writes were begun.
    pub writes: usize,
    /// How many of them were acknowledged.
    pub acknowledged: usize,
    /// How many reads were answered.
    pub reads: u64,
    /// What must not happen, and did.
    pub violations: Vec<Violation>,
    /// What happened, to be read.
    pub lines: Vec<Line>,
}

/// Runs the plan of a seed, with a defect built in if one is wanted.
///
/// # Errors
///
/// The run could not be made, which says nothing about the product.
pub fn run(seed: u64, defect: Option<Defect>) -> Result<Report, SimError> {
    let mut plan = Plan::drawn_from(seed);
    match defect {
        Some(Defect::ReportBeforeSync) => plan.disk.reports_before_sync = true,
        Some(Defect::HintGoneBeforeItsAcknowledgement) => {
            plan.disk.drops_hints_when_read = true;
            // Or the hints would not be read from the disk.
            plan.cache_bytes = 0;
        }
        None => {}
    }
    run_plan(seed, &plan)
}

/// Runs a plan; the seed decides all that the plan leaves open.
///
/// # Errors
///
/// The run could not be made, which says nothing about the product.
pub fn run_plan(seed: u64, plan: &Plan) -> Result<Report, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    LocalSet::new().block_on(&runtime, story(StdRng::seed_from_u64(!seed), plan))
}

async fn story(mut rng: StdRng, plan: &Plan) -> Result<Report, SimError> {
    let trace = Trace::begin();
    let network = Network::new(part_of(&mut rng), plan.delay, trace.clone());
    let mut cluster = Cluster::found(plan, &network, &trace, part_of(&mut rng))?;
    (0..cluster.count()).for_each(|at| cluster.start(at));
    sleep(SETTLING).await;
    let stage = Stage {
        network: network.clone(),
        addresses: cluster.addresses(),
        history: Rc::new(RefCell::new(History::default())),
        trace: trace.clone(),
        over: Rc::new(Cell::new(false)),
    };
    let clients: Vec<_> = (0..plan.clients)
        .map(|at| Session::new(stage.clone(), format!("c{at}"), part_of(&mut rng)))
        .map(|client| tokio::task::spawn_local(client.play(plan.keys, plan.think_max_ms)))
        .collect();
    let end = Instant::now() + Duration::from_millis(plan.faulty_ms);
    Nemesis::new(plan, &mut cluster, network, trace.clone(), part_of(&mut rng)).strike_until(end).await;
    recover(&stage, &mut rng).await;
    stage.over.set(true);
    for client in clients {
        // A client that has panicked has nothing more to say.
        let _ = client.await;
    }
    sleep(QUIET).await;
    compare(plan, &cluster, &stage, &mut rng).await;
    let nodes: Vec<usize> = (0..cluster.count()).collect();
    cluster.crash(&nodes, false).await;
    Ok(report(plan, &cluster, &stage))
}

/// Every node must serve reads and writes soon.
async fn recover(stage: &Stage, rng: &mut StdRng) {
    let healed = Instant::now();
    for at in 0..stage.addresses.len() {
        let mut session = Session::new(stage.clone(), format!("probe{at}"), part_of(rng));
        let key = format!("probe{at}");
        loop {
            let works = session.connect(at).await.is_some()
                && session.put(&key, Seen::default()).await
                && session.get(&key, None).await.is_some();
            if works {
                break;
            }
            if healed.elapsed() > RECOVERY_MAX {
                let what = format!("n{at} did not serve within {} ms of the healing", RECOVERY_MAX.as_millis());
                stage.history.borrow_mut().report(&key, vec![what]);
                break;
            }
            sleep(Duration::from_millis(rng.random_range(50..150))).await;
        }
    }
}

/// Reads everything from all replicas, twice, and compares what they hold then.
async fn compare(plan: &Plan, cluster: &Cluster, stage: &Stage, rng: &mut StdRng) {
    for (node, hints) in cluster.hints().into_iter().enumerate().filter(|(_, hints)| *hints > 0) {
        stage.history.borrow_mut().report("hints", vec![format!("n{node} still keeps {hints} hints")]);
    }
    let mut session = Session::new(stage.clone(), "reader".to_owned(), part_of(rng));
    let keys = stage.history.borrow().keys();
    for _ in 0..2 {
        for key in &keys {
            let read = session.connect(0).await.is_some() && session.get_finally(key, plan.n).await;
            if !read {
                stage.history.borrow_mut().report(key, vec!["cannot be read from all replicas in the end".to_owned()]);
            }
        }
        sleep(REPAIR).await;
    }
    for key in &keys {
        let copies = cluster.copies(key);
        if copies.windows(2).any(|pair| pair[0].1 != pair[1].1) {
            stage.history.borrow_mut().report(key, vec![format!("the replicas differ: {}", describe(&copies))]);
        }
    }
}

fn describe(copies: &[(usize, Option<Siblings>)]) -> String {
    let describe = |(at, held): &(usize, Option<Siblings>)| match held {
        None => format!("n{at} holds nothing"),
        Some(held) => {
            let dots: Vec<_> = held.versions().iter().map(|version| version.dot).collect();
            format!("n{at} holds {:?}, {:?}", held.fingerprint(), dots)
        }
    };
    copies.iter().map(describe).collect::<Vec<_>>().join("; ")
}

fn report(plan: &Plan, cluster: &Cluster, stage: &Stage) -> Report {
    let history = stage.history.borrow();
    let (writes, acknowledged, reads) = history.counts();
    let broken = cluster.broken().iter().map(|what| Violation { key: None, what: what.clone() });
    Report {
        plan: plan.clone(),
        trace_hash: stage.trace.hash(),
        events: stage.trace.events(),
        writes,
        acknowledged,
        reads,
        violations: history.violations().iter().cloned().chain(broken).collect(),
        lines: stage.trace.lines(),
    }
}
