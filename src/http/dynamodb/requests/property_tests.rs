//! Any request that fits the tables is taken, and nothing that is sent makes reading it panic.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::Request;
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::operation::Operation;
use crate::http::dynamodb::shapes::{Kind, Lengths, Presence, Range, Shape, Structure};
use crate::item::{arbitrary, value_to_dynamodb_json};

/// Parameters of an operation with nothing wrong in them.
pub(in crate::http::dynamodb) fn valid(operation: Operation) -> BoxedStrategy<Value> {
    structure(operation.shape())
}

pub(in crate::http::dynamodb) fn operation() -> impl Strategy<Value = Operation> {
    prop::sample::select(Operation::ALL)
}

fn structure(structure: &'static Structure) -> BoxedStrategy<Value> {
    structure
        .members
        .iter()
        .fold(Just(Map::new()).boxed(), |members, member| {
            let is_there = match member.presence {
                Presence::Optional => prop_oneof![2 => Just(false), 1 => Just(true)].boxed(),
                Presence::Required | Presence::Told(_) => Just(true).boxed(),
            };
            let value = is_there.prop_flat_map(|is_there| match is_there {
                true => shape(member.shape).prop_map(Some).boxed(),
                false => prop_oneof![Just(None), Just(Some(Value::Null))].boxed(),
            });
            let with = |(mut members, value): (Map<String, Value>, Option<Value>)| {
                members.extend(value.map(|value| (member.name.to_owned(), value)));
                members
            };
            (members, value).prop_map(with).boxed()
        })
        .prop_map(Value::Object)
        .boxed()
}

fn shape(shape: Shape) -> BoxedStrategy<Value> {
    match shape {
        Shape::Text(rules) => text(rules.kind, rules.lengths),
        Shape::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Shape::Integer(Range { min, max }) => {
            (min.max(i32::MIN.into())..=max.min(i32::MAX.into())).prop_map(Value::from).boxed()
        }
        Shape::Long(Range { min, max }) => (min..=max).prop_map(Value::from).boxed(),
        Shape::Value => arbitrary::value().prop_map(|value| value_to_dynamodb_json(&value)).boxed(),
        Shape::Values => object(self::shape(Shape::Value), arbitrary::name().boxed(), Lengths { min: 0, max: 3 }),
        Shape::Structure(structure) => self::structure(structure),
        Shape::List(list) => vec(self::shape(list.element), few(list.lengths)).prop_map(Value::from).boxed(),
        Shape::Map(map) => {
            let value = match map.value {
                Shape::List(list) => {
                    vec(self::shape(list.element), few(map.value_lengths)).prop_map(Value::from).boxed()
                }
                value => self::shape(value),
            };
            object(value, "[a-z]{3,5}".boxed(), map.lengths)
        }
    }
}

fn object(value: BoxedStrategy<Value>, name: BoxedStrategy<String>, lengths: Lengths) -> BoxedStrategy<Value> {
    btree_map(name, value, few(lengths)).prop_map(|fields| Value::Object(fields.into_iter().collect())).boxed()
}

fn few(lengths: Lengths) -> std::ops::RangeInclusive<usize> {
    lengths.min..=lengths.max.min(lengths.min + 2)
}

fn text(kind: Kind, lengths: Lengths) -> BoxedStrategy<Value> {
    let text = match kind {
        Kind::Enumeration(words) => prop::sample::select(words).prop_map(str::to_owned).boxed(),
        Kind::Name | Kind::NewName | Kind::TableOfItems | Kind::Table | Kind::NewTable => "[a-zA-Z0-9_.-]{3,8}".boxed(),
        Kind::Any => {
            let characters = vec(prop::char::range('a', 'z'), few(lengths));
            characters.prop_map(|characters| characters.into_iter().collect()).boxed()
        }
    };
    text.prop_map(Value::from).boxed()
}

/// The rules that the tables do not have.
fn is_refused_for_more(error: &ApiError) -> bool {
    let message = error.message().unwrap_or_default();
    ["Can not use both", "The Tag Key", "The Tag Value", "is not supported by this server"]
        .iter()
        .any(|rule| message.contains(rule))
}

proptest! {
    #[test]
    fn what_fits_the_tables_is_taken((operation, body) in operation().prop_flat_map(|operation| (Just(operation), valid(operation)))) {
        match Request::read(operation, body.to_string().as_bytes()) {
            Ok(request) => prop_assert_eq!(request.operation(), operation),
            Err(error) => prop_assert!(is_refused_for_more(&error), "{} {body}: {error:?}", operation.name()),
        }
    }

    #[test]
    fn what_is_damaged_is_taken_or_refused_with_a_400(
        (operation, body) in operation().prop_flat_map(|operation| (Just(operation), valid(operation))),
        damages in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut body = body.to_string().into_bytes();
        for (at, byte) in damages {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Err(error) = Request::read(operation, &body) {
            prop_assert_eq!(error.status(), 400);
        }
    }

    /// Where a value of another type stands, the body is refused: tables and types agree on what can be.
    #[test]
    fn what_is_exchanged_is_refused_by_the_tables_if_at_all(
        (operation, body) in operation().prop_flat_map(|operation| (Just(operation), valid(operation))),
        at in any::<prop::sample::Index>(),
        other in prop::sample::select(&[r"1", r#""x""#, "[]", "{}", "true", "null", "[1]", r#"{"S":1}"#, "1e99"][..]),
    ) {
        let mut body = body;
        exchange(&mut body, at, &serde_json::from_str(other).unwrap());
        if let Err(error) = Request::read(operation, body.to_string().as_bytes()) {
            prop_assert!(error.message().is_some() || !body.is_object(), "{} {body}: {error:?}", operation.name());
        }
    }

    #[test]
    fn no_bytes_panic(operation in operation(), body in any::<Vec<u8>>()) {
        if let Err(error) = Request::read(operation, &body) {
            prop_assert_eq!(error.status(), 400);
        }
    }
}

/// Puts another value in the place of one of those in a document.
fn exchange(json: &mut Value, at: prop::sample::Index, other: &Value) {
    let places = places(json);
    let place = &places[at.index(places.len())];
    if let Some(value) = json.pointer_mut(place) {
        *value = other.clone();
    }
}

fn places(json: &Value) -> Vec<String> {
    let mut places = vec![String::new()];
    let mut add = |step: &str, value: &Value| {
        let step = step.replace('~', "~0").replace('/', "~1");
        places.extend(self::places(value).into_iter().map(|rest| format!("/{step}{rest}")));
    };
    match json {
        Value::Array(elements) => elements.iter().enumerate().for_each(|(at, value)| add(&at.to_string(), value)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| add(name, value)),
        _ => {}
    }
    places
}
