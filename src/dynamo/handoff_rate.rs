//! How fast hints may be handed over: as fast as those who are being served do not notice.
//!
//! ```text
//!   p99 of requests      nobody is served        <= 1.5 x baseline       above
//!   rate                 doubles                 + cap / 50              halves          always within floor..=cap
//!
//!   baseline             learned while nothing is handed over, or at the floor, where handing over does not count;
//!                        while more is handed over it only falls: what is measured then is the baseline or more
//! ```
//!
//! Additive increase, multiplicative decrease (Chiu and Jain, 1989), observed once per tick. The floor guarantees that hints drain even where
//! requests are slow for another reason; there the baseline follows, so that the rate comes back.

/// Requests may take so many times as long as before while hints are handed over.
pub const TOLERATED: f64 = 1.5;

/// One step up, as a share of the cap.
const STEP_SHARE: f64 = 1.0 / 50.0;

/// The share of a higher measurement in the baseline.
const RISING_SHARE: f64 = 1.0 / 8.0;

/// The share of a lower one: a busy time before hints are handed over must not count for long.
const FALLING_SHARE: f64 = 1.0 / 2.0;

/// A batch holds what may be handed over in this time, in seconds: small steps at a low rate, large groups at a high one.
const BATCH_S: f64 = 0.05;

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
    /// The p99 of requests without hints being handed over, in seconds; positive.
    baseline_s: Option<f64>,
    throttled: bool,
}

impl HandoffRate {
    /// Begins at the floor, and knows nothing of the requests.
    pub fn new(bounds: RateBounds) -> Self {
        Self { bounds, rate: bounds.floor, baseline_s: None, throttled: false }
    }

    /// Takes the p99 of the requests since about the last tick, in seconds, `None` where there were hardly any, and whether hints are being handed over.
    pub fn observe(&mut self, p99_s: Option<f64>, handing_over: bool) {
        let p99_s = p99_s.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
        if let Some(measured) = p99_s {
            self.learn(measured, !handing_over || self.rate <= self.bounds.floor);
        }
        self.throttled = handing_over && p99_s.zip(self.baseline_s).is_some_and(|(p99, base)| p99 > base * TOLERATED);
        let next = match p99_s {
            _ if !handing_over => self.bounds.floor,
            _ if self.throttled => self.rate / 2.0,
            None => self.rate * 2.0,
            Some(_) => self.rate + self.bounds.cap * STEP_SHARE,
        };
        self.rate = next.clamp(self.bounds.floor, self.bounds.cap);
    }

    fn learn(&mut self, measured: f64, undisturbed: bool) {
        self.baseline_s = match self.baseline_s {
            None if undisturbed => Some(measured),
            Some(known) if measured < known => Some(known + (measured - known) * FALLING_SHARE),
            Some(known) if undisturbed => Some(known + (measured - known) * RISING_SHARE),
            known => known,
        };
    }

    /// Hints per second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether the last measurement was above what is tolerated.
    pub fn is_throttled(&self) -> bool {
        self.throttled
    }

    /// What requests take without hints being handed over, as far as that is known, in seconds.
    pub fn baseline_s(&self) -> Option<f64> {
        self.baseline_s
    }

    /// How many hints go together, at most `max`.
    pub fn batch(&self, max: usize) -> usize {
        ((self.rate * BATCH_S) as usize).clamp(1, max.max(1))
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
