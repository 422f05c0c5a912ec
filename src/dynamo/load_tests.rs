use proptest::prelude::*;

use super::{BAND, Decay, LoadCount, LoadMeter, LoadRates, balance};
use crate::dynamo::ring::PartitionId;

fn decay() -> Decay {
    Decay::with_half_life_ms(10_000)
}

fn is_near(told: f64, rate: f64) -> bool {
    (told - rate).abs() <= 1e-6 * rate.max(1.0)
}

/// The pause before each look, in ms, and what has been counted of some partitions since the one before.
type Looks = Vec<(u64, Vec<(u32, u64, u64)>)>;

fn looks() -> impl Strategy<Value = Looks> {
    let counted = prop::collection::vec((0..8_u32, 0..500_u64, 0..500_u64), 0..6);
    prop::collection::vec((0..5_000_u64, counted), 1..40)
}

proptest! {
    /// However long the pauses between two looks are.
    #[test]
    fn a_steady_load_is_told_as_it_is(pauses in prop::collection::vec(1_u64..8_000, 1..60), reads in 1_u64..50, bytes in 0_u64..2_000) {
        let mut meter = LoadMeter::new(decay(), 77);
        let mut now_ms = 77;
        let at = PartitionId(3);
        for pause_ms in pauses {
            now_ms += pause_ms;
            meter.record([(at, LoadCount { reads: reads * pause_ms, writes: pause_ms, bytes: bytes * pause_ms })], now_ms);
        }
        prop_assume!(now_ms > 1_077);
        let LoadRates { reads_per_s, writes_per_s, bytes_per_s } = meter.partitions()[0].1;
        prop_assert!(is_near(reads_per_s, reads as f64 * 1e3), "{reads_per_s} for {reads} per ms");
        prop_assert!(is_near(writes_per_s, 1e3) && is_near(bytes_per_s, bytes as f64 * 1e3));
        prop_assert!(is_near(meter.total().requests_per_s(), (reads + 1) as f64 * 1e3));
    }

    #[test]
    fn partitions_add_up_and_the_most_loaded_comes_first(looks in looks()) {
        let mut meter = LoadMeter::new(decay(), 0);
        let mut now_ms = 0;
        for (pause_ms, counted) in looks {
            now_ms += pause_ms;
            let counts = counted.iter().map(|(at, reads, writes)| {
                (PartitionId(*at), LoadCount { reads: *reads, writes: *writes, bytes: reads * 10 })
            });
            meter.record(counts, now_ms);
        }
        let partitions = meter.partitions();
        let mut sum = LoadRates::default();
        partitions.iter().for_each(|(_, rates)| sum += *rates);
        // Eight partitions may have been forgotten, each with less than a request in a thousand seconds.
        prop_assert!((meter.total().requests_per_s() - sum.requests_per_s()).abs() < 0.01 + 1e-6 * sum.requests_per_s());
        let requests: Vec<f64> = partitions.iter().map(|(_, rates)| rates.requests_per_s()).collect();
        prop_assert!(requests.is_sorted_by(|a, b| a >= b), "{requests:?}");
    }

    #[test]
    fn what_nobody_asks_for_fades_and_is_forgotten(reads in 1_u64..1_000_000, half_lives in 1_u64..60) {
        let mut meter = LoadMeter::new(decay(), 0);
        meter.record([(PartitionId(1), LoadCount { reads, writes: 0, bytes: 0 })], 100_000);
        let before = meter.total().reads_per_s;
        meter.record([], 100_000 + half_lives * 10_000);
        let (after, expected) = (meter.total().reads_per_s, before * 0.5_f64.powf(half_lives as f64));
        // The factor for a rate differs by a thousandth between the two ages.
        prop_assert!((after - expected).abs() <= 2e-3 * expected, "{after} for {expected}");
        prop_assert_eq!(meter.partitions().is_empty(), after < 1e-3);
    }

    #[test]
    fn shares_add_up_and_follow_loads(members in prop::collection::vec((1_u32..5, 0.0_f64..1e6), 1..10)) {
        let compared = balance(&members);
        prop_assert!((compared.iter().map(|one| one.share).sum::<f64>() - 1.0).abs() < 1e-9);
        let weights: f64 = members.iter().map(|(weight, _)| f64::from(*weight)).sum();
        let mean: f64 = compared.iter().zip(&members).map(|(one, (weight, _))| one.of_mean * f64::from(*weight)).sum();
        prop_assert!((mean / weights - 1.0).abs() < 1e-9, "the mean of all parts of the mean is 1, not {mean}");
        for one in &compared {
            prop_assert_eq!(one.is_inside_band(), (1.0 - BAND..=1.0 + BAND).contains(&one.of_mean));
        }
    }

    /// Who bears what his weight says is at the mean, whatever all bear.
    #[test]
    fn a_load_by_weight_is_balanced(weights in prop::collection::vec(1_u32..9, 1..10), load in 0.0_f64..1e4) {
        let members: Vec<(u32, f64)> = weights.iter().map(|weight| (*weight, f64::from(*weight) * load)).collect();
        for one in balance(&members) {
            prop_assert!((one.of_mean - 1.0).abs() < 1e-9 && one.is_inside_band());
        }
    }
}

#[test]
fn the_band_of_the_paper() {
    let inside = |loads: [f64; 3]| {
        balance(&loads.map(|load| (1, load))).iter().map(|one| one.is_inside_band()).collect::<Vec<_>>()
    };
    assert_eq!(inside([100.0, 114.0, 86.0]), [true, true, true]);
    assert_eq!(inside([100.0, 116.0, 84.0]), [true, false, false]);
    assert_eq!(inside([0.0, 0.0, 0.0]), [true, true, true]);
    let twice = balance(&[(2, 100.0), (1, 100.0)]);
    assert!(twice.iter().all(|one| !one.is_inside_band()), "{twice:?}");
    assert_eq!(twice.iter().map(|one| one.share).collect::<Vec<_>>(), [0.5, 0.5]);
}
