//! Reads that wait for news: how often they look, and how many may wait at once.
//!
//! Nobody tells a node of writes that went through another one, so whoever waits looks again and again: an ordinary quorum read, in which
//! equal copies travel as a number. The pauses double from 50 ms to one second: news of a lively key come at once, and a key that rests costs
//! a read per second and waiter.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::failure::KvError;
use crate::messages::Overloaded;
use crate::metrics::KvMetrics;

/// The pause behind the first look.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long to pause behind each look.
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn begin() -> Self {
        Self(PAUSE_FIRST)
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0;
        self.0 = (pause * 2).min(PAUSE_MAX);
        Some(pause)
    }
}

/// Who waits on one worker.
pub(super) struct Waiters {
    waiting: Cell<usize>,
    max: usize,
    pub(super) metrics: KvMetrics,
}

/// A place among those who wait, until it is dropped: when there is an answer, or the client has gone.
pub(super) struct Waiter(Rc<Waiters>);

impl Waiters {
    pub(super) fn new(max: usize, metrics: KvMetrics) -> Rc<Self> {
        Rc::new(Self { waiting: Cell::new(0), max, metrics })
    }

    /// One more, if there is room.
    ///
    /// # Errors
    ///
    /// [`KvError::Overloaded`].
    pub(super) fn enter(self: &Rc<Self>) -> Result<Waiter, KvError> {
        if self.waiting.get() >= self.max {
            let limit = "limits.long_polls".to_owned();
            return Err(KvError::Overloaded(Overloaded { limit, max: self.max as u64 }));
        }
        self.waiting.set(self.waiting.get() + 1);
        self.metrics.waiters.inc();
        Ok(Waiter(Rc::clone(self)))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get().saturating_sub(1));
        self.0.metrics.waiters.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::{Pauses, Waiters};
    use crate::metrics::Metrics;

    #[test]
    fn pauses_grow_to_a_second() {
        let pauses: Vec<u128> = Pauses::begin().take(7).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn only_so_many_wait_and_who_goes_makes_room() {
        let waiters = Waiters::new(2, Metrics::new().kv.clone());
        let (first, _second) = (waiters.enter().unwrap(), waiters.enter().unwrap());
        let refused = waiters.enter().map(|_| ()).unwrap_err();
        assert_eq!((refused.status(), refused.message().contains("limits.long_polls = 2")), (429, true));
        assert_eq!(waiters.metrics.waiters.get(), 2);
        drop(first);
        assert_eq!(waiters.metrics.waiters.get(), 1);
        assert!(waiters.enter().is_ok());
    }
}
