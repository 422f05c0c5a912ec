//! One run from its seed to its report: a phase with faults, then everything is healed and must work, then everything must be there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::{Cluster, SimError, part_of};
use super::defect::Defect;
use super::fault::Fault;
use super::history::{History, Violation};
use super::movers::Movers;
use super::nemesis::Nemesis;
use super::network::Network;
use super::operator::Operator;
use super::scribes::write_pages;
use super::session::{Session, Value};
use super::stage::Stage;
use super::swarm::Plan;
use super::tellers::Tellers;
use super::trace::{Line, Trace};
use super::watch::{self, Watch};
use super::workload::Player;
use crate::dynamo::collection::dead_since_ms;
use crate::dynamo::siblings::Siblings;

/// Before the first fault the nodes have this long to find each other.
const SETTLING: Duration = Duration::from_secs(2);

/// After everything is healed, operations succeed through every node within this time.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// A node that comes back under a new id has to wait for as long as its old connections may be silent before they are given up.
const RENAMING: Duration = Duration::from_secs(10);

/// After the last write, hints are handed over and stragglers heard within this time.
const QUIET: Duration = Duration::from_secs(20);

/// Read repair has this long after each round of reads from all replicas.
const REPAIR: Duration = Duration::from_secs(3);

/// Whoever could not drop a tombstone that the others have dropped has given it back to them, or dropped it, within this time.
const COLLECTING: Duration = Duration::from_secs(15);

/// What a run has shown.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What it decided.
    pub plan: Plan,
    /// Stands for all that happened, in order.
    pub trace_hash: u64,
    /// How much virtual time has passed, in ms.
    pub simulated_ms: u64,
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
    if let Some(defect) = defect {
        defect.prepare(&mut plan);
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
    LocalSet::new().block_on(&runtime, story(seed, plan))
}

async fn story(seed: u64, plan: &Plan) -> Result<Report, SimError> {
    // Not the numbers that the plan was drawn from.
    let mut rng = StdRng::seed_from_u64(!seed);
    let trace = Trace::begin();
    let network = Network::new(part_of(&mut rng), plan.delay, trace.clone());
    network.spread(plan.spread);
    network.forge(plan.defect.and_then(Defect::forger));
    let mut cluster = Cluster::found(plan, &network, &trace, part_of(&mut rng))?;
    (0..cluster.count()).for_each(|at| cluster.start(at));
    sleep(SETTLING).await;
    let stage = Stage {
        network: network.clone(),
        addresses: cluster.addresses(),
        ring: Arc::new(cluster.ring().clone()),
        roster: cluster.roster().clone(),
        history: Rc::new(RefCell::new(History::new(plan.promises()))),
        trace: trace.clone(),
        at_rest: Rc::new(Cell::new(false)),
        over: Rc::new(Cell::new(false)),
    };
    let clients: Vec<_> = (0..plan.clients)
        .map(|at| Session::new(stage.clone(), format!("c{at}"), part_of(&mut rng)))
        .map(|session| tokio::task::spawn_local(Player::new(session, plan).play(plan.clone())))
        .collect();
    let operator = Operator::new(stage.clone(), plan, part_of(&mut rng));
    let operator = tokio::task::spawn_local(operator.work());
    let tellers = Tellers::new(stage.clone(), plan, part_of(&mut rng));
    let tellers = tokio::task::spawn_local(tellers.work());
    let scribes = tokio::task::spawn_local(write_pages(stage.clone(), plan.clone(), part_of(&mut rng)));
    let movers = Movers::new(stage.clone(), plan, part_of(&mut rng));
    let movers = tokio::task::spawn_local(movers.work());
    let mut watch = Watch::new(plan, Rc::clone(&stage.history), trace.clone());
    let end = Instant::now() + Duration::from_millis(plan.faulty_ms);
    Nemesis::new(plan, &mut cluster, &mut watch, network, trace, part_of(&mut rng)).strike_until(end).await;
    stage.at_rest.set(true);
    sleep(until_clocks_agree(plan)).await;
    // Raft trusts its members' disks. Where one was set back the others may have agreed on different entries, and then most of them begin anew: nobody
    // decides any more, and who remembers the epoch of a ring that is not agreed on now refuses whatever goes by an older one.
    if plan.faults.contains(&Fault::StaleDisk)
        && !Operator::new(stage.clone(), plan, part_of(&mut rng)).finds_a_leader().await
    {
        stage
            .trace
            .tell(None, "a disk that was set back has broken the log of metadata: nothing more is asked".to_owned());
        cluster.end().await;
        return Ok(report(seed, plan, &cluster, &stage));
    }
    recover(plan, &stage, &mut rng).await;
    let concluding = concluded(movers, &stage, "a mover", Movers::conclude);
    attend(&mut cluster, &mut watch, concluding).await;
    stage.over.set(true);
    for client in clients {
        if let Err(error) = client.await {
            stage.report(format!("a client has ended early: {error}"));
        }
    }
    if let Err(error) = scribes.await {
        stage.report(format!("the scribes have ended early: {error}"));
    }
    let concluding = concluded(operator, &stage, "the operator", Operator::conclude);
    attend(&mut cluster, &mut watch, concluding).await;
    let concluding = concluded(tellers, &stage, "the tellers", Tellers::conclude);
    attend(&mut cluster, &mut watch, concluding).await;
    sleep(QUIET).await;
    watch.look(&cluster);
    watch.expect_no_hints(&cluster);
    compare(plan, &cluster, &mut watch, &stage, &mut rng).await;
    cluster.end().await;
    Ok(report(seed, plan, &cluster, &stage))
}

/// What somebody does who has worked until now, and sees to the end of it.
async fn concluded<T, F: Future<Output = ()>>(
    working: tokio::task::JoinHandle<T>,
    stage: &Stage,
    who: &str,
    conclude: impl FnOnce(T) -> F,
) {
    match working.await {
        Ok(worker) => conclude(worker).await,
        Err(error) => stage.report(format!("{who} has ended early: {error}")),
    }
}

/// Looks after the nodes while something is concluded.
async fn attend(cluster: &mut Cluster, watch: &mut Watch, concluding: impl Future<Output = ()>) {
    tokio::pin!(concluding);
    while timeout(Duration::from_secs(1), &mut concluding).await.is_err() {
        cluster.obey().await;
        (0..cluster.count()).for_each(|at| cluster.start(at));
        watch.look(cluster);
    }
    cluster.obey().await;
}

/// A clock that was ahead has left time stamps that are refused until the other clocks have come near them.
fn until_clocks_agree(plan: &Plan) -> Duration {
    match plan.faults.contains(&Fault::ClockBeyondLimit) {
        true => Duration::from_millis(plan.clock_excess_ms.unsigned_abs()),
        false => Duration::ZERO,
    }
}

/// Every node must serve reads and writes soon.
async fn recover(plan: &Plan, stage: &Stage, rng: &mut StdRng) {
    // One who will not come back, and is not replaced yet, is missing to whoever needs all replicas.
    if stage.roster.lacks_a_member() && plan.r.max(plan.w) == plan.n {
        return;
    }
    let healed = Instant::now();
    let most = RECOVERY_MAX + if plan.faults.contains(&Fault::LostDisk) { RENAMING } else { Duration::ZERO };
    for at in stage.roster.serving() {
        let mut session = Session::new(stage.clone(), format!("probe{at}"), part_of(rng));
        let key = format!("probe{at}");
        // Who has left meanwhile need not.
        while stage.roster.serves(at) {
            if session.connect(at).await.is_some() && serves(&mut session, &key).await.is_some() {
                break;
            }
            if healed.elapsed() > most {
                let what = format!("n{at} did not serve within {} ms of the healing", most.as_millis());
                stage.history.borrow_mut().report(Some(&key), None, what);
                break;
            }
            sleep(Duration::from_millis(rng.random_range(50..150))).await;
        }
    }
}

async fn serves(session: &mut Session, key: &str) -> Option<()> {
    let seen = session.get(key, None).await?;
    session.put(key, &seen, Value::default()).await?;
    session.get(key, None).await.map(drop)
}

/// Reads everything from all replicas, twice, and compares what they hold then. The first time a damaged copy may stand in the way.
pub(super) async fn compare(plan: &Plan, cluster: &Cluster, watch: &mut Watch, stage: &Stage, rng: &mut StdRng) {
    let mut session = Session::new(stage.clone(), "reader".to_owned(), part_of(rng));
    let keys = stage.history.borrow().keys();
    let node = stage.roster.serving().first().copied().unwrap_or_default();
    for is_last in [false, true] {
        for key in &keys {
            let read = session.connect(node).await.is_some() && session.get_finally(key, plan.n).await;
            if !read && is_last {
                let what = "cannot be read from all replicas in the end".to_owned();
                stage.history.borrow_mut().report(Some(key), None, what);
            }
        }
        sleep(REPAIR).await;
        watch.look(cluster);
    }
    // Replicas drop a tombstone one after the other, and whoever could not gives it back to all.
    if keys.iter().any(|key| is_being_collected(&final_copies(cluster, key))) {
        sleep(COLLECTING).await;
    }
    for key in &keys {
        let copies = final_copies(cluster, key);
        if differ(&copies) {
            let what = format!("the replicas differ: {}", compared(&copies));
            stage.history.borrow_mut().report(Some(key), None, what);
        }
    }
}

type Copies = Vec<(usize, Option<Siblings>)>;

/// Each node drops what has expired when it comes by: that is no difference that a client could see.
fn final_copies(cluster: &Cluster, key: &str) -> Copies {
    let mut copies = cluster.copies(key);
    for held in copies.iter_mut().filter_map(|(_, held)| held.as_mut()) {
        held.reap(u64::MAX);
    }
    copies
}

fn differ(copies: &Copies) -> bool {
    copies.windows(2).any(|pair| pair[0].1 != pair[1].1)
}

fn is_being_collected(copies: &Copies) -> bool {
    let is_dead = |held: &Siblings| dead_since_ms(held).is_some();
    differ(copies) && copies.iter().all(|(_, held)| held.as_ref().is_none_or(is_dead))
}

fn compared(copies: &Copies) -> String {
    let one = |(at, held): &(usize, Option<Siblings>)| match held {
        None => format!("n{at} holds nothing"),
        Some(held) => format!("n{at} holds {} ({:?})", watch::describe(held), held.fingerprint()),
    };
    copies.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn report(seed: u64, plan: &Plan, cluster: &Cluster, stage: &Stage) -> Report {
    let history = stage.history.borrow();
    let (writes, acknowledged, reads) = history.counts();
    let broken = cluster.broken().iter().map(|what| Violation { key: None, write: None, what: what.clone() });
    Report {
        seed,
        plan: plan.clone(),
        trace_hash: stage.trace.hash(),
        simulated_ms: stage.trace.now_ms(),
        events: stage.trace.events(),
        writes,
        acknowledged,
        reads,
        violations: history.violations().iter().cloned().chain(broken).collect(),
        lines: stage.trace.lines(),
    }
}
