//! Answers an operator's questions about the node: what `status` and `metrics` show.
//!
//! Bridge sessions speak to it, and HTTP's `/metrics`; it asks `HintedHandoff`, `AntiEntropy`, `MetadataLog`, `LoadMonitor` and `RingManager`. It changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Recipient, ResponseFuture};
use tokio::time::Instant;

use crate::dynamo::load::Balance;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::Quorum;
use crate::dynamo::topology::Phase;
use crate::messages::admin::{AdminError, DescribeHints, DescribeStatus, HintsRow, ReadMetrics, Status};
use crate::messages::cluster::{ReadView, View};
use crate::messages::hints::{CountHints, HintsPending};
use crate::messages::load::DescribeImbalance;
use crate::messages::metadata::{DescribeMetadata, MetadataStatus};
use crate::messages::repair::{DescribeRepair, RepairStatus};
use crate::metrics::Metrics;
use crate::storage::Storage;

/// How often the gauges that nobody sets by himself are brought up to date.
const GAUGE_INTERVAL: Duration = Duration::from_secs(2);

/// What an [`AdminSession`] is told.
#[derive(Clone)]
pub struct AdminParts {
    /// Shows the view.
    pub view: Recipient<ReadView>,
    /// Counts the hints.
    pub hints: Recipient<CountHints>,
    /// Knows what nodes miss that no hint will bring.
    pub lost_hints: Recipient<DescribeHints>,
    /// Knows which ranges differ.
    pub repair: Recipient<DescribeRepair>,
    /// Knows whether anybody decides about metadata.
    pub metadata: Recipient<DescribeMetadata>,
    /// Knows who is out of balance.
    pub imbalance: Recipient<DescribeImbalance>,
    /// Knows how full the disk is.
    pub storage: Arc<dyn Storage>,
    /// The cluster's name.
    pub cluster_name: String,
    /// The cluster's UUID.
    pub cluster_uuid: uuid::Uuid,
    /// `storage.durability`.
    pub durability: String,
    /// Where everybody counts.
    pub metrics: Metrics,
}

/// The one who answers operators.
pub struct AdminSession {
    parts: AdminParts,
    started: Instant,
}

impl AdminSession {
    /// Counts its uptime from now.
    pub fn new(parts: AdminParts) -> Self {
        Self { parts, started: Instant::now() }
    }

    fn measure_disk(&self) {
        let usage = self.parts.storage.usage();
        self.parts.metrics.disk(usage.used_bytes, usage.free_bytes, usage.refuses_puts);
    }
}

impl Actor for AdminSession {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        self.measure_disk();
        ctx.run_interval(GAUGE_INTERVAL, |session, _| session.measure_disk());
    }
}

impl Handler<DescribeStatus> for AdminSession {
    type Result = ResponseFuture<Result<Status, AdminError>>;

    fn handle(&mut self, _: DescribeStatus, _: &mut Self::Context) -> Self::Result {
        let (parts, uptime_s) = (self.parts.clone(), self.started.elapsed().as_secs());
        Box::pin(async move {
            let view = parts.view.send(ReadView).await.map_err(|_| AdminError::Stopping)?;
            let hints = parts.hints.send(CountHints).await.map_err(|_| AdminError::Stopping)?;
            let lost_hints = parts.lost_hints.send(DescribeHints).await.map_err(|_| AdminError::Stopping)??;
            let repair = parts.repair.send(DescribeRepair).await.map_err(|_| AdminError::Stopping)??;
            let metadata = parts.metadata.send(DescribeMetadata).await.map_err(|_| AdminError::Stopping)??;
            let imbalance = parts.imbalance.send(DescribeImbalance).await.map_err(|_| AdminError::Stopping)?;
            let mut status = status(&parts, &view, hints, uptime_s);
            status.warnings.extend(warning_of_metadata(&metadata));
            status.warnings.extend(warnings_of_repair(&repair, &lost_hints));
            status.warnings.extend(warning_of_balance(&imbalance));
            Ok(status)
        })
    }
}

impl Handler<ReadMetrics> for AdminSession {
    type Result = Result<String, AdminError>;

    fn handle(&mut self, _: ReadMetrics, _: &mut Self::Context) -> Self::Result {
        self.measure_disk();
        Ok(self.parts.metrics.render())
    }
}

fn status(parts: &AdminParts, view: &View, hints: Vec<HintsPending>, uptime_s: u64) -> Status {
    let usage = parts.storage.usage();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let members = view.members.len();
    let effective = view.quorum.in_cluster_of(view.ring().owners());
    let read_only = usage.refuses_puts;
    Status {
        node: view.local.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: parts.cluster_name.clone(),
        cluster_uuid: parts.cluster_uuid.to_string(),
        uptime_s,
        members: count(members),
        reachable: count(view.reachable.len()),
        quorum: numbers(view.quorum),
        effective_quorum: numbers(effective),
        sloppy: view.sloppy,
        durability: parts.durability.clone(),
        disk_used_bytes: usage.used_bytes,
        disk_free_bytes: usage.free_bytes,
        read_only,
        warnings: warnings(view, effective, read_only, &hints),
        hints,
    }
}

fn numbers(quorum: Quorum) -> [u8; 3] {
    [quorum.n(), quorum.r(), quorum.w()].map(|number| u8::try_from(number).unwrap_or(u8::MAX))
}

fn warnings(view: &View, effective: Quorum, read_only: bool, hints: &[HintsPending]) -> Vec<String> {
    let mut warnings = Vec::new();
    let members = view.members.iter().map(|known| &known.member.id);
    let down: Vec<String> = members.filter(|node| !view.reachable.contains(node)).map(ToString::to_string).collect();
    if !down.is_empty() {
        warnings.push(format!("{} cannot be reached from here: see `nodes`", down.join(", ")));
    }
    if effective != view.quorum {
        let (n, members) = (view.quorum.n(), effective.n());
        warnings.push(format!("N = {n}, but the cluster has {members} member(s): each item has {members} copies"));
    }
    if let Some(moving) = view.topology.transition() {
        let left = moving.count(Phase::Copying) + moving.count(Phase::Switched);
        warnings.push(format!("{left} partition(s) are moving: see `tasks`"));
    }
    if read_only {
        warnings.push("the disk is full: writes are refused until there is space, reads go on".to_owned());
    }
    let keys: u64 = hints.iter().map(|pending| pending.keys).sum();
    if keys > 0 {
        warnings.push(format!("{keys} hint(s) wait for nodes that were away: see `hints`"));
    }
    warnings
}

fn warning_of_metadata(metadata: &MetadataStatus) -> Option<String> {
    let nobody =
        "nobody is known to decide about metadata: tables cannot be changed, see `metadata`; reads and writes go on";
    metadata.leader.is_none().then(|| nobody.to_owned())
}

fn warning_of_balance(imbalance: &[(NodeId, Balance)]) -> Option<String> {
    let bears = |(node, balance): &(NodeId, Balance)| format!("{node} bears {:.0} %", balance.of_mean * 100.0);
    let all: Vec<String> = imbalance.iter().map(bears).collect();
    let all = (!all.is_empty()).then(|| all.join(", "))?;
    Some(format!(
        "{all} of its share of the load, and has for long: see `top nodes`, and `cluster rebalance` for what helps"
    ))
}

fn warnings_of_repair(repair: &RepairStatus, lost_hints: &[HintsRow]) -> Vec<String> {
    let mut warnings = Vec::new();
    // What a node misses is passed on from hinted handoff to anti-entropy, and for a moment known to both.
    let mut dirty: BTreeMap<&NodeId, u64> = BTreeMap::new();
    let known = repair.peers.iter().map(|peer| (&peer.peer, peer.dirty));
    let kept = lost_hints.iter().map(|row| (&row.pending.target, u64::from(row.dirty_ranges)));
    for (node, ranges) in known.chain(kept).filter(|(_, ranges)| *ranges > 0) {
        let most = dirty.entry(node).or_default();
        *most = ranges.max(*most);
    }
    if !dirty.is_empty() {
        let ranges: u64 = dirty.values().sum();
        let nodes: Vec<&str> = dirty.keys().map(|node| node.as_str()).collect();
        let nodes = nodes.join(", ");
        warnings.push(format!(
            "{ranges} range(s) differ from what {nodes} should hold, or may: see `repair status` and `hints`"
        ));
    }
    if !repair.enabled {
        warnings.push(
            "repair is off on this node (anti_entropy.enabled = false): what differs stays so until it is read"
                .to_owned(),
        );
    } else if repair.paused {
        warnings.push("repair is paused on this node: `repair resume` lets it go on".to_owned());
    }
    warnings
}

#[cfg(test)]
#[path = "admin_session_tests.rs"]
mod tests;
