//! What conditions say of items: by a table, and against a model that works on JSON and knows nothing of types.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::item::expression::{
    Comparator, Condition, DocumentPath, ExpressionKind, Operand, PathStep, Placeholders, Source, Test, arbitrary,
};
use crate::item::{
    Item, Number, item_from_dynamodb_json, item_to_dynamodb_json, value_from_dynamodb_json, value_to_dynamodb_json,
};

fn holds(text: &str, values: &Value, item: &Value) -> bool {
    let values: BTreeMap<_, _> = values
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (format!(":{key}"), value_from_dynamodb_json(value).unwrap()))
        .collect();
    let mut placeholders = Placeholders::new(None, Some(values).filter(|values| !values.is_empty())).unwrap();
    let condition = Condition::parse(ExpressionKind::Condition, text, &mut placeholders);
    condition.unwrap_or_else(|error| panic!("{text}: {error}")).holds(&item_from_dynamodb_json(item).unwrap())
}

/// Of the item in the test below.
const HOLD: &[&str] = &[
    "n = m",
    "n = :five",
    "n <> :four",
    "n <> :text5",
    "absent <> :five",
    "absent <> gone",
    "n >= :five",
    "n > :four",
    ":four < n",
    "s > :ell",
    "n BETWEEN :four AND :five",
    "n between m and :five",
    "n IN (:four, m)",
    "t = :true",
    "z = :null",
    "ss = :set",
    "l[2] = :xy",
    "doc.k[0] = :minus",
    "attribute_exists(doc.k)",
    "attribute_not_exists(doc.x)",
    "attribute_not_exists(l[3])",
    "attribute_not_exists(n.x)",
    "attribute_type(s, :typeS)",
    "attribute_type(:five, :typeN)",
    "begins_with(s, :he)",
    "begins_with(b, :one)",
    "begins_with(s, e)",
    "begins_with(s, :empty)",
    "contains(s, :ell)",
    "contains(s, :empty)",
    "contains(b, :bytes)",
    "contains(ss, :a)",
    "contains(ns, :two)",
    "contains(bs, :one)",
    "contains(l, :two)",
    "contains(l, :xy)",
    "size(s) = n",
    "size(b) > :two",
    "size(l) = size(b)",
    "size(ss) = :two",
    "size(doc) < :two",
    "size(e) = :zero",
    "size(u) = :four",
    "size(n) <> :zero",
    "size(:he) = :two",
    "NOT n = :four",
    "NOT NOT n = :five",
    "n = :four OR n = :five AND s > :ell",
    "NOT (n = :four AND s > :ell)",
    "(n = :four OR n = :five) AND s > :ell",
];

/// Of the same item.
const DO_NOT_HOLD: &[&str] = &[
    "n = :text5",
    "absent = gone",
    "absent = :five",
    "absent < :five",
    ":five >= absent",
    "t > n",
    "z < n",
    "ss > n",
    "s < :five",
    "n BETWEEN s AND :five",
    "n BETWEEN :text5 AND m",
    "absent BETWEEN :four AND :five",
    "n IN (:text5, :four)",
    "absent IN (gone, :five)",
    "attribute_exists(l[3])",
    "attribute_exists(s.x)",
    "attribute_type(s, :typeN)",
    "attribute_type(absent, :typeS)",
    "begins_with(n, :he)",
    "begins_with(s, :one)",
    "begins_with(e, s)",
    "contains(s, :two)",
    "contains(n, :two)",
    "contains(l, :five)",
    "contains(ss, :two)",
    "contains(absent, :two)",
    "contains(b, s)",
    "size(n) = :zero",
    "size(t) >= :zero",
    "size(absent) >= :zero",
    "size(s) = :text5",
    "n = :four AND n = :five OR s < :ell",
    "NOT (n = :four OR n = :five)",
];

#[test]
fn conditions_hold_or_not() {
    let item = json!({
        "n": {"N": "5"}, "m": {"N": "5.0"}, "s": {"S": "hello"}, "b": {"B": "AQID"}, "t": {"BOOL": true},
        "z": {"NULL": true}, "l": {"L": [{"N": "2"}, {"S": "dog"}, {"SS": ["x", "y"]}]},
        "doc": {"M": {"k": {"L": [{"N": "-1"}]}}}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2"]},
        "bs": {"BS": ["AQ==", "Ag=="]}, "e": {"S": ""}, "u": {"S": "a\u{1F600}\u{00E9}"},
    });
    let values = json!({
        "five": {"N": "5"}, "four": {"N": "4"}, "text5": {"S": "5"}, "he": {"S": "he"}, "ell": {"S": "ell"},
        "two": {"N": "2"}, "set": {"SS": ["b", "a"]}, "xy": {"SS": ["y", "x"]}, "bytes": {"B": "AgM="}, "one": {"B": "AQ=="},
        "true": {"BOOL": true}, "null": {"NULL": true}, "typeS": {"S": "S"}, "typeN": {"S": "N"}, "zero": {"N": "0"},
        "minus": {"N": "-1"}, "empty": {"S": ""}, "a": {"S": "a"},
    });
    for (texts, expected) in [(HOLD, true), (DO_NOT_HOLD, false)] {
        for text in texts {
            let used = values.as_object().unwrap().iter().filter(|(key, _)| text.contains(&format!(":{key}")));
            let used: Value =
                used.map(|(key, value)| (key.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into();
            assert_eq!(holds(text, &used, &item), expected, "{text}");
        }
    }
}

#[test]
fn numbers_are_compared_with_all_their_digits() {
    let item = json!({"n": {"N": "12345678901234567890123456789012345678"}});
    let next = json!({"v": {"N": "12345678901234567890123456789012345679"}});
    assert!(!holds("n = :v", &next, &item));
    assert!(holds("n < :v", &next, &item));
    assert!(holds("n = :v", &json!({"v": {"N": "1.2345678901234567890123456789012345678e37"}}), &item));
}

fn step_into<'a>(value: &'a Value, step: &PathStep) -> Option<&'a Value> {
    match step {
        PathStep::Name(name) => value.get("M")?.get(name),
        PathStep::Index(index) => value.get("L")?.get(*index as usize),
    }
}

fn find<'a>(path: &DocumentPath, item: &'a Value) -> Option<&'a Value> {
    path.steps().iter().try_fold(item.get(path.root())?, step_into)
}

fn source(source: &Source, item: &Value) -> Option<Value> {
    match source {
        Source::Path(path) => find(path, item).cloned(),
        Source::Value(value) => Some(value_to_dynamodb_json(value)),
    }
}

fn parts(value: &Value) -> (&str, &Value) {
    value.as_object().and_then(|object| object.iter().next()).map(|(kind, content)| (kind.as_str(), content)).unwrap()
}

fn operand(operand: &Operand, item: &Value) -> Option<Value> {
    match operand {
        Operand::Of(of) => source(of, item),
        Operand::SizeOf(of) => {
            let value = source(of, item)?;
            let size = match parts(&value) {
                ("S", text) => text.as_str()?.chars().map(char::len_utf16).sum::<usize>(),
                ("B", text) => base64(text).len(),
                ("M", entries) => entries.as_object()?.len(),
                ("L" | "SS" | "NS" | "BS", list) => list.as_array()?.len(),
                _ => return None,
            };
            Some(json!({"N": size.to_string()}))
        }
    }
}

fn base64(text: &Value) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap()
}

fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    let number = |text: &Value| text.as_str().unwrap().parse::<Number>().unwrap();
    match (parts(left), parts(right)) {
        (("S", left), ("S", right)) => Some(left.as_str()?.as_bytes().cmp(right.as_str()?.as_bytes())),
        (("N", left), ("N", right)) => Some(number(left).cmp(&number(right))),
        (("B", left), ("B", right)) => Some(base64(left).cmp(&base64(right))),
        _ => None,
    }
}

fn within(container: &Value, element: &Value) -> bool {
    match (parts(container), parts(element)) {
        (("S", text), ("S", part)) => text.as_str().unwrap().contains(part.as_str().unwrap()),
        (("B", bytes), ("B", part)) => {
            let (bytes, part) = (base64(bytes), base64(part));
            part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
        }
        (("L", list), _) => list.as_array().unwrap().contains(element),
        (("SS", list), ("S", member)) | (("NS", list), ("N", member)) | (("BS", list), ("B", member)) => {
            list.as_array().unwrap().contains(member)
        }
        _ => false,
    }
}

fn compared(comparator: Comparator, left: Option<Value>, right: Option<Value>) -> bool {
    let both = left.zip(right);
    let order = both.as_ref().and_then(|(left, right)| compare(left, right));
    match comparator {
        Comparator::Equal => both.is_some_and(|(left, right)| left == right),
        Comparator::NotEqual => both.is_none_or(|(left, right)| left != right),
        Comparator::Less => order == Some(Ordering::Less),
        Comparator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparator::Greater => order == Some(Ordering::Greater),
        Comparator::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn model_of_test(test: &Test, item: &Value) -> bool {
    match test {
        Test::Compare { left, comparator, right } => compared(*comparator, operand(left, item), operand(right, item)),
        Test::Between { operand: of, lower, upper } => {
            compared(Comparator::LessOrEqual, operand(lower, item), operand(of, item))
                && compared(Comparator::LessOrEqual, operand(of, item), operand(upper, item))
        }
        Test::In { operand: of, alternatives } => alternatives
            .iter()
            .any(|alternative| compared(Comparator::Equal, operand(of, item), operand(alternative, item))),
        Test::Exists(path) => find(path, item).is_some(),
        Test::NotExists(path) => find(path, item).is_none(),
        Test::HasType { operand: of, expected } => {
            operand(of, item).is_some_and(|value| parts(&value).0 == expected.name())
        }
        Test::BeginsWith { operand: of, prefix } => match (operand(of, item), operand(prefix, item)) {
            (Some(value), Some(prefix)) => match (parts(&value), parts(&prefix)) {
                (("S", text), ("S", prefix)) => text.as_str().unwrap().starts_with(prefix.as_str().unwrap()),
                (("B", bytes), ("B", prefix)) => base64(bytes).starts_with(&base64(prefix)),
                _ => false,
            },
            _ => false,
        },
        Test::Contains { container, element } => match (operand(container, item), operand(element, item)) {
            (Some(container), Some(element)) => within(&container, &element),
            _ => false,
        },
    }
}

fn model(condition: &Condition, item: &Value) -> bool {
    match condition {
        Condition::Test(test) => model_of_test(test, item),
        Condition::Not(condition) => !model(condition, item),
        Condition::All(conditions) => !conditions.iter().any(|condition| !model(condition, item)),
        Condition::Any(conditions) => conditions.iter().filter(|condition| model(condition, item)).count() > 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn agrees_with_the_model(condition in arbitrary::condition(), item in arbitrary::item()) {
        let json = item_to_dynamodb_json(&item);
        prop_assert_eq!(condition.holds(&item), model(&condition, &json), "{} on {}", condition, json);
    }

    #[test]
    fn finds_bytes_in_bytes(bytes in prop::collection::vec(0_u8..3, 0..40), part in prop::collection::vec(0_u8..3, 0..6)) {
        let found = part.is_empty() || bytes.windows(part.len()).any(|window| window == part);
        prop_assert_eq!(super::contains_bytes(&bytes, &part), found);
    }
}

#[test]
fn an_item_that_does_not_exist_has_no_attributes() {
    let mut none = Placeholders::none();
    let absent = Condition::parse(ExpressionKind::Condition, "attribute_not_exists(id)", &mut none).unwrap();
    assert!(absent.holds(&Item::new()));
}
