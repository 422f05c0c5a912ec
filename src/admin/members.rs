//! `cluster …`: change the members.

use super::answer::{Answer, Format};
use super::command::{ClusterCommand, ReplaceArguments};
use super::failure::Failure;
use super::session::Session;
use super::usage::UsageError;
use super::view::plan::{NothingStagedView, PlanView};
use super::view::rebalance::RebalanceView;
use crate::dynamo::node_id::NodeId;
use crate::messages::balancing::{Rebalance, Verdict};
use crate::messages::ring::{ChangeRing, CommitPlan, DescribePlan, StageNode};
use crate::metadata::{RingChange, StagedChange};

/// Stages, shows, commits, forgets.
pub(super) async fn run(session: &Session, command: &ClusterCommand, format: Format) -> Result<Answer, Failure> {
    match command {
        ClusterCommand::Join { address } => stage_node(session, address, None, format).await,
        ClusterCommand::Replace(ReplaceArguments { dead, with }) => {
            stage_node(session, with, Some(node(dead)?), format).await
        }
        ClusterCommand::Leave { node: name } => stage(session, StagedChange::Leave { node: node(name)? }, format).await,
        ClusterCommand::Weight { node: name, weight } => {
            stage(session, StagedChange::Reweigh { node: node(name)?, weight: *weight }, format).await
        }
        ClusterCommand::Rebalance => rebalance(session, format).await,
        ClusterCommand::Plan => plan(session, format).await,
        ClusterCommand::Commit => commit(session, format).await,
        ClusterCommand::Abort => {
            session.link.send(&ChangeRing { change: RingChange::Abort }).await?;
            Ok(Answer::of(&NothingStagedView::default(), format))
        }
    }
}

async fn stage_node(
    session: &Session,
    address: &str,
    replaces: Option<NodeId>,
    format: Format,
) -> Result<Answer, Failure> {
    let who = session.link.send(&StageNode { address: address.to_owned(), replaces: replaces.clone() }).await?;
    let what = match replaces {
        Some(dead) => format!("{who} at {address} is staged to take the place of {dead}"),
        None => format!("{who} at {address} is staged to join"),
    };
    Ok(plan(session, format).await?.note(what))
}

async fn stage(session: &Session, change: StagedChange, format: Format) -> Result<Answer, Failure> {
    session.link.send(&ChangeRing { change: RingChange::Stage(change) }).await?;
    plan(session, format).await
}

async fn plan(session: &Session, format: Format) -> Result<Answer, Failure> {
    let plan = session.link.send(&DescribePlan).await?;
    let answer = Answer::of(&PlanView::from(plan), format);
    Ok(answer.note("nothing moves yet: `cluster commit` does this, `cluster abort` forgets it"))
}

/// That there is nothing to balance is an answer like any other.
async fn rebalance(session: &Session, format: Format) -> Result<Answer, Failure> {
    let told = session.link.send(&Rebalance { stage: true }).await?;
    if told.verdict != Verdict::Staged {
        return Ok(Answer::of(&RebalanceView::new(told, None), format));
    }
    let plan = session.link.send(&DescribePlan).await?;
    let answer = Answer::of(&RebalanceView::new(told, Some(plan)), format);
    Ok(answer.note("nothing moves yet: `cluster commit` does this, `cluster abort` forgets it"))
}

/// Commits what the plan says at this moment, and shows it.
async fn commit(session: &Session, format: Format) -> Result<Answer, Failure> {
    let plan = session.link.send(&DescribePlan).await?;
    session.link.send(&CommitPlan { planned_at: plan.planned_at }).await?;
    let answer = Answer::of(&PlanView::from(plan), format);
    Ok(answer.note("partitions begin to move: `watch 2 tasks` shows how far they are"))
}

fn node(name: &str) -> Result<NodeId, UsageError> {
    Ok(NodeId::new(name)?)
}
