//! What both dialects refuse, each with its path.

use serde_json::{Value, json};

use super::{JsonError, item_from_dynamodb_json, item_from_json};
use crate::item::NumberError;

fn wrong_kind(path: &str, expected: &'static str, found: &'static str) -> JsonError {
    let path = path.to_owned();
    JsonError::WrongKind { path, expected, found }
}

fn bad_number(path: &str, reason: NumberError) -> JsonError {
    let path = path.to_owned();
    JsonError::BadNumber { path, reason }
}

fn bad_base64(path: &str) -> JsonError {
    JsonError::BadBase64 { path: path.to_owned() }
}

fn empty_set(path: &str) -> JsonError {
    JsonError::EmptySet { path: path.to_owned() }
}

fn duplicate(path: &str) -> JsonError {
    JsonError::DuplicateMember { path: path.to_owned() }
}

fn plain_refuses<const CASES: usize>(table: [(Value, JsonError); CASES]) {
    for (value, error) in table {
        let document = json!({"a": value});
        assert_eq!(item_from_json(&document), Err(error), "{document}");
    }
}

fn dynamodb_refuses<const CASES: usize>(table: [(Value, JsonError); CASES]) {
    for (value, error) in table {
        let document = json!({"a": value});
        assert_eq!(item_from_dynamodb_json(&document), Err(error), "{document}");
    }
}

#[test]
fn items_are_objects_in_both_dialects() {
    let error = || Err(wrong_kind("$", "an object", "an array"));
    assert_eq!(item_from_json(&json!([])), error());
    assert_eq!(item_from_dynamodb_json(&json!([])), error());
}

#[test]
fn plain_refusals_name_the_path() {
    let nested = json!({"b": [0, 1, 2, {"$binary": 5}]});
    let too_large: Value = serde_json::from_str("[0, 1e126]").unwrap();
    let needless = JsonError::NeedlessMapTag { path: "$.a.$map".to_owned() };
    plain_refuses([
        (too_large, bad_number("$.a[1]", NumberError::Overflow)),
        (nested, wrong_kind("$.a.b[3].$binary", "a string", "a number")),
        (json!({"$binary": "AA"}), bad_base64("$.a.$binary")),
        (json!({"$map": 1}), wrong_kind("$.a.$map", "an object", "a number")),
        (json!({"$map": {}}), needless.clone()),
        (json!({"$map": {"b": 1}}), needless.clone()),
        (json!({"$map": {"$binary": 1, "b": 2}}), needless),
    ]);
}

#[test]
fn plain_sets_have_different_members_of_their_type() {
    let (text, array) = ("a string", "an array");
    plain_refuses([
        (json!({"$stringSet": []}), empty_set("$.a.$stringSet")),
        (json!({"$stringSet": ["x", 1]}), wrong_kind("$.a.$stringSet[1]", text, "a number")),
        (json!({"$numberSet": ["1"]}), wrong_kind("$.a.$numberSet[0]", "a number", text)),
        (json!({"$numberSet": [1, 1.0]}), duplicate("$.a.$numberSet[1]")),
        (json!({"$binarySet": "AA=="}), wrong_kind("$.a.$binarySet", array, text)),
    ]);
}

#[test]
fn dynamodb_refusals_name_the_path() {
    let path = || "$.a".to_owned();
    let unknown = JsonError::UnknownType { path: path(), found: "s".to_owned() };
    let null = JsonError::NullNotTrue { path: "$.a.NULL".to_owned() };
    let spaced = json!({"M": {"b c": {"L": {}}}});
    dynamodb_refuses([
        (json!("x"), wrong_kind("$.a", "an object", "a string")),
        (json!({}), JsonError::NotOneType { path: path(), count: 0 }),
        (json!({"S": "x", "N": "1"}), JsonError::NotOneType { path: path(), count: 2 }),
        (json!({"s": "x"}), unknown),
        (json!({"N": 1}), wrong_kind("$.a.N", "a string", "a number")),
        (json!({"N": "x"}), bad_number("$.a.N", NumberError::Malformed)),
        (json!({"NULL": false}), null),
        (json!({"BOOL": "true"}), wrong_kind("$.a.BOOL", "true or false", "a string")),
        (json!({"L": [{"B": "?"}]}), bad_base64("$.a.L[0].B")),
        (spaced, wrong_kind("$.a.M[\"b c\"].L", "an array", "an object")),
        (json!({"SS": ["x", "y", "x"]}), duplicate("$.a.SS[2]")),
        (json!({"NS": ["1", "1.0"]}), duplicate("$.a.NS[1]")),
        (json!({"BS": []}), empty_set("$.a.BS")),
    ]);
}

#[test]
fn both_dialects_read_32_levels_and_no_more() {
    let nested = |wraps: usize, wrap: fn(Value) -> Value, leaf: Value| (0..wraps).fold(leaf, |value, _| wrap(value));
    let plain = |wraps| json!({"a": nested(wraps, |value| json!([value]), json!(1))});
    let tagged = |wraps| json!({"a": nested(wraps, |value| json!({"$map": {"$map": value}}), json!(1))});
    let dynamodb = |wraps| json!({"a": nested(wraps, |value| json!({"L": [value]}), json!({"N": "1"}))});
    let too_deep = |step: &str| Err(JsonError::TooDeep { path: format!("$.a{}", step.repeat(32)) });

    assert_eq!(item_from_json(&plain(31)).unwrap().validate(), Ok(()));
    assert_eq!(item_from_json(&tagged(31)).unwrap().validate(), Ok(()));
    assert_eq!(item_from_dynamodb_json(&dynamodb(31)).unwrap().validate(), Ok(()));
    // Far deeper, so that a walk that went on would overflow the stack, but not so far that dropping it does.
    for wraps in [32, 1000] {
        assert_eq!(item_from_json(&plain(wraps)), too_deep("[0]"));
        assert_eq!(item_from_json(&tagged(wraps)), too_deep(".$map.$map"));
        assert_eq!(item_from_dynamodb_json(&dynamodb(wraps)), too_deep(".L[0]"));
    }
}
