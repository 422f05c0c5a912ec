//! DynamoDB JSON: each value an object that names its type. The dialect is described in `json.rs`.

use serde_json::{Map, Value};

use super::JsonError;
use super::parts;
use crate::item::path::Path;
use crate::item::value::{AttributeValue, Item};

/// Reads an item from DynamoDB JSON.
///
/// # Errors
///
/// [`JsonError`] with the path of the first thing that is not as it should be.
pub fn item_from_dynamodb_json(json: &Value) -> Result<Item, JsonError> {
    parts::entries(parts::object(json, &Path::ITEM)?, &Path::ITEM, read)
}

/// Writes an item as DynamoDB JSON.
#[must_use]
pub fn item_to_dynamodb_json(item: &Item) -> Value {
    entries_to_json(item)
}

/// Reads a value from DynamoDB JSON.
///
/// # Errors
///
/// [`JsonError`] with the path of the first thing that is not as it should be.
pub fn value_from_dynamodb_json(json: &Value) -> Result<AttributeValue, JsonError> {
    read(json, &Path::VALUE)
}

/// Writes a value as DynamoDB JSON.
#[must_use]
pub fn value_to_dynamodb_json(value: &AttributeValue) -> Value {
    let content = match value {
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::N(number) => Value::String(number.to_string()),
        AttributeValue::B(bytes) => parts::bytes_to_json(bytes),
        AttributeValue::Bool(boolean) => Value::Bool(*boolean),
        AttributeValue::Null => Value::Bool(true),
        AttributeValue::L(values) => values.iter().map(value_to_dynamodb_json).collect(),
        AttributeValue::M(entries) => entries_to_json(entries),
        AttributeValue::Ss(members) => members.iter().cloned().collect(),
        AttributeValue::Ns(members) => members.iter().map(ToString::to_string).collect(),
        AttributeValue::Bs(members) => members.iter().map(parts::bytes_to_json).collect(),
    };
    Value::Object(Map::from_iter([(value.type_name().to_owned(), content)]))
}

fn read(json: &Value, path: &Path<'_>) -> Result<AttributeValue, JsonError> {
    parts::check_level(path)?;
    let types = parts::object(json, path)?;
    let mut names = types.iter();
    let (Some((name, content)), None) = (names.next(), names.next()) else {
        return Err(JsonError::NotOneType { path: path.to_string(), count: types.len() });
    };
    let within = path.tag(name);
    match name.as_str() {
        "S" => parts::text(content, &within).map(AttributeValue::S),
        "N" => parts::number_in_string(content, &within).map(AttributeValue::N),
        "B" => parts::bytes(content, &within).map(AttributeValue::B),
        "BOOL" => parts::boolean(content, &within).map(AttributeValue::Bool),
        "NULL" => match content {
            Value::Bool(true) => Ok(AttributeValue::Null),
            _ => Err(JsonError::NullNotTrue { path: within.to_string() }),
        },
        "L" => parts::list(content, &within, read).map(AttributeValue::L),
        "M" => parts::entries(parts::object(content, &within)?, &within, read).map(AttributeValue::M),
        "SS" => parts::set(content, &within, parts::text).map(AttributeValue::Ss),
        "NS" => parts::set(content, &within, parts::number_in_string).map(AttributeValue::Ns),
        "BS" => parts::set(content, &within, parts::bytes).map(AttributeValue::Bs),
        _ => Err(JsonError::UnknownType { path: path.to_string(), found: name.clone() }),
    }
}

fn entries_to_json<'a>(entries: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>) -> Value {
    entries.into_iter().map(|(name, value)| (name.clone(), value_to_dynamodb_json(value))).collect()
}
