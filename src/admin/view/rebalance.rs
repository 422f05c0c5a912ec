//! `cluster rebalance`.

use comfy_table::Cell;
use serde::Serialize;

use super::grid::{Grid, alarming, number};
use super::plan::PlanView;
use crate::admin::answer::{Paint, View};
use crate::dynamo::load::BAND;
use crate::messages::balancing::{BorneLoad, Rebalancing, Verdict};
use crate::messages::ring::PlanDescription;

/// What would balance the load, and what is staged of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RebalanceView {
    /// `idle`, `balanced`, `stuck`, or `staged`.
    pub verdict: &'static str,
    /// That in a sentence.
    pub says: String,
    /// What each node bears.
    pub nodes: Vec<BorneView>,
    /// Partitions that get another owner.
    pub partitions: u32,
    /// Copies that have to be fetched.
    pub copies: u32,
    /// Partitions that are more than a node should bear by themselves.
    pub too_hot: Vec<u32>,
    /// What a commit would do; null where nothing is staged.
    pub plan: Option<PlanView>,
}

/// What a node bears over what its weight would have it bear, in percent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BorneView {
    /// The node.
    pub node: String,
    /// As measured.
    pub of_mean_percent: f64,
    /// As reckoned from its partitions.
    pub before_percent: f64,
    /// The same with the new owners.
    pub after_percent: f64,
}

impl RebalanceView {
    /// `plan` is what is staged.
    pub fn new(told: Rebalancing, plan: Option<PlanDescription>) -> Self {
        let percent = |of_mean: f64| (of_mean * 1000.0).round() / 10.0;
        let borne = |BorneLoad { node, measured, before, after }: &BorneLoad| BorneView {
            node: node.to_string(),
            of_mean_percent: percent(*measured),
            before_percent: percent(*before),
            after_percent: percent(*after),
        };
        Self {
            verdict: name(told.verdict),
            says: sentence(&told),
            nodes: told.nodes.iter().map(borne).collect(),
            partitions: told.partitions,
            copies: told.copies,
            too_hot: told.too_hot.iter().map(|partition| partition.0).collect(),
            plan: plan.map(PlanView::from),
        }
    }
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Idle => "idle",
        Verdict::Balanced => "balanced",
        Verdict::Stuck => "stuck",
        Verdict::Helps => "helps",
        Verdict::Staged => "staged",
    }
}

fn sentence(told: &Rebalancing) -> String {
    match told.verdict {
        Verdict::Idle => "nothing to balance: too little is asked of the cluster".to_owned(),
        Verdict::Balanced => "nothing to balance: every node is within 15 % of the mean".to_owned(),
        Verdict::Stuck => {
            "nothing is staged: no exchange of owners would bring a node noticeably nearer to the mean".to_owned()
        }
        Verdict::Helps | Verdict::Staged => format!("{} partitions get other owners", told.partitions),
    }
}

impl View for RebalanceView {
    fn text(&self, paint: Paint) -> String {
        let mut grid = Grid::new(&["NODE", "OF MEAN", "RECKONED", "AFTER"], paint).numbers(&[1, 2, 3]);
        for node in &self.nodes {
            let shown = |percent: f64| format!("{percent:.1} %");
            let cell = |percent: f64| alarming(&shown(percent), (percent / 100.0 - 1.0).abs() > BAND);
            grid.row([
                Cell::new(&node.node),
                cell(node.of_mean_percent),
                number(shown(node.before_percent)),
                cell(node.after_percent),
            ]);
        }
        let hot: Vec<String> = self.too_hot.iter().map(ToString::to_string).collect();
        let hot = match hot.as_slice() {
            [] => String::new(),
            hot => format!("more than a node should bear by themselves: partitions {}\n", hot.join(", ")),
        };
        let plan = self.plan.as_ref().map(|plan| format!("\n{}", plan.text(paint))).unwrap_or_default();
        format!("{}\n\n{}{hot}{plan}", self.says, grid.text())
    }
}
