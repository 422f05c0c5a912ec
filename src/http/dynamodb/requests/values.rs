//! The values of attributes, decoded from JSON, with the service's words for those that cannot be.
//!
//! ```text
//!   {"S": "x"}              -> S("x")
//!   {}  {"X": 1}            -> Supplied AttributeValue is empty, ...
//!   {"S": "x", "N": "1"}    -> Supplied AttributeValue has more than one datatypes set, ...
//!   {"N": "x"}              -> The parameter cannot be converted to a numeric value: x
//! ```
//!
//! Nothing here walks deeper than the levels that an item may have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::decode::{Decode, Words, misfit};
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json::Json;
use crate::item::{AttributeValue, Item, ItemError, MAX_DEPTH, Number, NumberError};

/// Names that stand for placeholders in expressions (`#a`).
pub type ExpressionNames = BTreeMap<String, String>;

/// Values that stand for placeholders in expressions (`:a`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpressionValues(pub BTreeMap<String, AttributeValue>);

impl Decode for ExpressionValues {
    fn decode(json: Json<'_>, words: Words) -> Result<Self, ApiError> {
        let Json::Object(fields) = json else {
            return Err(misfit());
        };
        let decode = |name: String, value| match attribute_value(value, 1, words) {
            Ok(value) => Ok((name, value)),
            Err(ApiError::Validation { message }) if words == Words::Older => Err(ApiError::validation(format!(
                "ExpressionAttributeValues contains invalid value: {message} for key {name}"
            ))),
            Err(error) => Err(error),
        };
        fields.into_iter().map(|(name, value)| decode(name.into_owned(), value)).collect::<Result<_, _>>().map(Self)
    }
}

impl Decode for AttributeValue {
    fn decode(json: Json<'_>, words: Words) -> Result<Self, ApiError> {
        attribute_value(json, 1, words)
    }
}

/// An item, part of one, or a key.
impl Decode for Item {
    fn decode(json: Json<'_>, words: Words) -> Result<Self, ApiError> {
        match json {
            Json::Object(fields) => entries(fields, 1, words),
            _ => Err(misfit()),
        }
    }
}

fn entries<C: FromIterator<(String, AttributeValue)>>(
    fields: Vec<(std::borrow::Cow<'_, str>, Json<'_>)>,
    level: usize,
    words: Words,
) -> Result<C, ApiError> {
    fields.into_iter().map(|(name, value)| Ok((name.into_owned(), attribute_value(value, level, words)?))).collect()
}

fn attribute_value(json: Json<'_>, level: usize, words: Words) -> Result<AttributeValue, ApiError> {
    if level > MAX_DEPTH {
        return Err(too_deep());
    }
    let types = match json {
        Json::Object(types) => types,
        Json::Null => return Err(empty_value()),
        _ => return Err(misfit()),
    };
    let mut found = None;
    let mut is_several = false;
    for (name, content) in types {
        if content.is_null() {
            continue;
        }
        let value = match name.as_ref() {
            "S" => AttributeValue::S(String::decode(content, words)?),
            "N" => AttributeValue::N(number(&content, words)?),
            "B" => AttributeValue::B(binary(&content)?),
            "BOOL" => AttributeValue::Bool(bool::decode(content, words)?),
            "NULL" => match bool::decode(content, words)? {
                true => AttributeValue::Null,
                false => return Err(invalid("Null attribute value types must have the value of true")),
            },
            "L" => AttributeValue::L(list(content, level + 1, words)?),
            "M" => match content {
                Json::Object(fields) => AttributeValue::M(entries(fields, level + 1, words)?),
                _ => return Err(misfit()),
            },
            "SS" => AttributeValue::Ss(strings(content, words)?),
            "NS" => AttributeValue::Ns(numbers(content, words)?),
            "BS" => AttributeValue::Bs(binaries(content, words)?),
            _ => continue,
        };
        is_several |= found.replace(value).is_some();
    }
    match found {
        Some(_) if is_several => Err(ApiError::validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        )),
        Some(value) => Ok(value),
        None => Err(empty_value()),
    }
}

fn empty_value() -> ApiError {
    ApiError::validation("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
}

pub(super) fn too_deep() -> ApiError {
    ApiError::validation(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
    )
}

fn list(json: Json<'_>, level: usize, words: Words) -> Result<Vec<AttributeValue>, ApiError> {
    array(json)?.into_iter().map(|element| attribute_value(element, level, words)).collect()
}

fn array(json: Json<'_>) -> Result<Vec<Json<'_>>, ApiError> {
    match json {
        Json::Array(elements) => Ok(elements),
        _ => Err(misfit()),
    }
}

fn text<'a>(json: &'a Json<'_>) -> Result<&'a str, ApiError> {
    match json {
        Json::Text(text) => Ok(text),
        // A null among the members of a set.
        Json::Null => Err(invalid("An AttributeValue may not contain a null member")),
        _ => Err(misfit()),
    }
}

fn number(json: &Json<'_>, words: Words) -> Result<Number, ApiError> {
    let text = text(json)?;
    text.parse().map_err(|reason| match reason {
        NumberError::Malformed if text.is_empty() && words == Words::Older => {
            ApiError::validation("The parameter cannot be converted to a numeric value")
        }
        NumberError::Malformed => {
            ApiError::validation(format!("The parameter cannot be converted to a numeric value: {text}"))
        }
        NumberError::TooPrecise { .. } => {
            ApiError::validation("Attempting to store more than 38 significant digits in a Number")
        }
        NumberError::Overflow => ApiError::validation(
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
        NumberError::Underflow => ApiError::validation(
            "Number underflow. Attempting to store a number with magnitude smaller than supported range",
        ),
    })
}

fn binary(json: &Json<'_>) -> Result<Bytes, ApiError> {
    STANDARD.decode(text(json)?).map(Bytes::from).map_err(|_| misfit())
}

fn strings(json: Json<'_>, words: Words) -> Result<BTreeSet<String>, ApiError> {
    let members = array(json)?;
    if members.is_empty() {
        return Err(invalid("An string set  may not be empty"));
    }
    let texts = members.iter().map(|member| text(member).map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
    set_of(texts).map_err(|texts| match words {
        Words::Current => {
            let quoted: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
            invalid(format!("Input collection [{}] contains duplicates.", shown(quoted, ", ")))
        }
        Words::Older => invalid(format!("Input collection [{}] contains duplicates.", shown(sent(&members), ", "))),
    })
}

fn numbers(json: Json<'_>, words: Words) -> Result<BTreeSet<Number>, ApiError> {
    let members = array(json)?;
    if members.is_empty() {
        return Err(invalid("An number set  may not be empty"));
    }
    let numbers = members.iter().map(|member| number(member, words)).collect::<Result<Vec<_>, _>>()?;
    set_of(numbers).map_err(|_| match words {
        Words::Current => invalid("Input collection contains duplicates."),
        Words::Older => ApiError::validation("Input collection contains duplicates"),
    })
}

fn binaries(json: Json<'_>, words: Words) -> Result<BTreeSet<Bytes>, ApiError> {
    let members = array(json)?;
    if members.is_empty() {
        return Err(invalid("Binary sets should not be empty"));
    }
    let binaries = members.iter().map(binary).collect::<Result<Vec<_>, _>>()?;
    set_of(binaries).map_err(|binaries| match words {
        Words::Current => {
            let quoted: Vec<String> = binaries.iter().map(|bytes| format!("\"{}\"", STANDARD.encode(bytes))).collect();
            invalid(format!("Input collection [{}]of type BS contains duplicates.", shown(quoted, ",")))
        }
        Words::Older => {
            invalid(format!("Input collection [{}]of type BS contains duplicates.", shown(sent(&members), ", ")))
        }
    })
}

/// The set of different members; of others a list as the service shows it: in order what came before the first
/// that was there already, then this, then the rest as sent.
fn set_of<T: Ord + Clone>(members: Vec<T>) -> Result<BTreeSet<T>, Vec<T>> {
    let mut set = BTreeSet::new();
    let mut members = members.into_iter();
    while let Some(member) = members.next() {
        if set.contains(&member) {
            return Err(set.into_iter().chain([member]).chain(members).collect());
        }
        set.insert(member);
    }
    Ok(set)
}

/// The members of a set of texts, as sent.
fn sent(members: &[Json<'_>]) -> Vec<String> {
    members.iter().filter_map(|member| text(member).ok().map(str::to_owned)).collect()
}

/// The members of a refused set, of a large one only the first.
fn shown(members: Vec<String>, comma: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 4096;
    let mut bytes = 0;
    let fit = members.iter().take_while(|member| {
        bytes += member.len();
        bytes <= SHOWN_BYTES_MAX
    });
    let fit = fit.count();
    let more = if fit < members.len() { "..." } else { "" };
    format!("{}{more}", members[..fit].join(comma))
}

fn invalid(what: impl Display) -> ApiError {
    ApiError::validation(format!("One or more parameter values were invalid: {what}"))
}

/// What the service says of an item that breaks a limit.
impl From<ItemError> for ApiError {
    fn from(error: ItemError) -> Self {
        match error {
            ItemError::TooDeep { .. } => too_deep(),
            ItemError::TooLarge { .. } => Self::validation("Item size has exceeded the maximum allowed size"),
            ItemError::EmptySet { .. } => invalid("An string set  may not be empty"),
            ItemError::EmptyName { .. } => Self::validation("Empty attribute name"),
            ItemError::NameTooLong { .. } => invalid("Attribute name is too large, must be less than 65535 bytes"),
        }
    }
}
