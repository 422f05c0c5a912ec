//! How a refused value is shown in the text that refuses it: as the service's own program would print it.
//!
//! ```text
//!   "abc;"                                       abc;
//!   [{"AttributeName": "a", "KeyType": "HASH"}]  [KeySchemaElement(attributeName=a, keyType=HASH)]
//!   {"t": ["a", "b"]}                            {t=[a, b]}
//! ```
//!
//! The service shows everything. Here a value is cut after [`SHOWN_BYTES_MAX`], so that a large request does
//! not become a larger reply.

use std::fmt::{self, Write};

use super::place::LowerFirst;
use super::{Map, Names, Shape, Structure};
use crate::http::dynamodb::json::Json;

/// More of a value is not shown.
const SHOWN_BYTES_MAX: usize = 4096;

/// The value as text.
pub(super) fn echo(json: &Json<'_>, shape: Shape) -> String {
    let mut shown = Bounded(String::new());
    // An error means that it has been cut.
    let _ = match shape {
        Shape::Map(Map { names: Names::OfTables, .. }) => write_json(&mut shown, json),
        shape => write(&mut shown, json, shape),
    };
    shown.0
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = SHOWN_BYTES_MAX - self.0.len().min(SHOWN_BYTES_MAX);
        let end = text.floor_char_boundary(room);
        self.0.push_str(&text[..end]);
        if end < text.len() {
            self.0.push_str("...");
            return Err(fmt::Error);
        }
        Ok(())
    }
}

fn write(out: &mut Bounded, json: &Json<'_>, shape: Shape) -> fmt::Result {
    match (json, shape) {
        (Json::Null, _) => out.write_str("null"),
        (Json::Boolean(boolean), _) => write!(out, "{boolean}"),
        (Json::Number(number), _) => out.write_str(number),
        (Json::Text(text), _) => out.write_str(text),
        (Json::Array(elements), shape) => {
            let element_shape = match shape {
                Shape::List(list) => list.element,
                _ => Shape::Boolean,
            };
            write_parts(out, ('[', ']'), ", ", elements, |out, element| write(out, element, element_shape))
        }
        (Json::Object(_), Shape::Structure(structure)) => write_structure(out, json, structure),
        (Json::Object(_), Shape::Value) => write_structure(out, json, &ATTRIBUTE_VALUE),
        (Json::Object(fields), shape) => {
            let value_shape = match shape {
                Shape::Map(map) => map.value,
                _ => Shape::Value,
            };
            write_parts(out, ('{', '}'), ", ", fields, |out, (name, value)| {
                write!(out, "{name}=")?;
                write(out, value, value_shape)
            })
        }
    }
}

fn write_parts<T>(
    out: &mut Bounded,
    (open, close): (char, char),
    comma: &str,
    parts: &[T],
    mut write: impl FnMut(&mut Bounded, &T) -> fmt::Result,
) -> fmt::Result {
    out.write_char(open)?;
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.write_str(comma)?;
        }
        write(out, part)?;
    }
    out.write_char(close)
}

fn write_structure(out: &mut Bounded, json: &Json<'_>, structure: &Structure) -> fmt::Result {
    write!(out, "{}(", structure.name)?;
    for (at, member) in structure.members.iter().enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        write!(out, "{comma}{}=", LowerFirst(member.name))?;
        write(out, json.get(member.name).unwrap_or(&Json::Null), member.shape)?;
    }
    out.write_char(')')
}

fn write_json(out: &mut Bounded, json: &Json<'_>) -> fmt::Result {
    match json {
        Json::Text(text) => write!(out, "\"{text}\""),
        Json::Array(elements) => write_parts(out, ('[', ']'), ",", elements, write_json),
        Json::Object(fields) => write_parts(out, ('{', '}'), ",", fields, |out, (name, value)| {
            write!(out, "\"{name}\":")?;
            write_json(out, value)
        }),
        scalar => write(out, scalar, Shape::Boolean),
    }
}

/// For printing only: its types are checked by rules of their own.
static ATTRIBUTE_VALUE: Structure = {
    use super::words::{TEXT, VALUES, list, list_of, optional};
    use super::{List, Member};

    static TEXTS: List = list_of(TEXT, 0, usize::MAX);
    static LIST: List = list_of(Shape::Value, 0, usize::MAX);
    static MEMBERS: [Member; 10] = [
        optional("S", TEXT),
        optional("N", TEXT),
        optional("B", TEXT),
        optional("SS", list(&TEXTS)),
        optional("NS", list(&TEXTS)),
        optional("BS", list(&TEXTS)),
        optional("M", VALUES),
        optional("L", list(&LIST)),
        optional("NULL", Shape::Boolean),
        optional("BOOL", Shape::Boolean),
    ];
    Structure { name: "AttributeValue", members: &MEMBERS }
};
