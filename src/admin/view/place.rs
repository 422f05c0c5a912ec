//! `where`: who stores a key, and how far the copies agree.
//!
//! A copy is *current* when it holds the same versions as all the copies together. Clocks may differ without that: they
//! also say which superseded writes a replica has heard of.

use comfy_table::Cell;
use serde::Serialize;
use serde_json::Value;

use super::grid::{Grid, alarming};
use super::units::{duration, shortened, utc};
use crate::admin::answer::{Paint, View};
use crate::dynamo::preference_list::Role;
use crate::dynamo::siblings::{Siblings, Version};
use crate::item::{Conflict, Item, item_to_json};
use crate::messages::client::{WhereReplica, WhereReply};
use crate::messages::replica::ReadReplicaError;

/// How much of a value is shown, in characters.
const PREVIEW_CHARS: usize = 56;

/// A key's place in the cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaceView {
    /// The partition it falls into.
    pub partition: u32,
    /// Whether all primaries answered and hold the same versions.
    pub agree: bool,
    /// The primaries in order, then the fallbacks.
    pub replicas: Vec<ReplicaView>,
}

/// One replica's part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplicaView {
    /// The node.
    pub node: String,
    /// `primary` or `fallback`.
    pub role: &'static str,
    /// The primary that a fallback stands in for.
    pub for_node: Option<String>,
    /// How it stands to the other copies.
    pub state: CopyState,
    /// Why it did not answer.
    pub error: Option<String>,
    /// What it holds.
    pub versions: Vec<VersionView>,
    /// What it has seen, a span of one replica's writes each.
    pub clock: Vec<SpanView>,
}

/// How a copy stands to all the copies together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyState {
    /// It holds the same versions.
    Current,
    /// Others hold versions that it lacks, or have superseded what it holds.
    Behind,
    /// It has never heard of the key, nor have the others.
    Empty,
    /// It did not answer, or its copy cannot be read.
    Failed,
}

/// One version on one replica.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionView {
    /// The write's name.
    pub dot: String,
    /// When it was written, ms since the Unix epoch.
    pub written_at_ms: u64,
    /// `visible`, `tombstone` or `expired`.
    pub state: &'static str,
    /// When it expires, ms since the Unix epoch.
    pub expires_at_ms: Option<u64>,
    /// The item in plain JSON; none for a tombstone, or where the value is reaped or unreadable.
    pub item: Option<Value>,
    /// In how many seconds it expires.
    #[serde(skip)]
    pub expires_in_s: Option<u64>,
}

/// Every write of one replica between two times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpanView {
    /// Whose writes.
    pub replica: String,
    /// From this time on.
    pub since: String,
    /// Up to this one.
    pub until: String,
}

impl PlaceView {
    /// What the replicas hold at `now_ms`, of a table with this rule for conflicts.
    pub fn new(reply: &WhereReply, conflict: Conflict, now_ms: u64) -> Self {
        let mut all = Siblings::default();
        for siblings in reply.replicas.iter().filter_map(|replica| replica.holds.as_ref().ok()) {
            all.merge(siblings);
        }
        if conflict == Conflict::Lww {
            all.keep_latest();
        }
        let replicas: Vec<ReplicaView> =
            reply.replicas.iter().map(|replica| ReplicaView::new(replica, &all, now_ms)).collect();
        let agrees = |replica: &&ReplicaView| matches!(replica.state, CopyState::Current | CopyState::Empty);
        let agree = replicas.iter().filter(|replica| replica.is_primary()).all(|replica| agrees(&replica));
        Self { partition: reply.partition.0, agree, replicas }
    }

    fn summary(&self) -> String {
        let primaries: Vec<&ReplicaView> = self.replicas.iter().filter(|replica| replica.is_primary()).collect();
        let named = |state: CopyState| -> Vec<&str> {
            primaries.iter().filter(|replica| replica.state == state).map(|replica| replica.node.as_str()).collect()
        };
        let (behind, failed) = (named(CopyState::Behind), named(CopyState::Failed));
        let mut parts = vec![match primaries.len() {
            _ if self.agree && primaries.iter().all(|replica| replica.state == CopyState::Empty) => {
                "no replica has ever heard of this key".to_owned()
            }
            1 if self.agree => "the only replica has answered".to_owned(),
            count if self.agree => format!("all {count} primaries agree"),
            count => format!("{} of {count} primaries are current", count - behind.len() - failed.len()),
        }];
        if !behind.is_empty() {
            parts.push(format!("behind: {}", behind.join(", ")));
        }
        if !failed.is_empty() {
            parts.push(format!("no copy from: {}", failed.join(", ")));
        }
        format!("partition {}: {}\n\n", self.partition, parts.join("; "))
    }
}

impl ReplicaView {
    fn new(replica: &WhereReplica, all: &Siblings, now_ms: u64) -> Self {
        let (role, for_node) = match &replica.role {
            Role::Primary => ("primary", None),
            Role::Fallback { for_node } => ("fallback", Some(for_node.to_string())),
        };
        let held = replica.holds.as_ref().ok();
        let versions = held.map(|held| held.versions().iter().map(|version| VersionView::new(version, now_ms)));
        let spans = held.map(|held| held.context().spans()).unwrap_or_default();
        let clock = spans.iter().map(|span| SpanView {
            replica: span.replica.to_string(),
            since: span.since.to_string(),
            until: span.until.to_string(),
        });
        Self {
            node: replica.node.to_string(),
            role,
            for_node,
            state: CopyState::of(&replica.holds, all),
            error: replica.holds.as_ref().err().map(ToString::to_string),
            versions: versions.map(Iterator::collect).unwrap_or_default(),
            clock: clock.collect(),
        }
    }

    fn is_primary(&self) -> bool {
        self.for_node.is_none()
    }

    /// The first row names the replica, the others only add versions.
    fn rows(&self) -> Vec<[Cell; 6]> {
        let role = self.for_node.as_ref().map_or(self.role.to_owned(), |primary| format!("hint for {primary}"));
        let state = format!("{:?}", self.state).to_lowercase();
        let alarm = matches!(self.state, CopyState::Behind | CopyState::Failed);
        let mut lead = vec![[Cell::new(&self.node), Cell::new(role), alarming(&state, alarm)]];
        let mut rest: Vec<[String; 3]> = self.versions.iter().map(VersionView::cells).collect();
        if rest.is_empty() {
            let reason = self.error.clone().unwrap_or_else(|| "holds nothing of this key".to_owned());
            rest.push(["-".to_owned(), "-".to_owned(), reason]);
        }
        lead.resize(rest.len(), ["", "", ""].map(Cell::new));
        let joined = lead.into_iter().zip(rest).map(|([a, b, c], rest)| {
            let [d, e, f] = rest.map(Cell::new);
            [a, b, c, d, e, f]
        });
        joined.collect()
    }
}

impl CopyState {
    fn of(holds: &Result<Siblings, ReadReplicaError>, all: &Siblings) -> Self {
        match holds {
            Err(_) => Self::Failed,
            Ok(held) if held.versions() == all.versions() && all.context().is_empty() => Self::Empty,
            Ok(held) if held.versions() == all.versions() => Self::Current,
            Ok(_) => Self::Behind,
        }
    }
}

impl VersionView {
    fn new(version: &Version, now_ms: u64) -> Self {
        let state = match (&version.value, version.expires_at_ms) {
            (None, None) => "tombstone",
            _ if version.is_visible(now_ms) => "visible",
            _ => "expired",
        };
        let item = version.value.as_deref().and_then(|bytes| Item::from_bytes(bytes).ok());
        let left = version.expires_at_ms.filter(|_| state == "visible");
        Self {
            dot: version.dot.to_string(),
            written_at_ms: version.dot.time.unix_ms(),
            state,
            expires_at_ms: version.expires_at_ms,
            item: item.map(|item| item_to_json(&item)),
            expires_in_s: left.map(|expiry| expiry.saturating_sub(now_ms).div_ceil(1000)),
        }
    }

    fn cells(&self) -> [String; 3] {
        let preview = self.item.as_ref().map(|item| shortened(&item.to_string(), PREVIEW_CHARS));
        let value = match (self.state, preview) {
            ("visible", Some(preview)) => preview,
            ("visible", None) => "(unreadable)".to_owned(),
            (state, Some(preview)) => format!("({state}) {preview}"),
            (state, None) => format!("({state})"),
        };
        let expiry = self.expires_in_s.map(|seconds| format!(" (expires in {})", duration(seconds)));
        [self.dot.clone(), utc(self.written_at_ms), value + &expiry.unwrap_or_default()]
    }
}

impl View for PlaceView {
    fn text(&self, paint: Paint) -> String {
        let mut grid = Grid::new(&["NODE", "ROLE", "STATE", "DOT", "WRITTEN", "HOLDS"], paint);
        for row in self.replicas.iter().flat_map(ReplicaView::rows) {
            grid.row(row);
        }
        self.summary() + &grid.text()
    }
}
