//! Has owners exchange partitions where nodes bear too much or too little, or says that somebody should.
//!
//! It asks `LoadMonitor` what the cluster bears; `MetadataLog` stages, `Planner` commits. Which owners, and who has been out of balance for long
//! enough, is `dynamo`'s to decide. By itself it acts only on the node that leads the log of metadata. If it dies, so does the process; what it has
//! staged by itself and not committed is aborted by whoever leads next.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Recipient, ResponseFuture};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::load_monitor::{LOAD_DECAY, LOGGED_PER_S, SETTLING_HALF_LIVES};
use crate::config::Placement as PlacementMode;
use crate::dynamo::load::LoadRates;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::patience::Patience;
use crate::dynamo::placement::{Placement, place};
use crate::dynamo::ring::{PartitionId, Ring};
use crate::dynamo::work::weighed_partitions;
use crate::messages::balancing::{BorneLoad, Rebalance, RebalanceError, Rebalancing, Verdict};
use crate::messages::load::{ClusterLoad, DescribeLoad};
use crate::messages::metadata::{ChangeError, DescribeMetadata, MetadataChanged};
use crate::messages::ring::{ChangeRing, CommitPlan, DescribePlan};
use crate::metadata::{CommandError, Metadata, RingChange, StagedChange};
use crate::metrics::Metrics;

/// How often it looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What a [`LoadBalancer`] is told.
pub struct BalancerParts {
    /// This node.
    pub local: NodeId,
    /// `balancing.placement`.
    pub placement: PlacementMode,
    /// `balancing.patience_s`.
    pub patience: Duration,
    /// What the cluster bears.
    pub load: Recipient<DescribeLoad>,
    /// Who leads.
    pub metadata: Recipient<DescribeMetadata>,
    /// Stages and aborts.
    pub log: Recipient<ChangeRing>,
    /// What a commit would do.
    pub plan: Recipient<DescribePlan>,
    /// Commits.
    pub commit: Recipient<CommitPlan>,
    /// Where it counts.
    pub metrics: Metrics,
}

/// Balances the load by who owns what.
pub struct LoadBalancer(Rc<Scales>);

/// What the actor and its tasks share.
struct Scales {
    parts: BalancerParts,
    metadata: RefCell<Option<Arc<Metadata>>>,
    patience: RefCell<Patience>,
    started: Instant,
    /// What is out of balance has been spoken of.
    is_said: Cell<bool>,
}

/// What the members bear.
struct Survey {
    /// Over what their weights would have them bear.
    measured: BTreeMap<NodeId, f64>,
    outside: BTreeSet<NodeId>,
    /// What all copies of each partition bear: in sum the requests per second of all.
    loads: BTreeMap<PartitionId, f64>,
    all_per_s: f64,
}

impl Survey {
    fn of(load: &ClusterLoad, ring: &Ring) -> Result<Self, RebalanceError> {
        let is_silent = |node: &NodeId| {
            let told = load.members.iter().find(|member| member.node == *node);
            told.is_none_or(|member| member.totals.is_none())
        };
        let silent: Vec<NodeId> =
            ring.members().iter().map(|member| &member.id).filter(|node| is_silent(node)).cloned().collect();
        if !silent.is_empty() {
            return Err(RebalanceError::Silent { nodes: silent });
        }
        let balances = load.balances();
        let mut all = LoadRates::default();
        load.members.iter().filter_map(|member| member.totals).for_each(|totals| all += totals.copies);
        let cpu = load.members.iter().filter_map(|member| Some((member.node.clone(), member.totals?.cpu_percent?)));
        let rates = with_unlisted(load, ring, all);
        let loads = weighed_partitions(load.weights, ring, &rates, &cpu.collect());
        Ok(Self {
            measured: balances.iter().map(|(node, balance)| ((*node).clone(), balance.of_mean)).collect(),
            outside: balances.iter().filter(|it| !it.1.is_inside_band()).map(|(node, _)| (*node).clone()).collect(),
            loads,
            all_per_s: all.requests_per_s(),
        })
    }

    fn is_idle(&self) -> bool {
        self.all_per_s < LOGGED_PER_S
    }

    /// What these nodes bear.
    fn of_nodes(&self, nodes: &BTreeSet<NodeId>) -> BTreeMap<NodeId, f64> {
        self.measured.iter().filter(|(node, _)| nodes.contains(*node)).map(|(node, of)| (node.clone(), *of)).collect()
    }

    fn verdict(&self, placed: &Placement) -> Verdict {
        if self.is_idle() {
            Verdict::Idle
        } else if self.outside.is_empty() {
            Verdict::Balanced
        } else if placed.helps(&self.of_nodes(&self.outside)) {
            Verdict::Helps
        } else {
            Verdict::Stuck
        }
    }

    fn described(&self, placed: &Placement, verdict: Verdict) -> Rebalancing {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let helps = verdict == Verdict::Helps;
        let borne = placed.nodes.iter().map(|borne| BorneLoad {
            node: borne.node.clone(),
            measured: self.measured.get(&borne.node).copied().unwrap_or(1.0),
            before: borne.before,
            after: if helps { borne.after } else { borne.before },
        });
        Rebalancing {
            verdict,
            nodes: borne.collect(),
            partitions: if helps { count(placed.owners.len()) } else { 0 },
            copies: if helps { count(placed.copies) } else { 0 },
            too_hot: if self.is_idle() { Vec::new() } else { placed.too_hot.clone() },
        }
    }
}

/// In great rings nodes tell only of their most loaded partitions: the others share what is left.
fn with_unlisted(load: &ClusterLoad, ring: &Ring, all: LoadRates) -> BTreeMap<PartitionId, LoadRates> {
    let mut rates: BTreeMap<PartitionId, LoadRates> =
        load.partitions.iter().map(|listed| (listed.partition, listed.copies)).collect();
    let mut listed = LoadRates::default();
    rates.values().for_each(|one| listed += *one);
    let unlisted: Vec<PartitionId> = ring.partition_ids().filter(|partition| !rates.contains_key(partition)).collect();
    let each = |all: f64, listed: f64| (all - listed).max(0.0) / unlisted.len() as f64;
    let share = LoadRates {
        reads_per_s: each(all.reads_per_s, listed.reads_per_s),
        writes_per_s: each(all.writes_per_s, listed.writes_per_s),
        bytes_per_s: each(all.bytes_per_s, listed.bytes_per_s),
    };
    rates.extend(unlisted.iter().map(|partition| (*partition, share)));
    rates
}

impl LoadBalancer {
    /// It acts once it has heard of the metadata.
    pub fn new(parts: BalancerParts) -> Self {
        let patience_ms = u64::try_from(parts.patience.as_millis()).unwrap_or(u64::MAX);
        let patience = Patience::new(patience_ms, SETTLING_HALF_LIVES * LOAD_DECAY.half_life_ms());
        Self(Rc::new(Scales {
            parts,
            metadata: RefCell::new(None),
            patience: RefCell::new(patience),
            started: Instant::now(),
            is_said: Cell::new(false),
        }))
    }
}

impl Scales {
    async fn look_for_ever(self: Rc<Self>) {
        loop {
            sleep(LOOK_INTERVAL).await;
            self.look().await;
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn look(&self) {
        let Some(metadata) = self.metadata.borrow().clone() else { return };
        if metadata.topology().transition().is_some() {
            return self.patience.borrow_mut().moves(self.now_ms());
        }
        if !self.leads().await || !metadata.staged().is_empty() {
            self.patience.borrow_mut().forget();
            return self.clear_up(metadata.staged()).await;
        }
        let ring = metadata.topology().ring();
        // Where somebody does not answer, others bear his load for a while.
        let Ok(survey) = self.survey(ring).await else { return self.patience.borrow_mut().forget() };
        let outside = if survey.is_idle() { BTreeSet::new() } else { survey.outside.clone() };
        if outside.is_empty() {
            self.is_said.set(false);
        }
        let due = self.patience.borrow_mut().look(outside, self.now_ms());
        if !due.is_empty() {
            self.patience.borrow_mut().forget();
            self.act(&survey, &due, place(ring, &survey.loads)).await;
        }
    }

    async fn leads(&self) -> bool {
        let told = self.parts.metadata.send(DescribeMetadata).await;
        told.is_ok_and(|told| told.is_ok_and(|status| status.leader.as_ref() == Some(&self.parts.local)))
    }

    /// What a leader has staged by itself and not committed is in everybody's way. Here nothing of the kind is under way.
    async fn clear_up(&self, staged: &[StagedChange]) {
        if matches!(staged, [StagedChange::Exchange { automatic: true, .. }]) && self.leads().await {
            warn!("an exchange of owners was staged by a leader and not committed: it is aborted");
            let _ = self.change(RingChange::Abort).await;
        }
    }

    async fn survey(&self, ring: &Ring) -> Result<Survey, RebalanceError> {
        let told = self.parts.load.send(DescribeLoad { keys: 0, partitions: u32::MAX }).await;
        match told {
            Ok(Ok(load)) => Survey::of(&load, ring),
            // It is stopping.
            Ok(Err(_)) | Err(_) => Err(RebalanceError::Silent { nodes: vec![self.parts.local.clone()] }),
        }
    }

    async fn act(&self, survey: &Survey, due: &BTreeSet<NodeId>, placed: Placement) {
        let outside = due.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ");
        let was_said = self.is_said.replace(true);
        let (partitions, copies, [before, after]) = (placed.owners.len(), placed.copies, placed.spread());
        let [before_percent, after_percent] = [before, after].map(|off| (off * 100.0).round());
        if !placed.helps(&survey.of_nodes(due)) {
            if !was_said {
                info!(
                    outside,
                    hot_partitions = placed.too_hot.len(),
                    "nodes are out of balance, and no exchange of owners helps"
                );
            }
        } else if self.parts.placement == PlacementMode::Auto {
            match self.carry_out(placed.owners).await {
                Ok(epoch) => {
                    self.parts.metrics.load.balancing.committed();
                    info!(
                        outside,
                        partitions,
                        copies,
                        before_percent,
                        after_percent,
                        epoch,
                        "owners exchange partitions to balance the load"
                    );
                }
                Err(error) => warn!(outside, %error, "owners could not exchange partitions: it is tried again later"),
            }
        } else if !was_said {
            self.parts.metrics.load.balancing.proposed();
            info!(
                outside,
                partitions,
                copies,
                before_percent,
                after_percent,
                "nodes are out of balance: `cluster rebalance` would exchange owners"
            );
        }
    }

    /// Commits exactly this, or nothing.
    async fn carry_out(&self, owners: BTreeMap<PartitionId, NodeId>) -> Result<u64, ChangeError> {
        let exchange = StagedChange::Exchange { owners, automatic: true };
        self.change(RingChange::Stage(exchange.clone())).await?;
        let plan = self.parts.plan.send(DescribePlan).await.unwrap_or(Err(ChangeError::Unknown))?;
        if plan.staged != [exchange] {
            return Err(CommandError::PlanIsOld.into());
        }
        self.parts.commit.send(CommitPlan { planned_at: plan.planned_at }).await.unwrap_or(Err(ChangeError::Unknown))
    }

    async fn change(&self, change: RingChange) -> Result<u64, ChangeError> {
        self.parts.log.send(ChangeRing { change }).await.unwrap_or(Err(ChangeError::Unknown))
    }

    /// An operator asks.
    async fn rebalance(&self, stage: bool) -> Result<Rebalancing, RebalanceError> {
        let metadata = self.metadata.borrow().clone().ok_or(ChangeError::NoLeader)?;
        if metadata.topology().transition().is_some() {
            return Err(ChangeError::from(CommandError::RingMoves).into());
        }
        let ring = metadata.topology().ring();
        let survey = self.survey(ring).await?;
        let placed = place(ring, &survey.loads);
        let verdict = survey.verdict(&placed);
        let mut told = survey.described(&placed, verdict);
        if stage && verdict == Verdict::Helps {
            let exchange = StagedChange::Exchange { owners: placed.owners, automatic: false };
            self.change(RingChange::Stage(exchange)).await?;
            told.verdict = Verdict::Staged;
        }
        Ok(told)
    }
}

impl Actor for LoadBalancer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        if self.0.parts.placement != PlacementMode::Off {
            actix::spawn(Rc::clone(&self.0).look_for_ever());
        }
    }
}

impl Handler<MetadataChanged> for LoadBalancer {
    type Result = ();

    fn handle(&mut self, MetadataChanged(metadata): MetadataChanged, _: &mut Self::Context) {
        if metadata.topology().transition().is_some() {
            // They may have moved before it looks again.
            self.0.patience.borrow_mut().moves(self.0.now_ms());
        }
        self.0.metadata.replace(Some(metadata));
    }
}

impl Handler<Rebalance> for LoadBalancer {
    type Result = ResponseFuture<Result<Rebalancing, RebalanceError>>;

    fn handle(&mut self, Rebalance { stage }: Rebalance, _: &mut Self::Context) -> Self::Result {
        let scales = Rc::clone(&self.0);
        Box::pin(async move { scales.rebalance(stage).await })
    }
}
