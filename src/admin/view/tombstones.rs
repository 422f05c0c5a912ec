//! `tombstones`.

use serde::Serialize;

use super::grid::{Grid, number};
use super::units::{count, duration, grouped};
use crate::admin::answer::{Paint, View};
use crate::dynamo::collection::Kept;
use crate::messages::garbage::{KeptRow, TombstoneReport};

/// What is left of deleted items and expired values on the node that answers, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TombstonesView {
    /// How long ago the walk ended that found them, in seconds; `null`: none has yet.
    pub walked_s_ago: Option<u64>,
    /// From which age on they may go, in seconds.
    pub min_age_s: u64,
    /// By reason.
    pub kept: Vec<KeptView>,
    /// How many have gone by this node's decision since its start.
    pub collected: u64,
}

/// Those that are kept for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptView {
    /// `young`, `left_to_another`, `member_unknown`, `hinted`, `differs`, `settling` or `waiting`.
    pub reason: &'static str,
    /// The node that it is about, where it is about one.
    pub node: Option<String>,
    /// `deleted` or `expired`.
    pub kind: &'static str,
    /// How many.
    pub records: u64,
    /// The age of the oldest, in seconds.
    pub oldest_s: u64,
}

impl From<KeptRow> for KeptView {
    fn from(KeptRow { why, is_expired, records, oldest_s }: KeptRow) -> Self {
        let (reason, node) = match why {
            Kept::Young => ("young", None),
            Kept::LeftTo(node) => ("left_to_another", Some(node)),
            Kept::Unknown(node) => ("member_unknown", Some(node)),
            Kept::Hinted(node) => ("hinted", Some(node)),
            Kept::Differs(node) => ("differs", Some(node)),
            Kept::Settling => ("settling", None),
            Kept::Waiting => ("waiting", None),
            Kept::RingMoves => ("ring_moves", None),
        };
        let kind = if is_expired { "expired" } else { "deleted" };
        Self { reason, node: node.map(|node| node.to_string()), kind, records, oldest_s }
    }
}

impl From<TombstoneReport> for TombstonesView {
    fn from(TombstoneReport { walked_s_ago, min_age_s, kept, collected }: TombstoneReport) -> Self {
        Self { walked_s_ago, min_age_s, kept: kept.into_iter().map(KeptView::from).collect(), collected }
    }
}

impl KeptView {
    fn why(&self, min_age_s: u64) -> String {
        let node = self.node.as_deref().unwrap_or_default();
        match self.reason {
            "young" => format!("younger than {}", duration(min_age_s)),
            "left_to_another" => format!("{node} decides about them"),
            "member_unknown" => format!("{node} is down, or did not answer"),
            "hinted" => format!("{node} keeps a hint of the key"),
            "differs" => format!("{node} holds something else: repair comes first"),
            "settling" => "all agreed once; they are asked again".to_owned(),
            "ring_moves" => "partitions are moving: none is collected until they have".to_owned(),
            _ => "more than one walk takes: the next one".to_owned(),
        }
    }
}

impl View for TombstonesView {
    fn text(&self, paint: Paint) -> String {
        let walked = match self.walked_s_ago {
            Some(ago) => format!("found by the walk that ended {} ago", duration(ago)),
            None => "no walk through the records has ended yet: see garbage.walk_interval_s".to_owned(),
        };
        let collected = format!("{} collected since the start", count(self.collected, "tombstone"));
        if self.kept.is_empty() {
            return format!("no tombstones; {walked}\n{collected}\n");
        }
        let mut grid = Grid::new(&["KIND", "RECORDS", "OLDEST", "KEPT BECAUSE"], paint).numbers(&[1, 2]);
        for row in &self.kept {
            let why = row.why(self.min_age_s);
            grid.row([number(row.kind), number(grouped(row.records)), number(duration(row.oldest_s)), number(why)]);
        }
        format!("{}{walked}\n{collected}\n", grid.text())
    }
}
