//! `links`: who reaches whom.

use comfy_table::Cell;
use serde::Serialize;

use super::grid::{Grid, alarming};
use crate::admin::answer::{Paint, View};
use crate::dynamo::link_matrix::LinkCell;

/// All links between members, by who asks and who answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct LinksView(pub Vec<LinkView>);

/// One link.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkView {
    /// Who asks.
    pub from: String,
    /// Who answers.
    pub to: String,
    /// `up`, `down`, or `unknown` where nothing has been heard of it for long.
    pub state: &'static str,
    /// The mean round trip, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Pings that were not answered in time, in percent.
    pub loss_percent: Option<u8>,
    /// It works in one direction and not in the other.
    pub asymmetric: bool,
}

impl From<LinkCell> for LinkView {
    fn from(cell: LinkCell) -> Self {
        let state = match cell.up {
            Some(true) => "up",
            Some(false) => "down",
            None => "unknown",
        };
        let round_trip_ms = cell.round_trip_us.map(|us| f64::from(us) / 1000.0);
        let (from, to) = (cell.from.to_string(), cell.to.to_string());
        Self { from, to, state, round_trip_ms, loss_percent: cell.loss_percent, asymmetric: cell.asymmetric }
    }
}

impl From<Vec<LinkCell>> for LinksView {
    fn from(cells: Vec<LinkCell>) -> Self {
        Self(cells.into_iter().map(LinkView::from).collect())
    }
}

impl LinkView {
    fn cell(&self) -> Cell {
        let mark = if self.asymmetric { " !" } else { "" };
        let loss = self.loss_percent.filter(|percent| *percent > 0).map(|percent| format!(", {percent} % lost"));
        let said = match (self.state, self.round_trip_ms) {
            ("up", Some(ms)) => format!("{ms:.1} ms{}", loss.unwrap_or_default()),
            (state, _) => state.to_owned(),
        };
        alarming(&format!("{said}{mark}"), self.state == "down" || self.asymmetric)
    }
}

impl View for LinksView {
    fn text(&self, paint: Paint) -> String {
        let mut nodes: Vec<&str> = self.0.iter().map(|link| link.from.as_str()).collect();
        nodes.dedup();
        if nodes.is_empty() {
            return "a cluster of one node has no links\n".to_owned();
        }
        let header: Vec<&str> = std::iter::once("FROM / TO").chain(nodes.iter().copied()).collect();
        let mut grid = Grid::new(&header, paint);
        for from in &nodes {
            let link = |to: &&str| self.0.iter().find(|link| link.from == *from && link.to == **to);
            let cells = nodes.iter().map(|to| link(to).map_or_else(|| Cell::new("-"), LinkView::cell));
            grid.row(std::iter::once(Cell::new(from)).chain(cells));
        }
        let mut text = grid.text();
        if self.0.iter().any(|link| link.asymmetric) {
            text += "\n! works in one direction and not in the other\n";
        }
        text
    }
}
