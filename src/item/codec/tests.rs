//! Laws of the encoding: one per item, strict, and safe on any bytes.

use proptest::prelude::*;
use serde_json::json;

use super::{CodecError, Item};
use crate::item::{AttributeValue, arbitrary, item_from_dynamodb_json};

/// An item with one attribute `a`, of which these bytes are the value.
fn with_value(value: &[u8]) -> Vec<u8> {
    [&[1, 1, 1, b'a'], value].concat()
}

/// The bytes are in files by now: this test fails when the format changes without a new version.
#[test]
fn the_format_is_this_one() {
    let document = json!({
        "b": {"B": "AP8="},
        "l": {"L": [{"BOOL": true}, {"BOOL": false}, {"NULL": true}]},
        "m": {"M": {"k": {"S": "v"}}},
        "n": {"N": "-12.5"},
        "s": {"S": "é"},
        "x": {"SS": ["b", "a"]},
        "y": {"NS": ["1", "0"]},
        "z": {"BS": ["AQ==", "AA=="]},
    });
    // -12.5: magnitude 1 + 130, pairs 12 and 50, all inverted.
    let encoded = "0108\
        0162030200ff\
        016c0703050406\
        016d0801016b010176\
        016e02407ce69b\
        01730102c3a9\
        0178090201610162\
        01790a0280c08214\
        017a0b0201000101";
    let item = item_from_dynamodb_json(&document).unwrap();
    assert_eq!(hex::encode(item.to_bytes()), encoded);
}

#[test]
fn refuses_what_encoding_never_yields() {
    let table: [(&[u8], CodecError); 12] = [
        (&[], CodecError::Truncated),
        (&[2, 0], CodecError::UnknownVersion { found: 2 }),
        (&[1, 0, 0], CodecError::TrailingBytes { bytes: 1 }),
        (&[1, 1], CodecError::Truncated),
        (&[1, 0x80, 0], CodecError::BadVarint),
        (&[1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], CodecError::BadVarint),
        (&[1, 2, 1, b'b', 6, 1, b'a', 6], CodecError::NotAscending),
        (&[1, 2, 1, b'a', 6, 1, b'a', 6], CodecError::NotAscending),
        (&with_value(&[1, 1, 0xFF]), CodecError::NotUtf8),
        (&with_value(&[99]), CodecError::UnknownTag { tag: 99 }),
        (&with_value(&[9, 2, 1, b'a', 1, b'a']), CodecError::NotAscending),
        (&with_value(&[10, 2, 0x80, 0x40, 0x7D, 0xEB]), CodecError::NotAscending),
    ];
    for (bytes, error) in table {
        assert_eq!(Item::from_bytes(bytes), Err(error), "{bytes:?}");
    }
    assert!(matches!(Item::from_bytes(&with_value(&[2, 0])), Err(CodecError::BadNumber { .. })));
}

#[test]
fn refuses_counts_and_lengths_beyond_the_input() {
    let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
    for tag in [1, 3, 7, 8, 9, 10, 11] {
        let bytes = with_value(&[&[tag], huge.as_slice()].concat());
        assert_eq!(Item::from_bytes(&bytes), Err(CodecError::Truncated), "tag {tag}");
    }
}

#[test]
fn reads_32_levels_and_no_more() {
    let nested = |wraps: usize| with_value(&[[7, 1].repeat(wraps), vec![6]].concat());
    let deepest = Item::from_bytes(&nested(31)).unwrap();
    assert_eq!(deepest.validate(), Ok(()));
    assert_eq!(Item::from_bytes(&nested(32)), Err(CodecError::TooDeep));
    assert_eq!(Item::from_bytes(&nested(1_000_000)), Err(CodecError::TooDeep));
}

#[test]
fn lengths_and_counts_of_any_size_round_trip() {
    for length in [0, 1, 127, 128, 129, 255, 256, 16_383, 16_384, 70_000] {
        let text = AttributeValue::S("x".repeat(length));
        let list = AttributeValue::L(vec![AttributeValue::Null; length]);
        let item = Item::from_iter([("text", text), ("list", list)]);
        assert_eq!(Item::from_bytes(&item.to_bytes()), Ok(item), "{length}");
    }
}

#[test]
fn is_compact() {
    let item =
        Item::from_iter([("id", AttributeValue::N(1_700_000_000_i64.into())), ("on", AttributeValue::Bool(true))]);
    assert_eq!(item.to_bytes().len(), 2 + (3 + 1 + 3) + (3 + 1));
}

proptest! {
    #[test]
    fn round_trips(item in arbitrary::item()) {
        prop_assert_eq!(Item::from_bytes(&item.to_bytes()), Ok(item));
    }

    #[test]
    fn every_cut_is_noticed(item in arbitrary::item(), at in any::<prop::sample::Index>()) {
        let bytes = item.to_bytes();
        prop_assert!(Item::from_bytes(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_an_item_in_its_one_form_or_refused(tail in any::<Vec<u8>>()) {
        let bytes = [vec![1], tail].concat();
        if let Ok(item) = Item::from_bytes(&bytes) {
            prop_assert_eq!(item.to_bytes(), bytes);
        }
    }

    #[test]
    fn damaged_items_are_items_in_their_one_form_or_refused(
        item in arbitrary::item(), at in any::<prop::sample::Index>(), byte in 0_u8..16,
    ) {
        let mut bytes = item.to_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(item) = Item::from_bytes(&bytes) {
            prop_assert_eq!(item.to_bytes(), bytes);
        }
    }
}
