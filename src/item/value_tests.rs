//! The limits of items, each at its last good value and one past it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{AttributeValue, Item, ItemError, MAX_DEPTH, MAX_ITEM_BYTES, MAX_NAME_BYTES};
use crate::item::arbitrary;

fn item_of(value: AttributeValue) -> Item {
    Item::from_iter([("a", value)])
}

/// A value below `wraps` lists and maps in turn.
fn nested(wraps: usize) -> AttributeValue {
    (0..wraps).fold(AttributeValue::Null, |value, wrap| match wrap % 2 {
        0 => AttributeValue::L(vec![value]),
        _ => AttributeValue::M(BTreeMap::from([("m".to_owned(), value)])),
    })
}

#[test]
fn nests_32_levels_and_no_more() {
    assert_eq!(item_of(nested(MAX_DEPTH - 1)).validate(), Ok(()));
    let path = format!("$.a{}", "[0].m".repeat(16));
    let flipped = AttributeValue::L(vec![nested(0)]);
    assert_eq!(item_of(flipped).validate(), Ok(()));
    let error = item_of(nested(MAX_DEPTH)).validate();
    assert_eq!(error, Err(ItemError::TooDeep { path: path.replace("[0].m", ".m[0]") }));
}

#[test]
fn holds_400_kb_and_no_more() {
    let of_bytes = |bytes: usize| item_of(AttributeValue::S("x".repeat(bytes - "a".len())));
    assert_eq!(of_bytes(MAX_ITEM_BYTES).size(), MAX_ITEM_BYTES);
    assert_eq!(of_bytes(MAX_ITEM_BYTES).validate(), Ok(()));
    let bytes = MAX_ITEM_BYTES + 1;
    assert_eq!(of_bytes(bytes).validate(), Err(ItemError::TooLarge { bytes }));
}

#[test]
fn names_have_1_to_65535_bytes_at_every_level() {
    let named = |name: String| Item::from_iter([(name, AttributeValue::Null)]);
    assert_eq!(named("x".repeat(MAX_NAME_BYTES)).validate(), Ok(()));
    let bytes = MAX_NAME_BYTES + 1;
    let too_long = ItemError::NameTooLong { path: "$".to_owned(), bytes };
    assert_eq!(named("é".repeat(bytes / 2)).validate(), Err(too_long));
    assert_eq!(named(String::new()).validate(), Err(ItemError::EmptyName { path: "$".to_owned() }));
    let map = AttributeValue::M(BTreeMap::from([(String::new(), AttributeValue::Null)]));
    let error = item_of(AttributeValue::L(vec![map])).validate();
    assert_eq!(error, Err(ItemError::EmptyName { path: "$.a[0]".to_owned() }));
}

#[test]
fn sets_are_not_empty_at_any_level() {
    let sets =
        [AttributeValue::Ss(BTreeSet::new()), AttributeValue::Ns(BTreeSet::new()), AttributeValue::Bs(BTreeSet::new())];
    for set in sets {
        let error = item_of(AttributeValue::L(vec![AttributeValue::Null, set])).validate();
        assert_eq!(error, Err(ItemError::EmptySet { path: "$.a[1]".to_owned() }));
    }
    assert_eq!(item_of(AttributeValue::L(Vec::new())).validate(), Ok(()));
    assert_eq!(item_of(AttributeValue::M(BTreeMap::new())).validate(), Ok(()));
    assert_eq!(item_of(AttributeValue::S(String::new())).validate(), Ok(()));
}

#[test]
fn behaves_as_a_map_of_names() {
    let mut item = Item::new();
    assert_eq!(item.insert("b", AttributeValue::Null), None);
    assert_eq!(item.insert("a", AttributeValue::Bool(true)), None);
    assert_eq!(item.insert("b", AttributeValue::Bool(false)), Some(AttributeValue::Null));
    assert_eq!(item.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(item.remove("a"), Some(AttributeValue::Bool(true)));
    assert_eq!((item.get("a"), item.len(), item.is_empty()), (None, 1, false));
}

proptest! {
    #[test]
    fn generated_items_keep_the_limits(item in arbitrary::item()) {
        prop_assert_eq!(item.validate(), Ok(()));
    }
}
