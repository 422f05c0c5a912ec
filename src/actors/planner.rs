//! Does what an operator wants of the members: asks a node that waits to be joined who it is, says what a plan would move, commits it.
//!
//! Admin sessions speak to it; the log of metadata makes a change hold. It decides nothing: what may be staged and who will own what is
//! `metadata`'s. If it dies, so does the process; what was staged is in the log.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Recipient, ResponseFuture};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::timeout;
use tracing::info;

use super::founding::{LocalIdentity, ask_node};
use crate::dynamo::node_id::NodeId;
use crate::messages::cluster::ClusterIdentity;
use crate::messages::metadata::{ChangeError, MetadataChanged};
use crate::messages::ring::{
    ChangeRing, CommitPlan, DescribePlan, PlanDescription, PlannedNode, StageError, StageNode,
};
use crate::metadata::{Enrolled, Metadata, Plan, RingChange, StagedChange};
use crate::storage::Storage;
use crate::wire::handshake::Secret;
use crate::wire::transport::Connector;

/// A node that has not said who it is within this time cannot be joined now.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a [`Planner`] is told.
pub struct PlannerParts {
    /// Who this node is.
    pub local: LocalIdentity,
    /// The cluster.
    pub cluster: ClusterIdentity,
    /// Its secret.
    pub secret: Option<Secret>,
    /// Dials.
    pub connector: Rc<dyn Connector>,
    /// Has a change agreed on.
    pub log: Recipient<ChangeRing>,
    /// Says how much a copy of a partition takes.
    pub storage: Arc<dyn Storage>,
    /// `anti_entropy.bytes_per_s`: how fast partitions are fetched.
    pub bytes_per_s: u64,
    /// Draws nonces.
    pub seed: u64,
}

/// Carries out what an operator wants of the members.
pub struct Planner {
    parts: Rc<PlannerParts>,
    metadata: Option<Arc<Metadata>>,
    rng: StdRng,
}

impl Planner {
    /// It knows nothing of the members until it hears of the metadata.
    pub fn new(parts: PlannerParts) -> Self {
        let rng = StdRng::seed_from_u64(parts.seed);
        Self { parts: Rc::new(parts), metadata: None, rng }
    }

    fn plan(&self) -> Result<(Plan, RingChange), ChangeError> {
        let metadata = self.metadata.as_ref().ok_or(ChangeError::NoLeader)?;
        Ok(metadata.plan()?)
    }

    fn describe(&self) -> Result<PlanDescription, ChangeError> {
        let (plan, commit) = self.plan()?;
        let RingChange::Commit { planned_at, .. } = commit else { return Err(ChangeError::NoLeader) };
        let copies_here = plan.nodes.get(&self.parts.local.member.member.id).map_or(0, |[before, _]| before.copies);
        let bytes_per_copy = self.parts.storage.usage().used_bytes / u64::from(copies_here.max(1));
        let bytes = bytes_per_copy * plan.fetches.len() as u64;
        let fetches_of = |node: &NodeId| plan.fetches.iter().filter(|(_, fetcher)| fetcher == node).count();
        // Those who fetch do so side by side.
        let most = plan.nodes.keys().map(fetches_of).max().unwrap_or(0) as u64;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let planned = |(node, [before, after]): (&NodeId, &[crate::metadata::Share; 2])| PlannedNode {
            node: node.clone(),
            before: *before,
            after: *after,
            fetches: count(fetches_of(node)),
        };
        Ok(PlanDescription {
            planned_at,
            staged: self.metadata.as_ref().map(|metadata| metadata.staged().to_vec()).unwrap_or_default(),
            owners: [count(plan.movement.owners), count(plan.movement.owners_least)],
            copies: [count(plan.movement.copies), count(plan.movement.copies_least)],
            bytes,
            seconds: (bytes_per_copy * most).div_ceil(self.parts.bytes_per_s.max(1)),
            nodes: plan.nodes.iter().map(planned).collect(),
            fewest_replicas: count(plan.fewest_replicas),
            balance: plan.ring.balance(),
        })
    }
}

/// Who waits at this address to be joined.
async fn who_waits(parts: &PlannerParts, address: &str, nonce: [u8; 16]) -> Result<Enrolled, StageError> {
    let refused = |reason: String| StageError::NotWaiting { address: address.to_owned(), reason };
    let asked = ask_node(&parts.local, address, parts.connector.as_ref(), parts.secret.as_ref(), nonce);
    let answer = timeout(ANSWER_TIMEOUT, asked).await.map_err(|_| refused("no answer".to_owned()))?;
    let welcome = answer.map_err(|error| refused(error.to_string()))?;
    if let Some(founded) = welcome.founded {
        let reason = match founded.identity.uuid == parts.cluster.uuid {
            true => format!("it is {} and a member already", welcome.member.member.id),
            false => format!("it belongs to another cluster of that name already ({})", founded.identity.uuid),
        };
        return Err(refused(reason));
    }
    if welcome.member.address != address {
        // The others will dial what it says of itself.
        info!(address, advertises = welcome.member.address, "the node that is joined is reached at another address");
    }
    Ok(Enrolled { known: welcome.member, log_id: welcome.directory })
}

impl Actor for Planner {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
    }
}

impl Handler<MetadataChanged> for Planner {
    type Result = ();

    fn handle(&mut self, MetadataChanged(metadata): MetadataChanged, _: &mut Self::Context) {
        self.metadata = Some(metadata);
    }
}

impl Handler<StageNode> for Planner {
    type Result = ResponseFuture<Result<NodeId, StageError>>;

    fn handle(&mut self, StageNode { address, replaces }: StageNode, _: &mut Self::Context) -> Self::Result {
        let (parts, nonce) = (Rc::clone(&self.parts), self.rng.random());
        Box::pin(async move {
            let newcomer = who_waits(&parts, &address, nonce).await?;
            let node = newcomer.known.member.id.clone();
            let change = match replaces {
                Some(dead) => StagedChange::Replace { dead, with: newcomer },
                None => StagedChange::Join(newcomer),
            };
            let agreed = parts.log.send(ChangeRing { change: RingChange::Stage(change) }).await;
            agreed.unwrap_or(Err(ChangeError::Unknown))?;
            Ok(node)
        })
    }
}

impl Handler<DescribePlan> for Planner {
    type Result = Result<PlanDescription, ChangeError>;

    fn handle(&mut self, _: DescribePlan, _: &mut Self::Context) -> Self::Result {
        self.describe()
    }
}

impl Handler<CommitPlan> for Planner {
    type Result = ResponseFuture<Result<u64, ChangeError>>;

    fn handle(&mut self, CommitPlan { planned_at }: CommitPlan, _: &mut Self::Context) -> Self::Result {
        let (plan, log) = (self.plan(), self.parts.log.clone());
        Box::pin(async move {
            let (_, mut change) = plan?;
            if let RingChange::Commit { planned_at: planned, .. } = &mut change {
                // The log refuses it if something else has been staged since the operator looked.
                *planned = planned_at;
            }
            log.send(ChangeRing { change }).await.unwrap_or(Err(ChangeError::Unknown))
        })
    }
}
