//! Replies as JSON, written straight into bytes: no tree of values in between.
//!
//! ```text
//!   out.object(|out| {
//!       out.name("Item").item(&item);          {"Item":{"a":{"S":"x"}},
//!       out.name("Count").integer(3);           "Count":3}
//!   })
//! ```
//!
//! Commas put themselves: a value or name needs one unless it follows `{`, `[` or `:`. An item looks as
//! [`crate::item::item_to_dynamodb_json`] has it.

use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::item::{AttributeValue, CodecError, Compound, Item, Listener, Number, Scalar, walk};

/// JSON under construction.
#[derive(Debug, Default)]
pub struct JsonWriter {
    bytes: Vec<u8>,
}

impl JsonWriter {
    /// An empty writer with room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// What has been written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many bytes have been written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// An object, with the names and values that `fields` writes.
    pub fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.separate();
        self.bytes.push(b'{');
        fields(self);
        self.bytes.push(b'}');
    }

    /// An array, with the values that `elements` writes.
    pub fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.separate();
        self.bytes.push(b'[');
        elements(self);
        self.bytes.push(b']');
    }

    /// The name of a field. Its value must follow.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.text(name);
        self.bytes.push(b':');
        self
    }

    /// A string.
    pub fn text(&mut self, text: &str) {
        self.separate();
        self.bytes.push(b'"');
        escape(text, &mut self.bytes);
        self.bytes.push(b'"');
    }

    /// Strings in an array.
    pub fn texts<T: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = T>) {
        self.array(|out| texts.into_iter().for_each(|text| out.text(text.as_ref())));
    }

    /// A whole number.
    pub fn integer(&mut self, number: impl Into<i128>) {
        self.separate();
        let number: i128 = number.into();
        // Writing into a vector cannot fail.
        let _ = write!(self.bytes, "{number}");
    }

    /// How many there are of something.
    pub fn count(&mut self, count: usize) {
        self.separate();
        let _ = write!(self.bytes, "{count}");
    }

    /// A number with a point: capacity units, or seconds since 1970. One that JSON cannot have is written as 0.
    pub fn float(&mut self, number: f64) {
        self.separate();
        let number = if number.is_finite() { number } else { 0.0 };
        let _ = write!(self.bytes, "{number:?}");
    }

    /// True or false.
    pub fn boolean(&mut self, boolean: bool) {
        self.separate();
        self.bytes.extend_from_slice(if boolean { b"true" } else { b"false" });
    }

    /// An item: its attributes by name.
    pub fn item(&mut self, item: &Item) {
        self.attributes(item);
    }

    /// An item as it is stored.
    ///
    /// # Errors
    ///
    /// [`CodecError`] when the bytes are not those of an item. What has been written is of no use then.
    pub fn stored_item(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        self.separate();
        self.bytes.push(b'{');
        walk(bytes, self)?;
        self.bytes.push(b'}');
        Ok(())
    }

    /// Attributes by name, such as part of an item.
    pub fn attributes<'a>(&mut self, attributes: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>) {
        self.object(|out| attributes.into_iter().for_each(|(name, value)| out.name(name).value(value)));
    }

    /// The value of an attribute, as an object that names its type.
    pub fn value(&mut self, value: &AttributeValue) {
        self.object(|out| {
            out.name(value.type_name());
            match value {
                AttributeValue::S(text) => out.text(text),
                AttributeValue::N(number) => out.number(number),
                AttributeValue::B(bytes) => out.base64(bytes),
                AttributeValue::Bool(boolean) => out.boolean(*boolean),
                AttributeValue::Null => out.boolean(true),
                AttributeValue::L(values) => out.array(|out| values.iter().for_each(|value| out.value(value))),
                AttributeValue::M(entries) => out.attributes(entries),
                AttributeValue::Ss(members) => out.texts(members),
                AttributeValue::Ns(members) => out.array(|out| members.iter().for_each(|member| out.number(member))),
                AttributeValue::Bs(members) => out.array(|out| members.iter().for_each(|member| out.base64(member))),
            }
        });
    }

    fn number(&mut self, number: &Number) {
        self.separate();
        let _ = write!(self.bytes, "\"{number}\"");
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.separate();
        self.bytes.push(b'"');
        let start = self.bytes.len();
        let length = base64::encoded_len(bytes.len(), true).unwrap_or_default();
        self.bytes.resize(start + length, 0);
        // The room is exactly what the encoding takes.
        let written = STANDARD.encode_slice(bytes, &mut self.bytes[start..]).unwrap_or(0);
        self.bytes.truncate(start + written);
        self.bytes.push(b'"');
    }

    fn scalar_content(&mut self, scalar: Scalar<'_>) {
        match scalar {
            Scalar::S(text) => self.text(text),
            Scalar::N(number) => self.number(&number),
            Scalar::B(bytes) => self.base64(bytes),
            Scalar::Bool(boolean) => self.boolean(boolean),
            Scalar::Null => self.boolean(true),
        }
    }

    fn separate(&mut self) {
        if !matches!(self.bytes.last(), None | Some(b'{' | b'[' | b':')) {
            self.bytes.push(b',');
        }
    }
}

/// Writes a stored item down as it is told.
impl Listener for JsonWriter {
    fn name(&mut self, name: &str) {
        Self::name(self, name);
    }

    fn scalar(&mut self, scalar: Scalar<'_>) {
        let name = match scalar {
            Scalar::S(_) => "S",
            Scalar::N(_) => "N",
            Scalar::B(_) => "B",
            Scalar::Bool(_) => "BOOL",
            Scalar::Null => "NULL",
        };
        self.object(|out| {
            out.name(name);
            out.scalar_content(scalar);
        });
    }

    fn member(&mut self, member: Scalar<'_>) {
        self.scalar_content(member);
    }

    fn begin(&mut self, compound: Compound) {
        self.separate();
        self.bytes.extend_from_slice(match compound {
            Compound::List => br#"{"L":["#,
            Compound::Map => br#"{"M":{"#,
            Compound::Texts => br#"{"SS":["#,
            Compound::Numbers => br#"{"NS":["#,
            Compound::ByteStrings => br#"{"BS":["#,
        });
    }

    fn end(&mut self, compound: Compound) {
        self.bytes.extend_from_slice(if compound == Compound::Map { b"}}" } else { b"]}" });
    }
}

/// Whether a byte must be escaped within a JSON string.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

/// So many bytes are looked at together.
const STRIDE: usize = 32;

/// Whether no byte must be escaped: comparisons without branches, which the compiler makes of vectors.
fn is_plain(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |found, byte| found | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\'))
}

fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for (number, stride) in bytes.chunks(STRIDE).enumerate().filter(|(_, stride)| !is_plain(stride)) {
        for (at, byte) in stride.iter().enumerate().filter(|(_, byte)| ESCAPED[usize::from(**byte)]) {
            let at = STRIDE * number + at;
            out.extend_from_slice(&bytes[written..at]);
            written = at + 1;
            escape_byte(*byte, out);
        }
    }
    out.extend_from_slice(&bytes[written..]);
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        control => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(control >> 4)]);
            out.push(HEX[usize::from(control & 0xF)]);
        }
    }
}

#[cfg(test)]
#[path = "json_out_tests.rs"]
mod tests;
