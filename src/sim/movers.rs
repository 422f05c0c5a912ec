//! Operators who change the members while things go wrong: they join, replace and let go of nodes through whichever node answers, and hold the cluster
//! to what it has answered.
//!
//! ```text
//!   stage (join, leave, replace, weight) ──▶ look at the plan ──▶ commit ──▶ wait until nothing moves ──▶ shut down who has left ──▶ a spare again
//!   now and then a move is cancelled before it has come to its end
//!   a member that is to be replaced is shut down for good before; one whose replacement was never committed comes back in the end
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use tokio::time::{Instant, sleep};

use super::defect::Defect;
use super::fault::Fault;
use super::roster::described;
use super::stage::Stage;
use super::swarm::Plan;
use crate::client::CallError;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::{PartitionId, Ring};
use crate::dynamo::topology::Transition;
use crate::messages::admin::{DescribeNodes, DescribeRing};
use crate::messages::ring::{ChangeRing, CommitPlan, DescribePlan, StageNode};
use crate::metadata::{Metadata, RingChange, StagedChange};
use crate::wire::operation::BridgeRequest;

/// After everything is healed nothing moves any more within this time: a leader is elected (5 s), copies are compared (each partition anew every 5 s, and once
/// more after each step that somebody has not heard of yet), steps are agreed on one after the other.
const REST_MAX: Duration = Duration::from_secs(120);

/// How often is looked.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A process that shall be shut down is gone within this time.
const SHUT_DOWN: Duration = Duration::from_secs(2);

/// The greatest weight that is given.
const WEIGHT_MAX: u32 = 3;

/// What an answered commit has promised, from its epoch on.
struct Committed {
    epoch: u64,
    joined: BTreeSet<NodeId>,
    gone: BTreeSet<NodeId>,
}

/// The operators.
pub(super) struct Movers {
    stage: Stage,
    rng: StdRng,
    /// As many members stay.
    fewest: usize,
    /// The longest time between two changes; `None`: they do nothing.
    every_max_ms: Option<u64>,
    /// Without one node for good nothing that was acknowledged is lost, and the others serve.
    may_kill: bool,
    /// So many of the first nodes are those that all nodes know by their configuration. Whoever loses his disk asks them who he is: one besides him has to stay.
    asked: usize,
    /// A disk may be made to forget: then what was agreed on may be forgotten.
    may_forget: bool,
    /// Who has left may come back under his name.
    reuses_names: bool,
    /// A defect: what has to be fetched is said to be there at once.
    hastens: bool,
    /// The member that has been shut down for good and has to be replaced.
    dead: Option<usize>,
    /// Everybody who has been a member since he began with an empty disk.
    were_members: BTreeSet<usize>,
    committed: Vec<Committed>,
}

impl Movers {
    pub(super) fn new(stage: Stage, plan: &Plan, rng: StdRng) -> Self {
        Self {
            were_members: stage.roster.serving().into_iter().collect(),
            stage,
            rng,
            // Of two who decide neither can be spared, nor his disk.
            fewest: usize::from(plan.n).max(if plan.faults.contains(&Fault::LostDisk) { 3 } else { 2 }),
            every_max_ms: plan.moves_every_max_ms,
            // Of three who decide one may be gone for good, or lose his disk.
            may_kill: plan.w > 1
                && (plan.sloppy || plan.r.max(plan.w) < plan.n)
                && !plan.faults.contains(&Fault::LostDisk),
            asked: if plan.faults.contains(&Fault::LostDisk) { plan.nodes } else { 0 },
            may_forget: plan.faults.iter().any(|fault| fault.makes_forget()),
            reuses_names: plan.reuses_names,
            hastens: plan.defect == Some(Defect::ReadsFromIncompleteOwner),
            dead: None,
            committed: Vec::new(),
        }
    }

    /// Change the members until nobody shall any more.
    pub(super) async fn work(mut self) -> Self {
        let Some(most_ms) = self.every_max_ms else { return self };
        while !self.stage.at_rest.get() {
            let pause_ms = self.rng.random_range(1_000..=most_ms.max(1_000));
            sleep(Duration::from_millis(pause_ms)).await;
            if !self.stage.at_rest.get() {
                self.see_off();
                self.step().await;
                self.hold_to_what_was_answered();
            }
        }
        self
    }

    async fn step(&mut self) {
        let known = self.stage.roster.newest();
        if let Some(moving) = known.topology().transition() {
            if self.rng.random_ratio(1, 4) {
                self.cancel(known.topology().ring(), moving).await;
            }
            return;
        }
        if known.staged().is_empty() {
            self.stage_something(&known, true).await;
            if self.rng.random_ratio(1, 4) {
                // Two who go at once may be most of those who decide, and nobody is left to say so.
                self.stage_something(&known, false).await;
            }
        }
        if self.rng.random_ratio(1, 8) {
            self.abort().await;
        } else {
            self.commit().await;
        }
    }

    async fn stage_something(&mut self, known: &Metadata, may_go: bool) {
        let roster = self.stage.roster.clone();
        let members: Vec<usize> = known.members().keys().filter_map(|node| roster.place(node)).collect();
        let waits = |at: &usize| !members.contains(at) && !self.were_members.contains(at) && !roster.is_retired(*at);
        let spare = roster.places().filter(waits).choose(&mut self.rng);
        let Some(member) = members.choose(&mut self.rng).copied() else { return };
        if let (Some(dead), Some(spare)) = (self.dead.filter(|dead| members.contains(dead)), spare) {
            return self.stage_node(spare, Some(dead)).await;
        }
        let is_asked = |at: &usize| *at < self.asked;
        let can_spare_it = !is_asked(&member) || members.iter().filter(|at| is_asked(at)).count() > 2;
        let can_spare_one = may_go && members.len() > self.fewest && self.dead.is_none() && can_spare_it;
        match (self.rng.random_range(0..8), spare) {
            (0..4, Some(spare)) => self.stage_node(spare, None).await,
            // One of two is half of those who decide: nobody could replace him.
            (4, Some(spare)) if may_go && self.may_kill && self.dead.is_none() && members.len() > 2 => {
                self.stage.trace.tell(None, format!("movers: n{member} will not come back"));
                self.dead = Some(member);
                roster.retire(member, true);
                sleep(SHUT_DOWN).await;
                self.stage_node(spare, Some(member)).await;
            }
            (0..7, _) if can_spare_one => {
                let node = roster.name(member);
                self.change(StagedChange::Leave { node }).await;
            }
            _ => {
                let (node, weight) = (roster.name(member), self.rng.random_range(1..=WEIGHT_MAX));
                self.change(StagedChange::Reweigh { node, weight }).await;
            }
        }
    }

    async fn stage_node(&mut self, spare: usize, replaces: Option<usize>) {
        let replaces = replaces.map(|dead| self.stage.roster.name(dead));
        let node = self.stage.roster.name(spare);
        self.promise_nothing_of([Some(&node), replaces.as_ref()].into_iter().flatten().cloned());
        let what = match &replaces {
            Some(dead) => format!("{node} shall replace {dead}"),
            None => format!("{node} shall join"),
        };
        let address = self.stage.addresses[spare].clone();
        self.ask(&what, &StageNode { address, replaces }).await;
    }

    async fn change(&mut self, change: StagedChange) {
        self.promise_nothing_of(change.nodes().into_iter().cloned());
        let what = format!("staged: {}", briefly(&change));
        self.ask(&what, &ChangeRing { change: RingChange::Stage(change) }).await;
    }

    async fn abort(&mut self) -> bool {
        let answer = self.ask("abort", &ChangeRing { change: RingChange::Abort }).await;
        matches!(answer, Some(Ok(_)))
    }

    /// Whoever came or went with the move may be where he was before.
    async fn cancel(&mut self, to: &Ring, moving: &Transition) {
        let nodes = |ring: &Ring| ring.members().iter().map(|member| member.id.clone()).collect::<BTreeSet<NodeId>>();
        self.promise_nothing_of(&nodes(to) ^ &nodes(moving.from()));
        let began = moving.began();
        self.ask(&format!("cancel of move-{began}"), &ChangeRing { change: RingChange::Cancel { began } }).await;
    }

    async fn commit(&mut self) {
        let Some(Ok(plan)) = self.ask_quietly(&DescribePlan).await else { return };
        let what = format!("commit of {}", plan.staged.iter().map(briefly).collect::<Vec<_>>().join(", "));
        let answer = self.ask(&what, &CommitPlan { planned_at: plan.planned_at }).await;
        let Some(Ok(epoch)) = answer else { return };
        let newcomer = |change: &StagedChange| change.newcomer().map(|newcomer| newcomer.known.member.id.clone());
        self.committed.push(Committed {
            epoch,
            joined: plan.staged.iter().filter_map(newcomer).collect(),
            gone: plan.staged.iter().filter_map(StagedChange::goes).cloned().collect(),
        });
        if self.hastens {
            self.hasten().await;
        }
    }

    /// A defect: everybody who has to fetch partitions is said to hold them.
    async fn hasten(&mut self) {
        let known = self.stage.roster.newest();
        let topology = known.topology();
        let mut awaited: BTreeMap<NodeId, Vec<PartitionId>> = BTreeMap::new();
        for partition in topology.ring().partition_ids() {
            for node in topology.awaited(partition) {
                awaited.entry(node.clone()).or_default().push(partition);
            }
        }
        for (node, partitions) in awaited {
            let what = format!("{node} is said to hold {} partitions", partitions.len());
            let change = RingChange::Arrived { node, ring_epoch: topology.ring().epoch(), partitions };
            self.ask(&what, &ChangeRing { change }).await;
        }
    }

    /// Shuts down some of those who have left, and lets some of those who are shut down begin anew.
    fn see_off(&mut self) {
        let roster = self.stage.roster.clone();
        self.were_members.extend(roster.places().filter(|at| roster.is_member(*at)));
        if self.dead.is_some_and(|dead| !roster.is_member(dead)) {
            self.dead = None;
        }
        for at in self.were_members.clone().into_iter().filter(|at| !roster.is_member(*at)) {
            match roster.is_retired(at) {
                false if self.rng.random_ratio(1, 2) => roster.retire(at, false),
                true if self.reuses_names && self.rng.random_ratio(1, 2) => {
                    self.were_members.remove(&at);
                    roster.renew(at);
                }
                _ => {}
            }
        }
    }

    /// From here on something else may become of these nodes.
    fn promise_nothing_of(&mut self, nodes: impl IntoIterator<Item = NodeId>) {
        for node in nodes {
            for committed in &mut self.committed {
                committed.joined.remove(&node);
                committed.gone.remove(&node);
            }
        }
    }

    /// What was answered with "done" stays done, whoever is asked.
    fn hold_to_what_was_answered(&mut self) {
        if self.may_forget {
            return;
        }
        let told = self.stage.roster.told();
        let mut wrong = Vec::new();
        self.committed.retain(|Committed { epoch, joined, gone }| {
            let before = wrong.len();
            for (at, metadata) in told.iter().filter(|(_, metadata)| metadata.epoch() >= *epoch) {
                let is_member = |node: &&NodeId| metadata.topology().ring().member(node).is_some();
                let undone = joined.iter().find(|node| !is_member(node)).or_else(|| gone.iter().find(is_member));
                wrong.extend(undone.map(|node| {
                    format!("a commit that was answered with epoch {epoch} is undone for n{at}: it concerns {node}")
                }));
            }
            wrong.len() == before
        });
        wrong.into_iter().for_each(|what| self.stage.report(what));
    }

    /// After everything is healed: nothing moves any more, all members say the same, and the ring is balanced.
    pub(super) async fn conclude(mut self) {
        if self.every_max_ms.is_none() {
            return;
        }
        let begun = Instant::now();
        // What is staged is forgotten, so that nobody commits it any more.
        while !self.abort().await {
            if begun.elapsed() > REST_MAX {
                return self.report_restlessness("nobody forgets what is staged");
            }
            sleep(LOOK_INTERVAL).await;
        }
        let roster = self.stage.roster.clone();
        if let Some(dead) =
            self.dead.filter(|dead| roster.newest().topology().ring().member(&roster.name(*dead)).is_some())
        {
            self.stage.trace.tell(None, format!("movers: n{dead} was never replaced, and comes back"));
            roster.revive(dead);
        }
        while roster.newest().topology().transition().is_some() {
            if begun.elapsed() > REST_MAX {
                return self.report_restlessness("partitions still move");
            }
            sleep(LOOK_INTERVAL).await;
        }
        while let Some(other) = self.who_says_otherwise().await {
            if begun.elapsed() > REST_MAX {
                return self.report_restlessness(&other);
            }
            sleep(LOOK_INTERVAL).await;
        }
        self.expect_balance();
        self.hold_to_what_was_answered();
        let has_left = |at: &usize| self.were_members.contains(at) && !roster.is_member(*at) && !roster.is_retired(*at);
        roster.places().filter(has_left).for_each(|at| roster.retire(at, false));
    }

    fn report_restlessness(&self, what: &str) {
        let known = self.stage.roster.newest();
        let after_s = REST_MAX.as_secs();
        self.stage.report(format!("{after_s} s after the healing {what}: {}", described(known.topology())));
    }

    /// A member that says other than what the newest metadata say of members and owners.
    async fn who_says_otherwise(&mut self) -> Option<String> {
        let known = self.stage.roster.newest();
        let topology = known.topology();
        let owners: Vec<NodeId> =
            topology.ring().partition_ids().map(|partition| topology.ring().owner(partition).clone()).collect();
        for at in self.stage.roster.serving() {
            let Some(Ok(rows)) = self.ask_node(at, &DescribeNodes).await else {
                return Some(format!("n{at} does not say who belongs to the cluster"));
            };
            let names: Vec<&NodeId> = rows.iter().map(|row| &row.name).collect();
            if !names.iter().copied().eq(known.members().keys()) {
                return Some(format!("n{at} names other members: {names:?}"));
            }
            let Some(Ok(ring)) = self.ask_node(at, &DescribeRing).await else {
                return Some(format!("n{at} does not say who owns what"));
            };
            if (ring.epoch, &ring.owners) != (topology.epoch(), &owners) {
                return Some(format!("n{at} names other owners, of epoch {}", ring.epoch));
            }
        }
        None
    }

    fn expect_balance(&self) {
        let known = self.stage.roster.newest();
        let ring = known.topology().ring();
        let weights: BTreeSet<u32> = ring.members().iter().map(|member| member.weight).collect();
        let shares: Vec<usize> = ring.members().iter().map(|member| ring.owned_by(&member.id).count()).collect();
        let spread = shares.iter().max().zip(shares.iter().min()).map_or(0, |(most, least)| most - least);
        if weights.len() == 1 && spread > 1 {
            self.stage.report(format!("the ring is not balanced although all weigh the same: {shares:?}"));
        }
    }

    /// Any member that should answer.
    async fn ask<M: BridgeRequest>(&mut self, what: &str, request: &M) -> Option<Result<M::Reply, CallError<M::Error>>>
    where
        M::Error: std::error::Error + 'static,
        M::Reply: std::fmt::Debug,
    {
        let node = self.stage.roster.serving().choose(&mut self.rng).copied()?;
        let answer = self.ask_node(node, request).await;
        let said = match &answer {
            None => "nobody answers".to_owned(),
            Some(Ok(reply)) => format!("{reply:?}"),
            Some(Err(error)) => error.to_string(),
        };
        self.stage.trace.tell(None, format!("movers: {what}, through n{node}: {said}"));
        answer
    }

    async fn ask_quietly<M: BridgeRequest>(&mut self, request: &M) -> Option<Result<M::Reply, CallError<M::Error>>>
    where
        M::Error: std::error::Error + 'static,
    {
        let node = self.stage.roster.serving().choose(&mut self.rng).copied()?;
        self.ask_node(node, request).await
    }

    async fn ask_node<M: BridgeRequest>(
        &mut self,
        node: usize,
        request: &M,
    ) -> Option<Result<M::Reply, CallError<M::Error>>>
    where
        M::Error: std::error::Error + 'static,
    {
        let nonce = self.rng.random();
        self.stage.ask("mover", node, nonce, request).await
    }
}

fn briefly(change: &StagedChange) -> String {
    match change {
        StagedChange::Join(newcomer) => format!("join of {}", newcomer.known.member.id),
        StagedChange::Leave { node } => format!("leave of {node}"),
        StagedChange::Replace { dead, with } => format!("{} in the place of {dead}", with.known.member.id),
        StagedChange::Reweigh { node, weight } => format!("weight {weight} for {node}"),
        StagedChange::Exchange { owners, .. } => format!("other owners for {} partitions", owners.len()),
    }
}
