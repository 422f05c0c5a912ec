//! Whether a link can be relied on: one that has just come back is, unless it comes and goes.
//!
//! A link that breaks is unusable at once. One that comes up is usable at once the first times, so that a node that restarts is back
//! as soon as it can be reached; after several losses in a short time it must stay up for a while first. A link that flaps is then
//! left alone as a whole, instead of being picked and lost for every few requests.

use std::collections::VecDeque;
use std::time::Duration;

/// Losses are remembered for this long.
const MEMORY: Duration = Duration::from_secs(30);

/// So many losses are nothing unusual: a restart, a short cut.
const FORGIVEN: usize = 3;

/// What each further loss adds to the time that a link has to stay up.
const HOLD_STEP: Duration = Duration::from_millis(500);

/// The longest time that a link has to stay up: longer than the phases of what flaps within two seconds.
pub const HOLD_MAX: Duration = Duration::from_millis(2_500);

/// The recent past of one link.
#[derive(Clone, Debug, Default)]
pub struct Steadiness {
    losses: VecDeque<Duration>,
    up_since: Option<Duration>,
}

impl Steadiness {
    /// The link came up, or was lost.
    pub fn changed(&mut self, up: bool, now: Duration) {
        match (up, self.up_since) {
            (true, None) => self.up_since = Some(now),
            (false, Some(_)) => {
                self.up_since = None;
                self.losses.push_back(now);
                if self.losses.len() > FORGIVEN + 16 {
                    self.losses.pop_front();
                }
            }
            _ => {}
        }
    }

    /// Whether it may be used now.
    pub fn usable(&mut self, now: Duration) -> bool {
        while self.losses.front().is_some_and(|lost| now.saturating_sub(*lost) > MEMORY) {
            self.losses.pop_front();
        }
        let unusual = u32::try_from(self.losses.len().saturating_sub(FORGIVEN)).unwrap_or(u32::MAX);
        let hold = HOLD_STEP.saturating_mul(unusual).min(HOLD_MAX);
        self.up_since.is_some_and(|since| now.saturating_sub(since) >= hold)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Duration, FORGIVEN, HOLD_MAX, Steadiness};

    proptest! {
        #[test]
        fn never_usable_while_down_and_always_usable_after_the_longest_hold(
            phases_ms in prop::collection::vec(1..5_000_u64, 1..60),
        ) {
            let (mut link, mut now, mut up) = (Steadiness::default(), Duration::ZERO, false);
            for (turn, phase) in phases_ms.into_iter().map(Duration::from_millis).enumerate() {
                up = !up;
                link.changed(up, now);
                let at_once = link.usable(now);
                prop_assert!(!at_once || up);
                prop_assert!(at_once || !up || turn / 2 > FORGIVEN);
                now += phase;
                let usable = link.usable(now);
                prop_assert!(!usable || up);
                prop_assert!(usable || !up || phase < HOLD_MAX);
            }
            link.changed(true, now);
            prop_assert!(link.usable(now + HOLD_MAX));
        }
    }

    #[test]
    fn a_link_that_flaps_is_left_alone_until_it_is_steady() {
        let mut link = Steadiness::default();
        let (mut now, mut changes) = (Duration::ZERO, 0);
        let mut was = false;
        for turn in 0..40 {
            link.changed(turn % 2 == 0, now);
            for _ in 0..10 {
                let usable = link.usable(now);
                changes += usize::from(usable != was);
                was = usable;
                now += Duration::from_millis(100);
            }
        }
        assert!(changes <= 2 * (FORGIVEN + 2), "{changes} changes in 40 s of flapping");
        link.changed(true, now);
        assert!(!link.usable(now) && link.usable(now + HOLD_MAX));
    }
}
