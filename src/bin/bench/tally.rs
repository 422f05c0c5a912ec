//! What the answers add up to.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Longer latencies count as this one, in nanoseconds.
const LATENCY_MAX_NS: u64 = 600_000_000_000;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A get.
    Get,
    /// A put.
    Put,
    /// A frame to be sent back.
    Echo,
}

impl Kind {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Echo => "echo",
        }
    }
}

/// One kind of request.
#[derive(Clone, Debug)]
pub struct Row {
    /// Latencies of those that succeeded, in nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// Successful gets that found nothing.
    pub not_found: u64,
    /// The others, by what went wrong.
    pub errors: BTreeMap<String, u64>,
}

/// All requests of a measurement.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rows: BTreeMap<Kind, Row>,
}

impl Default for Row {
    fn default() -> Self {
        // Bounds and digits are constants that hdrhistogram accepts; without bounds it would grow by itself.
        let latency_ns = Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).or_else(|_| Histogram::new(3));
        let latency_ns = latency_ns.unwrap_or_else(|_| unreachable!("3 digits are allowed"));
        Self { latency_ns, not_found: 0, errors: BTreeMap::new() }
    }
}

impl Row {
    /// Those that failed.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Adds those of another thread.
    pub fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so this cannot fail.
        let _ = self.latency_ns.add(&other.latency_ns);
        self.not_found += other.not_found;
        for (error, count) in &other.errors {
            *self.errors.entry(error.clone()).or_default() += count;
        }
    }
}

impl Tally {
    /// `count` requests succeeded after `latency`.
    pub fn record(&mut self, kind: Kind, latency: Duration, count: u64) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).clamp(1, LATENCY_MAX_NS);
        let _ = self.row(kind).latency_ns.record_n(ns, count);
    }

    /// One that succeeded found nothing.
    pub fn record_not_found(&mut self, kind: Kind) {
        self.row(kind).not_found += 1;
    }

    /// `count` requests failed.
    pub fn record_error(&mut self, kind: Kind, error: String, count: u64) {
        *self.row(kind).errors.entry(error).or_default() += count;
    }

    /// Adds those of another thread.
    pub fn merge(&mut self, other: &Self) {
        for (kind, row) in &other.rows {
            self.row(*kind).merge(row);
        }
    }

    /// Kind by kind.
    pub fn rows(&self) -> impl Iterator<Item = (Kind, &Row)> {
        self.rows.iter().map(|(kind, row)| (*kind, row))
    }

    /// All that failed.
    pub fn failed(&self) -> u64 {
        self.rows.values().map(Row::failed).sum()
    }

    /// One way in which some failed.
    pub fn first_error(&self) -> Option<&str> {
        self.rows.values().find_map(|row| row.errors.keys().next()).map(String::as_str)
    }

    fn row(&mut self, kind: Kind) -> &mut Row {
        self.rows.entry(kind).or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Kind, Tally};

    #[test]
    fn tallies_of_threads_add_up() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        one.record(Kind::Get, Duration::from_micros(10), 1);
        one.record_error(Kind::Get, "TimedOut".to_owned(), 1);
        other.record(Kind::Get, Duration::from_micros(30), 2);
        other.record_error(Kind::Get, "TimedOut".to_owned(), 2);
        other.record_error(Kind::Put, "Overloaded".to_owned(), 1);
        other.record_not_found(Kind::Get);
        one.merge(&other);
        let rows: Vec<_> = one.rows().collect();
        let (kind, gets) = rows[0];
        assert_eq!((kind, gets.latency_ns.len(), gets.not_found, gets.errors["TimedOut"]), (Kind::Get, 3, 1, 3));
        assert!((29_900..30_100).contains(&gets.latency_ns.max()), "{}", gets.latency_ns.max());
        assert_eq!((rows[1].0, one.failed()), (Kind::Put, 4));
    }

    #[test]
    fn latencies_out_of_bounds_count_at_the_bound() {
        let mut tally = Tally::default();
        tally.record(Kind::Put, Duration::ZERO, 1);
        tally.record(Kind::Put, Duration::from_hours(24), 1);
        assert_eq!(tally.rows().map(|(_, row)| row.latency_ns.len()).sum::<u64>(), 2);
    }
}
