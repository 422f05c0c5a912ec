//! Sums in which what happened longer ago counts for less, and the rates that they stand for.
//!
//! ```text
//!   an event counts  1        1/2       1/4       1/8
//!   after            0 s      one       two       three half-lives
//! ```
//!
//! So there is no window whose end everything falls off at once, and nothing needs to be kept of single events.

use std::f64::consts::LN_2;

/// Rates are not told for less time than this, or one event in the first millisecond would be a thousand per second.
const LEAST_AGE_MS: u64 = 1_000;

/// How fast the past fades.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decay {
    half_life_ms: u64,
}

impl Decay {
    /// What is this many ms (at least one) old counts half.
    pub const fn with_half_life_ms(half_life_ms: u64) -> Self {
        Self { half_life_ms: if half_life_ms == 0 { 1 } else { half_life_ms } }
    }

    /// After how many ms a thing counts half.
    pub const fn half_life_ms(self) -> u64 {
        self.half_life_ms
    }

    /// What is left after `elapsed_ms` of what was 1.
    pub fn left_after(self, elapsed_ms: u64) -> f64 {
        0.5_f64.powf(self.in_half_lives(elapsed_ms))
    }

    /// What is left of 1 that was spread evenly over the last `elapsed_ms`.
    pub fn left_of_spread(self, elapsed_ms: u64) -> f64 {
        let x = self.in_half_lives(elapsed_ms) * LN_2;
        if x < 1e-6 { 1.0 } else { -(-x).exp_m1() / x }
    }

    /// What a decayed sum is to be multiplied by for a rate per second, where counting began `age_ms` ago: a steady rate is told as it is,
    /// from the first second on.
    pub fn per_s(self, age_ms: u64) -> f64 {
        let age_ms = age_ms.max(LEAST_AGE_MS);
        1_000.0 / (age_ms as f64 * self.left_of_spread(age_ms))
    }

    fn in_half_lives(self, ms: u64) -> f64 {
        ms as f64 / self.half_life_ms as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Decay;

    proptest! {
        #[test]
        fn half_is_left_after_a_half_life(half_life_ms in 1_u64..100_000, times in 0_u64..20) {
            let decay = Decay::with_half_life_ms(half_life_ms);
            let left = decay.left_after(half_life_ms * times);
            prop_assert!((left - 0.5_f64.powf(times as f64)).abs() < 1e-12, "{left}");
        }

        /// It is the mean of what is left of parts that came one after the other.
        #[test]
        fn a_spread_is_the_mean_of_its_parts(half_life_ms in 100_u64..100_000, elapsed_ms in 1_u64..300_000) {
            let decay = Decay::with_half_life_ms(half_life_ms);
            let parts = 20_000_u32;
            let part_ms = elapsed_ms as f64 / f64::from(parts);
            let left = |at: u32| (-(f64::from(at) + 0.5) * part_ms / half_life_ms as f64).exp2();
            let mean = (0..parts).map(left).sum::<f64>() / f64::from(parts);
            let spread = decay.left_of_spread(elapsed_ms);
            prop_assert!((spread / mean - 1.0).abs() < 1e-3, "{spread} for {mean}");
        }

        #[test]
        fn a_steady_rate_is_told_at_any_age(half_life_ms in 100_u64..60_000, per_ms in 0.001_f64..100.0, age_ms in 1_000_u64..600_000) {
            let decay = Decay::with_half_life_ms(half_life_ms);
            let sum = per_ms * age_ms as f64 * decay.left_of_spread(age_ms);
            let told = sum * decay.per_s(age_ms);
            prop_assert!((told / (per_ms * 1_000.0) - 1.0).abs() < 1e-9, "{told}");
        }
    }

    #[test]
    fn nothing_fades_in_no_time_and_all_in_a_long_one() {
        let decay = Decay::with_half_life_ms(0);
        assert_eq!((decay.left_after(0), decay.left_of_spread(0), decay.half_life_ms()), (1.0, 1.0, 1));
        assert_eq!(decay.left_after(u64::MAX), 0.0);
        assert!(decay.per_s(0).is_finite() && decay.per_s(u64::MAX).is_finite());
    }
}
