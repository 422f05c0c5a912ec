//! `cluster plan`.

use comfy_table::Cell;
use serde::Serialize;

use super::grid::{Grid, number};
use super::units::{bytes, duration};
use crate::admin::answer::{Paint, View};
use crate::messages::ring::PlanDescription;
use crate::metadata::StagedChange;

/// What a commit would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanView {
    /// The changes that are staged, one sentence each.
    pub staged: Vec<String>,
    /// Partitions that get another owner.
    pub partitions_moved: u32,
    /// The least that the members' shares allow.
    pub partitions_moved_least: u32,
    /// Copies of partitions that have to be fetched.
    pub copies_moved: u32,
    /// The least.
    pub copies_moved_least: u32,
    /// Bytes that go over the network, estimated.
    pub bytes_moved: u64,
    /// How long that takes at full speed, in seconds, estimated.
    pub seconds: u64,
    /// The fewest replicas that any partition has meanwhile, those on lost nodes not counted.
    pub fewest_replicas: u32,
    /// The mean load over the greatest afterwards; 1 is perfect.
    pub balance: f64,
    /// What each node has before and after.
    pub nodes: Vec<PlannedNodeView>,
}

/// Nothing is staged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NothingStagedView {
    /// Always empty.
    pub staged: [String; 0],
}

impl View for NothingStagedView {
    fn text(&self, _: Paint) -> String {
        "nothing is staged any more\n".to_owned()
    }
}

/// What a node has before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedNodeView {
    /// Its name.
    pub node: String,
    /// Partitions that it owns now.
    pub partitions_before: u32,
    /// Partitions that it will own.
    pub partitions_after: u32,
    /// Copies that it keeps now.
    pub copies_before: u32,
    /// Copies that it will keep.
    pub copies_after: u32,
    /// Copies that it has to fetch.
    pub fetches: u32,
}

impl From<PlanDescription> for PlanView {
    fn from(plan: PlanDescription) -> Self {
        let nodes = plan.nodes.iter().map(|planned| PlannedNodeView {
            node: planned.node.to_string(),
            partitions_before: planned.before.partitions,
            partitions_after: planned.after.partitions,
            copies_before: planned.before.copies,
            copies_after: planned.after.copies,
            fetches: planned.fetches,
        });
        Self {
            staged: plan.staged.iter().map(sentence).collect(),
            partitions_moved: plan.owners[0],
            partitions_moved_least: plan.owners[1],
            copies_moved: plan.copies[0],
            copies_moved_least: plan.copies[1],
            bytes_moved: plan.bytes,
            seconds: plan.seconds,
            fewest_replicas: plan.fewest_replicas,
            balance: (plan.balance * 1000.0).round() / 1000.0,
            nodes: nodes.collect(),
        }
    }
}

fn sentence(change: &StagedChange) -> String {
    match change {
        StagedChange::Join(newcomer) => format!("{} at {} joins", newcomer.known.member.id, newcomer.known.address),
        StagedChange::Leave { node } => format!("{node} leaves"),
        StagedChange::Replace { dead, with } => {
            format!(
                "{} at {} takes the place of {dead}, whose copies are lost",
                with.known.member.id, with.known.address
            )
        }
        StagedChange::Reweigh { node, weight } => format!("{node} gets the weight {weight}"),
        StagedChange::Exchange { owners, .. } => {
            format!("{} partitions get other owners, to balance the load", owners.len())
        }
    }
}

impl View for PlanView {
    fn text(&self, paint: Paint) -> String {
        let mut text: String = self.staged.iter().map(|change| format!("{change}\n")).collect();
        text.push('\n');
        let header = ["NODE", "PARTITIONS", "AFTER", "COPIES", "AFTER", "FETCHES"];
        let mut grid = Grid::new(&header, paint).numbers(&[1, 2, 3, 4, 5]);
        for node in &self.nodes {
            grid.row([
                Cell::new(&node.node),
                number(node.partitions_before),
                number(node.partitions_after),
                number(node.copies_before),
                number(node.copies_after),
                number(node.fetches),
            ]);
        }
        text.push_str(&grid.text());
        // Nothing has to move where only owners are exchanged.
        let [least, copies_least] = match self.partitions_moved_least {
            0 => [String::new(), String::new()],
            least => [format!(" (the least possible is {least})"), format!(" (least {})", self.copies_moved_least)],
        };
        text.push_str(&format!(
            "\n{} partitions get another owner{least}, {} copies are fetched{copies_least}: about {}, {} at full speed\n\
             each partition has at least {} replicas meanwhile; balance afterwards {:.3}\n",
            self.partitions_moved,
            self.copies_moved,
            bytes(self.bytes_moved),
            duration(self.seconds),
            self.fewest_replicas,
            self.balance,
        ));
        text
    }
}
