//! `status`.

use serde::Serialize;

use super::units::{bytes, count, duration};
use crate::admin::answer::{Paint, View};
use crate::messages::admin::Status;
use crate::messages::hints::HintsPending;

/// One screen about a node and its cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusView {
    /// The node that answers.
    pub node: String,
    /// Its program's version.
    pub version: String,
    /// The cluster's name.
    pub cluster: String,
    /// The cluster's UUID.
    pub cluster_uuid: String,
    /// Seconds since the node began to serve.
    pub uptime_s: u64,
    /// How many nodes belong to the cluster.
    pub members: u32,
    /// How many of them the node can reach, itself included.
    pub reachable: u32,
    /// N, R and W as configured.
    pub quorum: QuorumView,
    /// N, R and W in a cluster with this many members.
    pub effective_quorum: QuorumView,
    /// Whether fallbacks may stand in.
    pub sloppy: bool,
    /// `always` or `interval`.
    pub durability: String,
    /// Bytes of the data directory.
    pub disk_used_bytes: u64,
    /// Bytes left on the device.
    pub disk_free_bytes: u64,
    /// Whether writes are refused for want of space.
    pub read_only: bool,
    /// Hints that the node keeps for others.
    pub hints: Vec<HintsRow>,
    /// What to look at, one sentence each.
    pub warnings: Vec<String>,
}

/// How many replicas keep, answer and acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct QuorumView {
    /// Replicas of each key.
    pub n: u8,
    /// Answers that a read waits for.
    pub r: u8,
    /// Acknowledgements that a write waits for.
    pub w: u8,
}

impl From<[u8; 3]> for QuorumView {
    fn from([n, r, w]: [u8; 3]) -> Self {
        Self { n, r, w }
    }
}

impl From<Status> for StatusView {
    fn from(status: Status) -> Self {
        Self {
            node: status.node.to_string(),
            version: status.version,
            cluster: status.cluster,
            cluster_uuid: status.cluster_uuid,
            uptime_s: status.uptime_s,
            members: status.members,
            reachable: status.reachable,
            quorum: status.quorum.into(),
            effective_quorum: status.effective_quorum.into(),
            sloppy: status.sloppy,
            durability: status.durability,
            disk_used_bytes: status.disk_used_bytes,
            disk_free_bytes: status.disk_free_bytes,
            read_only: status.read_only,
            hints: status.hints.into_iter().map(HintsRow::from).collect(),
            warnings: status.warnings,
        }
    }
}

impl StatusView {
    /// The health of it all in one sentence.
    fn health(&self, paint: Paint) -> String {
        let mut troubles = Vec::new();
        if self.reachable < self.members {
            troubles.push(format!("{} of {} unreachable", self.members - self.reachable, count_nodes(self.members)));
        }
        if self.read_only {
            troubles.push("writes are refused, the disk is full".to_owned());
        }
        match self.members {
            _ if !troubles.is_empty() => paint.red(&troubles.join("; ")),
            1 => "the only node is up".to_owned(),
            members => format!("all {members} nodes are up"),
        }
    }

    fn hints_in_short(&self) -> String {
        let (keys, size) = self.hints.iter().fold((0, 0), |(keys, size), row| (keys + row.keys, size + row.bytes));
        match self.hints.len() {
            0 => "none".to_owned(),
            targets => format!("{} ({}) for {}", count(keys, "key"), bytes(size), count(targets as u64, "node")),
        }
    }
}

fn count_nodes(nodes: u32) -> String {
    count(nodes.into(), "node")
}

impl View for StatusView {
    fn text(&self, paint: Paint) -> String {
        let QuorumView { n, r, w } = self.quorum;
        let rule = if self.sloppy { "sloppy" } else { "strict" };
        let mut quorum = format!("n {n}, r {r}, w {w}, {rule}");
        if self.effective_quorum != self.quorum {
            let QuorumView { n, r, w } = self.effective_quorum;
            quorum += &format!(" (with {}: n {n}, r {r}, w {w})", count_nodes(self.members));
        }
        let disk = format!("{} used, {} free", bytes(self.disk_used_bytes), bytes(self.disk_free_bytes));
        let lines = [
            ("health", self.health(paint)),
            ("cluster", format!("{} ({})", self.cluster, self.cluster_uuid)),
            ("node", format!("{}, version {}, up {}", self.node, self.version, duration(self.uptime_s))),
            ("members", format!("{} reachable of {}", self.reachable, self.members)),
            ("quorum", quorum),
            ("durability", self.durability.clone()),
            ("disk", disk),
            ("hints", self.hints_in_short()),
        ];
        let mut text: String = lines.iter().map(|(name, value)| format!("{name:<11} {value}\n")).collect();
        for warning in &self.warnings {
            text += &format!("{} {warning}\n", paint.red("warning    "));
        }
        text
    }
}

/// The hints that wait for one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HintsRow {
    /// Whom they belong to.
    pub target: String,
    /// How many keys.
    pub keys: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

impl From<HintsPending> for HintsRow {
    fn from(hints: HintsPending) -> Self {
        Self { target: hints.target.to_string(), keys: hints.keys, bytes: hints.bytes }
    }
}
