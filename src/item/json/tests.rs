//! Both dialects, both ways: nothing is lost.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    item_from_dynamodb_json, item_from_json, item_to_dynamodb_json, item_to_json, value_from_dynamodb_json,
    value_from_json, value_to_dynamodb_json, value_to_json,
};
use crate::item::arbitrary;

/// One value in each dialect.
fn table() -> Vec<(Value, Value)> {
    vec![
        (json!("x"), json!({"S": "x"})),
        (json!(""), json!({"S": ""})),
        (json!(1.5), json!({"N": "1.5"})),
        (json!(true), json!({"BOOL": true})),
        (json!(null), json!({"NULL": true})),
        (json!([]), json!({"L": []})),
        (json!([1, ["x"]]), json!({"L": [{"N": "1"}, {"L": [{"S": "x"}]}]})),
        (json!({}), json!({"M": {}})),
        (json!({"a": 1}), json!({"M": {"a": {"N": "1"}}})),
        (json!({"$binary": "AAEC"}), json!({"B": "AAEC"})),
        (json!({"$stringSet": ["", "b"]}), json!({"SS": ["", "b"]})),
        (json!({"$numberSet": [-1, 2.5]}), json!({"NS": ["-1", "2.5"]})),
        (json!({"$binarySet": ["", "AAEC"]}), json!({"BS": ["", "AAEC"]})),
        (json!({"$other": 1}), json!({"M": {"$other": {"N": "1"}}})),
        (json!({"$binary": 1, "b": 2}), json!({"M": {"$binary": {"N": "1"}, "b": {"N": "2"}}})),
        (json!({"$map": {"$binary": "x"}}), json!({"M": {"$binary": {"S": "x"}}})),
        (json!({"$map": {"$map": {}}}), json!({"M": {"$map": {"M": {}}}})),
        (json!({"$map": {"$map": {"$map": {"$map": 1}}}}), json!({"M": {"$map": {"M": {"$map": {"N": "1"}}}}})),
    ]
}

#[test]
fn both_dialects_say_the_same() {
    for (plain, dynamodb) in table() {
        let value = value_from_json(&plain).unwrap();
        assert_eq!(value_from_dynamodb_json(&dynamodb).unwrap(), value);
        assert_eq!(value_to_json(&value), plain);
        assert_eq!(value_to_dynamodb_json(&value), dynamodb);
    }
}

#[test]
fn items_are_maps_whatever_their_names() {
    let plain = json!({"$map": {"$binary": "AA=="}});
    let item = item_from_json(&plain).unwrap();
    assert_eq!(item.get("$map").map(|value| value.type_name()), Some("B"));
    assert_eq!(item_to_json(&item), plain);
    assert_eq!(item_to_dynamodb_json(&item), json!({"$map": {"B": "AA=="}}));
}

#[test]
fn numbers_keep_all_their_digits() {
    let text = "[12345678901234567890123456789012345678,0.1,-1e-130,9007199254740993,1E+20,2.50]";
    let json: Value = serde_json::from_str(text).unwrap();
    let printed = value_to_json(&value_from_json(&json).unwrap()).to_string();
    let smallest = format!("-0.{}1", "0".repeat(129));
    let plain = "12345678901234567890123456789012345678,0.1,SMALLEST,9007199254740993,100000000000000000000,2.5";
    assert_eq!(printed, format!("[{}]", plain.replace("SMALLEST", &smallest)));
}

/// Through text and back, as a file or a connection carries it.
fn through_text(json: &Value) -> Value {
    serde_json::from_str(&json.to_string()).unwrap()
}

const SET_TAGS: [&str; 3] = ["$stringSet", "$numberSet", "$binarySet"];

/// Any JSON, of which much looks like tags and some has none of their meanings.
fn plain_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-20_i64..20).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        arbitrary::text().prop_map(Value::from),
    ];
    let numbers = prop::collection::vec((-20_i64..20).prop_map(Value::from), 0..4);
    let texts = prop::collection::vec("[A-D]{4}".prop_map(Value::from), 0..4);
    let set = (prop::sample::select(SET_TAGS.as_slice()), prop_oneof![numbers, texts])
        .prop_map(|(tag, members)| json!({tag: members}));
    prop_oneof![2 => leaf, 1 => set].prop_recursive(5, 24, 3, |value| {
        let entries = prop::collection::btree_map(arbitrary::name(), value.clone(), 0..3);
        prop_oneof![
            1 => prop::collection::vec(value, 0..3).prop_map(Value::from),
            3 => entries.prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// The document with what stands under the tags of sets in order, as sets come back.
fn with_sets_in_order(json: &Value) -> Value {
    match json {
        Value::Array(values) => values.iter().map(with_sets_in_order).collect(),
        Value::Object(entries) => {
            let ordered = |(name, value): (&String, &Value)| {
                let mut value = with_sets_in_order(value);
                if let Value::Array(members) = &mut value
                    && SET_TAGS.contains(&name.as_str())
                {
                    members.sort_by_key(|member| (member.as_i64(), member.to_string()));
                }
                (name.clone(), value)
            };
            entries.iter().map(ordered).collect()
        }
        scalar => scalar.clone(),
    }
}

proptest! {
    #[test]
    fn item_to_plain_and_back_is_identity(item in arbitrary::item()) {
        prop_assert_eq!(item_from_json(&through_text(&item_to_json(&item))), Ok(item));
    }

    #[test]
    fn item_to_dynamodb_and_back_is_identity(item in arbitrary::item()) {
        prop_assert_eq!(item_from_dynamodb_json(&through_text(&item_to_dynamodb_json(&item))), Ok(item));
    }

    #[test]
    fn value_to_either_and_back_is_identity(value in arbitrary::value()) {
        prop_assert_eq!(value_from_json(&value_to_json(&value)), Ok(value.clone()));
        prop_assert_eq!(value_from_dynamodb_json(&value_to_dynamodb_json(&value)), Ok(value));
    }

    #[test]
    fn plain_to_value_and_back_is_identity_but_for_the_order_of_sets(json in plain_json()) {
        if let Ok(value) = value_from_json(&json) {
            let back = value_to_json(&value);
            prop_assert_eq!(with_sets_in_order(&back), with_sets_in_order(&json));
            prop_assert_eq!(value_from_json(&back), Ok(value));
        }
    }
}
