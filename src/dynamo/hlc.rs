//! A hybrid logical clock: time stamps that follow the wall clock and never run backwards.
//!
//! ```text
//!   63                    16 15        0
//!  +------------------------+-----------+
//!  | wall clock, ms (48 bit)|  counter  |      compared as one number
//!  +------------------------+-----------+
//! ```
//!
//! After Kulkarni et al., "Logical Physical Clocks" (2014). The wall clock is an argument, so a clock
//! that jumps, freezes or runs backwards is an ordinary test case. What a restart must not forget is
//! the [`ceiling`](Hlc::ceiling): the owner stores it durably and starts the next clock above it.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const COUNTER_BITS: u32 = 16;

/// How far beyond the last time stamp a ceiling is laid, in ms. A restarted clock runs ahead of the wall by as much, so it must be
/// far below any `limits.max_clock_skew_ms` or the other replicas would refuse what a restarted one mints.
const CEILING_STEP_MS: u64 = 4;

/// A ceiling is laid anew once the clock is closer to it than this, in ms.
const CEILING_MARGIN_MS: u64 = 2;

/// One reading of a [`Hlc`]: milliseconds since the Unix epoch and a counter, compared as one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HlcTime(u64);

impl HlcTime {
    /// The first instant of a wall clock millisecond.
    pub const fn from_unix_ms(unix_ms: u64) -> Self {
        Self(unix_ms << COUNTER_BITS)
    }

    /// The wall clock part, in ms since the Unix epoch.
    pub const fn unix_ms(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// The number that is compared and stored.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The inverse of [`as_u64`](Self::as_u64).
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }

    const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for HlcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counter = self.0 & ((1 << COUNTER_BITS) - 1);
        write!(f, "{}.{counter}", self.unix_ms())
    }
}

/// A remote time stamp lies further ahead of the local wall clock than the configured bound.
///
/// It was not observed: the local clock is unchanged. One of the two wall clocks is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("a time stamp {ahead_ms} ms ahead of this node's clock was refused (limits.max_clock_skew_ms = {max_skew_ms})")]
pub struct TooFarAhead {
    /// Distance from the local wall clock, in ms.
    pub ahead_ms: u64,
    /// The bound it exceeds, in ms.
    pub max_skew_ms: u64,
}

/// The clock of one replica. Every time stamp it gives is greater than any it gave or observed before.
#[derive(Clone, Debug)]
pub struct Hlc {
    last: HlcTime,
    ceiling: HlcTime,
}

impl Hlc {
    /// A clock whose first time stamp is greater than `floor`, the ceiling that an earlier clock of this replica left.
    pub fn starting_above(floor: HlcTime) -> Self {
        Self { last: floor, ceiling: floor }
    }

    /// The next time stamp: the wall clock, or one more than the last where the wall clock is not beyond it.
    pub fn tick(&mut self, now_ms: u64) -> HlcTime {
        self.last = HlcTime::from_unix_ms(now_ms).max(self.last.next());
        self.last
    }

    /// Moves the clock past a time stamp that this replica already holds.
    ///
    /// Unlike [`observe`](Self::observe) it cannot refuse: what is stored here must be exceeded by the next write.
    pub fn advance_past(&mut self, stored: HlcTime) {
        self.last = self.last.max(stored);
    }

    /// Checks a time stamp from another replica and moves the clock past it.
    pub fn observe(&mut self, remote: HlcTime, now_ms: u64, max_skew_ms: u64) -> Result<(), TooFarAhead> {
        let ahead_ms = remote.unix_ms().saturating_sub(now_ms);
        if ahead_ms > max_skew_ms {
            return Err(TooFarAhead { ahead_ms, max_skew_ms });
        }
        self.last = self.last.max(remote);
        Ok(())
    }

    /// A new ceiling, where the clock has come close to the old one. Store it durably with the write at hand;
    /// a later clock starts above it and so above everything that this one gave.
    pub fn raise_ceiling(&mut self) -> Option<HlcTime> {
        if self.last.unix_ms() + CEILING_MARGIN_MS < self.ceiling.unix_ms() {
            return None;
        }
        self.ceiling = HlcTime::from_unix_ms(self.last.unix_ms() + CEILING_STEP_MS);
        Some(self.ceiling)
    }

    /// The greatest time stamp given or observed.
    pub fn last(&self) -> HlcTime {
        self.last
    }

    /// What [`raise_ceiling`](Self::raise_ceiling) gave last.
    pub fn ceiling(&self) -> HlcTime {
        self.ceiling
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CEILING_STEP_MS, Hlc, HlcTime};

    #[test]
    fn refuses_a_time_stamp_beyond_the_skew_and_stays_unchanged() {
        let mut clock = Hlc::starting_above(HlcTime::default());
        let before = clock.tick(1_000);
        let refused = clock.observe(HlcTime::from_unix_ms(1_501), 1_000, 500).unwrap_err();
        assert_eq!(refused.ahead_ms, 501);
        assert_eq!(clock.last(), before);
        assert!(clock.observe(HlcTime::from_unix_ms(1_500), 1_000, 500).is_ok());
        assert!(clock.tick(1_000) > HlcTime::from_unix_ms(1_500));
    }

    proptest! {
        #[test]
        fn never_runs_backwards_whatever_the_wall_clock_does(walls in prop::collection::vec(0_u64..1 << 40, 1..50)) {
            let mut clock = Hlc::starting_above(HlcTime::default());
            let mut last = HlcTime::default();
            for wall in walls {
                let time = clock.tick(wall);
                prop_assert!(time > last);
                last = time;
            }
        }

        #[test]
        fn a_restart_with_an_older_wall_clock_exceeds_everything_given_before(
            walls in prop::collection::vec(0_u64..1 << 40, 1..50), wall_after in 0_u64..1 << 40,
        ) {
            let mut clock = Hlc::starting_above(HlcTime::default());
            let mut stored = HlcTime::default();
            for wall in walls {
                clock.tick(wall);
                stored = clock.raise_ceiling().unwrap_or(stored);
            }
            prop_assert!(Hlc::starting_above(stored).tick(wall_after) > clock.last());
        }

        #[test]
        fn a_restart_does_not_run_ahead(walls in prop::collection::vec(0_u64..1 << 40, 1..50), passed_ms in 0_u64..2_000) {
            let mut clock = Hlc::starting_above(HlcTime::default());
            let mut stored = HlcTime::default();
            for wall in walls {
                clock.tick(wall);
                stored = clock.raise_ceiling().unwrap_or(stored);
            }
            let now_ms = clock.last().unix_ms() + passed_ms;
            let first = Hlc::starting_above(stored).tick(now_ms);
            prop_assert!(first.unix_ms() <= now_ms.max(clock.last().unix_ms() + CEILING_STEP_MS));
        }
    }
}
