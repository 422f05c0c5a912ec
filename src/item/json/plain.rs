//! Plain JSON: natural where JSON has the type, tagged where it has not. The dialect is described in `json.rs`.

use serde_json::{Map, Value};

use super::JsonError;
use super::parts;
use crate::item::number::Number;
use crate::item::path::Path;
use crate::item::value::{AttributeValue, Item};

const BINARY: &str = "$binary";
const STRING_SET: &str = "$stringSet";
const NUMBER_SET: &str = "$numberSet";
const BINARY_SET: &str = "$binarySet";
const MAP: &str = "$map";

/// Reads an item from plain JSON.
///
/// # Errors
///
/// [`JsonError`] with the path of the first thing that is not as it should be.
pub fn item_from_json(json: &Value) -> Result<Item, JsonError> {
    parts::entries(parts::object(json, &Path::ITEM)?, &Path::ITEM, read)
}

/// Writes an item as plain JSON.
#[must_use]
pub fn item_to_json(item: &Item) -> Value {
    entries_to_json(item)
}

/// Reads a value from plain JSON.
///
/// # Errors
///
/// [`JsonError`] with the path of the first thing that is not as it should be.
pub fn value_from_json(json: &Value) -> Result<AttributeValue, JsonError> {
    read(json, &Path::VALUE)
}

/// Writes a value as plain JSON.
#[must_use]
pub fn value_to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::N(number) => number_to_json(number),
        AttributeValue::B(bytes) => tagged(BINARY, parts::bytes_to_json(bytes)),
        AttributeValue::Bool(boolean) => Value::Bool(*boolean),
        AttributeValue::Null => Value::Null,
        AttributeValue::L(values) => values.iter().map(value_to_json).collect(),
        AttributeValue::M(entries) if looks_tagged(entries.keys()) => tagged(MAP, entries_to_json(entries)),
        AttributeValue::M(entries) => entries_to_json(entries),
        AttributeValue::Ss(members) => tagged(STRING_SET, members.iter().cloned().collect()),
        AttributeValue::Ns(members) => tagged(NUMBER_SET, members.iter().map(number_to_json).collect()),
        AttributeValue::Bs(members) => tagged(BINARY_SET, members.iter().map(parts::bytes_to_json).collect()),
    }
}

fn read(json: &Value, path: &Path<'_>) -> Result<AttributeValue, JsonError> {
    parts::check_level(path)?;
    match json {
        Value::Null => Ok(AttributeValue::Null),
        Value::Bool(boolean) => Ok(AttributeValue::Bool(*boolean)),
        Value::Number(_) => parts::number(json, path).map(AttributeValue::N),
        Value::String(text) => Ok(AttributeValue::S(text.clone())),
        Value::Array(_) => parts::list(json, path, read).map(AttributeValue::L),
        Value::Object(object) => read_object(object, path),
    }
}

/// Reads an object: a tag when its only name is one, otherwise a map.
fn read_object(object: &Map<String, Value>, path: &Path<'_>) -> Result<AttributeValue, JsonError> {
    let mut names = object.iter();
    let (Some((name, content)), None) = (names.next(), names.next()) else {
        return parts::entries(object, path, read).map(AttributeValue::M);
    };
    let within = path.tag(name);
    match name.as_str() {
        BINARY => parts::bytes(content, &within).map(AttributeValue::B),
        STRING_SET => parts::set(content, &within, parts::text).map(AttributeValue::Ss),
        NUMBER_SET => parts::set(content, &within, parts::number).map(AttributeValue::Ns),
        BINARY_SET => parts::set(content, &within, parts::bytes).map(AttributeValue::Bs),
        MAP => match parts::object(content, &within)? {
            map if looks_tagged(map.keys()) => parts::entries(map, &within, read).map(AttributeValue::M),
            _ => Err(JsonError::NeedlessMapTag { path: within.to_string() }),
        },
        _ => parts::entries(object, path, read).map(AttributeValue::M),
    }
}

/// Whether a map with these names would be taken for a tagged value.
fn looks_tagged<'a>(mut names: impl Iterator<Item = &'a String>) -> bool {
    match (names.next(), names.next()) {
        (Some(name), None) => matches!(name.as_str(), BINARY | STRING_SET | NUMBER_SET | BINARY_SET | MAP),
        _ => false,
    }
}

fn tagged(tag: &str, content: Value) -> Value {
    Value::Object(Map::from_iter([(tag.to_owned(), content)]))
}

fn entries_to_json<'a>(entries: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>) -> Value {
    entries.into_iter().map(|(name, value)| (name.clone(), value_to_json(value))).collect()
}

fn number_to_json(number: &Number) -> Value {
    let text = number.to_string();
    match text.parse() {
        Ok(number) => Value::Number(number),
        // Plain decimal notation always is a JSON number, so this does not happen.
        Err(_) => Value::String(text),
    }
}
