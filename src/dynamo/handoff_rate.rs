//! How fast hints may be handed over: as fast as those who are being served do not notice.
//!
//! ```text
//!   p99 of requests      nobody is served        <= 1.25 x baseline      above, of reads or of writes
//!   rate                 doubles                 + cap / 200             halves          always within floor..=cap
//!
//!   baseline             one of reads and one of writes: together, slow writes would hide what happens to quick reads;
//!                        learned while nothing is handed over, or at the floor, where handing over does not count;
//!                        while more is handed over it only falls: what is measured then is the baseline or more
//! ```
//!
//! Additive increase, multiplicative decrease (Chiu and Jain, 1989), observed once per tick. The floor guarantees that hints drain even where
//! requests are slow for another reason; there the baseline follows, so that the rate comes back.

use super::latency::Latencies;

/// Requests that take longer than so many times what they took before slow hints down. They may take 1.5 times as long; the window shows late what the last step
/// has done, and the rate is found by going a little too fast again and again.
pub const TOLERATED: f64 = 1.25;

/// One step up, as a share of the cap. A window of a few seconds hardly shows what the last step has done: quick steps overshoot.
const STEP_SHARE: f64 = 1.0 / 200.0;

/// The share of a higher measurement in the baseline.
const RISING_SHARE: f64 = 1.0 / 8.0;

/// The share of a lower one: a busy time before hints are handed over must not count for long.
const FALLING_SHARE: f64 = 1.0 / 2.0;

/// A batch holds what may be handed over in this time, in seconds: small steps at a low rate, large groups at a high one.
const BATCH_S: f64 = 0.05;

/// Where somebody is served, no more go together: the node that takes them is busy with them, and whoever comes meanwhile waits.
/// With 64 at once a quick read took four times as long, with eight twice.
const SERVED_BATCH_MAX: usize = 2;

/// The bounds of the rate, in hints per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateBounds {
    floor: f64,
    cap: f64,
}

impl RateBounds {
    /// Never slower than `floor` (at least one hint per second), never faster than `cap`; a cap below the floor counts as the floor.
    pub fn new(floor: u32, cap: u32) -> Self {
        let floor = f64::from(floor.max(1));
        Self { floor, cap: f64::from(cap).max(floor) }
    }
}

/// The controller.
#[derive(Clone, Debug)]
pub struct HandoffRate {
    bounds: RateBounds,
    /// Within the bounds.
    rate: f64,
    /// The p99 of reads and of writes without hints being handed over, in seconds; positive.
    baselines_s: Latencies,
    /// Whether there were requests lately.
    serving: bool,
    throttled: bool,
}

impl HandoffRate {
    /// Begins at the floor, and knows nothing of the requests.
    pub fn new(bounds: RateBounds) -> Self {
        Self { bounds, rate: bounds.floor, baselines_s: [None; 2], serving: false, throttled: false }
    }

    /// Takes the p99 of the requests since about the last tick, and whether hints are being handed over.
    pub fn observe(&mut self, p99s_s: Latencies, handing_over: bool) {
        let p99s_s = p99s_s.map(|p99_s| p99_s.filter(|seconds| seconds.is_finite() && *seconds > 0.0));
        let undisturbed = !handing_over || self.rate <= self.bounds.floor;
        for (baseline_s, p99_s) in self.baselines_s.iter_mut().zip(p99s_s) {
            *baseline_s = p99_s.map_or(*baseline_s, |measured| learned(*baseline_s, measured, undisturbed));
        }
        let mut both = p99s_s.into_iter().zip(self.baselines_s);
        let is_above = |(p99_s, baseline_s): (Option<f64>, Option<f64>)| {
            p99_s.zip(baseline_s).is_some_and(|(p99, base)| p99 > base * TOLERATED)
        };
        self.throttled = handing_over && both.any(is_above);
        self.serving = p99s_s.iter().any(Option::is_some);
        let next = if !handing_over {
            self.bounds.floor
        } else if self.throttled {
            self.rate / 2.0
        } else if self.serving {
            self.rate + self.bounds.cap * STEP_SHARE
        } else {
            self.rate * 2.0
        };
        self.rate = next.clamp(self.bounds.floor, self.bounds.cap);
    }

    /// Hints per second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether the last measurement was above what is tolerated.
    pub fn is_throttled(&self) -> bool {
        self.throttled
    }

    /// What reads and writes take without hints being handed over, as far as that is known, in seconds.
    pub fn baselines_s(&self) -> Latencies {
        self.baselines_s
    }

    /// How many hints go together, at most `max`.
    pub fn batch(&self, max: usize) -> usize {
        let max = if self.serving { max.min(SERVED_BATCH_MAX) } else { max };
        ((self.rate * BATCH_S) as usize).clamp(1, max.max(1))
    }
}

fn learned(known: Option<f64>, measured: f64, undisturbed: bool) -> Option<f64> {
    match known {
        None if undisturbed => Some(measured),
        Some(known) if measured < known => Some(known + (measured - known) * FALLING_SHARE),
        Some(known) if undisturbed => Some(known + (measured - known) * RISING_SHARE),
        known => known,
    }
}

/// Spreads what is allowed evenly over time, for all that share it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// From here on there is room, in seconds.
    free_at_s: f64,
}

impl Pace {
    /// Takes room for `count` hints at `rate` per second. How long to wait before they may go, in seconds. What was not used is not saved up.
    pub fn reserve(&mut self, count: usize, rate: f64, now_s: f64) -> f64 {
        let begin = self.free_at_s.max(now_s);
        self.free_at_s = begin + count as f64 / rate.max(1.0);
        begin - now_s
    }
}

#[cfg(test)]
#[path = "handoff_rate_tests.rs"]
mod tests;
