//! `nodes` and `ring`.

use std::collections::BTreeMap;

use comfy_table::Cell;
use serde::Serialize;

use super::grid::{Grid, alarming, number};
use crate::admin::answer::{Paint, View};
use crate::messages::admin::{NodeRow, RingDescription};
use crate::messages::load::ClusterLoad;

/// The members, as the node that answers sees them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct NodesView(pub Vec<NodeView>);

/// One member.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its bridge address.
    pub address: String,
    /// `up`, `suspect` or `down`, as the cluster says; instead of `up` also `joining` or `leaving`.
    pub state: String,
    /// Its zone, if it has one.
    pub zone: Option<String>,
    /// Its weight.
    pub weight: u32,
    /// How many partitions it owns.
    pub partitions: u32,
    /// That share of the ring, in percent.
    pub share_percent: f64,
    /// Whether it is the node that answers.
    pub this_node: bool,
    /// Whether the node that answers can reach it.
    pub reachable: bool,
    /// Requests per second for its copies; `null`: it did not say.
    pub requests_per_s: Option<f64>,
    /// Its load over the mean by weight, in percent; `null`: it did not say.
    pub of_mean_percent: Option<f64>,
    /// Whether that is within 15 % of the mean.
    pub in_balance: Option<bool>,
}

impl From<NodeRow> for NodeView {
    fn from(row: NodeRow) -> Self {
        let NodeRow { name, address, state, zone, weight, partitions, share_percent, this_node, reachable } = row;
        let share_percent = rounded(share_percent);
        Self {
            name: name.to_string(),
            address,
            state,
            zone,
            weight,
            partitions,
            share_percent,
            this_node,
            reachable,
            requests_per_s: None,
            of_mean_percent: None,
            in_balance: None,
        }
    }
}

impl From<Vec<NodeRow>> for NodesView {
    fn from(rows: Vec<NodeRow>) -> Self {
        Self(rows.into_iter().map(NodeView::from).collect())
    }
}

impl NodesView {
    /// With what is asked of them.
    #[must_use]
    pub fn loaded(mut self, load: &ClusterLoad) -> Self {
        let balances = load.balances();
        for node in &mut self.0 {
            let told = load.members.iter().find(|member| member.node.as_str() == node.name);
            let totals = told.and_then(|member| member.totals.as_ref());
            node.requests_per_s = totals.map(|totals| rounded(totals.copies.requests_per_s()));
            let compared = balances.iter().find(|(member, _)| member.as_str() == node.name);
            node.of_mean_percent = compared.map(|(_, balance)| rounded(balance.of_mean * 100.0));
            node.in_balance = compared.map(|(_, balance)| balance.is_inside_band());
        }
        self
    }
}

impl View for NodesView {
    fn text(&self, paint: Paint) -> String {
        let header =
            ["NODE", "STATE", "REACHABLE", "ADDRESS", "ZONE", "WEIGHT", "PARTITIONS", "SHARE", "REQUESTS/S", "OF MEAN"];
        let mut grid = Grid::new(&header, paint).numbers(&[5, 6, 7, 8, 9]);
        for node in &self.0 {
            let of_mean = node.of_mean_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1} %"));
            let mark = if node.this_node { " (answers)" } else { "" };
            grid.row([
                Cell::new(format!("{}{mark}", node.name)),
                alarming(&node.state, matches!(node.state.as_str(), "suspect" | "down")),
                alarming(if node.reachable { "yes" } else { "no" }, !node.reachable),
                Cell::new(&node.address),
                Cell::new(node.zone.as_deref().unwrap_or("-")),
                number(node.weight),
                number(node.partitions),
                number(format!("{:.1} %", node.share_percent)),
                number(node.requests_per_s.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"))),
                alarming(&of_mean, node.in_balance == Some(false)),
            ]);
        }
        grid.text()
    }
}

/// How the ring is shared out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RingView {
    /// Counts the ring's changes.
    pub epoch: u64,
    /// How many partitions there are.
    pub partitions: usize,
    /// The mean load over the greatest (1 is perfect).
    pub balance: f64,
    /// What each node owns, by name.
    pub nodes: Vec<RingShare>,
    /// Who owns which partitions, in order; only with `--all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Vec<OwnerRange>>,
}

/// What a node owns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RingShare {
    /// The node.
    pub node: String,
    /// How many partitions.
    pub partitions: usize,
    /// That share of the ring, in percent.
    pub share_percent: f64,
}

/// Neighbouring partitions with one owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnerRange {
    /// The first partition.
    pub first: usize,
    /// The last partition.
    pub last: usize,
    /// Their owner.
    pub owner: String,
}

impl RingView {
    /// Sums up a ring, with the list of owners where `all` asks for it.
    pub fn new(ring: &RingDescription, all: bool) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for owner in &ring.owners {
            *counts.entry(owner.as_str()).or_default() += 1;
        }
        let total = ring.owners.len();
        let share = |partitions: usize| rounded(100.0 * partitions as f64 / total as f64);
        let nodes = counts
            .into_iter()
            .map(|(node, partitions)| RingShare { node: node.to_owned(), partitions, share_percent: share(partitions) })
            .collect();
        let balance = (ring.balance * 1000.0).round() / 1000.0;
        Self { epoch: ring.epoch, partitions: total, balance, nodes, ranges: all.then(|| ranges(ring)) }
    }
}

/// Two decimals: more only looks exact.
fn rounded(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

fn ranges(ring: &RingDescription) -> Vec<OwnerRange> {
    let mut ranges: Vec<OwnerRange> = Vec::new();
    for (at, owner) in ring.owners.iter().enumerate() {
        match ranges.last_mut() {
            Some(range) if range.owner == owner.as_str() => range.last = at,
            _ => ranges.push(OwnerRange { first: at, last: at, owner: owner.to_string() }),
        }
    }
    ranges
}

impl View for RingView {
    fn text(&self, paint: Paint) -> String {
        let mut text = format!(
            "{} partitions, {} nodes, epoch {}, balance {:.3} (1 is perfect)\n\n",
            self.partitions,
            self.nodes.len(),
            self.epoch,
            self.balance
        );
        let mut shares = Grid::new(&["NODE", "PARTITIONS", "SHARE"], paint).numbers(&[1, 2]);
        for node in &self.nodes {
            let share = format!("{:.1} %", node.share_percent);
            shares.row([Cell::new(&node.node), number(node.partitions), number(share)]);
        }
        text += &shares.text();
        if let Some(ranges) = &self.ranges {
            let mut owners = Grid::new(&["PARTITIONS", "OWNER"], paint);
            for OwnerRange { first, last, owner } in ranges {
                let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
                owners.row([range.as_str(), owner]);
            }
            text += &format!("\n{}", owners.text());
        }
        text
    }
}
