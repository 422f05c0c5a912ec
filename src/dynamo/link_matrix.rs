//! Who reaches whom: each node tells what it sees of its own links, everybody passes that on, and the rows make a matrix.
//!
//! ```text
//!            to a      to b      to c           a row is what one node says; `b` does not reach `a`, although `a` reaches `b`:
//!   from a    -       0.4 ms    0.5 ms          an asymmetric link, of which neither of the two alone could know
//!   from b   down!     -        0.4 ms
//!   from c   0.5 ms   0.4 ms     -
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::node_id::NodeId;

/// How often a node describes its links anew.
pub const ROW_INTERVAL: Duration = Duration::from_secs(1);

/// A row that has not been renewed for this long, and a bit more for each member, says nothing any more.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// What a node sees of its link to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSight {
    /// To whom.
    pub to: NodeId,
    /// Whether it can be used by all who need it.
    pub up: bool,
    /// The mean round trip, in microseconds.
    pub round_trip_us: Option<u32>,
    /// Pings without an answer in time, in percent.
    pub loss_percent: u8,
}

/// What a node says of its links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRow {
    /// Whose links these are.
    pub from: NodeId,
    /// The life of that node, and the number of the row in it: of two rows the later one holds.
    pub revision: (u64, u64),
    /// One for each other member.
    pub links: Vec<LinkSight>,
}

/// What one cell of the matrix says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCell {
    /// Who asks.
    pub from: NodeId,
    /// Who answers.
    pub to: NodeId,
    /// Whether it can be used; none where nothing has been heard of it for long.
    pub up: Option<bool>,
    /// The mean round trip, in microseconds.
    pub round_trip_us: Option<u32>,
    /// Pings without an answer in time, in percent.
    pub loss_percent: Option<u8>,
    /// It is known to work in one direction and not in the other.
    pub asymmetric: bool,
}

struct Known {
    row: LinkRow,
    heard: Duration,
    /// How often it was passed on from here.
    passed_on: u64,
}

/// All rows that are known here.
#[derive(Default)]
pub struct LinkMatrix {
    rows: BTreeMap<NodeId, Known>,
}

impl LinkMatrix {
    /// Takes a row unless a later one of the same node is known. Whether it was taken.
    pub fn take(&mut self, row: LinkRow, now: Duration) -> bool {
        let later = self.rows.get(&row.from).is_none_or(|known| known.row.revision < row.revision);
        if later {
            self.rows.insert(row.from.clone(), Known { row, heard: now, passed_on: 0 });
        }
        later
    }

    /// Only these belong to the cluster from now on.
    pub fn follow(&mut self, members: &BTreeSet<NodeId>) {
        self.rows.retain(|from, _| members.contains(from));
    }

    /// The row that others have had the least often from here, if any. It counts as passed on.
    pub fn next_to_pass_on(&mut self, now: Duration) -> Option<LinkRow> {
        let patience = self.patience();
        let fresh = self.rows.values_mut().filter(|known| now.saturating_sub(known.heard) < patience);
        let next = fresh.min_by_key(|known| known.passed_on)?;
        next.passed_on += 1;
        Some(next.row.clone())
    }

    /// The matrix over these members, row by row, without the diagonal.
    pub fn cells(&self, members: &BTreeSet<NodeId>, now: Duration) -> Vec<LinkCell> {
        let pairs = members.iter().flat_map(|from| members.iter().map(move |to| (from, to)));
        pairs.filter(|(from, to)| from != to).map(|(from, to)| self.cell(from, to, now)).collect()
    }

    fn cell(&self, from: &NodeId, to: &NodeId, now: Duration) -> LinkCell {
        let (sight, back) = (self.sight(from, to, now), self.sight(to, from, now));
        LinkCell {
            from: from.clone(),
            to: to.clone(),
            up: sight.map(|sight| sight.up),
            round_trip_us: sight.filter(|sight| sight.up).and_then(|sight| sight.round_trip_us),
            loss_percent: sight.map(|sight| sight.loss_percent),
            asymmetric: sight.zip(back).is_some_and(|(there, back)| there.up != back.up),
        }
    }

    fn sight(&self, from: &NodeId, to: &NodeId, now: Duration) -> Option<&LinkSight> {
        let known = self.rows.get(from).filter(|known| now.saturating_sub(known.heard) < self.patience())?;
        known.row.links.iter().find(|sight| sight.to == *to)
    }

    fn patience(&self) -> Duration {
        STALE_AFTER + ROW_INTERVAL * u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::{Duration, LinkMatrix, LinkRow, LinkSight, NodeId};

    const COUNT: usize = 4;

    fn node(at: usize) -> NodeId {
        NodeId::new(&format!("n{at}")).unwrap()
    }

    fn row(from: usize, revision: u64, ups: [bool; COUNT]) -> LinkRow {
        let sight = |to| LinkSight { to: node(to), up: ups[to], round_trip_us: Some(7), loss_percent: 3 };
        let links = (0..COUNT).filter(|to| *to != from).map(sight).collect();
        LinkRow { from: node(from), revision: (1, revision), links }
    }

    proptest! {
        #[test]
        fn rows_in_any_order_and_twice_give_the_latest_and_mark_exactly_what_is_asymmetric(
            said in prop::collection::vec((0..COUNT, 0..5_u64), 0..20),
            order in any::<prop::sample::Index>(),
        ) {
            // A row is settled by who says it and its revision.
            let ups = |from: usize, revision: u64| std::array::from_fn(|to| !(from as u64 * 31 + to as u64 * 7 + revision * 13).is_multiple_of(3));
            let mut latest: BTreeMap<usize, u64> = BTreeMap::new();
            for (from, revision) in &said {
                let known = latest.entry(*from).or_default();
                *known = (*known).max(*revision);
            }
            let mut heard = said.clone();
            heard.extend(said.iter().copied());
            if !heard.is_empty() { let at = order.index(heard.len()); heard.rotate_left(at); }
            let (mut matrix, now) = (LinkMatrix::default(), Duration::from_secs(60));
            for (from, revision) in heard { matrix.take(row(from, revision, ups(from, revision)), now); }
            let members: BTreeSet<NodeId> = (0..COUNT).map(node).collect();
            let up = |from: usize, to: usize| latest.get(&from).map(|revision| ups(from, *revision)[to]);
            let cells = matrix.cells(&members, now);
            prop_assert_eq!(cells.len(), COUNT * (COUNT - 1));
            for cell in cells {
                let place = |name: &NodeId| members.iter().position(|member| member == name).unwrap();
                let (from, to) = (place(&cell.from), place(&cell.to));
                prop_assert_eq!(cell.up, up(from, to));
                let asymmetric = up(from, to).zip(up(to, from)).is_some_and(|(there, back)| there != back);
                prop_assert_eq!(cell.asymmetric, asymmetric);
            }
            // Whoever leaves takes his row along, and one that comes back has said nothing yet.
            let staying: BTreeSet<NodeId> = members.iter().skip(1).cloned().collect();
            matrix.follow(&staying);
            prop_assert_eq!(matrix.cells(&staying, now).len(), (COUNT - 1) * (COUNT - 2));
            prop_assert!(matrix.cells(&members, now).iter().all(|cell| cell.from != node(0) || cell.up.is_none()));
            // Long after: nothing is known.
            let blank = matrix.cells(&members, now + Duration::from_secs(60));
            prop_assert!(blank.iter().all(|cell| cell.up.is_none() && !cell.asymmetric));
            prop_assert!(matrix.next_to_pass_on(now + Duration::from_secs(60)).is_none());
        }
    }

    #[test]
    fn every_row_is_passed_on_before_any_is_twice() {
        let mut matrix = LinkMatrix::default();
        (0..COUNT).for_each(|from| assert!(matrix.take(row(from, 1, [true; COUNT]), Duration::ZERO)));
        let mut passed: Vec<NodeId> =
            (0..COUNT).filter_map(|_| matrix.next_to_pass_on(Duration::ZERO)).map(|row| row.from).collect();
        passed.sort();
        assert_eq!(passed, (0..COUNT).map(node).collect::<Vec<_>>());
        assert!(!matrix.take(row(2, 1, [false; COUNT]), Duration::ZERO), "no later than what is known");
        assert!(matrix.take(row(2, 2, [false; COUNT]), Duration::ZERO));
        assert_eq!(matrix.next_to_pass_on(Duration::ZERO).map(|row| row.from), Some(node(2)));
    }
}
