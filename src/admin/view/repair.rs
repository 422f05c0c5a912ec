//! How far anti-entropy is.

use serde::Serialize;

use super::grid::{Grid, alarming, number};
use super::units::{bytes, count, duration, grouped};
use crate::admin::answer::{Paint, View};
use crate::messages::repair::{PeerRepair, RepairRun, RepairStatus};

/// How many characters a bar of 100 % has.
const BAR: u64 = 30;

/// Anti-entropy on the node that answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepairView {
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// Within how many seconds every range is to be verified.
    pub interval_s: u64,
    /// The part of its rates that it may use now, in percent.
    pub speed_percent: f64,
    /// By peer.
    pub peers: Vec<PeerRow>,
    /// The run that was asked for last.
    pub run: Option<RunView>,
    /// Records that it has moved since the start.
    pub keys_repaired: u64,
    /// Their bytes.
    pub bytes_repaired: u64,
    /// Records checked against their digest since the start.
    pub records_audited: u64,
}

/// The partitions shared with one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeerRow {
    /// The peer.
    pub peer: String,
    /// Whether it can be reached.
    pub reachable: bool,
    /// How many there are.
    pub ranges: u64,
    /// How many are verified.
    pub verified: u64,
    /// How many are known to differ, or may.
    pub dirty: u64,
    /// The age of the oldest verification, in seconds.
    pub oldest_unverified_s: u64,
    /// The partition that is being repaired now.
    pub repairing: Option<u32>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunView {
    /// Ranges to verify.
    pub total: u64,
    /// Ranges verified.
    pub done: u64,
    /// Seconds so far, or that it has taken.
    pub elapsed_s: u64,
    /// Seconds that are left.
    pub eta_s: Option<u64>,
}

impl From<PeerRepair> for PeerRow {
    fn from(row: PeerRepair) -> Self {
        let PeerRepair { peer, reachable, ranges, verified, dirty, oldest_unverified_s, repairing } = row;
        let (peer, repairing) = (peer.to_string(), repairing.map(|partition| partition.0));
        Self { peer, reachable, ranges, verified, dirty, oldest_unverified_s, repairing }
    }
}

impl From<RepairRun> for RunView {
    fn from(RepairRun { total, done, elapsed_s, eta_s }: RepairRun) -> Self {
        Self { total, done, elapsed_s, eta_s }
    }
}

impl From<RepairStatus> for RepairView {
    fn from(status: RepairStatus) -> Self {
        Self {
            enabled: status.enabled,
            paused: status.paused,
            interval_s: status.interval_s,
            speed_percent: status.speed_percent.round(),
            peers: status.peers.into_iter().map(PeerRow::from).collect(),
            run: status.run.map(RunView::from),
            keys_repaired: status.keys_repaired,
            bytes_repaired: status.bytes_repaired,
            records_audited: status.records_audited,
        }
    }
}

impl RunView {
    /// Whether every range has been verified.
    pub fn is_over(&self) -> bool {
        self.done >= self.total
    }

    fn text(&self) -> String {
        if self.is_over() {
            return format!("done, {} in {}", count(self.total, "range"), duration(self.elapsed_s));
        }
        let filled = self.done * BAR / self.total;
        let bar: String = (0..BAR).map(|at| if at < filled { '#' } else { '.' }).collect();
        let eta = self.eta_s.map_or_else(|| "unknown".to_owned(), duration);
        format!("[{bar}] {} of {}, ETA {eta}", grouped(self.done), grouped(self.total))
    }
}

impl RepairView {
    fn state(&self, paint: Paint) -> String {
        match (self.enabled, self.paused) {
            (false, _) => paint.red("off (anti_entropy.enabled = false)"),
            (true, true) => paint.red("paused: `repair resume` goes on"),
            (true, false) => format!("running at {} % of its rates", self.speed_percent),
        }
    }
}

impl View for RepairView {
    fn text(&self, paint: Paint) -> String {
        let moved = format!("{} ({}) since the start", count(self.keys_repaired, "record"), bytes(self.bytes_repaired));
        let mut lines = vec![
            ("state", self.state(paint)),
            ("interval", duration(self.interval_s)),
            ("repaired", moved),
            ("audited", format!("{} since the start", count(self.records_audited, "record"))),
        ];
        lines.extend(self.run.as_ref().map(|run| ("run", run.text())));
        let mut text: String = lines.iter().map(|(name, value)| format!("{name:<11} {value}\n")).collect();
        let header = ["PEER", "STATE", "RANGES", "VERIFIED", "DIRTY", "OLDEST", "REPAIRING"];
        let mut grid = Grid::new(&header, paint).numbers(&[2, 3, 4, 5]);
        for row in &self.peers {
            grid.row([
                number(&row.peer),
                alarming(if row.reachable { "up" } else { "down" }, !row.reachable),
                number(row.ranges),
                alarming(&row.verified.to_string(), row.verified < row.ranges),
                alarming(&row.dirty.to_string(), row.dirty > 0),
                number(duration(row.oldest_unverified_s)),
                number(row.repairing.map_or_else(|| "-".to_owned(), |partition| partition.to_string())),
            ]);
        }
        if !self.peers.is_empty() {
            text += &format!("\n{}", grid.text());
        }
        text
    }
}
