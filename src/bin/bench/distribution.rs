//! Which keys are asked for how often.

use std::fmt;
use std::str::FromStr;

use rand::{Rng, RngExt};
use thiserror::Error;

/// A rule to draw keys by. Keys are numbers from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    /// Every key equally often.
    #[default]
    Uniform,
    /// A share of the keys gets a share of the requests; the rest of the requests goes to the rest of the keys.
    Hotspot {
        /// The hot share of the keys, in percent, 1 to 99. These are the first ones.
        keys_percent: u8,
        /// The share of the requests that goes there, in percent, 1 to 100.
        requests_percent: u8,
    },
}

/// The text names no distribution.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected `uniform`, `hotspot`, or `hotspot:KEYS:REQUESTS` in percent, such as `hotspot:20:80`")]
pub struct DistributionError;

impl Distribution {
    /// The number of a key below `keys`; 0 when there are none.
    pub fn sample(self, keys: usize, rng: &mut impl Rng) -> usize {
        if keys <= 1 {
            return 0;
        }
        match self {
            Self::Uniform => rng.random_range(0..keys),
            Self::Hotspot { keys_percent, requests_percent } => {
                let hot = (keys * usize::from(keys_percent) / 100).clamp(1, keys - 1);
                if rng.random_range(0..100) < requests_percent {
                    rng.random_range(0..hot)
                } else {
                    rng.random_range(hot..keys)
                }
            }
        }
    }
}

impl FromStr for Distribution {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Self, DistributionError> {
        let mut parts = text.split(':');
        let (name, keys, requests) = (parts.next(), parts.next(), parts.next());
        let percent = |text: &str| text.trim_end_matches('%').parse::<u8>().map_err(|_| DistributionError);
        match (name, keys, requests, parts.next()) {
            (Some("uniform"), None, None, None) => Ok(Self::Uniform),
            (Some("hotspot"), None, None, None) => Ok(Self::Hotspot { keys_percent: 20, requests_percent: 80 }),
            (Some("hotspot"), Some(keys), Some(requests), None) => {
                let (keys_percent, requests_percent) = (percent(keys)?, percent(requests)?);
                if !(1..100).contains(&keys_percent) || !(1..=100).contains(&requests_percent) {
                    return Err(DistributionError);
                }
                Ok(Self::Hotspot { keys_percent, requests_percent })
            }
            _ => Err(DistributionError),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Hotspot { keys_percent, requests_percent } => {
                write!(f, "hotspot:{keys_percent}%:{requests_percent}%")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::Distribution;

    fn distributions() -> impl Strategy<Value = Distribution> {
        prop_oneof![
            Just(Distribution::Uniform),
            (1..100_u8, 1..=100_u8)
                .prop_map(|(keys_percent, requests_percent)| Distribution::Hotspot { keys_percent, requests_percent }),
        ]
    }

    proptest! {
        #[test]
        fn samples_are_keys(distribution in distributions(), keys in 1..50_usize, seed in any::<u64>()) {
            let mut rng = StdRng::seed_from_u64(seed);
            for _ in 0..20 {
                prop_assert!(distribution.sample(keys, &mut rng) < keys);
            }
        }

        #[test]
        fn text_is_read_back(distribution in distributions()) {
            prop_assert_eq!(distribution.to_string().parse(), Ok(distribution));
        }
    }

    #[test]
    fn the_hot_keys_get_their_share() {
        let mut rng = StdRng::seed_from_u64(1);
        let distribution: Distribution = "hotspot:10:90".parse().unwrap();
        let hot = (0..10_000).filter(|_| distribution.sample(1000, &mut rng) < 100).count();
        assert!((8_800..9_200).contains(&hot), "{hot}");
    }

    #[test]
    fn every_key_has_its_turn_when_uniform() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut seen = [0; 10];
        for _ in 0..10_000 {
            seen[Distribution::Uniform.sample(10, &mut rng)] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "zipf",
            "uniform:1:1",
            "hotspot:0:80",
            "hotspot:100:80",
            "hotspot:20",
            "hotspot:20:101",
            "hotspot:2:2:2",
        ] {
            assert!(text.parse::<Distribution>().is_err(), "{text}");
        }
    }
}
