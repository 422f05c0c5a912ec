//! Lets things go wrong, one fault after another, and lets each of them pass.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use tokio::time::{Instant, sleep_until};

use super::cluster::Cluster;
use super::fault::Fault;
use super::frames::FrameFaults;
use super::network::Network;
use super::swarm::Plan;
use super::trace::Trace;
use super::watch::Watch;

/// How long a process may be paused, in ms.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 1_000..=30_000;

/// How long a flapping link stays as it is, in ms.
const FLAP_MS: std::ops::RangeInclusive<u64> = 200..=2_000;

/// How far a clock may be set back, in ms.
const SET_BACK_MAX_MS: i64 = 3_600_000;

/// How often the disks are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// What happens later on: the end of a fault, mostly.
enum Later {
    Restart(usize),
    Cut(usize, usize),
    Heal(usize, usize),
    Resume(usize),
    Room(usize),
    Fast(usize),
    Readable(usize),
    ClockRuns(usize),
    ClockIsRight(usize),
}

/// Strikes.
pub struct Nemesis<'a> {
    plan: &'a Plan,
    cluster: &'a mut Cluster,
    watch: &'a mut Watch,
    network: Network,
    trace: Trace,
    rng: StdRng,
    addresses: Vec<String>,
    later: Vec<(Instant, Later)>,
    /// The only node that forgets.
    forgetful: usize,
    /// Disks that fail, or have failed.
    failing: BTreeSet<usize>,
}

impl<'a> Nemesis<'a> {
    /// It draws its faults from `rng`.
    pub fn new(
        plan: &'a Plan,
        cluster: &'a mut Cluster,
        watch: &'a mut Watch,
        network: Network,
        trace: Trace,
        mut rng: StdRng,
    ) -> Self {
        let addresses = cluster.addresses();
        let forgetful = rng.random_range(0..cluster.count());
        let (later, failing) = (Vec::new(), BTreeSet::new());
        Self { plan, cluster, watch, network, trace, rng, addresses, later, forgetful, failing }
    }

    /// Strikes until this instant, then heals everything.
    pub async fn strike_until(mut self, end: Instant) {
        let mut next = Instant::now() + self.within(self.plan.strike_interval_max_ms);
        let mut look = Instant::now() + WATCH_INTERVAL;
        while Instant::now() < end {
            let due = self.later.iter().map(|(due, _)| *due).min().unwrap_or(end);
            sleep_until(due.min(next).min(look).min(end)).await;
            self.do_what_is_due();
            self.collect_the_fallen().await;
            self.cluster.obey().await;
            if Instant::now() >= look {
                self.watch.look(self.cluster);
                look = Instant::now() + WATCH_INTERVAL;
            }
            if Instant::now() >= next {
                next = Instant::now() + self.within(self.plan.strike_interval_max_ms);
                if let Some(fault) = self.plan.faults.choose(&mut self.rng).copied() {
                    self.strike(fault).await;
                }
            }
        }
        self.heal().await;
    }

    fn within(&mut self, most_ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(1..=most_ms))
    }

    /// After the time that a fault takes.
    fn later(&mut self, what: Later) {
        let due = Instant::now() + self.within(self.plan.fault_max_ms);
        self.later.push((due, what));
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some(at) = self.later.iter().position(|(due, _)| *due <= now) {
            match self.later.remove(at).1 {
                Later::Restart(node) => self.cluster.start(node),
                Later::Resume(node) => self.cluster.pause(node, false),
                Later::Cut(from, to) => self.network.cut(&self.addresses[from], &self.addresses[to]),
                Later::Heal(from, to) => self.mend(from, to),
                Later::Room(node) => {
                    self.tell(format!("n{node}'s disk has room again"));
                    self.cluster.disk(node).storage.set_full(false);
                }
                Later::Fast(node) => self.cluster.disk(node).set_slow(false),
                Later::Readable(node) => {
                    self.tell(format!("n{node}'s disk can be read again"));
                    self.cluster.disk(node).set_unreadable(false);
                }
                Later::ClockRuns(node) => self.cluster.clock(node).stop(false),
                Later::ClockIsRight(node) => self.set_clock(node, 0),
            }
        }
    }

    fn tell(&self, what: String) {
        self.trace.tell(None, what);
    }

    fn mend(&self, from: usize, to: usize) {
        self.tell(format!("n{from} to n{to} is healed"));
        self.network.heal(&self.addresses[from], &self.addresses[to]);
    }

    /// A process that has ended by itself is started again.
    async fn collect_the_fallen(&mut self) {
        for at in 0..self.cluster.count() {
            if self.cluster.has_failed(at) {
                self.cluster.crash(&[at], false).await;
                self.later(Later::Restart(at));
            }
        }
    }

    async fn strike(&mut self, fault: Fault) {
        let count = self.cluster.count();
        let node = self.rng.random_range(0..count);
        match fault {
            Fault::Crash | Fault::SilentCrash => self.crash(&[node], fault == Fault::SilentCrash).await,
            Fault::PowerFailure => self.crash(&(0..count).collect::<Vec<_>>(), true).await,
            Fault::RestartStorm => self.restart_all().await,
            Fault::LostDisk | Fault::StaleDisk => self.lose_disk(fault == Fault::StaleDisk).await,
            Fault::BitRot | Fault::Misdirected => self.cluster.rot(self.forgetful, fault == Fault::Misdirected),
            Fault::Partition | Fault::OneSidedPartition | Fault::Isolation => self.part(fault, node),
            Fault::OneWay | Fault::Flapping | Fault::Reset | Fault::Garbled | Fault::SlowLink => {
                let other = (node + self.rng.random_range(1..count)) % count;
                self.strike_link(fault, node, other);
            }
            Fault::SlowNode => self.slow_down(node, count),
            Fault::Pause => {
                self.cluster.pause(node, true);
                let due = Instant::now() + Duration::from_millis(self.rng.random_range(PAUSE_MS));
                self.later.push((due, Later::Resume(node)));
            }
            Fault::ClockJump | Fault::ClockBeyondLimit | Fault::ClockStops => self.strike_clock(fault, node),
            Fault::SlowDisk | Fault::FullDisk | Fault::FailingDisk | Fault::UnreadableDisk => {
                self.strike_disk(fault, node);
            }
        }
    }

    async fn crash(&mut self, nodes: &[usize], silently: bool) {
        self.cluster.crash(nodes, silently).await;
        nodes.iter().for_each(|node| self.later(Later::Restart(*node)));
    }

    async fn restart_all(&mut self) {
        let mut nodes: Vec<usize> = (0..self.cluster.count()).collect();
        nodes.shuffle(&mut self.rng);
        for node in nodes {
            self.cluster.crash(&[node], false).await;
            self.cluster.start(node);
        }
    }

    /// A copy of the disk is made at first, and used at the second time.
    async fn lose_disk(&mut self, only_lately: bool) {
        let node = self.forgetful;
        if only_lately && !self.cluster.has_copy(node) {
            return self.cluster.copy_disk(node);
        }
        self.cluster.crash(&[node], true).await;
        match only_lately {
            true => self.cluster.set_back(node),
            false => self.cluster.wipe(node),
        }
        self.failing.remove(&node);
        self.later(Later::Restart(node));
    }

    fn part(&mut self, fault: Fault, alone: usize) {
        let count = self.cluster.count();
        let draw =
            |at: usize, rng: &mut StdRng| if fault == Fault::Isolation { at == alone } else { rng.random_bool(0.5) };
        let sides: Vec<bool> = (0..count).map(|at| draw(at, &mut self.rng)).collect();
        let side = |wanted| (0..count).filter(|at| sides[*at] == wanted).map(|at| format!("n{at}")).collect::<Vec<_>>();
        let between = if fault == Fault::OneSidedPartition { "|>" } else { "|" };
        self.tell(format!("parted: {} {between} {}", side(true).join(" "), side(false).join(" ")));
        let both_ways = fault != Fault::OneSidedPartition;
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let is_cut = |(from, to): &(usize, usize)| sides[*from] != sides[*to] && (both_ways || sides[*to]);
        for (from, to) in pairs.filter(is_cut).collect::<Vec<_>>() {
            self.cut(from, to);
        }
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.network.cut(&self.addresses[from], &self.addresses[to]);
        self.later(Later::Heal(from, to));
    }

    fn strike_link(&mut self, fault: Fault, from: usize, to: usize) {
        let (one, other) = (self.addresses[from].clone(), self.addresses[to].clone());
        match fault {
            Fault::Flapping => self.flap(from, to),
            Fault::Reset => {
                self.tell(format!("connections between n{from} and n{to} break"));
                self.network.reset(&one, &other);
            }
            Fault::Garbled => {
                let mut rate = |most: u32| self.rng.random_range(0..=most);
                let faults = FrameFaults { lost: rate(300), doubled: rate(500), late: rate(200) };
                self.tell(format!(
                    "n{from} to n{to}: of 1000 frames {} are lost, {} come twice, {} late",
                    faults.lost, faults.doubled, faults.late
                ));
                self.network.garble(&one, &other, faults);
                self.later(Later::Heal(from, to));
            }
            Fault::SlowLink => {
                self.tell(format!("n{from} to n{to} is slow"));
                self.network.slow(&one, &other);
                self.later(Later::Heal(from, to));
            }
            _ => {
                self.tell(format!("n{from} to n{to} is cut"));
                self.cut(from, to);
            }
        }
    }

    fn flap(&mut self, from: usize, to: usize) {
        self.tell(format!("n{from} to n{to} comes and goes"));
        let end = Instant::now() + self.within(4 * self.plan.fault_max_ms);
        let mut at = Instant::now();
        while at < end {
            self.later.push((at, Later::Cut(from, to)));
            at += Duration::from_millis(self.rng.random_range(FLAP_MS));
            self.later.push((at, Later::Heal(from, to)));
            at += Duration::from_millis(self.rng.random_range(FLAP_MS));
        }
    }

    fn slow_down(&mut self, node: usize, count: usize) {
        self.tell(format!("n{node} is slow"));
        for other in (0..count).filter(|other| *other != node) {
            self.network.slow(&self.addresses[node], &self.addresses[other]);
            self.later(Later::Heal(node, other));
        }
    }

    fn strike_clock(&mut self, fault: Fault, node: usize) {
        match fault {
            Fault::ClockStops => {
                self.tell(format!("n{node}'s clock stands still"));
                self.cluster.clock(node).stop(true);
                self.later(Later::ClockRuns(node));
            }
            Fault::ClockBeyondLimit => {
                let ahead_ms = match self.rng.random_range(0..3) {
                    0 => -self.rng.random_range(self.plan.clock_excess_ms..=SET_BACK_MAX_MS),
                    1 => -self.plan.clock_excess_ms,
                    _ => self.plan.clock_excess_ms,
                };
                self.set_clock(node, ahead_ms);
                self.later(Later::ClockIsRight(node));
            }
            _ => {
                let most_ms = self.plan.clock_error_max_ms;
                let ahead_ms = self.rng.random_range(-most_ms..=most_ms);
                self.set_clock(node, ahead_ms);
            }
        }
    }

    fn set_clock(&self, node: usize, ahead_ms: i64) {
        self.tell(format!("n{node}'s clock is {ahead_ms} ms ahead now"));
        self.cluster.clock(node).jump(ahead_ms);
    }

    fn strike_disk(&mut self, fault: Fault, node: usize) {
        let disk = self.cluster.disk(node);
        let (what, later) = match fault {
            Fault::SlowDisk => {
                disk.set_slow(true);
                ("is slow", Later::Fast(node))
            }
            Fault::FullDisk => {
                disk.storage.set_full(true);
                ("is full", Later::Room(node))
            }
            Fault::UnreadableDisk => {
                disk.set_unreadable(true);
                ("cannot be read", Later::Readable(node))
            }
            _ => {
                disk.storage.fail_next_write();
                self.failing.insert(node);
                return self.tell(format!("n{node}'s disk fails at the next write"));
            }
        };
        self.tell(format!("n{node}'s disk {what}"));
        self.later(later);
    }

    async fn heal(&mut self) {
        self.tell("everything is healed".to_owned());
        self.network.heal_all();
        for at in 0..self.cluster.count() {
            let (disk, clock) = (self.cluster.disk(at), self.cluster.clock(at));
            disk.storage.set_full(false);
            disk.set_slow(false);
            disk.set_unreadable(false);
            clock.stop(false);
            clock.jump(0);
            self.cluster.pause(at, false);
            // A disk that has failed is opened anew, and what lies damaged must not hide behind a cache.
            let is_doubtful = self.failing.contains(&at) || (at == self.forgetful && self.cluster.forgettings(at) > 0);
            if self.cluster.has_failed(at) || is_doubtful {
                self.cluster.crash(&[at], false).await;
            }
            self.cluster.start(at);
        }
    }
}
