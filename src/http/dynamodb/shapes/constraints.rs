//! Whether a request, whose types are right, has what its shape asks for.
//!
//! ```text
//!   first    a table that is not named, or in too few or many letters     one error, in words of its own
//!   then     whatever is null, too long, too small, none of a set         "3 validation errors detected: ..."
//!   last     the letters of a table's name in a request on items          the same, of this alone
//! ```
//!
//! The walk follows the tables, in whose order the service reports. It reports ten at most.

use std::borrow::Cow;

use super::echo::echo;
use super::place::Place;
use super::{
    Kind, Lengths, List, Map, Member, NAME_LENGTHS, NAME_PATTERN, Presence, Range, Shape, Structure, Text, is_name,
    table_of,
};
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json::Json;
use crate::http::dynamodb::shapes::types::whole_of;

/// More are not reported.
const REPORTED_MAX: usize = 10;

/// Checks a whole body.
///
/// # Errors
///
/// [`ApiError::Validation`] with all that is wrong, up to ten.
pub(super) fn check(body: &Json<'_>, structure: &Structure) -> Result<(), ApiError> {
    for member in structure.members {
        check_parameter(body, member)?;
    }
    let mut faults = Faults::default();
    check_members(body, structure, &Place::BODY, &mut faults);
    faults.into_result()?;
    let mut faults = Faults::default();
    check_table_names(body, structure, &Place::BODY, &mut faults);
    faults.into_result()
}

/// What has been found wrong.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn are_enough(&self) -> bool {
        self.0.len() >= REPORTED_MAX
    }

    fn add(&mut self, place: &Place<'_>, json: &Json<'_>, shape: Shape, constraint: impl Into<Cow<'static, str>>) {
        if self.are_enough() {
            return;
        }
        let shown = match json {
            Json::Null => "null".to_owned(),
            json => format!("'{}'", echo(json, shape)),
        };
        let constraint = constraint.into();
        self.0.push(format!("Value {shown} at '{place}' failed to satisfy constraint: {constraint}"));
    }

    fn into_result(self) -> Result<(), ApiError> {
        match self.0.len() {
            0 => Ok(()),
            count => {
                let plural = if count == 1 { "" } else { "s" };
                let faults = self.0.join("; ");
                Err(ApiError::validation(format!("{count} validation error{plural} detected: {faults}")))
            }
        }
    }
}

/// Checks what is checked before all else.
fn check_parameter(body: &Json<'_>, member: &Member) -> Result<(), ApiError> {
    let name = member.name;
    let Some(value) = body.get(name) else {
        return match member.presence {
            Presence::Parameter => Err(ApiError::validation(format!(
                "The parameter '{name}' is required but was not present in the request"
            ))),
            Presence::Optional | Presence::Required => Ok(()),
        };
    };
    match (member.shape, value) {
        (Shape::Text(Text { kind: Kind::Table, .. }), Json::Text(text))
            if !fits(length(table_of(text)), NAME_LENGTHS) =>
        {
            Err(ApiError::validation(format!(
                "{name} must be at least {} characters long and at most {} characters long",
                NAME_LENGTHS.min, NAME_LENGTHS.max
            )))
        }
        _ => Ok(()),
    }
}

fn check_members(json: &Json<'_>, structure: &Structure, place: &Place<'_>, faults: &mut Faults) {
    for member in structure.members {
        let place = place.member(member.name);
        match json.get(member.name) {
            Some(value) => check_value(value, member.shape, &place, faults),
            None if member.presence == Presence::Required => {
                faults.add(&place, &Json::Null, member.shape, "Member must not be null");
            }
            None => {}
        }
    }
}

fn check_value(json: &Json<'_>, shape: Shape, place: &Place<'_>, faults: &mut Faults) {
    if faults.are_enough() {
        return;
    }
    match (shape, json) {
        (Shape::Text(rules), Json::Text(text)) => check_text(json, text, rules, place, faults),
        (Shape::Integer(range) | Shape::Long(range), Json::Number(number)) => {
            check_range(json, number, shape, range, place, faults);
        }
        (Shape::Structure(structure), _) => check_members(json, structure, place, faults),
        (Shape::List(list), Json::Array(elements)) => check_list(json, elements, list, place, faults),
        (Shape::Map(map), Json::Object(fields)) => check_map(json, fields, map, place, faults),
        _ => {}
    }
}

fn check_text(json: &Json<'_>, text: &str, rules: Text, place: &Place<'_>, faults: &mut Faults) {
    let shape = Shape::Text(rules);
    match rules.kind {
        Kind::Enumeration(values) if !values.contains(&text) => {
            let set = values.join(", ");
            faults.add(place, json, shape, format!("Member must satisfy enum value set: [{set}]"));
        }
        Kind::Name if !is_name(text) => faults.add(place, json, shape, pattern()),
        Kind::Table if !is_name(table_of(text)) => faults.add(place, json, shape, pattern()),
        _ => {}
    }
    check_lengths(json, length(text), shape, rules.lengths, place, faults);
}

fn pattern() -> String {
    format!("Member must satisfy regular expression pattern: {NAME_PATTERN}")
}

fn check_range(json: &Json<'_>, number: &str, shape: Shape, range: Range, place: &Place<'_>, faults: &mut Faults) {
    let Some(value) = whole_of(number) else {
        return;
    };
    if value < range.min {
        faults.add(place, json, shape, format!("Member must have value greater than or equal to {}", range.min));
    }
    if value > range.max {
        faults.add(place, json, shape, format!("Member must have value less than or equal to {}", range.max));
    }
}

fn check_lengths(
    json: &Json<'_>,
    length: usize,
    shape: Shape,
    lengths: Lengths,
    place: &Place<'_>,
    faults: &mut Faults,
) {
    if length < lengths.min {
        faults.add(place, json, shape, at_least(lengths));
    }
    if length > lengths.max {
        faults.add(place, json, shape, at_most(lengths));
    }
}

fn at_least(lengths: Lengths) -> String {
    format!("Member must have length greater than or equal to {}", lengths.min)
}

fn at_most(lengths: Lengths) -> String {
    format!("Member must have length less than or equal to {}", lengths.max)
}

fn check_list(json: &Json<'_>, elements: &[Json<'_>], list: &'static List, place: &Place<'_>, faults: &mut Faults) {
    check_lengths(json, elements.len(), Shape::List(list), list.lengths, place, faults);
    for (index, element) in elements.iter().enumerate() {
        check_value(element, list.element, &place.index(index), faults);
    }
}

fn check_map(
    json: &Json<'_>,
    fields: &[(Cow<'_, str>, Json<'_>)],
    map: &'static Map,
    place: &Place<'_>,
    faults: &mut Faults,
) {
    let shape = Shape::Map(map);
    check_lengths(json, fields.len(), shape, map.lengths, place, faults);
    let is_table = |name: &str| is_name(name) && fits(length(name), NAME_LENGTHS);
    if map.of_tables && !fields.iter().all(|(name, _)| is_table(name)) {
        let rules = [at_most(NAME_LENGTHS), at_least(NAME_LENGTHS), pattern()].join(", ");
        faults.add(place, json, shape, format!("Map keys must satisfy constraint: [{rules}]"));
    }
    let value_fits = |value: &Json<'_>| match value {
        Json::Array(elements) => fits(elements.len(), map.value_lengths),
        _ => true,
    };
    if !fields.iter().all(|(_, value)| value_fits(value)) {
        let rules = [at_most(map.value_lengths), at_least(map.value_lengths)].join(", ");
        faults.add(place, json, shape, format!("Map value must satisfy constraint: [{rules}]"));
    }
    for (name, value) in fields {
        check_value(value, map.value, &place.name(name), faults);
    }
}

/// Checks the names of tables in requests on items, which may be ARNs, once all else is right.
fn check_table_names(json: &Json<'_>, structure: &Structure, place: &Place<'_>, faults: &mut Faults) {
    for member in structure.members {
        let Some(value) = json.get(member.name) else {
            continue;
        };
        let place = place.member(member.name);
        match (member.shape, value) {
            (Shape::Text(Text { kind: Kind::TableOfItems, .. }), Json::Text(text)) => {
                let table = table_of(text);
                if !is_name(table) {
                    faults.add(&place, value, member.shape, pattern());
                }
                check_lengths(value, length(table), member.shape, NAME_LENGTHS, &place, faults);
            }
            (Shape::Structure(structure), _) => check_table_names(value, structure, &place, faults),
            (Shape::List(list), Json::Array(elements)) => {
                if let Shape::Structure(structure) = list.element {
                    for (index, element) in elements.iter().enumerate() {
                        check_table_names(element, structure, &place.index(index), faults);
                    }
                }
            }
            _ => {}
        }
    }
}

fn fits(length: usize, lengths: Lengths) -> bool {
    (lengths.min..=lengths.max).contains(&length)
}

/// The length of a text as the service counts: in units of UTF-16.
fn length(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => text.encode_utf16().count(),
    }
}
