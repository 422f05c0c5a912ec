//! How long to leave a node alone that could not be reached.
//!
//! ```text
//!   failed, failed, failed, ...   50 ms, 100 ms, 200 ms ... 2 s, of each a random half up to the whole
//!   connected                     from the start again
//! ```
//!
//! The random part keeps clients that lost a node together from coming back together.

use std::time::Duration;

use rand::{Rng, RngExt as _};

/// The first pause, before chance shortens it; each is twice the one before.
pub(super) const PAUSE_MIN: Duration = Duration::from_millis(50);

/// No pause is longer: a node that is back is found within this.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The pauses between attempts to reach one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    longest_now: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { longest_now: PAUSE_MIN }
    }
}

impl Backoff {
    /// The node could not be reached, again: how long to wait.
    pub fn failed(&mut self, rng: &mut impl Rng) -> Duration {
        let pause = self.longest_now.mul_f64(rng.random_range(0.5..1.0));
        self.longest_now = (self.longest_now * 2).min(PAUSE_MAX);
        pause
    }

    /// The node was reached.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::{Backoff, PAUSE_MAX, PAUSE_MIN};

    proptest! {
        #[test]
        fn pauses_double_within_their_bounds_and_begin_again_after_a_success(
            failures in prop::collection::vec(0_u32..20, 1..5), seed in any::<u64>(),
        ) {
            let (mut backoff, mut rng) = (Backoff::default(), StdRng::seed_from_u64(seed));
            for count in failures {
                for turn in 0..count {
                    let longest = PAUSE_MAX.min(PAUSE_MIN * 2_u32.pow(turn));
                    let pause = backoff.failed(&mut rng);
                    prop_assert!(pause >= longest / 2 && pause < longest, "{pause:?} of {longest:?}");
                }
                backoff.succeeded();
            }
        }

        #[test]
        fn clients_that_failed_together_do_not_return_together(one in any::<u64>(), other in any::<u64>()) {
            prop_assume!(one != other);
            let pauses = |seed| {
                let (mut backoff, mut rng) = (Backoff::default(), StdRng::seed_from_u64(seed));
                [(); 8].map(|()| backoff.failed(&mut rng))
            };
            prop_assert_ne!(pauses(one), pauses(other));
        }
    }
}
