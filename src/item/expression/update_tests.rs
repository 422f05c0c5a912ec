//! What updates make of items: by tables, and against a model that changes JSON one action at a time.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::UpdateError;
use crate::item::expression::{
    Addend, DocumentPath, Members, PathStep, Placeholders, SetOperand, SetValue, Source, Update, arbitrary,
};
use crate::item::{
    AttributeValue, Item, KeyKind, Number, item_from_dynamodb_json, item_to_dynamodb_json, value_from_dynamodb_json,
    value_to_dynamodb_json,
};

fn item(json: &Value) -> Item {
    item_from_dynamodb_json(json).unwrap()
}

fn update(text: &str, values: &Value) -> Update {
    let values: BTreeMap<_, _> = values
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (format!(":{key}"), value_from_dynamodb_json(value).unwrap()))
        .collect();
    let mut placeholders = Placeholders::new(None, Some(values).filter(|values| !values.is_empty())).unwrap();
    Update::parse(text, &mut placeholders).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn apply(text: &str, values: &Value, old: &Value) -> Result<Option<Item>, UpdateError> {
    update(text, values).apply(Some(&item(old)), &Item::new())
}

fn numbers(numbers: &[i64]) -> Value {
    json!({"L": numbers.iter().map(|number| json!({"N": number.to_string()})).collect::<Vec<_>>()})
}

#[test]
fn each_section_does_what_it_does() {
    let v = json!({"v": {"N": "7"}, "w": {"N": "8"}});
    let one = json!({"v": {"N": "1"}});
    let table = [
        (
            "SET b = :v, c = :w",
            v.clone(),
            json!({"a": {"S": "x"}}),
            json!({"a": {"S": "x"}, "b": {"N": "7"}, "c": {"N": "8"}}),
        ),
        (
            "SET b = a, a = b",
            json!({}),
            json!({"a": {"S": "x"}, "b": {"S": "y"}}),
            json!({"a": {"S": "y"}, "b": {"S": "x"}}),
        ),
        ("REMOVE a SET b = a", json!({}), json!({"a": {"S": "x"}}), json!({"b": {"S": "x"}})),
        (
            "SET a = a + :v",
            one.clone(),
            json!({"a": {"N": "99999999999999999999999999999999999998"}}),
            json!({"a": {"N": "99999999999999999999999999999999999999"}}),
        ),
        ("SET a = :v - a", one.clone(), json!({"a": {"N": "0.1"}}), json!({"a": {"N": "0.9"}})),
        ("SET a = (:v + (a))", one.clone(), json!({"a": {"N": "1"}}), json!({"a": {"N": "2"}})),
        ("SET n = if_not_exists(n, :v) + :w", v.clone(), json!({}), json!({"n": {"N": "15"}})),
        (
            "SET n = if_not_exists(a, if_not_exists(b, :v))",
            one.clone(),
            json!({"b": {"N": "3"}}),
            json!({"b": {"N": "3"}, "n": {"N": "3"}}),
        ),
        (
            "SET l = list_append(l, if_not_exists(m, l))",
            json!({}),
            json!({"l": numbers(&[1, 2])}),
            json!({"l": numbers(&[1, 2, 1, 2])}),
        ),
        (
            "SET m.k.x = :v REMOVE m.y",
            one.clone(),
            json!({"m": {"M": {"k": {"M": {}}, "y": {"N": "1"}}}}),
            json!({"m": {"M": {"k": {"M": {"x": {"N": "1"}}}}}}),
        ),
        ("REMOVE m.k", json!({}), json!({"m": {"M": {"k": {"N": "1"}}}}), json!({"m": {"M": {}}})),
        (
            "REMOVE a, m.x, l[7]",
            json!({}),
            json!({"m": {"M": {}}, "l": numbers(&[])}),
            json!({"m": {"M": {}}, "l": numbers(&[])}),
        ),
        (
            "REMOVE l[1] SET l[3] = :v",
            v.clone(),
            json!({"l": numbers(&[2, 3, 4, 5, 6])}),
            json!({"l": numbers(&[2, 4, 7, 6])}),
        ),
        (
            "SET l[3] = :v REMOVE l[1], l[0]",
            v.clone(),
            json!({"l": numbers(&[2, 3, 4, 5, 6])}),
            json!({"l": numbers(&[4, 7, 6])}),
        ),
        (
            "SET l[84] = :v, l[37] = :w REMOVE l[0]",
            v.clone(),
            json!({"l": numbers(&[1, 2])}),
            json!({"l": numbers(&[2, 8, 7])}),
        ),
        ("ADD a :v", one.clone(), json!({"a": {"N": "-1"}}), json!({"a": {"N": "0"}})),
        (
            "ADD a :v, m.b :w",
            v.clone(),
            json!({"m": {"M": {}}}),
            json!({"a": {"N": "7"}, "m": {"M": {"b": {"N": "8"}}}}),
        ),
        (
            "ADD a :v",
            json!({"v": {"SS": ["y", "x"]}}),
            json!({"a": {"SS": ["x", "z"]}}),
            json!({"a": {"SS": ["x", "y", "z"]}}),
        ),
        ("ADD a :v", json!({"v": {"BS": ["AQ=="]}}), json!({}), json!({"a": {"BS": ["AQ=="]}})),
        (
            "DELETE a :v",
            json!({"v": {"NS": ["1", "5"]}}),
            json!({"a": {"NS": ["1.0", "2"]}}),
            json!({"a": {"NS": ["2"]}}),
        ),
        (
            "DELETE l[0] :v",
            json!({"v": {"SS": ["x"]}}),
            json!({"l": {"L": [{"SS": ["x"]}, {"N": "1"}]}}),
            json!({"l": numbers(&[1])}),
        ),
        ("DELETE a :v", json!({"v": {"SS": ["x"]}}), json!({"b": {"N": "1"}}), json!({"b": {"N": "1"}})),
    ];
    for (text, values, old, new) in table {
        assert_eq!(apply(text, &values, &old), Ok(Some(item(&new))), "{text}");
    }
}

#[test]
fn errors_have_their_words() {
    let path = "The document path provided in the update expression is invalid for update";
    let missing = "The provided expression refers to an attribute that does not exist in the item";
    let kind = "An operand in the update expression has an incorrect data type";
    let overflow = "Number overflow. Attempting to store a number with magnitude larger than supported range";
    let underflow = "Number underflow. Attempting to store a number with magnitude smaller than supported range";
    let old = json!({"s": {"S": "x"}, "m": {"M": {"1": {"N": "1"}}}, "l": numbers(&[1]), "ss": {"SS": ["x"]},
        "n": {"N": "9e125"}, "tiny": {"N": "1.1e-130"}});
    let set = json!({"v": {"SS": ["x"]}});
    let n = |number: &str| json!({"v": {"N": number}});
    let mut table = vec![
        ("SET s = gone", json!({}), missing),
        ("SET s = l[1]", json!({}), missing),
        ("SET s = list_append(l, gone)", json!({}), missing),
        ("SET s = :v + gone", n("1"), missing),
        ("SET s = if_not_exists(gone, gone2)", json!({}), missing),
        ("SET a = :v, s = a", n("1"), missing),
        ("SET a = s + :v", n("1"), kind),
        ("SET a = list_append(s, l)", json!({}), kind),
        ("ADD s :v", n("1"), kind),
        ("ADD ss :v", json!({"v": {"NS": ["1"]}}), kind),
        ("ADD m :v", set.clone(), kind),
        ("DELETE l :v", set.clone(), kind),
        ("DELETE ss :v", json!({"v": {"BS": ["AQ=="]}}), kind),
        ("SET a = n + :v", n("9e125"), overflow),
        ("SET a = n - :v", n("1"), overflow),
        ("ADD n :v", n("9e125"), overflow),
        ("SET a = tiny - :v", n("1e-130"), underflow),
    ];
    for place in ["s.a", "s[1]", "gone.a", "gone[1]", "m[1]", "l.a", "m.gone.a", "l[1].a", "l[1][0]"] {
        for action in ["SET {} = :v", "REMOVE {}", "ADD {} :v", "DELETE {} :v"] {
            let text = action.replace("{}", place);
            let values = if action.starts_with("REMOVE") { json!({}) } else { set.clone() };
            assert_eq!(apply(&text, &values, &old).unwrap_err().to_string(), path, "{text}");
        }
    }
    table.push(("SET gone.a = s", json!({}), path));
    for (text, values, error) in table {
        assert_eq!(apply(text, &values, &old).unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn a_new_item_stays_within_the_limits() {
    let text = "x".repeat(409_600 - 3);
    let fits = json!({"v": {"S": text}});
    assert!(apply("SET a = :v", &fits, &json!({"b": {"S": ""}})).is_ok());
    let error = apply("SET a = :v", &fits, &json!({"b": {"S": "xx"}})).unwrap_err();
    assert_eq!(error.to_string(), "Item size to update has exceeded the maximum allowed size");
    let copies = (0..300).map(|at| format!("b{at} = a")).collect::<Vec<_>>().join(", ");
    let large = json!({"a": {"S": "x".repeat(300_000)}});
    // The copies stop before what comes after them is looked at.
    assert_eq!(apply(&format!("SET {copies}, c = gone"), &json!({}), &large), Err(UpdateError::ItemTooLarge));
    let deep = (0..30).fold(json!({"L": []}), |value, _| json!({"L": [value]}));
    assert!(apply("SET a = :v", &json!({"v": deep}), &json!({})).is_ok());
    let error = apply("SET m.a = :v", &json!({"v": {"L": [deep]}}), &json!({"m": {"M": {}}})).unwrap_err();
    assert_eq!(error.to_string(), "Nesting Levels have exceeded supported limits");
}

#[test]
fn an_update_creates_an_item_unless_it_only_takes_away() {
    let key = item(&json!({"id": {"S": "k"}}));
    let created = |text: &str, values: Value| update(text, &values).apply(None, &key);
    let new = created("SET a = id", json!({})).unwrap();
    assert_eq!(new, Some(item(&json!({"id": {"S": "k"}, "a": {"S": "k"}}))));
    assert!(created("ADD a :v", json!({"v": {"N": "1"}})).unwrap().is_some());
    for (text, values) in
        [("REMOVE a", json!({})), ("REMOVE a.b, c[0]", json!({})), ("DELETE a :v", json!({"v": {"SS": ["x"]}}))]
    {
        assert_eq!(created(text, values), Ok(None), "{text}");
    }
    assert_eq!(created("SET a.b = id", json!({})), Err(UpdateError::InvalidPath));
}

#[test]
fn what_was_touched_is_returned_and_no_more() {
    let old = json!({"a": {"M": {"b": {"S": "dog"}, "c": numbers(&[1, 2, 3])}}, "d": {"S": "cat"}});
    let one = json!({"v": {"N": "7"}});
    let c = |list: &[i64]| json!({"a": {"M": {"c": numbers(list)}}});
    let table = [
        ("SET d = :v, e = :v", one.clone(), json!({"d": {"S": "cat"}}), json!({"d": {"N": "7"}, "e": {"N": "7"}})),
        ("SET a.c[1] = :v", one.clone(), c(&[2]), c(&[7])),
        ("SET a.c[2] = :v, a.c[0] = :v", one.clone(), c(&[1, 3]), c(&[7, 7])),
        ("REMOVE a.c[1], a.c[3]", json!({}), c(&[2]), c(&[3])),
        ("REMOVE d", json!({}), json!({"d": {"S": "cat"}}), json!({})),
        ("SET a.x = :v", one.clone(), json!({}), json!({"a": {"M": {"x": {"N": "7"}}}})),
        // As in DynamoDB: the new element is not where the path has it.
        ("SET a.c[100] = :v", one, json!({}), json!({})),
    ];
    for (text, values, before, after) in table {
        let update = update(text, &values);
        let new = update.apply(Some(&item(&old)), &Item::new()).unwrap().unwrap();
        let touched = (update.touched(&item(&old)), update.touched(&new));
        assert_eq!(touched, (item(&before), item(&after)), "{text}");
    }
}

#[test]
fn the_key_is_not_changed() {
    let error =
        "One or more parameter values were invalid: Cannot update attribute b. This attribute is part of the key";
    let n = json!({"v": {"N": "1"}});
    for (text, values) in [
        ("SET b = a", json!({})),
        ("SET c = :v, b.x = :v", n.clone()),
        ("REMOVE b[0]", json!({})),
        ("ADD a :v, b :v", n),
        ("DELETE b :v", json!({"v": {"SS": ["x"]}})),
    ] {
        let checked = update(text, &values).check_keys(["id", "b"]);
        assert_eq!(checked.unwrap_err().to_string(), error, "{text}");
    }
    assert_eq!(update("SET a = b", &json!({})).check_keys(["b"]), Ok(()));
}

/// Stands in a list for an element that was removed.
const GONE: &str = "gone";

struct Model {
    new: Value,
    /// Elements beyond the end of their list: the way to it, the index and the value.
    beyond: Vec<(DocumentPath, u32, Value)>,
}

impl Model {
    /// Changes one place. Nothing moves until all is done, so that indexes keep their meaning.
    fn change(&mut self, path: &DocumentPath, value: Option<Value>) -> Option<()> {
        let Some((last, way)) = path.steps().split_last() else {
            let item = self.new.as_object_mut()?;
            match value {
                Some(value) => item.insert(path.root().to_owned(), value),
                None => item.remove(path.root()),
            };
            return Some(());
        };
        let parent = way.iter().try_fold(self.new.get_mut(path.root())?, |value, step| match step {
            PathStep::Name(name) => value.get_mut("M")?.get_mut(name),
            PathStep::Index(index) => value.get_mut("L")?.get_mut(*index as usize),
        })?;
        match last {
            PathStep::Name(name) => {
                let entries = parent.get_mut("M")?.as_object_mut()?;
                match value {
                    Some(value) => entries.insert(name.clone(), value),
                    None => entries.remove(name),
                };
            }
            PathStep::Index(index) => match parent.get_mut("L")?.get_mut(*index as usize) {
                Some(element) => *element = value.unwrap_or_else(|| json!(GONE)),
                None => {
                    let list = DocumentPath::new(path.root(), way.to_vec()).unwrap();
                    self.beyond.extend(value.map(|value| (list, *index, value)));
                }
            },
        }
        Some(())
    }

    fn finish(mut self) -> Value {
        self.beyond.sort_by_key(|(_, index, _)| *index);
        for (list, _, value) in self.beyond {
            let found = list.steps().iter().fold(self.new.get_mut(list.root()).unwrap(), |value, step| match step {
                PathStep::Name(name) => value.get_mut("M").unwrap().get_mut(name).unwrap(),
                PathStep::Index(index) => value.get_mut("L").unwrap().get_mut(*index as usize).unwrap(),
            });
            found["L"].as_array_mut().unwrap().push(value);
        }
        sweep(&mut self.new);
        self.new
    }
}

fn sweep(value: &mut Value) {
    match value {
        Value::Array(values) => {
            values.retain(|value| *value != json!(GONE));
            values.iter_mut().for_each(sweep);
        }
        Value::Object(entries) => entries.values_mut().for_each(sweep),
        _ => {}
    }
}

fn find(path: &DocumentPath, item: &Value) -> Option<Value> {
    let found = path.steps().iter().try_fold(item.get(path.root())?, |value, step| match step {
        PathStep::Name(name) => value.get("M")?.get(name),
        PathStep::Index(index) => value.get("L")?.get(*index as usize),
    });
    found.cloned()
}

fn operand(operand: &SetOperand, item: &Value) -> Option<Value> {
    let otherwise = match &operand.otherwise {
        Source::Path(path) => find(path, item),
        Source::Value(value) => Some(value_to_dynamodb_json(value)),
    };
    operand.first_of.iter().filter_map(|path| find(path, item)).next().or(otherwise)
}

fn number(value: &Value) -> Option<Number> {
    value.get("N")?.as_str()?.parse().ok()
}

fn set_value(value: &SetValue, item: &Value) -> Option<Value> {
    let sum = |sum: Option<Number>| Some(json!({"N": sum?.to_string()}));
    match value {
        SetValue::Of(of) => operand(of, item),
        SetValue::Sum(left, right) => {
            sum(number(&operand(left, item)?)?.checked_add(&number(&operand(right, item)?)?).ok())
        }
        SetValue::Difference(left, right) => {
            sum(number(&operand(left, item)?)?.checked_sub(&number(&operand(right, item)?)?).ok())
        }
        SetValue::Appended(first, second) => {
            let (first, second) = (operand(first, item)?, operand(second, item)?);
            let values = |list: &Value| list.get("L")?.as_array().cloned();
            let all = [values(&first)?, values(&second)?].concat();
            Some(json!({"L": all}))
        }
    }
}

/// The members of the set at a path, if it is of this type or not there.
fn set(found: Option<Value>, kind: &str) -> Option<Vec<Value>> {
    match found {
        None => Some(vec![]),
        Some(found) => found.get(kind)?.as_array().cloned(),
    }
}

fn set_of(members: &Members) -> (String, Vec<Value>) {
    let json = value_to_dynamodb_json(&AttributeValue::from(members.clone()));
    let (kind, members) = json.as_object().unwrap().iter().next().unwrap();
    (kind.clone(), members.as_array().unwrap().clone())
}

/// The new item, or nothing where the update is refused.
fn model(update: &Update, old: &Value) -> Option<Value> {
    let mut model = Model { new: old.clone(), beyond: vec![] };
    for (path, value) in &update.sets {
        model.change(path, Some(set_value(value, old)?))?;
    }
    for path in &update.removes {
        model.change(path, None)?;
    }
    for (path, addend) in &update.adds {
        let sum = match (addend, find(path, old)) {
            (Addend::Number(addend), None) => json!({"N": addend.to_string()}),
            (Addend::Number(addend), Some(found)) => {
                json!({"N": number(&found)?.checked_add(addend).ok()?.to_string()})
            }
            (Addend::Members(members), found) => {
                let (kind, more) = set_of(members);
                let mut all = set(found, &kind)?;
                all.extend(more.into_iter().filter(|member| !all.contains(member)).collect::<Vec<_>>());
                json!({kind: all})
            }
        };
        model.change(path, Some(sum))?;
    }
    for (path, members) in &update.deletes {
        let found = find(path, old);
        let (kind, less) = set_of(members);
        let rest: Vec<_> = set(found.clone(), &kind)?.into_iter().filter(|member| !less.contains(member)).collect();
        // Also where there is nothing to take from, there must be what it would be in.
        let rest = if rest.is_empty() { None } else { Some(json!({kind: rest})) };
        model.change(path, rest)?;
    }
    Some(model.finish())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_the_model(update in arbitrary::update(), old in arbitrary::item()) {
        let json = item_to_dynamodb_json(&old);
        let expected = model(&update, &json).map(|new| item(&new)).filter(|new| new.validate().is_ok());
        let updated = update.apply(Some(&old), &Item::new());
        prop_assert_eq!(updated.as_ref().ok().map(|new| new.clone().unwrap()), expected, "{} {}", update, json);
    }
}

proptest! {
    #[test]
    fn what_is_assigned_is_there_whatever_the_item_was(update in arbitrary::update(), old in arbitrary::item()) {
        if let Ok(Some(new)) = update.apply(Some(&old), &Item::new()) {
            for (name, value) in &update.assigned() {
                prop_assert_eq!(new.get(name), Some(value), "{}", update);
            }
        }
    }
}

#[test]
fn only_whole_attributes_that_become_a_value_of_the_update_are_assigned() {
    let text = "SET a = :v, b.c = :v, d = if_not_exists(d, :v), e = :v + :v, f = a, g = :w REMOVE h";
    let update = update(text, &json!({"v": {"N": "1"}, "w": {"S": ""}}));
    assert_eq!(update.assigned(), item(&json!({"a": {"N": "1"}, "g": {"S": ""}})));
}

#[test]
fn keys_of_indexes_become_only_what_they_can_be() {
    let (empty, text, number) = (json!({"S": ""}), json!({"S": "x"}), json!({"N": "1"}));
    let changed = |update_text: &str, value: &Value, old: &Value| {
        let mut update = update(update_text, &json!({ "v": value }));
        update.index_keys = [("g".to_owned(), KeyKind::S)].into();
        update.apply(Some(&item(old)), &Item::new())
    };
    let set = |value| changed("SET g = :v", value, &json!({}));
    assert!(set(&text).is_ok());
    assert_eq!(set(&number), Err(UpdateError::IndexKeyType));
    assert_eq!(set(&empty), Err(UpdateError::IndexKeyEmpty { what: "string" }));
    assert_eq!(changed("ADD g :v", &number, &json!({})), Err(UpdateError::IndexKeyType));
    let older = json!({ "g": number });
    assert!(changed("SET h = :v", &number, &older).is_ok(), "the item is older than the index");
    assert!(changed("SET g = :v", &text, &older).is_ok());
}
