//! How long bytes take from one address to another.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// No delay is longer than the upper bound times this.
const LONGEST_TIMES: f64 = 50.0;

/// How long bytes take, one way, in milliseconds: mostly something between the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// The shortest.
    pub min_ms: u64,
    /// The longest, but for the stragglers.
    pub max_ms: u64,
}

/// How delays are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Evenly between the bounds; one in fifty takes ten times as long.
    Even,
    /// The time above the lower bound is exponential, with a mean in the middle of the bounds.
    Exponential,
    /// Most are short, few are very long (Pareto, with a shape of 1.5).
    HeavyTail,
    /// One in five goes another way that takes three times the upper bound.
    TwoWays,
}

impl Spread {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Even, Self::Exponential, Self::HeavyTail, Self::TwoWays];

    /// One delay, in ms.
    pub(super) fn draw(self, Delay { min_ms, max_ms }: Delay, rng: &mut StdRng) -> u64 {
        let (usual_ms, width_ms) = (rng.random_range(min_ms..=max_ms), (max_ms - min_ms) as f64);
        // In 0..1, and never 0.
        let chance = 1.0 - rng.random::<f64>();
        let beyond = |ms: f64| min_ms + ms.min(max_ms as f64 * LONGEST_TIMES) as u64;
        match self {
            Self::Even if chance < 0.02 => usual_ms * 10,
            Self::Even => usual_ms,
            Self::Exponential => beyond(-chance.ln() * width_ms / 2.0),
            Self::HeavyTail => beyond((chance.powf(-1.0 / 1.5) - 1.0) * width_ms / 4.0),
            Self::TwoWays if chance < 0.2 => max_ms * 3,
            Self::TwoWays => usual_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::{Delay, Spread};

    /// The median and the longest of ten thousand.
    fn drawn(spread: Spread) -> (u64, u64) {
        let (rng, delay) = (&mut StdRng::seed_from_u64(1), Delay { min_ms: 2, max_ms: 22 });
        let mut all: Vec<u64> = (0..10_000).map(|_| spread.draw(delay, rng)).collect();
        all.sort_unstable();
        assert!(all[0] >= 2);
        (all[5_000], all[9_999])
    }

    #[test]
    fn the_median_lies_between_the_bounds_and_each_has_its_own_tail() {
        assert_eq!(Spread::ALL.map(|spread| (2..=22).contains(&drawn(spread).0)), [true; 4]);
        let [even, exponential, heavy, two] = Spread::ALL.map(|spread| drawn(spread).1);
        assert_eq!((even, two), (220, 66));
        assert!((60..250).contains(&exponential) && heavy > 800, "{exponential} {heavy}");
    }
}
