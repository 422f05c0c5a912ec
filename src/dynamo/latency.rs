//! Counts of how long things took, in buckets of about an eighth of their value, and quantiles of them.
//!
//! ```text
//!  µs      0 1 2 .. 7 | 8 9 .. 15 | 16-17 18-19 .. 30-31 | 32-35 ..        eight buckets for each doubling
//! ```
//!
//! Two sets of counts, one taken later, differ by what happened between: so a reader has a window without a clock in the writer's way.

use std::time::Duration;

/// Buckets for each doubling: a quantile is at most an eighth too high.
const PER_DOUBLING_BITS: u32 = 3;

/// Everything from 2^26 µs, about a minute, on shares the last bucket.
const DOUBLINGS: usize = 26;

/// How many buckets there are.
pub const BUCKETS: usize = (DOUBLINGS - 1) << PER_DOUBLING_BITS;

/// The bucket that counts things which took so long.
pub fn bucket_of(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // How many bits stand behind the leading ones that choose the bucket.
    let Some(shift) = (u64::BITS - micros.leading_zeros()).checked_sub(PER_DOUBLING_BITS + 1) else {
        return micros as usize;
    };
    let bucket = ((shift as usize) << PER_DOUBLING_BITS) + (micros >> shift) as usize;
    bucket.min(BUCKETS - 1)
}

/// The longest time that a bucket counts, in seconds.
fn upper_bound_s(bucket: usize) -> f64 {
    let doublings = (bucket >> PER_DOUBLING_BITS).saturating_sub(1);
    let leading = bucket - (doublings << PER_DOUBLING_BITS);
    ((leading as u64 + 1) << doublings) as f64 / 1e6
}

/// How often each bucket was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyCounts([u64; BUCKETS]);

impl Default for LatencyCounts {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl LatencyCounts {
    /// The counts that `of` tells for each bucket.
    pub fn read(of: impl FnMut(usize) -> u64) -> Self {
        Self(std::array::from_fn(of))
    }

    /// What came since the `earlier` ones were taken.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self::read(|bucket| self.0[bucket].saturating_sub(earlier.0[bucket]))
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The time, in seconds, that a share of `q` (0..=1) did not exceed; `None` where nothing was counted.
    pub fn quantile_s(&self, q: f64) -> Option<f64> {
        let wanted = (self.total() as f64 * q).ceil().max(1.0);
        let mut seen = 0;
        let reaches = |count: &u64| {
            seen += count;
            seen as f64 >= wanted
        };
        self.0.iter().position(reaches).map(upper_bound_s)
    }
}

/// How long the requests of a process took, reads and writes apart: together, slow writes would hide what happens to quick reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Of gets.
    pub reads: LatencyCounts,
    /// Of puts and deletes.
    pub writes: LatencyCounts,
}

/// A quantile of reads and of writes, in seconds; `None` where there were hardly any.
pub type Latencies = [Option<f64>; 2];

impl Served {
    /// What came since the `earlier` ones were taken.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self { reads: self.reads.since(&earlier.reads), writes: self.writes.since(&earlier.writes) }
    }

    /// The times that a share of `q` (0..=1) of each did not exceed, where there were at least `least` of them.
    #[must_use]
    pub fn quantiles_s(&self, q: f64, least: u64) -> Latencies {
        [&self.reads, &self.writes].map(|counts| counts.quantile_s(q).filter(|_| counts.total() >= least))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{BUCKETS, LatencyCounts, bucket_of, upper_bound_s};

    fn counts(samples: &[u64]) -> LatencyCounts {
        let of = |micros: &u64| bucket_of(Duration::from_micros(*micros));
        LatencyCounts::read(|bucket| samples.iter().filter(|micros| of(micros) == bucket).count() as u64)
    }

    #[test]
    fn every_length_has_a_bucket_and_longer_ones_have_later_ones() {
        let mut last = 0;
        for micros in (0..5_000).chain((13..64).map(|power| 1_u64 << power)).chain([u64::MAX]) {
            let bucket = bucket_of(Duration::from_micros(micros));
            assert!((last..BUCKETS).contains(&bucket), "{micros} µs: {bucket} after {last}");
            last = bucket;
        }
        assert_eq!(last, BUCKETS - 1);
        assert_eq!(LatencyCounts::default().quantile_s(0.99), None);
    }

    proptest! {
        #[test]
        fn a_bucket_is_an_eighth_wide(micros in 0_u64..1 << 26) {
            let upper = upper_bound_s(bucket_of(Duration::from_micros(micros))) * 1e6;
            prop_assert!((micros as f64..=micros as f64 * 1.125 + 1.0).contains(&upper), "{upper}");
        }

        #[test]
        fn a_quantile_is_the_one_of_the_samples(mut samples in prop::collection::vec(0_u64..1 << 26, 1..200), q in 0.01_f64..1.0) {
            let found = counts(&samples).quantile_s(q).expect("samples") * 1e6;
            samples.sort_unstable();
            let exact = samples[((samples.len() as f64 * q).ceil() as usize - 1).min(samples.len() - 1)] as f64;
            prop_assert!((exact..=exact * 1.125 + 1.0).contains(&found), "{found} for {exact}");
        }

        #[test]
        fn a_window_holds_what_came_in_it(before in prop::collection::vec(0_u64..1 << 26, 0..50), then in prop::collection::vec(0_u64..1 << 26, 0..50)) {
            let both: Vec<u64> = before.iter().chain(&then).copied().collect();
            prop_assert_eq!(counts(&both).since(&counts(&before)), counts(&then));
        }
    }
}
