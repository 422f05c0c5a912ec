//! Laws of the controller: bounded, quick to yield, certain to come back, and certain to make progress.

use proptest::prelude::*;

use super::{HandoffRate, Pace, RateBounds, TOLERATED};

/// Any measurement, also those that nobody should make.
fn measurement() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        3 => (0.000_1_f64..10.0).prop_map(Some),
        1 => Just(None),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(0.0), Just(-1.0)].prop_map(Some),
    ]
}

fn bounds() -> impl Strategy<Value = (u32, u32)> {
    (1_u32..1_000, 1_000_u32..100_000)
}

/// How many halvings lead from the cap to the floor.
fn halvings(floor: u32, cap: u32) -> usize {
    std::iter::successors(Some(f64::from(cap)), |rate| Some(rate / 2.0))
        .take_while(|rate| *rate > f64::from(floor))
        .count()
}

/// A controller that has seen requests of this p99 before hints are handed over.
fn knowing(floor: u32, cap: u32, base_s: f64) -> HandoffRate {
    let mut rate = HandoffRate::new(RateBounds::new(floor, cap));
    (0..10).for_each(|_| rate.observe([Some(base_s), None], false));
    rate
}

/// Of reads.
fn baseline_s(rate: &HandoffRate) -> f64 {
    rate.baselines_s()[0].expect("learned")
}

proptest! {
    #[test]
    fn quick_reads_are_not_hidden_by_slow_writes(
        (floor, cap) in bounds(), read in 0.000_1_f64..0.001, write in 0.01_f64..1.0, times in 1.26_f64..9.0, which in 0..2_usize,
    ) {
        let mut rate = HandoffRate::new(RateBounds::new(floor, cap));
        let usual = [Some(read), Some(write)];
        (0..10).for_each(|_| rate.observe(usual, false));
        (0..201).for_each(|_| rate.observe(usual, true));
        prop_assert!(!rate.is_throttled());
        let mut disturbed = usual;
        disturbed[which] = usual[which].map(|usual| usual * times);
        rate.observe(disturbed, true);
        prop_assert!(rate.is_throttled());
    }

    #[test]
    fn whoever_is_served_waits_for_few_hints_at_a_time((floor, cap) in bounds(), p99 in 0.001_f64..1.0) {
        let mut rate = HandoffRate::new(RateBounds::new(floor, cap.max(10_000)));
        (0..60).for_each(|_| rate.observe([None, None], true));
        prop_assert_eq!(rate.batch(64), 64);
        rate.observe([None, Some(p99)], true);
        prop_assert!(rate.batch(64) <= 2);
    }

    #[test]
    fn the_rate_keeps_its_bounds_whatever_is_measured(
        (floor, cap) in (any::<u32>(), any::<u32>()),
        seen in prop::collection::vec(([measurement(), measurement()], any::<bool>()), 0..200),
    ) {
        let mut rate = HandoffRate::new(RateBounds::new(floor, cap));
        let least = f64::from(floor.max(1));
        for (p99s, handing_over) in seen {
            rate.observe(p99s, handing_over);
            prop_assert!(rate.rate() >= least && rate.rate() <= f64::from(cap).max(least), "{}", rate.rate());
            prop_assert!(rate.baselines_s().iter().flatten().all(|base| base.is_finite() && *base > 0.0));
            prop_assert!((1..=64).contains(&rate.batch(64)));
        }
    }

    #[test]
    fn calm_requests_let_it_rise_to_the_cap((floor, cap) in bounds(), base in 0.001_f64..1.0, above in 0.5_f64..1.4) {
        let mut rate = knowing(floor, cap, base);
        (0..201).for_each(|_| rate.observe([Some(base * above.min(1.0)), None], true));
        prop_assert!(rate.rate() >= f64::from(cap) * 0.999);
        prop_assert!(!rate.is_throttled());
    }

    #[test]
    fn nobody_served_lets_it_rise_at_once((floor, cap) in bounds()) {
        let mut rate = HandoffRate::new(RateBounds::new(floor, cap));
        let ticks = halvings(floor, cap);
        (0..ticks).for_each(|_| rate.observe([None, None], true));
        prop_assert!(rate.rate() >= f64::from(cap) * 0.999);
    }

    #[test]
    fn it_yields_at_the_first_measurement_above_and_is_soon_at_the_floor((floor, cap) in bounds(), base in 0.001_f64..1.0, times in 1.26_f64..20.0) {
        let mut rate = knowing(floor, cap, base);
        (0..201).for_each(|_| rate.observe([Some(base), None], true));
        let before = rate.rate();
        rate.observe([Some(base * times), None], true);
        prop_assert!(rate.is_throttled());
        prop_assert!(rate.rate() <= (before / 2.0).max(f64::from(floor)));
        // Not longer than it takes: at the floor it learns that requests are slow for another reason.
        (1..halvings(floor, cap)).for_each(|_| rate.observe([Some(base * times), None], true));
        prop_assert_eq!(rate.rate(), f64::from(floor));
    }

    #[test]
    fn the_baseline_never_rises_from_what_is_measured_while_handing_over_above_the_floor(
        (floor, cap) in bounds(), base in 0.001_f64..1.0, seen in prop::collection::vec(0.000_1_f64..10.0, 1..50),
    ) {
        let mut rate = knowing(floor, cap, base);
        rate.observe([Some(base), None], true);
        for p99 in seen {
            let (known, at_floor) = (baseline_s(&rate), rate.rate() <= f64::from(floor));
            rate.observe([Some(p99), None], true);
            prop_assert!(at_floor || baseline_s(&rate) <= known);
        }
    }

    #[test]
    fn requests_that_are_slow_for_another_reason_do_not_hold_it_down_for_ever((floor, cap) in bounds(), base in 0.001_f64..1.0, times in 2.0_f64..20.0) {
        let mut rate = knowing(floor, cap, base);
        (0..200).for_each(|_| rate.observe([Some(base * times), None], true));
        prop_assert!(baseline_s(&rate) * TOLERATED >= base * times);
        (0..260).for_each(|_| rate.observe([Some(base * times), None], true));
        prop_assert!(rate.rate() >= f64::from(cap) * 0.999);
    }

    #[test]
    fn a_busy_time_before_does_not_count_for_long((floor, cap) in bounds(), base in 0.001_f64..1.0, times in 2.0_f64..20.0) {
        let mut rate = knowing(floor, cap, base * times);
        (0..8).for_each(|_| rate.observe([Some(base), None], false));
        prop_assert!(baseline_s(&rate) <= base * 1.1);
    }

    #[test]
    fn what_goes_keeps_to_the_rate(rate in 1.0_f64..10_000.0, counts in prop::collection::vec(1_usize..64, 1..50), late_s in prop::collection::vec(0.0_f64..0.1, 50)) {
        let (mut pace, mut now_s, mut sent) = (Pace::default(), 5.0, 0);
        let begin_s = now_s;
        for (count, late_s) in counts.into_iter().zip(late_s) {
            now_s += pace.reserve(count, rate, now_s);
            prop_assert!(sent as f64 <= (now_s - begin_s) * rate + 1e-6, "{sent} after {} s", now_s - begin_s);
            now_s += late_s;
            sent += count;
        }
    }
}
