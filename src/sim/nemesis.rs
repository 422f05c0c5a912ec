//! Lets things go wrong, one fault after another, and lets each of them pass.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::time::{Instant, sleep_until};

use super::cluster::Cluster;
use super::network::Network;
use super::swarm::{Fault, Plan};
use super::trace::Trace;

/// What ends a fault.
enum Relief {
    Restart(usize),
    Heal(usize, usize),
    Resume(usize),
    Room(usize),
}

/// Strikes.
pub struct Nemesis<'a> {
    plan: &'a Plan,
    cluster: &'a mut Cluster,
    network: Network,
    trace: Trace,
    rng: StdRng,
    addresses: Vec<String>,
    reliefs: Vec<(Instant, Relief)>,
    lost_a_disk: bool,
    /// Disks that fail, or have failed.
    failing: BTreeSet<usize>,
}

impl<'a> Nemesis<'a> {
    /// It draws its faults from `rng`.
    pub fn new(plan: &'a Plan, cluster: &'a mut Cluster, network: Network, trace: Trace, rng: StdRng) -> Self {
        let addresses = cluster.addresses();
        Self {
            plan,
            cluster,
            network,
            trace,
            rng,
            addresses,
            reliefs: Vec::new(),
            lost_a_disk: false,
            failing: BTreeSet::new(),
        }
    }

    /// Strikes until this instant, then heals everything.
    pub async fn strike_until(mut self, end: Instant) {
        let mut next = Instant::now();
        while Instant::now() < end {
            next = next.max(Instant::now()) + self.within(self.plan.strike_interval_max_ms);
            while Instant::now() < next && Instant::now() < end {
                let relief = self.reliefs.iter().map(|(due, _)| *due).min();
                sleep_until(relief.map_or(next, |relief| relief.min(next)).min(end)).await;
                self.relieve();
                self.collect_the_fallen().await;
            }
            if let Some(fault) = self.plan.faults.choose(&mut self.rng).copied() {
                self.strike(fault).await;
            }
        }
        self.heal().await;
    }

    fn within(&mut self, most_ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(1..=most_ms))
    }

    fn later(&mut self, relief: Relief) {
        let due = Instant::now() + self.within(self.plan.fault_max_ms);
        self.reliefs.push((due, relief));
    }

    fn relieve(&mut self) {
        let now = Instant::now();
        while let Some(at) = self.reliefs.iter().position(|(due, _)| *due <= now) {
            match self.reliefs.remove(at).1 {
                Relief::Restart(node) => self.cluster.start(node),
                Relief::Resume(node) => self.cluster.pause(node, false),
                Relief::Room(node) => self.cluster.disk(node).storage.set_full(false),
                Relief::Heal(from, to) => self.mend(from, to),
            }
        }
    }

    fn mend(&self, from: usize, to: usize) {
        self.trace.tell(None, format!("n{from} to n{to} is healed"));
        self.network.heal(&self.addresses[from], &self.addresses[to]);
    }

    /// A process that has ended by itself is started again.
    async fn collect_the_fallen(&mut self) {
        for at in 0..self.cluster.count() {
            if self.cluster.has_failed(at) {
                self.cluster.crash(&[at], false).await;
                self.later(Relief::Restart(at));
            }
        }
    }

    async fn strike(&mut self, fault: Fault) {
        let count = self.cluster.count();
        let node = self.rng.random_range(0..count);
        let other = (node + self.rng.random_range(1..count)) % count;
        match fault {
            Fault::Crash | Fault::SilentCrash => self.crash(&[node], fault == Fault::SilentCrash).await,
            Fault::PowerFailure => self.crash(&(0..count).collect::<Vec<_>>(), true).await,
            Fault::Partition => self.part(count),
            Fault::OneWay => {
                self.trace.tell(None, format!("n{node} to n{other} is cut"));
                self.cut(node, other);
            }
            Fault::Reset => {
                self.trace.tell(None, format!("connections between n{node} and n{other} break"));
                self.network.reset(&self.addresses[node], &self.addresses[other]);
            }
            Fault::Slow => {
                self.trace.tell(None, format!("n{node} to n{other} is slow"));
                self.network.slow(&self.addresses[node], &self.addresses[other]);
                self.later(Relief::Heal(node, other));
            }
            Fault::Pause => {
                self.cluster.pause(node, true);
                self.later(Relief::Resume(node));
            }
            Fault::ClockJump => self.jump_clock(node),
            Fault::FullDisk => {
                self.trace.tell(None, format!("n{node}'s disk is full"));
                self.cluster.disk(node).storage.set_full(true);
                self.later(Relief::Room(node));
            }
            Fault::FailingDisk => {
                self.trace.tell(None, format!("n{node}'s disk fails at the next write"));
                self.cluster.disk(node).storage.fail_next_write();
                self.failing.insert(node);
            }
            Fault::LostDisk => self.lose_disk(node).await,
        }
    }

    async fn crash(&mut self, nodes: &[usize], silently: bool) {
        self.cluster.crash(nodes, silently).await;
        nodes.iter().for_each(|node| self.later(Relief::Restart(*node)));
    }

    fn jump_clock(&mut self, node: usize) {
        let most_ms = self.plan.clock_error_max_ms;
        let ahead_ms = self.rng.random_range(-most_ms..=most_ms);
        self.trace.tell(None, format!("n{node}'s clock is {ahead_ms} ms ahead now"));
        self.cluster.clock(node).jump(ahead_ms);
    }

    async fn lose_disk(&mut self, node: usize) {
        if !std::mem::replace(&mut self.lost_a_disk, true) {
            self.cluster.crash(&[node], true).await;
            self.cluster.wipe(node);
            self.later(Relief::Restart(node));
        }
    }

    fn part(&mut self, count: usize) {
        let sides: Vec<bool> = (0..count).map(|_| self.rng.random_bool(0.5)).collect();
        let side = |wanted| (0..count).filter(|at| sides[*at] == wanted).map(|at| format!("n{at}")).collect::<Vec<_>>();
        self.trace.tell(None, format!("parted: {} | {}", side(true).join(" "), side(false).join(" ")));
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        for (from, to) in pairs.filter(|(from, to)| sides[*from] != sides[*to]).collect::<Vec<_>>() {
            self.cut(from, to);
        }
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.network.cut(&self.addresses[from], &self.addresses[to]);
        self.later(Relief::Heal(from, to));
    }

    async fn heal(&mut self) {
        self.trace.tell(None, "everything is healed");
        self.network.heal_all();
        for at in 0..self.cluster.count() {
            self.cluster.disk(at).storage.set_full(false);
            self.cluster.pause(at, false);
            if self.cluster.has_failed(at) || self.failing.contains(&at) {
                self.cluster.crash(&[at], false).await;
            }
            self.cluster.start(at);
        }
    }
}
