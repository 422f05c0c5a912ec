//! Items as bytes for storage and the wire.
//!
//! ```text
//!   item     version (0x01) | entries
//!   entries  count | (name | value) …                    names strictly ascending
//!   value    tag | content
//!            S, B       length | bytes
//!            N          as `Number::to_key_bytes` writes it
//!            BOOL       nothing: true and false have a tag each
//!            NULL       nothing
//!            L          count | value …
//!            M          entries
//!            SS, BS     count | (length | bytes) …       strictly ascending
//!            NS         count | number …                 strictly ascending
//!   name     length | bytes
//!   count, length        varint: seven bits per byte, lowest first, the top bit set on all but the last
//! ```
//!
//! An item has one encoding and an encoding one item: reading refuses varints with needless bytes, members
//! out of order and bytes left over. So equal items have equal bytes, and hashes of the bytes compare items.
//!
//! Tags and version are kept in files and sent between versions of the program: a change of meaning takes a
//! new number, and no number is used twice.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::number::NumberBytesError;
use super::value::{AttributeValue, Item, MAX_DEPTH};

mod reader;
mod value_serde;
mod walk;

use reader::Reader;
pub use walk::{Compound, Listener, Scalar, walk};

/// The first byte of an encoded item.
const VERSION: u8 = 1;

const TAG_S: u8 = 1;
const TAG_N: u8 = 2;
const TAG_B: u8 = 3;
const TAG_FALSE: u8 = 4;
const TAG_TRUE: u8 = 5;
const TAG_NULL: u8 = 6;
const TAG_L: u8 = 7;
const TAG_M: u8 = 8;
const TAG_SS: u8 = 9;
const TAG_NS: u8 = 10;
const TAG_BS: u8 = 11;

/// Why bytes are not those of an item. They were cut, damaged, or written by another version; whoever holds
/// another replica of the item reads it there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The first byte names a version that this program does not know. Upgrade it.
    #[error("items of format version {found} are unknown here, only version {VERSION} is known")]
    UnknownVersion {
        /// The version found.
        found: u8,
    },
    /// The bytes end before the item does, or a length or count is more than what is left of them.
    #[error("the bytes end within the item")]
    Truncated,
    /// A value begins with a byte that stands for no type.
    #[error("byte {tag:#04x} stands for no type of value")]
    UnknownTag {
        /// The byte found.
        tag: u8,
    },
    /// A text or a name is not UTF-8.
    #[error("a text or name is not UTF-8")]
    NotUtf8,
    /// A length or count has needless bytes or is too large for this machine.
    #[error("a length or count is malformed")]
    BadVarint,
    /// A number is damaged.
    #[error("a number cannot be read: {reason}")]
    BadNumber {
        /// What is wrong with it.
        reason: NumberBytesError,
    },
    /// The names of a map or the members of a set are not strictly ascending.
    #[error("the names of a map or the members of a set are not in ascending order")]
    NotAscending,
    /// A value is nested deeper than [`MAX_DEPTH`] levels.
    #[error("a value is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More bytes follow the item.
    #[error("{bytes} bytes follow the item")]
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
}

impl Item {
    /// The encoded item: equal items have equal bytes.
    ///
    /// An item that [`Item::validate`] accepts is read back by [`Item::from_bytes`]; one nested too deeply is
    /// not.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        // The size by DynamoDB's rules is near that of the encoding, which has lengths where it has overheads.
        let mut out = Vec::with_capacity(2 + self.size() + 4 * self.len());
        out.push(VERSION);
        put_entries(self.len(), self, &mut out);
        out.into()
    }

    /// Reads what [`Item::to_bytes`] writes. Of the limits of items only the depth is checked.
    ///
    /// # Errors
    ///
    /// [`CodecError`] for anything that encoding never yields.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        match reader.byte()? {
            VERSION => {}
            found => return Err(CodecError::UnknownVersion { found }),
        }
        let entries = take_entries(&mut reader, 1)?;
        match reader.remaining() {
            0 => Ok(entries.into_iter().collect()),
            bytes => Err(CodecError::TrailingBytes { bytes }),
        }
    }
}

fn put_entries<'a>(
    count: usize,
    entries: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>,
    out: &mut Vec<u8>,
) {
    put_varint(count, out);
    for (name, value) in entries {
        put_bytes(name.as_bytes(), out);
        put_value(value, out);
    }
}

fn put_value(value: &AttributeValue, out: &mut Vec<u8>) {
    out.push(tag(value));
    match value {
        AttributeValue::S(text) => put_bytes(text.as_bytes(), out),
        AttributeValue::N(number) => number.to_key_bytes(out),
        AttributeValue::B(bytes) => put_bytes(bytes, out),
        AttributeValue::Bool(_) | AttributeValue::Null => {}
        AttributeValue::L(values) => {
            put_varint(values.len(), out);
            values.iter().for_each(|value| put_value(value, out));
        }
        AttributeValue::M(entries) => put_entries(entries.len(), entries, out),
        AttributeValue::Ss(members) => {
            put_varint(members.len(), out);
            members.iter().for_each(|text| put_bytes(text.as_bytes(), out));
        }
        AttributeValue::Ns(members) => {
            put_varint(members.len(), out);
            members.iter().for_each(|number| number.to_key_bytes(out));
        }
        AttributeValue::Bs(members) => {
            put_varint(members.len(), out);
            members.iter().for_each(|bytes| put_bytes(bytes, out));
        }
    }
}

fn tag(value: &AttributeValue) -> u8 {
    match value {
        AttributeValue::S(_) => TAG_S,
        AttributeValue::N(_) => TAG_N,
        AttributeValue::B(_) => TAG_B,
        AttributeValue::Bool(false) => TAG_FALSE,
        AttributeValue::Bool(true) => TAG_TRUE,
        AttributeValue::Null => TAG_NULL,
        AttributeValue::L(_) => TAG_L,
        AttributeValue::M(_) => TAG_M,
        AttributeValue::Ss(_) => TAG_SS,
        AttributeValue::Ns(_) => TAG_NS,
        AttributeValue::Bs(_) => TAG_BS,
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn put_varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        // The cast keeps the low bits, which are the ones wanted.
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads the entries of the item or of a map, whose values are on `level`.
fn take_entries(reader: &mut Reader<'_>, level: usize) -> Result<BTreeMap<String, AttributeValue>, CodecError> {
    let mut entries = BTreeMap::new();
    for _ in 0..reader.count()? {
        let name = reader.text()?;
        if entries.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(CodecError::NotAscending);
        }
        let value = take_value(reader, level)?;
        entries.insert(name, value);
    }
    Ok(entries)
}

fn take_value(reader: &mut Reader<'_>, level: usize) -> Result<AttributeValue, CodecError> {
    if level > MAX_DEPTH {
        return Err(CodecError::TooDeep);
    }
    Ok(match reader.byte()? {
        TAG_S => AttributeValue::S(reader.text()?),
        TAG_N => AttributeValue::N(reader.number()?),
        TAG_B => AttributeValue::B(reader.bytes()?),
        TAG_FALSE => AttributeValue::Bool(false),
        TAG_TRUE => AttributeValue::Bool(true),
        TAG_NULL => AttributeValue::Null,
        TAG_L => AttributeValue::L(take_list(reader, level + 1)?),
        TAG_M => AttributeValue::M(take_entries(reader, level + 1)?),
        TAG_SS => AttributeValue::Ss(take_set(reader, Reader::text)?),
        TAG_NS => AttributeValue::Ns(take_set(reader, Reader::number)?),
        TAG_BS => AttributeValue::Bs(take_set(reader, Reader::bytes)?),
        tag => return Err(CodecError::UnknownTag { tag }),
    })
}

/// Reads the elements of a list. The list grows as they are read: room for a count taken on trust, at each of
/// 32 levels, would be a thousand times the input.
fn take_list(reader: &mut Reader<'_>, level: usize) -> Result<Vec<AttributeValue>, CodecError> {
    let mut values = Vec::new();
    for _ in 0..reader.count()? {
        values.push(take_value(reader, level)?);
    }
    Ok(values)
}

fn take_set<'a, T: Ord>(
    reader: &mut Reader<'a>,
    member: fn(&mut Reader<'a>) -> Result<T, CodecError>,
) -> Result<BTreeSet<T>, CodecError> {
    let mut members = BTreeSet::new();
    for _ in 0..reader.count()? {
        let next = member(reader)?;
        if members.last().is_some_and(|last| *last >= next) {
            return Err(CodecError::NotAscending);
        }
        members.insert(next);
    }
    Ok(members)
}

#[cfg(test)]
mod tests;
