//! The story of tombstones that go: all members are asked what they hold, asked again after a while, and told to delete what has stayed the same.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

use super::coordination::ask;
use super::garbage_collector::{GarbageRecipients, Yard};
use crate::dynamo::collection::{CopyState, Kept, KeptCounts, verdict};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::PartitionId;
use crate::messages::garbage::{CollectTombstones, DeadRecord, ProbeTombstones, Tombstone};

/// Tombstones of one partition that are asked about in one message: a replica looks at each on its disk, and must not hold up its thread.
const TOGETHER: usize = 64;

/// The settling time is lived through in such steps. A step that takes much longer shows that this process stood still.
const STEP: Duration = Duration::from_secs(1);

/// A step that takes so long says nothing of what the others did meanwhile.
const STEP_MAX: Duration = Duration::from_secs(3);

/// Candidates of one partition.
struct Bundle {
    partition: PartitionId,
    candidates: Vec<DeadRecord>,
}

impl Bundle {
    fn tombstones(&self) -> Vec<Tombstone> {
        self.candidates.iter().map(|candidate| candidate.tombstone.clone()).collect()
    }
}

/// Returns how many are gone from this node; what is kept is counted with its reason.
pub(super) async fn collect(yard: &Yard, candidates: Vec<DeadRecord>, kept: &mut KeptCounts) -> u64 {
    let disturbances = yard.disturbances.get();
    let mut agreed = Vec::new();
    for bundle in bundles(candidates) {
        agreed.extend(agreed_on(yard, bundle, kept).await);
    }
    if agreed.is_empty() {
        return 0;
    }
    let has_settled = settle(yard, disturbances).await;
    let mut collected = 0;
    for bundle in agreed {
        if !has_settled {
            keep(bundle.candidates, &Kept::Settling, kept);
            continue;
        }
        let Some(bundle) = agreed_on(yard, bundle, kept).await else { continue };
        if yard.disturbances.get() != disturbances {
            keep(bundle.candidates, &Kept::Settling, kept);
            continue;
        }
        collected += delete_everywhere(yard, bundle).await;
    }
    if collected > 0 {
        info!(collected, "tombstones that nothing can bring to mind again are gone");
    }
    collected
}

/// In the order of their keys they come partition by partition.
fn bundles(candidates: Vec<DeadRecord>) -> Vec<Bundle> {
    let mut bundles: Vec<Bundle> = Vec::new();
    for candidate in candidates {
        let partition = candidate.tombstone.key.partition();
        match bundles.last_mut() {
            Some(last) if last.partition == partition && last.candidates.len() < TOGETHER => {
                last.candidates.push(candidate);
            }
            _ => bundles.push(Bundle { partition, candidates: vec![candidate] }),
        }
    }
    bundles
}

/// Asks all members. What they agree on; the rest is counted with its reason.
async fn agreed_on(yard: &Yard, bundle: Bundle, kept: &mut KeptCounts) -> Option<Bundle> {
    let Bundle { partition, .. } = bundle;
    let view = std::sync::Arc::clone(&yard.view.borrow());
    if let Some(away) =
        view.members.iter().map(|known| &known.member).find(|member| !view.reachable.contains(&member.id))
    {
        keep(bundle.candidates, &Kept::Unknown(away.id.clone()), kept);
        return None;
    }
    let probe = ProbeTombstones { partition, tombstones: bundle.tombstones() };
    let asked = everybody(yard, partition).map(|(member, recipients)| {
        let probe = probe.clone();
        async move { (member, ask(Some(&recipients.probe), probe).await) }
    });
    let mut answers: BTreeMap<NodeId, Vec<CopyState>> = BTreeMap::new();
    for (member, answer) in join_all(asked).await {
        match answer {
            Ok(states) => {
                answers.insert(member, states);
            }
            Err(error) => debug!(%member, %partition, %error, "a member does not say what it holds of tombstones"),
        }
    }
    let mut agreed = Vec::new();
    for (at, candidate) in bundle.candidates.into_iter().enumerate() {
        let members = view.members.iter().map(|known| &known.member.id);
        let is_primary = |member: &NodeId| view.topology.holds(member, partition, view.ring().n());
        let answer = |member: &NodeId| answers.get(member).and_then(|states| states.get(at).copied());
        match verdict(members, is_primary, answer) {
            Ok(()) => agreed.push(candidate),
            Err(why) => keep(vec![candidate], &why, kept),
        }
    }
    (!agreed.is_empty()).then_some(Bundle { partition, candidates: agreed })
}

/// Returns how many are gone from this node.
async fn delete_everywhere(yard: &Yard, bundle: Bundle) -> u64 {
    let Bundle { partition, .. } = bundle;
    let order = CollectTombstones { partition, tombstones: bundle.tombstones() };
    let (local, asked) = (yard.view.borrow().local.clone(), everybody(yard, partition));
    let asked = asked.map(|(member, recipients)| {
        let order = order.clone();
        async move { (member, ask(Some(&recipients.collect), order).await) }
    });
    let mut collected = 0;
    for (member, answer) in join_all(asked).await {
        match answer {
            Ok(gone) if member == local => collected = gone,
            Ok(_) => {}
            // Who keeps one gives it back to the others, and all begin again.
            Err(error) => {
                debug!(%member, %partition, %error, "a member has not deleted its tombstones, or did not say so")
            }
        }
    }
    yard.metrics.garbage.tombstones_collected.inc_by(collected);
    collected
}

/// Every member, and where messages about this partition go.
fn everybody(yard: &Yard, partition: PartitionId) -> impl Iterator<Item = (NodeId, GarbageRecipients)> {
    let local = yard.view.borrow().local.clone();
    let shard = yard.shards[partition.0 as usize % yard.shards.len()].clone();
    let peers = yard.peers.borrow();
    let peers: Vec<_> = peers.iter().map(|(peer, recipients)| (peer.clone(), recipients.clone())).collect();
    std::iter::once((local, shard)).chain(peers)
}

fn keep(candidates: Vec<DeadRecord>, why: &Kept, kept: &mut KeptCounts) {
    for dead in candidates {
        kept.add(why.clone(), dead.is_expired, dead.since_ms);
    }
}

/// Lives through the settling time, or as much of it as nothing disturbs. Whether that was all of it, and this process awake.
async fn settle(yard: &Yard, disturbances: u64) -> bool {
    let mut left = yard.settling_time;
    while !left.is_zero() {
        let (step, began) = (left.min(STEP), Instant::now());
        sleep(step).await;
        if began.elapsed() > STEP_MAX || yard.disturbances.get() != disturbances {
            return false;
        }
        left -= step;
    }
    true
}
