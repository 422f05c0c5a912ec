//! When the next request may go.
//!
//! ```text
//!   closed   as soon as one of K is answered          latency counts from the write
//!   open     at start + n / rate, answered or not     latency counts from that instant, even when the write is late
//! ```
//!
//! A closed loop asks less of a slow store and so hides how long others would have waited (coordinated omission); an open
//! loop does not. Use the closed one for throughput at a given concurrency and the open one for latency at a given rate.

use std::time::{Duration, Instant};

/// The rule that a worker sends by.
#[derive(Clone, Copy, Debug)]
pub enum Pacer {
    /// As soon as there is room.
    Closed,
    /// At a fixed rate.
    Open(Schedule),
}

/// Instants at a fixed distance.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    start: Instant,
    rate_per_s: f64,
    taken: u64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Send; latency counts from here.
    Send(Instant),
    /// Nothing is due before then.
    Wait(Instant),
}

impl Schedule {
    /// The first instant is `start`, the others follow at 1 / `rate_per_s`. The rate is positive.
    pub fn new(start: Instant, rate_per_s: f64) -> Self {
        Self { start, rate_per_s, taken: 0 }
    }

    /// The next instant that has not been taken. Computed from the start, so that no error adds up.
    pub fn next_due(&self) -> Instant {
        let after_s = self.taken as f64 / self.rate_per_s;
        self.start + Duration::try_from_secs_f64(after_s).unwrap_or(Duration::MAX / 4)
    }
}

impl Pacer {
    /// Asked when there is room for a request. `Send` takes the instant.
    pub fn turn(&mut self, now: Instant) -> Turn {
        match self {
            Self::Closed => Turn::Send(now),
            Self::Open(schedule) => {
                let due = schedule.next_due();
                if due > now {
                    return Turn::Wait(due);
                }
                schedule.taken += 1;
                Turn::Send(due)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Pacer, Schedule, Turn};

    fn sends(pacer: &mut Pacer, now: Instant) -> Vec<Instant> {
        std::iter::from_fn(|| match pacer.turn(now) {
            Turn::Send(intended) => Some(intended),
            Turn::Wait(_) => None,
        })
        .collect()
    }

    #[test]
    fn an_open_loop_makes_up_for_a_stall_and_counts_it() {
        let start = Instant::now();
        let mut pacer = Pacer::Open(Schedule::new(start, 100.0));
        assert_eq!(sends(&mut pacer, start), [start]);
        // Half a second of silence: 50 are due, each at its own instant and not at the end of the silence.
        let late = start + Duration::from_millis(500);
        let caught_up = sends(&mut pacer, late);
        assert_eq!(caught_up.len(), 50);
        assert_eq!(caught_up[0], start + Duration::from_millis(10));
        assert_eq!(caught_up[49], late);
    }

    #[test]
    fn an_open_loop_says_when_the_next_one_is_due() {
        let start = Instant::now();
        let mut pacer = Pacer::Open(Schedule::new(start, 1000.0));
        assert_eq!(pacer.turn(start), Turn::Send(start));
        assert_eq!(pacer.turn(start), Turn::Wait(start + Duration::from_millis(1)));
    }

    #[test]
    fn the_rate_holds_over_a_long_time() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 3.0);
        schedule.taken = 3 * 86_400;
        assert_eq!(schedule.next_due(), start + Duration::from_hours(24));
    }

    #[test]
    fn a_closed_loop_never_waits() {
        let now = Instant::now();
        assert_eq!(Pacer::Closed.turn(now), Turn::Send(now));
    }
}
