//! Which nodes one request goes to, one after the other.
//!
//! ```text
//!   walk of the key    a    b    c  |  d    e          N = 3; a is not connected
//!   sent to                 b                          a primary: nobody needs to pass the request on
//!   b is lost under it      b    c                     a read, and the budget grants it
//!                           b    over                  a write: b may have applied it, and twice would be siblings
//! ```
//!
//! No node is asked twice. Every node is a correct entry point, so the walk is followed beyond the primaries where none of them is left.

use crate::dynamo::hedge_budget::HedgeBudget;
use crate::dynamo::node_id::NodeId;

/// What a request does to the data, as far as asking twice is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it may be asked again.
    Reads,
    /// Two of it are not one: once sent, it is not sent again.
    Writes,
}

/// What follows from a node that was sent a request and did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next node may be asked.
    GoOn,
    /// It is a write, and may have been applied.
    MayBeApplied,
    /// Retries are too large a share of the requests as it is.
    BudgetSpent,
}

/// The attempts of one request so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempts {
    effect: Effect,
    /// How much of the walk has been passed, whether asked or not connected.
    passed: usize,
}

impl Attempts {
    /// None so far.
    pub fn new(effect: Effect) -> Self {
        Self { effect, passed: 0 }
    }

    /// The next node of `walk` that has a connection, with its place in the walk; `None`: there is no other.
    pub fn next<'a, C>(
        &mut self,
        walk: impl Iterator<Item = &'a NodeId>,
        connection: impl Fn(&NodeId) -> Option<C>,
    ) -> Option<(usize, &'a NodeId, C)> {
        let found = walk.enumerate().skip(self.passed).find_map(|(at, node)| Some((at, node, connection(node)?)));
        self.passed = found.as_ref().map_or(usize::MAX, |(at, ..)| at + 1);
        found
    }

    /// The connection was lost after the request had been sent on it.
    pub fn lost(&self, budget: &mut HedgeBudget) -> Verdict {
        match self.effect {
            Effect::Writes => Verdict::MayBeApplied,
            Effect::Reads if budget.spend(1) => Verdict::GoOn,
            Effect::Reads => Verdict::BudgetSpent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Attempts, Effect, Verdict};
    use crate::dynamo::hedge_budget::HedgeBudget;
    use crate::dynamo::node_id::NodeId;

    fn walk(count: usize) -> Vec<NodeId> {
        (0..count).map(|at| NodeId::new(&format!("n{at}")).unwrap()).collect()
    }

    /// Sends a request whose every attempt is lost; which nodes are connected differs from attempt to attempt.
    fn lose_every_attempt(
        effect: Effect,
        walk: &[NodeId],
        connected: &[Vec<bool>],
        budget: &mut HedgeBudget,
    ) -> (Vec<usize>, Option<Verdict>) {
        let (mut attempts, mut sent) = (Attempts::new(effect), Vec::new());
        budget.earn(1);
        loop {
            let now = &connected[sent.len() % connected.len()];
            let is_connected = |node: &NodeId| now[walk.iter().position(|known| known == node).unwrap()].then_some(());
            let Some((at, node, ())) = attempts.next(walk.iter(), is_connected) else { return (sent, None) };
            assert_eq!(node, &walk[at]);
            assert!(now[at], "{node} is not connected");
            sent.push(at);
            match attempts.lost(budget) {
                Verdict::GoOn => {}
                verdict => return (sent, Some(verdict)),
            }
        }
    }

    fn rounds(nodes: usize) -> impl Strategy<Value = Vec<Vec<bool>>> {
        prop::collection::vec(prop::collection::vec(any::<bool>(), nodes), 1..6)
    }

    proptest! {
        #[test]
        fn the_first_of_the_walk_that_is_connected_comes_first_and_none_twice(connected in rounds(6)) {
            let walk = walk(6);
            let (sent, verdict) = lose_every_attempt(Effect::Reads, &walk, &connected, &mut HedgeBudget::new(0.1, 100.0));
            prop_assert_eq!(sent.first().copied(), connected[0].iter().position(|is| *is));
            prop_assert!(sent.is_sorted_by(|a, b| a < b), "{:?}", sent);
            prop_assert_eq!(verdict, None, "with a budget a read ends only where no node is left");
        }

        /// The law that no acknowledged write depends on, and that keeps siblings away which nobody has written.
        #[test]
        fn a_write_is_sent_once_at_most(connected in rounds(6)) {
            let (sent, verdict) = lose_every_attempt(Effect::Writes, &walk(6), &connected, &mut HedgeBudget::new(0.1, 100.0));
            prop_assert!(sent.len() <= 1);
            prop_assert_eq!(verdict, sent.first().map(|_| Verdict::MayBeApplied));
        }

        #[test]
        fn retries_are_a_bounded_share_of_the_requests(
            share in 0.0_f64..0.3, saved in 1.0_f64..20.0, requests in prop::collection::vec(rounds(4), 1..200),
        ) {
            let (walk, mut budget) = (walk(4), HedgeBudget::new(share, saved));
            let mut retries = 0;
            for (at, connected) in requests.iter().enumerate() {
                let (sent, _) = lose_every_attempt(Effect::Reads, &walk, connected, &mut budget);
                prop_assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), sent.len());
                retries += sent.len().saturating_sub(1);
                prop_assert!(retries as f64 <= saved + share * (at + 1) as f64 + 1e-6, "{} of {}", retries, at + 1);
            }
        }
    }

    #[test]
    fn a_read_that_the_budget_does_not_cover_ends() {
        let mut budget = HedgeBudget::new(0.0, 1.0);
        let (sent, verdict) = lose_every_attempt(Effect::Reads, &walk(3), &[vec![true; 3]], &mut budget);
        assert_eq!((sent, verdict), (vec![0, 1], Some(Verdict::BudgetSpent)));
    }
}
