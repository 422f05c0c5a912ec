//! Whether each value of a request has the JSON type that its shape asks for.
//!
//! The texts are those of the program that reads JSON for the service. They depend on what stands there, on
//! what should, and for lists, maps and structures on where: as a member of a structure, or within a list or
//! map. The walk follows the body, so that the first fault in the body is the one reported.

use std::ops::RangeInclusive;

use super::{Shape, Structure};
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json::Json;

/// Checks a whole body.
///
/// # Errors
///
/// [`ApiError::Serialization`] for the first value of another type.
pub(super) fn check(body: &Json<'_>, structure: &Structure) -> Result<(), ApiError> {
    match body {
        Json::Object(_) => check_members(body, structure),
        _ => Err(ApiError::Serialization { message: None }),
    }
}

/// Where a list, map or structure stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Structure,
    Collection,
}

fn check_members(json: &Json<'_>, structure: &Structure) -> Result<(), ApiError> {
    let Json::Object(fields) = json else {
        return Ok(());
    };
    for (name, value) in fields {
        if let Some(member) = structure.members.iter().find(|member| member.name == name) {
            check_value(value, member.shape, Within::Structure)?;
        }
    }
    Ok(())
}

fn check_value(json: &Json<'_>, shape: Shape, within: Within) -> Result<(), ApiError> {
    if json.is_null() {
        return Ok(());
    }
    match shape {
        Shape::Text(_) => check_text(json),
        Shape::Boolean => check_boolean(json),
        Shape::Integer(_) => check_number(json, "Integer", i32::MIN.into()..=i32::MAX.into()),
        Shape::Long(_) => check_number(json, "Long", i64::MIN..=i64::MAX),
        Shape::Value => check_attribute_value(json, within),
        Shape::Values => match json {
            Json::Object(fields) => {
                fields.iter().try_for_each(|(_, value)| check_value(value, Shape::Value, Within::Collection))
            }
            _ => Err(wrong_map(json, "com.amazonaws.dynamodb.v20120810.AttributeValue", within)),
        },
        Shape::Structure(structure) => match json {
            Json::Object(_) => check_members(json, structure),
            _ => Err(wrong_structure(json, structure.name, within)),
        },
        Shape::List(list) => match json {
            Json::Array(elements) => {
                elements.iter().try_for_each(|element| check_value(element, list.element, Within::Collection))
            }
            _ => Err(wrong_list(json, within)),
        },
        Shape::Map(map) => match json {
            Json::Object(fields) => {
                fields.iter().try_for_each(|(_, value)| check_value(value, map.value, Within::Collection))
            }
            _ => Err(wrong_map(json, &java_type(map.value), within)),
        },
    }
}

/// The value of an attribute. Types that do not exist are ignored, as members that do not exist are.
fn check_attribute_value(json: &Json<'_>, within: Within) -> Result<(), ApiError> {
    let Json::Object(types) = json else {
        return Err(wrong_structure(json, "AttributeValue", within));
    };
    for (name, content) in types {
        if content.is_null() {
            continue;
        }
        match name.as_ref() {
            "S" | "N" => check_text(content)?,
            "B" => check_binary(content)?,
            "BOOL" | "NULL" => check_boolean(content)?,
            "SS" | "NS" => check_elements(content, check_text)?,
            "BS" => check_elements(content, check_binary)?,
            "L" => check_elements(content, |element| check_value(element, Shape::Value, Within::Collection))?,
            "M" => check_value(content, Shape::Values, Within::Structure)?,
            _ => {}
        }
    }
    Ok(())
}

fn check_elements(json: &Json<'_>, check: fn(&Json<'_>) -> Result<(), ApiError>) -> Result<(), ApiError> {
    match json {
        Json::Array(elements) => elements.iter().filter(|element| !element.is_null()).try_for_each(check),
        _ => Err(wrong_list(json, Within::Structure)),
    }
}

fn check_text(json: &Json<'_>) -> Result<(), ApiError> {
    match json {
        Json::Text(_) => Ok(()),
        _ => Err(not_convertible(json, "String")),
    }
}

fn check_boolean(json: &Json<'_>) -> Result<(), ApiError> {
    match json {
        Json::Boolean(_) => Ok(()),
        Json::Text(text) if boolean_of(text).is_some() => Ok(()),
        Json::Text(_) => Err(ApiError::serialization("Unexpected token received from parser")),
        _ => Err(not_convertible(json, "Boolean")),
    }
}

/// The service takes these words for booleans, in letters of any size.
pub(in crate::http::dynamodb) fn boolean_of(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match () {
        () if is(["true", "1", "yes"]) => Some(true),
        () if is(["false", "0", "no"]) => Some(false),
        () => None,
    }
}

fn check_number(json: &Json<'_>, java_type: &str, bits: RangeInclusive<i64>) -> Result<(), ApiError> {
    match json {
        Json::Number(number) => match whole_of(number) {
            Some(whole) if bits.contains(&whole) => Ok(()),
            _ => Err(ApiError::serialization(format!("Numeric value ({number}) out of range of {java_type}"))),
        },
        _ => Err(not_convertible(json, java_type)),
    }
}

/// A number without what is behind its point, if 64 bits can hold it.
pub(in crate::http::dynamodb) fn whole_of(number: &str) -> Option<i64> {
    if Json::is_whole(number) {
        return number.parse().ok();
    }
    // Beyond 2^53 a float would be another number, and no parameter is as large.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float: f64 = number.parse().ok()?;
    (float.abs() <= EXACT).then_some(float.floor() as i64)
}

fn check_binary(json: &Json<'_>) -> Result<(), ApiError> {
    match json {
        Json::Text(text) => check_base64(text),
        Json::Array(_) => Err(ApiError::serialization("Unrecognized collection type class java.nio.ByteBuffer")),
        Json::Object(_) => Err(object_where_none_is()),
        _ => Err(ApiError::serialization("only base-64-encoded strings are convertible to bytes")),
    }
}

fn check_base64(text: &str) -> Result<(), ApiError> {
    if !text.len().is_multiple_of(4) {
        let length = text.chars().count();
        return Err(ApiError::serialization(format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {length}"
        )));
    }
    let bytes = text.as_bytes();
    let padding = bytes.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let digits = &bytes[..bytes.len() - padding];
    // What the last digit has beyond whole bytes must be zero, or two texts would mean the same bytes.
    let last_is_whole = match (padding, digits.last().map(|digit| sextet(*digit))) {
        (1, Some(Some(last))) => last & 0b11 == 0,
        (2, Some(Some(last))) => last & 0b1111 == 0,
        _ => padding == 0,
    };
    if last_is_whole && digits.iter().all(|digit| sextet(*digit).is_some()) {
        return Ok(());
    }
    Err(ApiError::serialization("Invalid last non-pad Base64 character dectected"))
}

fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// What the reader of JSON says when a scalar should stand there.
fn not_convertible(json: &Json<'_>, java_type: &str) -> ApiError {
    let token = match json {
        Json::Null => "NULL_VALUE",
        Json::Boolean(true) => "TRUE_VALUE",
        Json::Boolean(false) => "FALSE_VALUE",
        Json::Number(number) if Json::is_whole(number) => "NUMBER_VALUE",
        Json::Number(_) => "DECIMAL_VALUE",
        Json::Text(_) => "STRING_VALUE",
        Json::Array(_) => {
            return ApiError::serialization(format!("Unrecognized collection type class java.lang.{java_type}"));
        }
        Json::Object(_) => return object_where_none_is(),
    };
    ApiError::serialization(format!("{token} cannot be converted to {java_type}"))
}

fn object_where_none_is() -> ApiError {
    ApiError::serialization("Start of structure or map found where not expected")
}

fn wrong_structure(json: &Json<'_>, name: &str, within: Within) -> ApiError {
    match (json, within) {
        (Json::Array(_), _) => ApiError::serialization(format!(
            "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.{name}"
        )),
        (_, Within::Structure) => ApiError::serialization("Unexpected field type"),
        (_, Within::Collection) => ApiError::serialization("Unexpected value type in payload"),
    }
}

/// Where a list or map in a list or map should stand, the service's program stumbles and says how.
const STUMBLE: &str = "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class \
                       java.lang.Class (sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and \
                       java.lang.Class are in module java.base of loader 'bootstrap')";

fn wrong_list(json: &Json<'_>, within: Within) -> ApiError {
    match (json, within) {
        (Json::Object(_), _) => object_where_none_is(),
        (_, Within::Structure) => ApiError::serialization("Unexpected field type"),
        (_, Within::Collection) => ApiError::serialization(STUMBLE),
    }
}

fn wrong_map(json: &Json<'_>, java_type: &str, within: Within) -> ApiError {
    match (json, within) {
        (Json::Array(_), _) => ApiError::serialization(format!(
            "Unrecognized collection type java.util.Map<java.lang.String, {java_type}>"
        )),
        (_, Within::Structure) => ApiError::serialization("Unexpected field type"),
        (_, Within::Collection) => ApiError::serialization(STUMBLE),
    }
}

/// What the service's program calls the type of a value in a map.
fn java_type(shape: Shape) -> String {
    match shape {
        Shape::Structure(structure) => format!("com.amazonaws.dynamodb.v20120810.{}", structure.name),
        Shape::List(list) => format!("java.util.List<{}>", java_type(list.element)),
        Shape::Value => "com.amazonaws.dynamodb.v20120810.AttributeValue".to_owned(),
        Shape::Values => "java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>".to_owned(),
        Shape::Map(map) => format!("java.util.Map<java.lang.String, {}>", java_type(map.value)),
        Shape::Text(_) => "java.lang.String".to_owned(),
        Shape::Boolean => "java.lang.Boolean".to_owned(),
        Shape::Integer(_) => "java.lang.Integer".to_owned(),
        Shape::Long(_) => "java.lang.Long".to_owned(),
    }
}
