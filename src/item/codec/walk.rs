//! An encoded item told part by part, to whoever writes it down in another form: no item is made in memory.
//!
//! ```text
//!   {"a": {"L": [{"S": "x"}]}, "b": {"SS": ["y"]}}
//!   name a, begin list, scalar x, end list, name b, begin texts, member y, end texts
//! ```
//!
//! What is refused is what [`Item::from_bytes`](crate::item::Item::from_bytes) refuses, but parts of it may have been told before.

use super::reader::Reader;
use super::{
    CodecError, TAG_B, TAG_BS, TAG_FALSE, TAG_L, TAG_M, TAG_N, TAG_NS, TAG_NULL, TAG_S, TAG_SS, TAG_TRUE, VERSION,
};
use crate::item::number::Number;
use crate::item::value::MAX_DEPTH;

/// A value that has no parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// Text.
    S(&'a str),
    /// A number.
    N(Number),
    /// Bytes.
    B(&'a [u8]),
    /// True or false.
    Bool(bool),
    /// The null value.
    Null,
}

/// A value that has parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compound {
    /// Values in order.
    List,
    /// Names, each followed by its value.
    Map,
    /// Members that are texts.
    Texts,
    /// Members that are numbers.
    Numbers,
    /// Members that are bytes.
    ByteStrings,
}

/// Is told what an item consists of.
pub trait Listener {
    /// The name of an attribute, or of an entry of a map. Its value follows.
    fn name(&mut self, name: &str);

    /// A value.
    fn scalar(&mut self, scalar: Scalar<'_>);

    /// A member of a set.
    fn member(&mut self, member: Scalar<'_>);

    /// What follows are the parts of one value.
    fn begin(&mut self, compound: Compound);

    /// Those were all.
    fn end(&mut self, compound: Compound);
}

/// Tells the attributes of an encoded item.
///
/// # Errors
///
/// [`CodecError`] for anything that encoding never yields.
pub fn walk(bytes: &[u8], listener: &mut impl Listener) -> Result<(), CodecError> {
    let mut reader = Reader::new(bytes);
    match reader.byte()? {
        VERSION => {}
        found => return Err(CodecError::UnknownVersion { found }),
    }
    walk_entries(&mut reader, 1, listener)?;
    match reader.remaining() {
        0 => Ok(()),
        bytes => Err(CodecError::TrailingBytes { bytes }),
    }
}

fn walk_entries(reader: &mut Reader<'_>, level: usize, listener: &mut impl Listener) -> Result<(), CodecError> {
    let mut last = None;
    for _ in 0..reader.count()? {
        let name = reader.str()?;
        if last.replace(name).is_some_and(|last| last >= name) {
            return Err(CodecError::NotAscending);
        }
        listener.name(name);
        walk_value(reader, level, listener)?;
    }
    Ok(())
}

fn walk_value(reader: &mut Reader<'_>, level: usize, listener: &mut impl Listener) -> Result<(), CodecError> {
    if level > MAX_DEPTH {
        return Err(CodecError::TooDeep);
    }
    let scalar = match reader.byte()? {
        TAG_S => Scalar::S(reader.str()?),
        TAG_N => Scalar::N(reader.number()?),
        TAG_B => Scalar::B(reader.slice()?),
        TAG_FALSE => Scalar::Bool(false),
        TAG_TRUE => Scalar::Bool(true),
        TAG_NULL => Scalar::Null,
        TAG_L => {
            listener.begin(Compound::List);
            for _ in 0..reader.count()? {
                walk_value(reader, level + 1, listener)?;
            }
            listener.end(Compound::List);
            return Ok(());
        }
        TAG_M => {
            listener.begin(Compound::Map);
            walk_entries(reader, level + 1, listener)?;
            listener.end(Compound::Map);
            return Ok(());
        }
        TAG_SS => return walk_set(reader, Compound::Texts, listener, Reader::str, Scalar::S),
        TAG_NS => return walk_set(reader, Compound::Numbers, listener, Reader::number, Scalar::N),
        TAG_BS => return walk_set(reader, Compound::ByteStrings, listener, Reader::slice, Scalar::B),
        tag => return Err(CodecError::UnknownTag { tag }),
    };
    listener.scalar(scalar);
    Ok(())
}

fn walk_set<'a, T: Copy + Ord>(
    reader: &mut Reader<'a>,
    compound: Compound,
    listener: &mut impl Listener,
    member: fn(&mut Reader<'a>) -> Result<T, CodecError>,
    scalar: fn(T) -> Scalar<'a>,
) -> Result<(), CodecError> {
    listener.begin(compound);
    let mut last = None;
    for _ in 0..reader.count()? {
        let next = member(reader)?;
        if last.replace(next).is_some_and(|last| last >= next) {
            return Err(CodecError::NotAscending);
        }
        listener.member(scalar(next));
    }
    listener.end(compound);
    Ok(())
}
