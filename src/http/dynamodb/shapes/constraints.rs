//! Whether a request, whose types are right, has what its shape asks for.
//!
//! ```text
//!   first    the table of a request on tables, where it is not named or its name is too short or long
//!   then     whatever is null, too long, too small, none of a set: "3 validation errors detected: ..."
//!   last     the names of tables in a BatchWriteItem
//! ```
//!
//! The walk follows the tables, in whose order the service reports. It reports ten at most.

use std::borrow::Cow;

use super::echo::echo;
use super::place::Place;
use super::{
    Kind, Lengths, List, Map, Member, NAME_LENGTHS, NAME_PATTERN, Names, Presence, Range, Shape, Structure, Text,
    is_name, table_of,
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
        check_parameter(body, structure, member)?;
    }
    let mut faults = Faults::default();
    check_members(body, structure, &Place::BODY, &mut faults);
    faults.into_result()?;
    let mut faults = Faults::default();
    check_last(body, structure, &mut faults);
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
        let constraint = constraint.into();
        let value = match (json, shape) {
            (Json::Null, _) => format!("null at '{place}'"),
            (_, Shape::List(List { is_shown: false, .. })) => format!("at '{place:#}'"),
            (json, shape) => format!("'{}' at '{place}'", echo(json, shape)),
        };
        self.0.push(format!("Value {value} failed to satisfy constraint: {constraint}"));
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
fn check_parameter(body: &Json<'_>, structure: &Structure, member: &Member) -> Result<(), ApiError> {
    let name = member.name;
    let Some(value) = body.get(name) else {
        return match member.presence {
            Presence::Told(words) => Err(ApiError::validation(words)),
            Presence::Optional | Presence::Required => Ok(()),
        };
    };
    let (Shape::Text(Text { kind, .. }), Json::Text(text)) = (member.shape, value) else {
        return check_requests(structure, member, value);
    };
    match kind {
        Kind::Table if !fits(length(table_of(text)), NAME_LENGTHS) => Err(ApiError::validation(format!(
            "{name} must be at least {} characters long and at most {} characters long",
            NAME_LENGTHS.min, NAME_LENGTHS.max
        ))),
        Kind::NewTable => {
            let mut faults = Faults::default();
            check_lengths(value, length(text), member.shape, NAME_LENGTHS, &Place::BODY.member(name), &mut faults);
            faults.into_result()
        }
        _ => Ok(()),
    }
}

/// A batch must be of something.
fn check_requests(structure: &Structure, member: &Member, value: &Json<'_>) -> Result<(), ApiError> {
    match (member.shape, value) {
        (Shape::Map(Map { names: Names::OfTables | Names::OfTablesLast, .. }), Json::Object(fields))
            if fields.is_empty() =>
        {
            let operation = structure.name.trim_end_matches("Input");
            Err(ApiError::validation(format!("The requestItems parameter is required for {operation}")))
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
    let name = match rules.kind {
        Kind::Table | Kind::TableOfItems => table_of(text),
        _ => text,
    };
    let lengths = match rules.kind {
        // An ARN may be empty no more than a name may, but is only told so.
        Kind::TableOfItems if text.is_empty() => Lengths { min: 1, max: usize::MAX },
        Kind::TableOfItems => NAME_LENGTHS,
        _ => rules.lengths,
    };
    let check_lengths = |faults: &mut Faults| check_lengths(json, length(name), shape, lengths, place, faults);
    match rules.kind {
        Kind::NewName => {
            check_lengths(faults);
            check_pattern(json, name, shape, place, faults);
        }
        Kind::TableOfItems if text.is_empty() => check_lengths(faults),
        Kind::Name | Kind::TableOfItems | Kind::Table | Kind::NewTable => {
            check_pattern(json, name, shape, place, faults);
            check_lengths(faults);
        }
        Kind::Enumeration(values) if !values.contains(&text) => {
            let set = values.join(", ");
            faults.add(place, json, shape, format!("Member must satisfy enum value set: [{set}]"));
        }
        Kind::Enumeration(_) => {}
        Kind::Any => check_lengths(faults),
    }
}

fn check_pattern(json: &Json<'_>, name: &str, shape: Shape, place: &Place<'_>, faults: &mut Faults) {
    if !is_name(name) {
        faults.add(place, json, shape, pattern());
    }
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
    if map.names == Names::OfTables {
        check_names(json, fields, shape, place, faults);
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

fn check_names(
    json: &Json<'_>,
    fields: &[(Cow<'_, str>, Json<'_>)],
    shape: Shape,
    place: &Place<'_>,
    faults: &mut Faults,
) {
    let is_table = |name: &str| is_name(name) && fits(length(name), NAME_LENGTHS);
    if !fields.iter().all(|(name, _)| is_table(name)) {
        let rules = [at_most(NAME_LENGTHS), at_least(NAME_LENGTHS), pattern()].join(", ");
        faults.add(place, json, shape, format!("Map keys must satisfy constraint: [{rules}]"));
    }
}

fn check_last(body: &Json<'_>, structure: &Structure, faults: &mut Faults) {
    for member in structure.members {
        if let (Shape::Map(map), Some(json @ Json::Object(fields))) = (member.shape, body.get(member.name))
            && map.names == Names::OfTablesLast
        {
            check_names(json, fields, member.shape, &Place::BODY.member(member.name), faults);
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
