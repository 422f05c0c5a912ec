//! How much CPU time processes take, as the system counts it in `/proc/PID/stat`.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a process takes between two instants.
pub struct Watched(JoinHandle<Option<Duration>>);

impl Watched {
    /// Watches a process, all of its threads together.
    pub fn start(pid: u32, from: Instant, until: Instant) -> Self {
        Self(thread::spawn(move || {
            thread::sleep(from.saturating_duration_since(Instant::now()));
            let before = taken(pid)?;
            thread::sleep(until.saturating_duration_since(Instant::now()));
            taken(pid)?.checked_sub(before)
        }))
    }

    /// `None` where there is no such process.
    pub fn finish(self) -> Option<Duration> {
        self.0.join().ok().flatten()
    }
}

fn taken(pid: u32) -> Option<Duration> {
    of_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `1 (name) S ...`: the fields 14 and 15 are what it took for itself and in the kernel, in hundredths of a second.
fn of_stat(stat: &str) -> Option<Duration> {
    // The name may have blanks and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Watched, of_stat};

    #[test]
    fn both_kinds_of_time_count() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 10 0 0 0 31 4 0 0 20 0 3 0 100 1000 50";
        assert_eq!(of_stat(stat), Some(Duration::from_millis(350)));
        assert_eq!(of_stat("7 (a"), None);
    }

    #[test]
    fn a_process_that_works_is_seen_to() {
        let (from, until) = (Instant::now(), Instant::now() + Duration::from_millis(200));
        let watched = Watched::start(std::process::id(), from, until);
        while Instant::now() < until {}
        assert!(watched.finish().is_some_and(|taken| !taken.is_zero()));
        assert_eq!(Watched::start(u32::MAX, from, from).finish(), None);
    }
}
