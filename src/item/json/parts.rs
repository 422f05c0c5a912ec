//! The parts of a document that both dialects have, each taken from JSON with its path, or given as JSON.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::JsonError;
use crate::item::number::Number;
use crate::item::path::Path;
use crate::item::value::{AttributeValue, MAX_DEPTH};

pub(super) fn object<'a>(json: &'a Value, path: &Path<'_>) -> Result<&'a Map<String, Value>, JsonError> {
    json.as_object().ok_or_else(|| wrong_kind("an object", json, path))
}

pub(super) fn array<'a>(json: &'a Value, path: &Path<'_>) -> Result<&'a Vec<Value>, JsonError> {
    json.as_array().ok_or_else(|| wrong_kind("an array", json, path))
}

pub(super) fn boolean(json: &Value, path: &Path<'_>) -> Result<bool, JsonError> {
    json.as_bool().ok_or_else(|| wrong_kind("true or false", json, path))
}

pub(super) fn text(json: &Value, path: &Path<'_>) -> Result<String, JsonError> {
    borrowed_text(json, path).map(str::to_owned)
}

/// Bytes in base64.
pub(super) fn bytes(json: &Value, path: &Path<'_>) -> Result<Bytes, JsonError> {
    let decoded = STANDARD.decode(borrowed_text(json, path)?);
    decoded.map(Bytes::from).map_err(|_| JsonError::BadBase64 { path: path.to_string() })
}

/// A number in a string, as DynamoDB's dialect has it.
pub(super) fn number_in_string(json: &Value, path: &Path<'_>) -> Result<Number, JsonError> {
    parse_number(borrowed_text(json, path)?, path)
}

/// A number as JSON has it. `serde_json` keeps its text, with which nothing is lost.
pub(super) fn number(json: &Value, path: &Path<'_>) -> Result<Number, JsonError> {
    match json {
        Value::Number(number) => parse_number(number.as_str(), path),
        _ => Err(wrong_kind("a number", json, path)),
    }
}

/// A set: an array of different members, at least one.
pub(super) fn set<T: Ord>(
    json: &Value,
    path: &Path<'_>,
    member: fn(&Value, &Path<'_>) -> Result<T, JsonError>,
) -> Result<BTreeSet<T>, JsonError> {
    let mut members = BTreeSet::new();
    for (index, json) in array(json, path)?.iter().enumerate() {
        let path = path.index(index);
        if !members.insert(member(json, &path)?) {
            return Err(JsonError::DuplicateMember { path: path.to_string() });
        }
    }
    if members.is_empty() {
        return Err(JsonError::EmptySet { path: path.to_string() });
    }
    Ok(members)
}

/// How a dialect reads one value at a path.
pub(super) type ReadValue = fn(&Value, &Path<'_>) -> Result<AttributeValue, JsonError>;

/// The values of a list, in order.
pub(super) fn list(json: &Value, path: &Path<'_>, read: ReadValue) -> Result<Vec<AttributeValue>, JsonError> {
    array(json, path)?.iter().enumerate().map(|(index, json)| read(json, &path.index(index))).collect()
}

/// The entries of a map or item.
pub(super) fn entries<C: FromIterator<(String, AttributeValue)>>(
    object: &Map<String, Value>,
    path: &Path<'_>,
    read: ReadValue,
) -> Result<C, JsonError> {
    object.iter().map(|(name, json)| Ok((name.clone(), read(json, &path.name(name))?))).collect()
}

/// Refuses a value below the deepest level. Each dialect asks this of each value before it looks inside, so
/// that a document of any depth is walked no deeper than that.
pub(super) fn check_level(path: &Path<'_>) -> Result<(), JsonError> {
    match path.level() {
        level if level > MAX_DEPTH => Err(JsonError::TooDeep { path: path.to_string() }),
        _ => Ok(()),
    }
}

pub(super) fn bytes_to_json(bytes: &Bytes) -> Value {
    Value::String(STANDARD.encode(bytes))
}

pub(super) fn wrong_kind(expected: &'static str, json: &Value, path: &Path<'_>) -> JsonError {
    let found = match json {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    JsonError::WrongKind { path: path.to_string(), expected, found }
}

fn borrowed_text<'a>(json: &'a Value, path: &Path<'_>) -> Result<&'a str, JsonError> {
    json.as_str().ok_or_else(|| wrong_kind("a string", json, path))
}

fn parse_number(text: &str, path: &Path<'_>) -> Result<Number, JsonError> {
    text.parse().map_err(|reason| JsonError::BadNumber { path: path.to_string(), reason })
}
