//! Who has been out of balance for long enough that something should be done about it, and is not just being balanced.

use std::collections::{BTreeMap, BTreeSet};

use super::node_id::NodeId;

/// Since when nodes have been outside the band. Times are in milliseconds of any clock that does not go back.
#[derive(Clone, Debug)]
pub struct Patience {
    patience_ms: u64,
    settling_ms: u64,
    outside_since: BTreeMap<NodeId, u64>,
    /// Before this what is measured is still of before the last exchange.
    settled_at: u64,
}

impl Patience {
    /// Somebody must be outside for `patience_ms` without a break; nobody counts until `settling_ms` after partitions have moved.
    pub fn new(patience_ms: u64, settling_ms: u64) -> Self {
        Self { patience_ms, settling_ms, outside_since: BTreeMap::new(), settled_at: 0 }
    }

    /// These are outside now. Returns those who have been so for too long.
    pub fn look(&mut self, outside: BTreeSet<NodeId>, now_ms: u64) -> BTreeSet<NodeId> {
        if now_ms < self.settled_at {
            self.forget();
            return BTreeSet::new();
        }
        self.outside_since.retain(|node, _| outside.contains(node));
        for node in outside {
            self.outside_since.entry(node).or_insert(now_ms);
        }
        let is_due = |since: u64| now_ms.saturating_sub(since) >= self.patience_ms;
        self.outside_since.iter().filter(|(_, since)| is_due(**since)).map(|(node, _)| node.clone()).collect()
    }

    /// Nothing is known of anybody.
    pub fn forget(&mut self) {
        self.outside_since.clear();
    }

    /// Partitions move, or just have.
    pub fn moves(&mut self, now_ms: u64) {
        self.forget();
        self.settled_at = self.settled_at.max(now_ms.saturating_add(self.settling_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(names: &[&str]) -> BTreeSet<NodeId> {
        names.iter().map(|name| NodeId::new(name).expect("a name")).collect()
    }

    #[test]
    fn only_who_is_outside_without_a_break_is_due() {
        let mut patience = Patience::new(60, 40);
        assert_eq!(patience.look(nodes(&["a", "b"]), 100), nodes(&[]));
        assert_eq!(patience.look(nodes(&["a"]), 130), nodes(&[]));
        assert_eq!(patience.look(nodes(&["a", "b"]), 159), nodes(&[]));
        assert_eq!(patience.look(nodes(&["a", "b"]), 160), nodes(&["a"]));
        assert_eq!(patience.look(nodes(&["a", "b"]), 219), nodes(&["a", "b"]));
        patience.forget();
        assert_eq!(patience.look(nodes(&["a", "b"]), 220), nodes(&[]));
    }

    #[test]
    fn what_is_measured_while_partitions_move_and_shortly_after_does_not_count() {
        let mut patience = Patience::new(60, 40);
        patience.look(nodes(&["a"]), 0);
        patience.moves(50);
        patience.moves(60);
        assert_eq!(patience.look(nodes(&["a"]), 99), nodes(&[]));
        assert_eq!(patience.look(nodes(&["a"]), 100), nodes(&[]));
        assert_eq!(patience.look(nodes(&["a"]), 159), nodes(&[]));
        assert_eq!(patience.look(nodes(&["a"]), 160), nodes(&["a"]));
    }
}
