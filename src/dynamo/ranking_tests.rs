use proptest::prelude::*;

use super::{Ranked, Ranking};

/// Rates are eighths, so that their sums are exact in any order.
fn ranking() -> impl Strategy<Value = Ranking<u8>> {
    let entry = (0_u32..400, 0_u32..400);
    let keys = prop::collection::btree_map(0_u8..30, entry, 0..20);
    (keys, 0_u32..100, 0_u32..1_000).prop_map(|(keys, unlisted, total)| {
        let eighths = |number: u32| f64::from(number) / 8.0;
        let ranked = |(key, (least, more)): (u8, (u32, u32))| Ranked {
            key,
            at_least_per_s: eighths(least),
            at_most_per_s: eighths(least + more),
        };
        Ranking::new(keys.into_iter().map(ranked).collect(), eighths(unlisted), eighths(total))
    })
}

proptest! {
    #[test]
    fn merging_is_commutative_associative_and_knows_nothing(a in ranking(), b in ranking(), c in ranking()) {
        prop_assert_eq!(a.clone().merge(b.clone()), b.clone().merge(a.clone()));
        prop_assert_eq!(a.clone().merge(Ranking::default()), a.clone());
        prop_assert_eq!(a.clone().merge(b.clone()).merge(c.clone()), a.merge(b.merge(c)));
    }

    /// Whatever rates fit both sides: their sum fits what both know together.
    #[test]
    fn a_merge_holds_for_all_that_its_sides_allow(a in ranking(), b in ranking(), part in 0.0_f64..=1.0, kept in 0_usize..40) {
        let allowed = |ranking: &Ranking<u8>, key: u8| match ranking.keys().iter().find(|ranked| ranked.key == key) {
            Some(ranked) => ranked.at_least_per_s + part * (ranked.at_most_per_s - ranked.at_least_per_s),
            None => part * ranking.unlisted_per_s(),
        };
        let merged = a.clone().merge(b.clone()).first(kept);
        for key in 0..30 {
            let rate = allowed(&a, key) + allowed(&b, key);
            match merged.keys().iter().find(|ranked| ranked.key == key) {
                Some(ranked) => prop_assert!((ranked.at_least_per_s - 1e-9..=ranked.at_most_per_s + 1e-9).contains(&rate)),
                None => prop_assert!(rate <= merged.unlisted_per_s() + 1e-9, "{key}: {rate}"),
            }
        }
    }

    #[test]
    fn the_first_are_the_greatest(all in ranking(), count in 0_usize..30, rate in 0_u32..50) {
        let first = all.clone().first(count);
        prop_assert_eq!(first.keys(), &all.keys()[..count.min(all.keys().len())]);
        let certain = all.clone().from_rate(f64::from(rate));
        prop_assert!(certain.keys().iter().all(|ranked| ranked.at_least_per_s >= f64::from(rate)));
        let fitting = all.clone().within(count, |key| usize::from(*key));
        let size = |keys: &[Ranked<u8>]| keys.iter().map(|ranked| usize::from(ranked.key)).sum::<usize>();
        let fits = fitting.keys().len();
        prop_assert!(size(fitting.keys()) <= count);
        prop_assert!(fits == all.keys().len() || size(&all.keys()[..=fits]) > count);
        let others = all.keys().iter().filter(|ranked| !certain.keys().contains(ranked));
        for other in others {
            prop_assert!(other.at_least_per_s < f64::from(rate) && other.at_most_per_s <= certain.unlisted_per_s());
        }
    }
}
