//! What many measured numbers say together.

use serde::Serialize;

/// The usual figures of a set of numbers; all zero where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many there are.
    pub count: usize,
    /// The mean.
    pub mean: f64,
    /// The standard deviation of these numbers (not an estimate of a larger set's).
    pub deviation: f64,
    /// The least.
    pub least: f64,
    /// Half of them are no greater.
    pub p50: f64,
    /// 99 of 100 are no greater.
    pub p99: f64,
    /// 999 of 1000 are no greater.
    pub p999: f64,
    /// The greatest.
    pub most: f64,
}

/// Numbers in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Sorts them, so that sums do not depend on the order in which they came.
    #[must_use]
    pub fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        Self(numbers)
    }

    /// In ascending order.
    #[must_use]
    pub fn sorted(&self) -> &[f64] {
        &self.0
    }

    /// The least of them that a share of `share` (0..=1) does not exceed; none: 0.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The mean; none: 0.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.iter().sum::<f64>() / self.0.len() as f64 }
    }

    /// All figures.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mean = self.mean();
        let squares = self.0.iter().fold(0.0, |sum, number| sum + (number - mean).powi(2));
        Summary {
            count: self.0.len(),
            mean,
            deviation: (squares / self.0.len().max(1) as f64).sqrt(),
            least: self.quantile(0.0),
            p50: self.quantile(0.5),
            p99: self.quantile(0.99),
            p999: self.quantile(0.999),
            most: self.quantile(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Sample, Summary};

    fn numbers() -> impl Strategy<Value = Vec<f64>> {
        vec(0.0_f64..1_000.0, 1..200)
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(numbers in numbers().prop_shuffle(), mut again in numbers()) {
            again.clone_from(&numbers);
            again.reverse();
            prop_assert_eq!(Sample::of(numbers).summary(), Sample::of(again).summary());
        }

        #[test]
        fn a_quantile_is_the_least_number_that_the_share_does_not_exceed(numbers in numbers(), share in 0.001_f64..=1.0) {
            let sample = Sample::of(numbers.clone());
            let quantile = sample.quantile(share);
            let share_of = |which: &dyn Fn(f64) -> bool| {
                numbers.iter().filter(|number| which(**number)).count() as f64 / numbers.len() as f64
            };
            prop_assert!(numbers.contains(&quantile));
            prop_assert!(share_of(&|number| number <= quantile) >= share - 1e-9);
            prop_assert!(share_of(&|number| number < quantile) < share + 1e-9);
        }

        #[test]
        fn figures_are_in_order(numbers in numbers()) {
            let Summary { count, mean, deviation, least, p50, p99, p999, most } = Sample::of(numbers.clone()).summary();
            prop_assert_eq!(count, numbers.len());
            prop_assert!(least <= p50 && p50 <= p99 && p99 <= p999 && p999 <= most);
            prop_assert!(least - 1e-9 <= mean && mean <= most + 1e-9);
            prop_assert!(deviation <= (most - least) / 2.0 + 1e-9);
        }

        #[test]
        fn a_shift_moves_the_mean_and_a_scale_the_deviation(numbers in numbers(), shift in 0.0_f64..100.0, scale in 0.1_f64..10.0) {
            let plain = Sample::of(numbers.clone()).summary();
            let moved = Sample::of(numbers.iter().map(|number| number * scale + shift).collect()).summary();
            prop_assert!((moved.mean - (plain.mean * scale + shift)).abs() < 1e-6);
            prop_assert!((moved.deviation - plain.deviation * scale).abs() < 1e-6);
        }
    }

    #[test]
    fn known_figures() {
        let summary = Sample::of(vec![4.0, 2.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).summary();
        assert_eq!((summary.mean, summary.deviation, summary.p50, summary.p999), (5.0, 2.0, 4.0, 9.0));
        assert_eq!(Sample::of(vec![3.5; 7]).summary().deviation, 0.0);
        assert_eq!(Sample::default().summary(), Summary::default());
    }
}
