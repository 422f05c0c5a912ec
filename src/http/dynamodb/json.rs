//! The body of a request as a tree that borrows from the body.
//!
//! ```text
//!   {"Key": {"a": {"S": "x"}}}  -->  Object[("Key", Object[("a", Object[("S", Text("x"))])])]
//! ```
//!
//! Requests are small and most of their text is names, so a tree of vectors that points into the body costs a
//! fraction of what maps of owned strings do: one allocation for each object and array, and none for a string
//! without escapes. Names keep the order of the body; of equal names the last one counts.
//!
//! `serde_json` does the parsing: it checks UTF-8 and refuses more than 128 levels.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Boolean(bool),
    /// Its text, which loses nothing.
    Number(Box<str>),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    ///
    /// The body is not JSON, not UTF-8, or nested more than 128 levels deep.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// The value of a field of an object. A field that is null counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(fields) => {
                // Names are unique, see `unique`.
                fields.iter().find(|(field, _)| field == name).map(|(_, value)| value).filter(|value| !value.is_null())
            }
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether a number is written without a point and exponent.
    pub(super) fn is_whole(number: &str) -> bool {
        !number.contains(['.', 'e', 'E'])
    }
}

/// The name under which `serde_json` hands over a number of which it keeps the text.
const NUMBER: &str = "$serde_json::private::Number";

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Json<'de>, E> {
        Ok(Json::Boolean(boolean))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.to_string().into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.to_string().into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number(format!("{number:?}").into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_string<E>(self, text: String) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json<'de>, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some(Name(name)) = entries.next_key()? {
            let value = entries.next_value()?;
            match value {
                // A body that spells this name itself gets a number where it wrote an object: it is refused as such.
                Json::Text(digits) if fields.is_empty() && name == NUMBER => {
                    return Ok(Json::Number(digits.into()));
                }
                value => fields.push((name, value)),
            }
        }
        unique(&mut fields);
        Ok(Json::Object(fields))
    }
}

/// Drops all but the last of fields with equal names, and leaves the order of the others.
fn unique(fields: &mut Vec<(Cow<'_, str>, Json<'_>)>) {
    /// Up to here comparing each with each costs less than a set.
    const FEW: usize = 8;
    let unique = match fields.len() {
        0..=FEW => fields.iter().enumerate().all(|(at, (name, _))| fields[..at].iter().all(|(other, _)| other != name)),
        many => {
            let mut seen = std::collections::HashSet::with_capacity(many);
            fields.iter().all(|(name, _)| seen.insert(name.as_ref()))
        }
    };
    if unique {
        return;
    }
    let mut seen = std::collections::HashSet::with_capacity(fields.len());
    let mut kept: Vec<bool> = fields.iter().rev().map(|(name, _)| seen.insert(name.as_ref().to_owned())).collect();
    fields.retain(|_| kept.pop().unwrap_or(true));
}

/// The name of a field: borrowed from the body where it can be.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(text)))
    }
}
