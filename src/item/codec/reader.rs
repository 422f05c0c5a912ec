//! Takes the parts of an encoded item from the front of its bytes.

use bytes::Bytes;

use super::CodecError;
use crate::item::number::Number;

/// What is left of the bytes. Nothing is allocated for a length or count before it is known to fit in them.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn byte(&mut self) -> Result<u8, CodecError> {
        let (byte, rest) = self.rest.split_first().ok_or(CodecError::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }

    /// How many elements follow. Each takes at least one byte, so more than the bytes left cannot be.
    pub(super) fn count(&mut self) -> Result<usize, CodecError> {
        match self.varint()? {
            count if count > self.rest.len() => Err(CodecError::Truncated),
            count => Ok(count),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, CodecError> {
        self.str().map(str::to_owned)
    }

    /// A text where it lies.
    pub(super) fn str(&mut self) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.slice()?).map_err(|_| CodecError::NotUtf8)
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, CodecError> {
        self.slice().map(Bytes::copy_from_slice)
    }

    pub(super) fn number(&mut self) -> Result<Number, CodecError> {
        let read = Number::from_key_bytes(self.rest);
        let (number, rest) = read.map_err(|reason| CodecError::BadNumber { reason })?;
        self.rest = rest;
        Ok(number)
    }

    /// Bytes where they lie.
    pub(super) fn slice(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.varint()?;
        let (slice, rest) = self.rest.split_at_checked(length).ok_or(CodecError::Truncated)?;
        self.rest = rest;
        Ok(slice)
    }

    fn varint(&mut self) -> Result<usize, CodecError> {
        let mut value = 0_u64;
        // Nine bytes hold 63 bits, more than any length in memory has.
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                // A last byte of zero adds nothing: the same value has a shorter form.
                let needless = byte == 0 && shift > 0;
                return usize::try_from(value).ok().filter(|_| !needless).ok_or(CodecError::BadVarint);
            }
        }
        Err(CodecError::BadVarint)
    }
}
