//! How good a link is, from the pings that are sent over it: how long an answer takes, and how many come late or never.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A ping that is not answered within this time counts as lost, whether an answer comes later or not.
pub const LOST_AFTER: Duration = Duration::from_secs(1);

/// Loss is counted over this many pings.
const WINDOW: usize = 20;

/// How much the last answer counts in the mean round trip.
const WEIGHT: f64 = 0.125;

/// What is known of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkQuality {
    /// The mean round trip of late; none before the first answer.
    pub round_trip: Option<Duration>,
    /// The share of the last pings that were lost, in percent.
    pub loss_percent: u8,
}

/// Measures one connection.
#[derive(Clone, Debug, Default)]
pub struct LinkMeter {
    last: u64,
    /// Pings that wait for their answer, by number, and when they were sent.
    waiting: BTreeMap<u64, Duration>,
    /// Whether each of the last pings was lost.
    lost: VecDeque<bool>,
    round_trip: Option<Duration>,
}

impl LinkMeter {
    /// A ping is sent now: its number.
    pub fn sent(&mut self, now: Duration) -> u64 {
        while let Some(oldest) = self.waiting.first_entry()
            && now.saturating_sub(*oldest.get()) >= LOST_AFTER
        {
            oldest.remove();
            self.count(true);
        }
        self.last += 1;
        self.waiting.insert(self.last, now);
        self.last
    }

    /// The ping of this number is answered now.
    pub fn answered(&mut self, number: u64, now: Duration) {
        let Some(sent) = self.waiting.remove(&number) else { return };
        let took = now.saturating_sub(sent);
        self.count(took >= LOST_AFTER);
        let mean = self.round_trip.map_or(took, |mean| mean.mul_f64(1.0 - WEIGHT) + took.mul_f64(WEIGHT));
        self.round_trip = Some(mean);
    }

    /// What is known so far.
    pub fn quality(&self) -> LinkQuality {
        let lost = self.lost.iter().filter(|lost| **lost).count();
        let percent = (100 * lost).checked_div(self.lost.len()).unwrap_or(0);
        LinkQuality { round_trip: self.round_trip, loss_percent: u8::try_from(percent).unwrap_or(100) }
    }

    fn count(&mut self, lost: bool) {
        self.lost.push_back(lost);
        if self.lost.len() > WINDOW {
            self.lost.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Duration, LOST_AFTER, LinkMeter, WINDOW};

    const INTERVAL: Duration = Duration::from_millis(500);

    proptest! {
        #[test]
        fn loss_is_the_share_of_the_last_pings_and_the_mean_lies_between_the_extremes(
            answers in prop::collection::vec(prop::option::of(1..3_000_u64), 1..100),
        ) {
            let (mut meter, mut queue, mut now) = (LinkMeter::default(), Vec::new(), Duration::ZERO);
            for answer in &answers {
                queue.retain(|(due, number): &(Duration, u64)| {
                    if *due <= now { meter.answered(*number, *due); }
                    *due > now
                });
                let number = meter.sent(now);
                queue.extend(answer.map(|ms| (now + Duration::from_millis(ms), number)));
                now += INTERVAL;
            }
            queue.iter().for_each(|(due, number)| meter.answered(*number, *due));
            meter.sent(now + LOST_AFTER * 4);
            let quality = meter.quality();
            let is_lost = |answer: &Option<u64>| answer.is_none_or(|ms| ms >= 1_000);
            let (lost, all) = (answers.iter().filter(|answer| is_lost(answer)).count(), answers.len());
            if all <= WINDOW {
                prop_assert_eq!(usize::from(quality.loss_percent), 100 * lost / all);
            }
            if answers.iter().rev().take(WINDOW).all(is_lost) {
                prop_assert_eq!(quality.loss_percent, 100);
            }
            let heard: Vec<u64> = answers.iter().flatten().copied().collect();
            if let Some(mean) = quality.round_trip {
                let most = heard.iter().max().copied().unwrap_or_default();
                prop_assert!(mean <= Duration::from_millis(most) + Duration::from_micros(1));
                prop_assert!(mean + Duration::from_micros(1) >= Duration::from_millis(heard.iter().min().copied().unwrap_or_default()));
            }
        }
    }

    #[test]
    fn twice_and_unknown_answers_count_for_nothing() {
        let mut meter = LinkMeter::default();
        let number = meter.sent(Duration::ZERO);
        meter.answered(number, Duration::from_millis(4));
        let quality = meter.quality();
        meter.answered(number, Duration::from_millis(900));
        meter.answered(77, Duration::from_millis(900));
        assert_eq!((meter.quality(), quality.round_trip), (quality, Some(Duration::from_millis(4))));
    }
}
