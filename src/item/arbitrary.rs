//! Generators for property tests: numbers, keys, values and items that a table may hold.
//!
//! They lean toward what breaks encodings: zero and 0xFF bytes, empty and one-character texts, neighbours in
//! the numeric order, and names that look like the tags of plain JSON.

use bytes::Bytes;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::{AttributeValue, Item, Key, KeyValue, Number};

/// Any number: zero, small integers, and all digits and exponents of the range.
pub(crate) fn number() -> impl Strategy<Value = Number> {
    let wide = (any::<bool>(), 1_u128..10_u128.pow(38), 0_u32..38, -130_i32..=125).prop_map(
        |(negative, digits, shorten, magnitude)| {
            let digits = (digits / 10_u128.pow(shorten)).max(1).to_string();
            let sign = if negative { "-" } else { "" };
            let (first, rest) = digits.split_at(1);
            format!("{sign}{first}.{rest}e{magnitude}").parse().unwrap()
        },
    );
    prop_oneof![
        1 => Just(Number::ZERO),
        3 => (-2000_i64..2000).prop_map(Number::from),
        3 => (-2000_i64..2000, -3_i32..3).prop_map(|(digits, exp)| format!("{digits}e{exp}").parse().unwrap()),
        4 => wide,
    ]
}

/// Any text, of few characters that matter or of many, also longer than 127 bytes.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[\0\u{1}a\u{ff}\u{10ffff}]{0,4}",
        4 => "[a-c]{0,3}",
        3 => "\\PC{0,12}",
        3 => any::<String>(),
        1 => (120_usize..300).prop_map(|length| "x".repeat(length)),
    ]
}

/// Any bytes, of few values that matter or of many.
pub(crate) fn bytes() -> impl Strategy<Value = Bytes> {
    let few = vec(prop::sample::select([0x00_u8, 0x01, 0x02, 0x80, 0xFE, 0xFF].as_slice()), 0..5);
    prop_oneof![few, any::<Vec<u8>>()].prop_map(Bytes::from)
}

/// Any key value within the limits of both parts of a key.
pub(crate) fn key_value() -> impl Strategy<Value = KeyValue> {
    let fits = |value: &KeyValue| (1..=1024).contains(&value.size());
    prop_oneof![text().prop_map(KeyValue::S), number().prop_map(KeyValue::N), bytes().prop_map(KeyValue::B),]
        .prop_filter("length of a key", fits)
}

/// Any key, with or without a sort key.
pub(crate) fn key() -> impl Strategy<Value = Key> {
    (key_value(), prop::option::of(key_value())).prop_map(|(partition, sort)| Key { partition, sort })
}

/// Any name of an attribute, also such as look like the tags of JSON.
pub(crate) fn name() -> impl Strategy<Value = String> {
    const TAGS: [&str; 8] = ["$binary", "$stringSet", "$numberSet", "$binarySet", "$map", "$other", "S", "NULL"];
    let tag = prop::sample::select(TAGS.as_slice()).prop_map(str::to_owned);
    prop_oneof![2 => tag, 3 => "[a-d]{1,2}", 1 => text().prop_filter("not empty", |name| !name.is_empty())]
}

/// A value of any of the ten types, nested a few levels.
pub(crate) fn value() -> impl Strategy<Value = AttributeValue> {
    let scalar = prop_oneof![
        text().prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        bytes().prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        btree_set(text(), 1..4).prop_map(AttributeValue::Ss),
        btree_set(number(), 1..4).prop_map(AttributeValue::Ns),
        btree_set(bytes(), 1..4).prop_map(AttributeValue::Bs),
    ];
    scalar.prop_recursive(4, 24, 4, |value| {
        prop_oneof![
            2 => vec(value.clone(), 0..4).prop_map(AttributeValue::L),
            1 => btree_map(name(), value.clone(), 0..4).prop_map(AttributeValue::M),
            // Only maps with a single name can be taken for tags.
            2 => (name(), value).prop_map(|entry| AttributeValue::M([entry].into())),
        ]
    })
}

/// An item that keeps all limits.
pub(crate) fn item() -> impl Strategy<Value = Item> {
    btree_map(name(), value(), 0..5).prop_map(|attributes| attributes.into_iter().collect())
}
