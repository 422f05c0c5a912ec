//! `metadata`.

use serde::Serialize;

use crate::admin::answer::{Paint, View};
use crate::messages::metadata::MetadataStatus;

/// Who decides about metadata, and how far the node that answers has followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetadataView {
    /// Counts the changes.
    pub epoch: u64,
    /// Stands for what the metadata say, in hexadecimal: the same on all nodes that have the same epoch.
    pub digest: String,
    /// So many changes the node's log is behind what it goes by.
    pub log_behind: u64,
    /// Who decides their order; `null`: nobody is known to.
    pub leader: Option<String>,
    /// Counts the elections.
    pub term: u64,
    /// Who decides.
    pub voters: Vec<String>,
    /// Who only learns.
    pub learners: Vec<String>,
    /// Whether the node that answers takes part.
    pub takes_part: bool,
    /// The last entry of the log that it has applied.
    pub applied: u64,
    /// Entries behind the last snapshot.
    pub entries: u64,
}

impl From<MetadataStatus> for MetadataView {
    fn from(status: MetadataStatus) -> Self {
        let names = |nodes: Vec<crate::dynamo::node_id::NodeId>| nodes.iter().map(ToString::to_string).collect();
        Self {
            epoch: status.epoch,
            digest: format!("{:016x}", status.digest),
            log_behind: status.log_behind,
            leader: status.leader.map(|node| node.to_string()),
            term: status.term,
            voters: names(status.voters),
            learners: names(status.learners),
            takes_part: status.takes_part,
            applied: status.applied,
            entries: status.entries,
        }
    }
}

impl View for MetadataView {
    fn text(&self, _: Paint) -> String {
        let or_none = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let leader = self.leader.clone().unwrap_or_else(|| "none: tables cannot be changed now".to_owned());
        let part = if self.takes_part { "takes part" } else { "does not take part yet" };
        let mut log = format!("applied up to {}, {} entries behind the snapshot", self.applied, self.entries);
        if self.log_behind > 0 {
            log.push_str(&format!("; {} change(s) were told by a peer and are not in it yet", self.log_behind));
        }
        let lines = [
            ("epoch", format!("{} (digest {})", self.epoch, self.digest)),
            ("leader", format!("{leader} (term {})", self.term)),
            ("voters", or_none(&self.voters)),
            ("learners", or_none(&self.learners)),
            ("log", log),
            ("this node", part.to_owned()),
        ];
        lines.iter().map(|(name, value)| format!("{name:<9}  {value}\n")).collect()
    }
}
