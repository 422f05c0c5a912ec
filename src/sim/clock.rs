//! A node's wall clock: virtual time, set wrong, running wrong, or standing still.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

use crate::actors::node::WallClock;

/// What every true clock shows when a run begins, in ms since the Unix epoch.
const BEGINNING_MS: i64 = 1_700_000_000_000;

/// A clock that runs.
const RUNS: i64 = -1;

/// The clock of one node. Clones are the same one.
#[derive(Clone)]
pub struct NodeClock {
    began: Instant,
    /// How far it is ahead, in ms.
    ahead_ms: Arc<AtomicI64>,
    /// What it has shown since it stopped, in ms, or [`RUNS`].
    stands_at_ms: Arc<AtomicI64>,
    /// How much too fast it runs, in millionths.
    drift_ppm: i64,
}

impl NodeClock {
    /// A clock that is `ahead_ms` ahead now and runs `drift_ppm` too fast.
    #[must_use]
    pub fn new(ahead_ms: i64, drift_ppm: i64) -> Self {
        Self {
            began: Instant::now(),
            ahead_ms: Arc::new(AtomicI64::new(ahead_ms)),
            stands_at_ms: Arc::new(AtomicI64::new(RUNS)),
            drift_ppm,
        }
    }

    /// Lets it jump, forwards or backwards, so that it is `ahead_ms` ahead.
    pub fn jump(&self, ahead_ms: i64) {
        self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }

    /// Lets it stand still, or go on from the time that it would show by now.
    pub fn stop(&self, stopped: bool) {
        let at = if stopped { self.running_ms() } else { RUNS };
        self.stands_at_ms.store(at, Ordering::Relaxed);
    }

    fn running_ms(&self) -> i64 {
        let elapsed_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let drifted_ms = elapsed_ms * self.drift_ppm / 1_000_000;
        BEGINNING_MS + elapsed_ms + drifted_ms + self.ahead_ms.load(Ordering::Relaxed)
    }

    /// What it shows.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        let shown_ms = match self.stands_at_ms.load(Ordering::Relaxed) {
            RUNS => self.running_ms(),
            at => at,
        };
        u64::try_from(shown_ms).unwrap_or_default()
    }

    /// As an actor reads it.
    #[must_use]
    pub fn wall(&self) -> WallClock {
        let clock = self.clone();
        Arc::new(move || clock.now_ms())
    }
}
