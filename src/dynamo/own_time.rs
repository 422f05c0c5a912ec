//! Time as a process has lived it: the clock of a failure detector that does not blame others for its own pauses.
//!
//! ```text
//!   real time   |--|--|--|--------- stalled ---------|--|--|--|--|
//!   own time    |--|--|--|                           ....-|--|--|     stands still, then for a grace, then goes slower for a while
//! ```
//!
//! Who was not running has heard no answers, so the time that he missed counts for nobody; the answers that came meanwhile lie in
//! his mailboxes and sockets, so there is a grace to read them; and whoever stalls now and then gives everybody more time, as
//! Lifeguard does (Dadgar et al., 2018). His peers lose nothing by it: others watch them too.

use std::time::Duration;

/// How often the owner looks at the clock.
pub const TICK: Duration = Duration::from_millis(50);

/// A look that comes later than this after the one before it means that the process has stalled.
const STALL_MIN: Duration = Duration::from_millis(150);

/// The most that own time is slowed down by: it runs at `1 / (1 + SLOWNESS_MAX)` then.
const SLOWNESS_MAX: u32 = 3;

/// Without a stall for this long, time runs a step faster again.
const STEADY: Duration = Duration::from_secs(5);

/// The clock. Real time is whatever the owner passes, as long as it never goes back.
#[derive(Clone, Debug)]
pub struct OwnTime {
    seen: Duration,
    own: Duration,
    /// What has to pass yet before own time goes on.
    grace: Duration,
    grace_after_stall: Duration,
    /// How unsteady this process has been: 0 to [`SLOWNESS_MAX`].
    slowness: u32,
    steady_since: Duration,
    stalls: u64,
}

impl OwnTime {
    /// A clock that shows zero at the real time `now`, and waits for `grace_after_stall` after each stall.
    pub fn starting_at(now: Duration, grace_after_stall: Duration) -> Self {
        let (own, grace) = (Duration::ZERO, Duration::ZERO);
        Self { seen: now, own, grace, grace_after_stall, slowness: 0, steady_since: now, stalls: 0 }
    }

    /// Looks at the real time and returns own time.
    pub fn look(&mut self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.seen);
        self.seen = self.seen.max(now);
        if passed >= STALL_MIN {
            self.stalls += 1;
            self.slowness = (self.slowness + 1).min(SLOWNESS_MAX);
            self.steady_since = now;
            self.grace = self.grace_after_stall;
            return self.own;
        }
        if self.slowness > 0 && now.saturating_sub(self.steady_since) >= STEADY {
            self.slowness -= 1;
            self.steady_since = now;
        }
        let waited = passed.min(self.grace);
        self.grace -= waited;
        self.own += (passed - waited) / (1 + self.slowness);
        self.own
    }

    /// How often the process has stalled.
    pub fn stalls(&self) -> u64 {
        self.stalls
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Duration, OwnTime, SLOWNESS_MAX, STALL_MIN, STEADY, TICK};

    const GRACE: Duration = Duration::from_millis(150);

    fn gaps() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(prop_oneof![8 => 1..150_u64, 1 => 150..30_000_u64], 1..200)
    }

    proptest! {
        #[test]
        fn never_goes_back_never_gains_and_counts_no_stall(gaps_ms in gaps()) {
            let (mut now, mut lived) = (Duration::from_secs(9), Duration::ZERO);
            let mut time = OwnTime::starting_at(now, GRACE);
            for gap in gaps_ms.into_iter().map(Duration::from_millis) {
                let (before, stalls) = (time.own, time.stalls());
                now += gap;
                let own = time.look(now);
                prop_assert!(own >= before);
                if gap >= STALL_MIN {
                    prop_assert_eq!((own, time.stalls()), (before, stalls + 1));
                } else {
                    lived += gap;
                    let longest = GRACE + (own - before) * (1 + SLOWNESS_MAX) + Duration::from_micros(1);
                    prop_assert!(own - before <= gap && gap <= longest);
                }
                prop_assert!(own <= lived);
            }
            // Whatever has been: after a quiet while it runs like any other clock.
            for _ in 0..(STEADY * (SLOWNESS_MAX + 1)).as_millis() / TICK.as_millis() {
                now += TICK;
                time.look(now);
            }
            let before = time.own;
            prop_assert_eq!(time.look(now + TICK), before + TICK);
        }
    }

    #[test]
    fn after_a_stall_answers_have_the_grace_to_be_read() {
        let mut time = OwnTime::starting_at(Duration::ZERO, GRACE);
        assert_eq!(time.look(TICK), TICK);
        let woken = TICK + Duration::from_secs(10);
        assert_eq!(time.look(woken), TICK);
        assert_eq!(time.look(woken + GRACE - Duration::from_millis(60)), TICK);
        assert_eq!(time.look(woken + GRACE), TICK);
        assert_eq!(time.look(woken + GRACE + TICK), TICK + TICK / 2, "half as fast for a while");
    }
}
