//! Which key a request asks for.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde::Serialize;

/// How popular the keys are. The first key is the most popular one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyChoice {
    /// All alike.
    Uniform,
    /// A few get most of the requests.
    Hotspot {
        /// The share of the keys that are hot, in percent; at least one key is.
        hot_keys_percent: f64,
        /// The share of the requests that go to them, in percent.
        hot_requests_percent: f64,
    },
    /// The k-th key gets as many requests as the first, divided by k to the power of this.
    Zipf {
        /// The power.
        exponent: f64,
    },
}

/// Draws keys.
#[derive(Clone, Debug)]
pub struct KeyPicker {
    /// The share of requests that go to this key or one before it.
    up_to: Vec<f64>,
}

impl KeyPicker {
    /// For keys 0 to `keys` - 1; `keys` is at least 1.
    #[must_use]
    pub fn new(choice: KeyChoice, keys: usize) -> Self {
        let weights: Vec<f64> = (0..keys.max(1)).map(|key| weight(choice, key, keys.max(1))).collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let up_to = weights.into_iter().map(|weight| {
            sum += weight / total;
            sum
        });
        Self { up_to: up_to.collect() }
    }

    /// The key at `point` (0..1) of all requests, laid side by side by key.
    #[must_use]
    pub fn at(&self, point: f64) -> usize {
        self.up_to.partition_point(|sum| *sum <= point).min(self.up_to.len() - 1)
    }

    /// Draws one.
    pub fn pick(&self, rng: &mut StdRng) -> usize {
        self.at(rng.random_range(0.0..1.0))
    }
}

fn weight(choice: KeyChoice, key: usize, keys: usize) -> f64 {
    match choice {
        KeyChoice::Uniform => 1.0,
        KeyChoice::Zipf { exponent } => ((key + 1) as f64).powf(-exponent),
        KeyChoice::Hotspot { hot_keys_percent, hot_requests_percent } => {
            let hot = ((keys as f64 * hot_keys_percent / 100.0) as usize).clamp(1, keys);
            match keys - hot {
                0 => 1.0,
                _ if key < hot => hot_requests_percent / hot as f64,
                cold => (100.0 - hot_requests_percent) / cold as f64,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{KeyChoice, KeyPicker};

    fn choice() -> impl Strategy<Value = KeyChoice> {
        prop_oneof![
            Just(KeyChoice::Uniform),
            (0.0_f64..100.0, 0.0_f64..=100.0).prop_map(|(hot_keys_percent, hot_requests_percent)| {
                KeyChoice::Hotspot { hot_keys_percent, hot_requests_percent }
            }),
            (0.0_f64..3.0).prop_map(|exponent| KeyChoice::Zipf { exponent }),
        ]
    }

    /// How often each key is drawn by points that lie evenly.
    fn counts(choice: KeyChoice, keys: usize, points: usize) -> Vec<usize> {
        let picker = KeyPicker::new(choice, keys);
        let mut counts = vec![0; keys];
        for point in 0..points {
            counts[picker.at((point as f64 + 0.5) / points as f64)] += 1;
        }
        counts
    }

    proptest! {
        #[test]
        fn every_point_is_a_key_and_points_keep_their_order(choice in choice(), keys in 1_usize..500, one in 0.0_f64..1.0, other in 0.0_f64..1.0) {
            let picker = KeyPicker::new(choice, keys);
            let (low, high) = (picker.at(one.min(other)), picker.at(one.max(other)));
            prop_assert!(low <= high && high < keys);
        }

        #[test]
        fn hot_keys_get_their_share(keys in 2_usize..200, hot in 1_usize..100, percent in 0_u32..=100) {
            let hot = hot.min(keys - 1);
            let hot_keys_percent = (hot as f64 + 0.5) * 100.0 / keys as f64;
            let counts = counts(KeyChoice::Hotspot { hot_keys_percent, hot_requests_percent: percent.into() }, keys, 10_000);
            let got: usize = counts[..hot].iter().sum();
            prop_assert!(got.abs_diff(percent as usize * 100) <= 1, "{got} for {percent} %");
        }

        #[test]
        fn popularity_falls_as_the_power_says(keys in 2_usize..50, exponent in 0.0_f64..2.0) {
            let counts = counts(KeyChoice::Zipf { exponent }, keys, 200_000);
            for key in 1..keys {
                let expected = counts[0] as f64 * ((key + 1) as f64).powf(-exponent);
                prop_assert!((counts[key] as f64 - expected).abs() <= 3.0, "{counts:?}");
            }
        }
    }

    #[test]
    fn alike_is_alike() {
        assert_eq!(counts(KeyChoice::Uniform, 8, 800), [100; 8]);
    }
}
