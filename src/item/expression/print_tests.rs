//! Parsing what was printed gives the expression again, and so does reading what was sent.

use proptest::prelude::*;

use crate::item::expression::{Condition, ExpressionKind, KeyTerms, Projection, SortTest, Update, arbitrary};
use crate::item::{KeyAttribute, KeyValue, arbitrary as values};

/// Longer texts than an expression may have are not what is tested here.
const FITS: usize = 4096;

proptest! {
    #[test]
    fn a_condition_is_what_it_was(condition in arbitrary::condition()) {
        let printed = condition.print();
        prop_assume!(printed.text.len() <= FITS);
        let mut placeholders = printed.placeholders();
        let parsed = Condition::parse(ExpressionKind::Condition, &printed.text, &mut placeholders);
        prop_assert_eq!(parsed.as_ref(), Ok(&condition), "{}", printed.text);
        prop_assert_eq!(placeholders.check_all_used(), Ok(()));
    }

    #[test]
    fn a_projection_is_what_it_was(projection in arbitrary::projection()) {
        let printed = projection.print();
        prop_assume!(printed.text.len() <= FITS);
        let mut placeholders = printed.placeholders();
        let parsed = Projection::parse(&printed.text, &mut placeholders);
        prop_assert_eq!(parsed.as_ref(), Ok(&projection), "{}", printed.text);
        prop_assert_eq!(placeholders.check_all_used(), Ok(()));
    }

    #[test]
    fn an_update_is_what_it_was(update in arbitrary::update()) {
        let printed = update.print();
        prop_assume!(printed.text.len() <= FITS);
        let mut placeholders = printed.placeholders();
        let parsed = Update::parse(&printed.text, &mut placeholders);
        prop_assert_eq!(parsed.as_ref(), Ok(&update), "{}", printed.text);
        prop_assert_eq!(placeholders.check_all_used(), Ok(()));
    }

    #[test]
    fn a_key_condition_is_what_it_was(key in values::key(), other in values::key_value(), form in 0..8) {
        let partition = KeyAttribute { name: "my id".to_owned(), kind: key.partition.kind() };
        let sort = key.sort.map(|value| (KeyAttribute { name: "at".to_owned(), kind: value.kind() }, value));
        let test = sort.as_ref().map(|(sort, value)| (sort.name.clone(), sort_test(form, value.clone(), other)));
        let condition = crate::item::expression::KeyCondition {
            partition_name: partition.name.clone(), partition: key.partition, sort: test,
        };
        let printed = condition.print();
        let terms = KeyTerms::parse(&printed.text, &mut printed.placeholders()).unwrap();
        let parsed = terms.for_keys(&partition, sort.as_ref().map(|(sort, _)| sort));
        prop_assert_eq!(parsed, Ok(condition), "{}", printed.text);
    }

    #[test]
    fn what_is_sent_is_what_was_meant(
        condition in arbitrary::condition(), projection in arbitrary::projection(), update in arbitrary::update(),
    ) {
        let sent = (condition, projection, update);
        let packed = rmp_serde::to_vec(&sent).unwrap();
        prop_assert_eq!(rmp_serde::from_slice::<(Condition, Projection, Update)>(&packed).unwrap(), sent);
    }

    #[test]
    fn what_arrives_damaged_is_refused_or_harmless(
        condition in arbitrary::condition(), update in arbitrary::update(), item in arbitrary::item(),
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut packed = rmp_serde::to_vec(&(condition, update)).unwrap();
        let at = at.index(packed.len());
        packed[at] = byte;
        if let Ok((condition, update)) = rmp_serde::from_slice::<(Condition, Update)>(&packed) {
            let _ = condition.holds(&item);
            // Places may overlap now, which is an error and no more.
            let _ = update.apply(Some(&item), &item);
        }
    }
}

fn sort_test(form: i32, value: KeyValue, other: KeyValue) -> SortTest<KeyValue> {
    match form {
        0 => SortTest::Equal(value),
        1 => SortTest::Less(value),
        2 => SortTest::LessOrEqual(value),
        3 => SortTest::Greater(value),
        4 => SortTest::GreaterOrEqual(value),
        5 if !matches!(value, KeyValue::N(_)) => SortTest::BeginsWith(value),
        _ if other.kind() == value.kind() => SortTest::Between(value.clone().min(other.clone()), value.max(other)),
        _ => SortTest::Between(value.clone(), value),
    }
}

#[test]
fn names_are_plain_where_they_can_be() {
    let text = "#a.#b[3] = :x AND NOT (size(#c) < :y OR attribute_exists(plain.plain2))";
    let names = [("#a", "Name"), ("#b", "x.y"), ("#c", "remove")].map(|(key, name)| (key.to_owned(), name.to_owned()));
    let value = |number: i64| crate::item::AttributeValue::N(number.into());
    let values = [(":x", 1), (":y", 2)].map(|(key, number)| (key.to_owned(), value(number)));
    let mut placeholders = crate::item::expression::Placeholders::new(Some(names.into()), Some(values.into())).unwrap();
    let condition = Condition::parse(ExpressionKind::Filter, text, &mut placeholders).unwrap();
    let printed = condition.to_string();
    assert_eq!(printed, "#n0.#n1[3] = :v0 AND NOT (size(#n2) < :v1 OR attribute_exists(plain.plain2))");
}
