//! `hints`.

use serde::Serialize;

use super::grid::{Grid, alarming, number};
use super::units::{bytes, count, duration, grouped};
use crate::admin::answer::{Paint, View};
use crate::messages::admin::{HintState, HintsRow};

/// What waits for whom on the node that answers, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HintsView(pub Vec<TargetView>);

/// What waits for one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetView {
    /// Whom it belongs to.
    pub target: String,
    /// How many keys.
    pub keys: u64,
    /// Their size, in bytes.
    pub bytes: u64,
    /// The age of the oldest, in seconds.
    pub oldest_s: u64,
    /// `target_down`, `handing_over`, `throttled`, `failing` or `overflow`.
    pub state: &'static str,
    /// How many have been settled per second lately.
    pub per_s: u64,
    /// When the last will be gone at that speed, in seconds.
    pub eta_s: Option<u64>,
    /// Partitions of which the node misses writes that no hint will bring.
    pub dirty_ranges: u32,
}

impl From<HintsRow> for TargetView {
    fn from(row: HintsRow) -> Self {
        let HintsRow { pending, oldest_s, state, per_s, eta_s, dirty_ranges } = row;
        let state = match state {
            HintState::TargetDown => "target_down",
            HintState::HandingOver => "handing_over",
            HintState::Throttled => "throttled",
            HintState::Failing => "failing",
            HintState::OnlyDirty => "overflow",
        };
        let (keys, bytes) = (pending.keys, pending.bytes);
        Self { target: pending.target.to_string(), keys, bytes, oldest_s, state, per_s, eta_s, dirty_ranges }
    }
}

impl From<Vec<HintsRow>> for HintsView {
    fn from(rows: Vec<HintsRow>) -> Self {
        Self(rows.into_iter().map(TargetView::from).collect())
    }
}

impl View for HintsView {
    fn text(&self, paint: Paint) -> String {
        if self.0.is_empty() {
            return "no hints: every write has reached the nodes it belongs to, as far as this node knows\n".to_owned();
        }
        let header = ["FOR", "STATE", "KEYS", "SIZE", "OLDEST", "PER SECOND", "READY IN"];
        let mut grid = Grid::new(&header, paint).numbers(&[2, 3, 4, 5, 6]);
        for row in &self.0 {
            grid.row([
                number(&row.target),
                alarming(&row.state.replace('_', " "), matches!(row.state, "failing" | "overflow")),
                number(grouped(row.keys)),
                number(bytes(row.bytes)),
                number(if row.keys == 0 { "-".to_owned() } else { duration(row.oldest_s) }),
                number(grouped(row.per_s)),
                number(row.eta_s.map_or("-".to_owned(), duration)),
            ]);
        }
        let mut text = grid.text();
        for row in self.0.iter().filter(|row| row.dirty_ranges > 0) {
            let ranges = count(row.dirty_ranges.into(), "partition");
            text += &format!(
                "{} misses writes of {ranges} that no hint will bring: comparing replicas repairs them\n",
                row.target
            );
        }
        text
    }
}
