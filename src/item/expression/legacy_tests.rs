//! The old parameters: what they come to, and every way in which they are refused.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    AttributeUpdate, ComparisonOperator, Condition, ConditionalOperator, ExpectedAttribute, KeyTerms, LegacyCondition,
    Projection, Update, UpdateAction,
};
use crate::item::{AttributeValue, Item, item_from_dynamodb_json, value_from_dynamodb_json};

const INVALID: &str = "One or more parameter values were invalid: ";

fn value(json: &Value) -> AttributeValue {
    value_from_dynamodb_json(json).unwrap()
}

fn values(json: &Value) -> Vec<AttributeValue> {
    json.as_array().unwrap().iter().map(value).collect()
}

fn item(json: Value) -> Item {
    item_from_dynamodb_json(&json).unwrap()
}

fn condition(operator: &str, list: Value) -> LegacyCondition {
    LegacyCondition { operator: ComparisonOperator::of_name(operator).unwrap(), values: values(&list) }
}

fn filter(operator: &str, list: Value) -> Result<Condition, String> {
    let filter = BTreeMap::from([("a".to_owned(), condition(operator, list))]);
    Condition::of_filter(filter, None).map(Option::unwrap).map_err(|error| error.to_string())
}

#[test]
fn each_operator_says_what_it_says() {
    let items = [
        item(json!({"a": {"N": "2"}})),
        item(json!({"a": {"S": "cat"}})),
        item(json!({"a": {"NS": ["1", "2"]}})),
        item(json!({"a": {"L": [{"S": "cat"}]}})),
        item(json!({"b": {"N": "2"}})),
    ];
    let table = [
        ("EQ", json!([{"N": "2.0"}]), [1, 0, 0, 0, 0]),
        ("EQ", json!([{"NS": ["2", "1"]}]), [0, 0, 1, 0, 0]),
        ("EQ", json!([{"L": [{"S": "cat"}]}]), [0, 0, 0, 1, 0]),
        ("NE", json!([{"N": "2"}]), [0, 1, 1, 1, 1]),
        ("IN", json!([{"N": "1"}, {"N": "2"}]), [1, 0, 0, 0, 0]),
        ("LE", json!([{"N": "2"}]), [1, 0, 0, 0, 0]),
        ("LT", json!([{"N": "2"}]), [0, 0, 0, 0, 0]),
        ("GE", json!([{"S": "c"}]), [0, 1, 0, 0, 0]),
        ("GT", json!([{"N": "1"}]), [1, 0, 0, 0, 0]),
        ("BETWEEN", json!([{"S": "car"}, {"S": "cat"}]), [0, 1, 0, 0, 0]),
        ("NOT_NULL", json!([]), [1, 1, 1, 1, 0]),
        ("NULL", json!([]), [0, 0, 0, 0, 1]),
        ("CONTAINS", json!([{"N": "2"}]), [0, 0, 1, 0, 0]),
        ("CONTAINS", json!([{"S": "at"}]), [0, 1, 0, 0, 0]),
        ("CONTAINS", json!([{"S": "cat"}]), [0, 1, 0, 1, 0]),
        ("NOT_CONTAINS", json!([{"N": "2"}]), [1, 1, 0, 1, 0]),
        ("BEGINS_WITH", json!([{"S": "ca"}]), [0, 1, 0, 0, 0]),
    ];
    for (operator, list, expected) in table {
        let condition = filter(operator, list.clone()).unwrap();
        let holds = items.each_ref().map(|item| i32::from(condition.holds(item)));
        assert_eq!(holds, expected, "{operator} {list}");
    }
}

#[test]
fn operators_take_their_number_and_types_of_values() {
    let count =
        |operator: &str| format!("{INVALID}Invalid number of argument(s) for the {operator} ComparisonOperator");
    let kind = |operator: &str, kind: &str| {
        format!("{INVALID}ComparisonOperator {operator} is not valid for {kind} AttributeValue type")
    };
    for operator in ["EQ", "NE", "LE", "LT", "GE", "GT", "CONTAINS", "NOT_CONTAINS", "BEGINS_WITH"] {
        assert_eq!(filter(operator, json!([])), Err(count(operator)));
        assert_eq!(filter(operator, json!([{"S": "a"}, {"S": "a"}])), Err(count(operator)));
    }
    for (operator, list) in [
        ("IN", json!([])),
        ("BETWEEN", json!([{"S": "a"}])),
        ("BETWEEN", json!([{"S": "a"}, {"S": "a"}, {"S": "a"}])),
        ("NULL", json!([{"S": "a"}])),
        ("NOT_NULL", json!([{"S": "a"}])),
    ] {
        assert_eq!(filter(operator, list), Err(count(operator)));
    }
    let of_type = [
        ("S", json!({"S": "a"})),
        ("N", json!({"N": "1"})),
        ("B", json!({"B": "AA=="})),
        ("BOOL", json!({"BOOL": true})),
        ("NULL", json!({"NULL": true})),
        ("SS", json!({"SS": ["a"]})),
        ("NS", json!({"NS": ["1"]})),
        ("BS", json!({"BS": ["AA=="]})),
        ("M", json!({"M": {}})),
        ("L", json!({"L": []})),
    ];
    for (name, value) in of_type {
        let scalar = matches!(name, "S" | "N" | "B");
        for operator in ["LT", "LE", "GT", "GE", "IN"] {
            assert_eq!(filter(operator, json!([value])).err(), (!scalar).then(|| kind(operator, name)));
        }
        assert_eq!(filter("BETWEEN", json!([value, value])).err(), (!scalar).then(|| kind("BETWEEN", name)));
        let begins = !matches!(name, "S" | "B");
        assert_eq!(filter("BEGINS_WITH", json!([value])).err(), begins.then(|| kind("BEGINS_WITH", name)));
        let contains = matches!(name, "SS" | "NS" | "BS" | "M" | "L");
        for operator in ["CONTAINS", "NOT_CONTAINS"] {
            assert_eq!(filter(operator, json!([value])).err(), contains.then(|| kind(operator, name)));
        }
    }
    let mixed = format!("{INVALID}AttributeValues inside AttributeValueList must be of same type");
    assert_eq!(filter("IN", json!([{"S": "a"}, {"N": "1"}])), Err(mixed));
    let bounds = "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound";
    assert_eq!(filter("BETWEEN", json!([{"N": "10"}, {"N": "9"}])), Err(bounds.to_owned()));
}

#[test]
fn conditions_are_joined_as_the_request_says() {
    let two = || BTreeMap::from([("a", condition("NULL", json!([]))), ("b", condition("NULL", json!([])))]);
    let join = |conditions: BTreeMap<&str, LegacyCondition>, operator| {
        let conditions = conditions.into_iter().map(|(name, condition)| (name.to_owned(), condition)).collect();
        Condition::of_filter(conditions, operator).map_err(|error| error.to_string())
    };
    let only_a = item(json!({"a": {"S": "x"}}));
    let and = Some(ConditionalOperator::And);
    let or = Some(ConditionalOperator::Or);
    assert!(!join(two(), None).unwrap().unwrap().holds(&only_a));
    assert!(!join(two(), and).unwrap().unwrap().holds(&only_a));
    assert!(join(two(), or).unwrap().unwrap().holds(&only_a));
    assert_eq!(join(BTreeMap::new(), None), Ok(None));
    let alone = "ConditionalOperator can only be used when Filter or Expected has two or more elements";
    let one = BTreeMap::from([("a", condition("NULL", json!([])))]);
    assert_eq!(join(one, or), Err(alone.to_owned()));
    let nothing = "ConditionalOperator cannot be used without Filter or Expected";
    assert_eq!(join(BTreeMap::new(), and), Err(nothing.to_owned()));
}

fn expected(expected: ExpectedAttribute) -> Result<Condition, String> {
    let expected = BTreeMap::from([("a".to_owned(), expected)]);
    Condition::of_expected(expected, None).map(Option::unwrap).map_err(|error| error.to_string())
}

#[test]
fn expected_is_a_value_or_a_comparison() {
    let one = value(&json!({"N": "1"}));
    let (with, without) = (item(json!({"a": {"N": "1"}})), Item::new());
    let is_one = ExpectedAttribute { value: Some(one.clone()), ..Default::default() };
    let exists = ExpectedAttribute { exists: Some(true), value: Some(one.clone()), ..Default::default() };
    for expect in [is_one, exists] {
        let condition = expected(expect).unwrap();
        assert!(condition.holds(&with) && !condition.holds(&without));
    }
    let absent = expected(ExpectedAttribute { exists: Some(false), ..Default::default() }).unwrap();
    assert!(!absent.holds(&with) && absent.holds(&without));
    let less = Some(ComparisonOperator::Lt);
    let compared = expected(ExpectedAttribute { operator: less, value: Some(one.clone()), ..Default::default() });
    assert!(!compared.unwrap().holds(&with));
}

#[test]
fn expected_is_refused_in_these_words() {
    let one = || Some(value(&json!({"N": "1"})));
    let (eq, between) = (Some(ComparisonOperator::Eq), Some(ComparisonOperator::Between));
    let nothing = ExpectedAttribute::default();
    let table = [
        (nothing.clone(), "Value must be provided when Exists is null for Attribute: a"),
        (
            ExpectedAttribute { exists: Some(true), ..nothing.clone() },
            "Value must be provided when Exists is true for Attribute: a",
        ),
        (
            ExpectedAttribute { exists: Some(false), value: one(), ..nothing.clone() },
            "Value cannot be used when Exists is false for Attribute: a",
        ),
        (
            ExpectedAttribute { operator: eq, ..nothing.clone() },
            "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: a",
        ),
        (
            ExpectedAttribute { operator: eq, exists: Some(true), ..nothing.clone() },
            "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        (
            ExpectedAttribute { operator: eq, value: one(), values: Some(vec![]), ..nothing.clone() },
            "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
        (
            ExpectedAttribute { values: Some(vec![]), exists: Some(true), ..nothing.clone() },
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
        ),
        (
            ExpectedAttribute { operator: between, value: one(), ..nothing.clone() },
            "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
        ),
    ];
    for (expect, text) in table {
        assert_eq!(expected(expect), Err(format!("{INVALID}{text}")));
    }
}

fn updated(action: UpdateAction, with: Option<Value>, old: Value) -> Result<Item, String> {
    let update = AttributeUpdate { action, value: with.map(|with| value(&with)) };
    let update = Update::of_attribute_updates(BTreeMap::from([("a".to_owned(), update)]));
    let update = update.map_err(|error| error.to_string())?;
    let updated = update.apply(Some(&item(old)), &Item::new()).map_err(|error| error.to_string())?;
    Ok(updated.unwrap())
}

#[test]
fn updates_put_add_and_delete() {
    use UpdateAction::{Add, Delete, Put};
    let table = [
        (Put, Some(json!({"S": "x"})), json!({"a": {"N": "1"}}), json!({"a": {"S": "x"}})),
        (Delete, None, json!({"a": {"N": "1"}, "b": {"N": "1"}}), json!({"b": {"N": "1"}})),
        (Delete, Some(json!({"SS": ["x"]})), json!({"a": {"SS": ["x", "y"]}}), json!({"a": {"SS": ["y"]}})),
        (Delete, Some(json!({"SS": ["x"]})), json!({"a": {"SS": ["x"]}}), json!({})),
        (Add, Some(json!({"N": "2"})), json!({"a": {"N": "1"}}), json!({"a": {"N": "3"}})),
        (Add, Some(json!({"N": "2"})), json!({}), json!({"a": {"N": "2"}})),
        (Add, Some(json!({"NS": ["2"]})), json!({"a": {"NS": ["1"]}}), json!({"a": {"NS": ["1", "2"]}})),
        (
            Add,
            Some(json!({"L": [{"S": "y"}]})),
            json!({"a": {"L": [{"S": "x"}]}}),
            json!({"a": {"L": [{"S": "x"}, {"S": "y"}]}}),
        ),
        (Add, Some(json!({"L": [{"S": "y"}]})), json!({}), json!({"a": {"L": [{"S": "y"}]}})),
    ];
    for (action, with, old, new) in table {
        assert_eq!(updated(action, with.clone(), old), Ok(item(new)), "{action:?} {with:?}");
    }
    let nothing = Update::of_attribute_updates(BTreeMap::new()).unwrap();
    let key = item(json!({"id": {"S": "k"}}));
    assert_eq!(nothing.apply(None, &key), Ok(Some(key.clone())));
}

#[test]
fn updates_are_refused_in_these_words() {
    use UpdateAction::{Add, Delete, Put};
    let table = [
        (Put, None, "Only DELETE action is allowed when no attribute value is specified"),
        (Add, None, "Only DELETE action is allowed when no attribute value is specified"),
        (Add, Some(json!({"S": "x"})), "ADD action is not supported for the type S"),
        (Add, Some(json!({"M": {}})), "ADD action is not supported for the type M"),
        (Delete, Some(json!({"N": "1"})), "DELETE action with value is not supported for the type N"),
    ];
    for (action, with, text) in table {
        assert_eq!(updated(action, with, json!({})), Err(format!("{INVALID}{text}")));
    }
    for (action, with) in
        [(Delete, json!({"NS": ["1"]})), (Add, json!({"NS": ["1"]})), (Add, json!({"N": "1"})), (Add, json!({"L": []}))]
    {
        let mismatch = "Type mismatch for attribute to update".to_owned();
        assert_eq!(updated(action, Some(with), json!({"a": {"SS": ["x"]}})), Err(mismatch));
    }
}

#[test]
fn attributes_to_get_are_a_projection() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let projection = Projection::of_attributes_to_get(names(&["b", "x.y"])).unwrap();
    let old = item(json!({"a": {"S": "1"}, "b": {"S": "2"}, "x.y": {"S": "3"}, "x": {"M": {"y": {"S": "4"}}}}));
    assert_eq!(projection.apply(&old), item(json!({"b": {"S": "2"}, "x.y": {"S": "3"}})));
    let twice = Projection::of_attributes_to_get(names(&["a", "b", "a"])).unwrap_err();
    assert_eq!(twice.to_string(), format!("{INVALID}Duplicate value in attribute name: a"));
}

#[test]
fn key_conditions_are_checked_before_they_are_counted() {
    let terms = |conditions: Vec<(&str, LegacyCondition)>| {
        let conditions = conditions.into_iter().map(|(name, condition)| (name.to_owned(), condition)).collect();
        KeyTerms::of_key_conditions(conditions).map_err(|error| error.to_string())
    };
    let null = || condition("NULL", json!([]));
    let three = vec![("a", condition("EQ", json!([]))), ("b", null()), ("c", null())];
    assert_eq!(terms(three), Err(format!("{INVALID}Invalid number of argument(s) for the EQ ComparisonOperator")));
    let count = "Conditions can be of length 1 or 2 only".to_owned();
    assert_eq!(terms(vec![("a", null()), ("b", null()), ("c", null())]), Err(count.clone()));
    assert_eq!(terms(vec![]), Err(count));
    assert!(terms(vec![("a", null())]).is_ok());
}
