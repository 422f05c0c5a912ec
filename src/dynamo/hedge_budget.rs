//! How many reads may ask one replica more than they need.
//!
//! ```text
//!   each read ── earns a share ──▶ credit (bounded) ── a hedge spends one per read ──▶ granted, or not while nothing is left
//! ```
//!
//! Hedges help against one slow replica. When all are slow because there is too much to do, hedges are what they need least: the
//! budget bounds them to a share of the reads, whatever the latencies say. Reads that go together are hedged together; the last of
//! them may be granted on credit, which later reads pay back.

/// A bound of the hedges as a share of the reads, with some saved up for a bad moment.
#[derive(Clone, Copy, Debug)]
pub struct HedgeBudget {
    share: f64,
    most: f64,
    credit: f64,
}

impl HedgeBudget {
    /// Grants `share` hedges for each read in the long run, and saves up to `most`, which it has to begin with.
    pub fn new(share: f64, most: f64) -> Self {
        Self { share, most, credit: most }
    }

    /// So many reads have begun.
    pub fn earn(&mut self, reads: usize) {
        self.credit = (self.credit + self.share * reads as f64).min(self.most);
    }

    /// Whether so many reads may ask one replica more now. If so, it is spent.
    pub fn spend(&mut self, reads: usize) -> bool {
        let granted = self.credit >= 1.0;
        if granted {
            self.credit -= reads as f64;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::HedgeBudget;

    proptest! {
        #[test]
        fn hedges_are_never_more_than_their_share_and_what_was_saved_and_one_group(
            share in 0.0_f64..0.5, most in 0.0_f64..50.0, group_max in 1_usize..30,
            steps in prop::collection::vec((0_usize..30, 1_usize..30), 0..200),
        ) {
            let mut budget = HedgeBudget::new(share, most);
            let (mut reads, mut hedges) = (0, 0);
            for (begun, wanted) in steps {
                budget.earn(begun);
                reads += begun;
                let wanted = wanted.min(group_max);
                if budget.spend(wanted) {
                    hedges += wanted;
                }
                prop_assert!(hedges as f64 <= most + share * reads as f64 + group_max as f64);
            }
        }

        /// A little more is earned than is spent: the share may not be exact in binary.
        #[test]
        fn what_is_within_the_share_is_granted(share in 0.01_f64..0.5, group in 1_usize..20, rounds in 1_usize..100) {
            let mut budget = HedgeBudget::new(share, 10.0);
            let between = (group as f64 / share).ceil() as usize + 1;
            for _ in 0..rounds {
                prop_assert!(budget.spend(group));
                budget.earn(between);
            }
        }
    }

    #[test]
    fn what_was_spent_on_credit_is_paid_back_first() {
        let mut budget = HedgeBudget::new(0.5, 2.0);
        assert!(budget.spend(5), "2 - 5 = -3");
        budget.earn(7);
        assert!(!budget.spend(1), "0.5 is not one");
        budget.earn(1);
        assert!(budget.spend(1));
        assert!(!budget.spend(1));
    }
}
