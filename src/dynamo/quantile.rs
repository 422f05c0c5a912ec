//! An estimate of a quantile of a stream, in constant memory, that follows changes.
//!
//! Each sample moves the estimate up by `step * q` when it lies above and down by `step * (1 - q)` when it lies below; at rest a
//! share of `q` of the samples lies below. The step is a share of the estimate, so that microseconds and seconds are followed alike.

/// How far one sample moves the estimate, as a share of it.
const STEP: f64 = 0.05;

/// The estimate.
#[derive(Clone, Copy, Debug)]
pub struct Quantile {
    q: f64,
    estimate: f64,
    least: f64,
}

impl Quantile {
    /// Estimates the `q` quantile (0..1), beginning with `first` and never going below `least`.
    pub fn new(q: f64, first: f64, least: f64) -> Self {
        Self { q, estimate: first.max(least), least }
    }

    /// Takes one sample.
    pub fn record(&mut self, sample: f64) {
        let toward = if sample > self.estimate { self.q } else { self.q - 1.0 };
        self.estimate = (self.estimate * (1.0 + STEP * toward)).max(self.least);
    }

    /// The estimate.
    pub fn estimate(&self) -> f64 {
        self.estimate
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Quantile;

    proptest! {
        #[test]
        fn settles_near_the_quantile_and_follows_a_change(seed in any::<u64>(), first in 0.5_f64..50.0, then in 0.5_f64..50.0) {
            let mut state = seed | 1;
            let mut uniform = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 53) as f64
            };
            let mut quantile = Quantile::new(0.95, 1.0, 0.001);
            for scale in [first, then] {
                (0..5_000).for_each(|_| quantile.record(scale * uniform()));
                prop_assert!((0.75 * scale..=1.1 * scale).contains(&quantile.estimate()), "{} of {scale}", quantile.estimate());
            }
        }
    }
}
