//! Values and numbers on their own: bytes, and serde by those bytes, for messages that carry them.
//!
//! ```text
//!   value    version (0x01) | tag | content       as within an item
//!   number   as `Number::to_key_bytes` writes it
//! ```

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::reader::Reader;
use super::{CodecError, VERSION, put_value, take_value};
use crate::item::number::{Number, NumberBytesError};
use crate::item::value::{AttributeValue, Item};

impl AttributeValue {
    /// The encoded value: equal values have equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(8 + self.size());
        out.push(VERSION);
        put_value(self, &mut out);
        out.into()
    }

    /// Reads what [`AttributeValue::to_bytes`] writes. Of the limits of items only the depth is checked.
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
        let value = take_value(&mut reader, 1)?;
        match reader.remaining() {
            0 => Ok(value),
            bytes => Err(CodecError::TrailingBytes { bytes }),
        }
    }
}

impl Serialize for AttributeValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for AttributeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(&Bytes::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(&Bytes::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = Vec::new();
        self.to_key_bytes(&mut out);
        match out.is_empty() {
            true => Err(ser::Error::custom("a number without bytes")),
            false => serializer.serialize_bytes(&out),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        let read = Self::from_key_bytes(&bytes).and_then(|(number, rest)| match rest.first() {
            None => Ok(number),
            Some(byte) => Err(NumberBytesError::Invalid { byte: *byte }),
        });
        read.map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::item::{AttributeValue, CodecError, Number, arbitrary};

    proptest! {
        #[test]
        fn values_round_trip(value in arbitrary::value()) {
            prop_assert_eq!(AttributeValue::from_bytes(&value.to_bytes()), Ok(value.clone()));
            let packed = rmp_serde::to_vec(&value).unwrap();
            prop_assert_eq!(rmp_serde::from_slice::<AttributeValue>(&packed).unwrap(), value);
        }

        #[test]
        fn numbers_round_trip(number in arbitrary::number()) {
            let packed = rmp_serde::to_vec(&number).unwrap();
            prop_assert_eq!(rmp_serde::from_slice::<Number>(&packed).unwrap(), number);
        }

        #[test]
        fn any_bytes_are_a_value_in_its_one_form_or_refused(tail in any::<Vec<u8>>()) {
            let bytes = [vec![1], tail].concat();
            if let Ok(value) = AttributeValue::from_bytes(&bytes) {
                prop_assert_eq!(value.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn refuses_what_encoding_never_yields() {
        assert_eq!(AttributeValue::from_bytes(&[]), Err(CodecError::Truncated));
        assert_eq!(AttributeValue::from_bytes(&[2, 6]), Err(CodecError::UnknownVersion { found: 2 }));
        assert_eq!(AttributeValue::from_bytes(&[1, 6, 6]), Err(CodecError::TrailingBytes { bytes: 1 }));
        let deep = [vec![1], [7, 1].repeat(32), vec![6]].concat();
        assert_eq!(AttributeValue::from_bytes(&deep), Err(CodecError::TooDeep));
        // The bytes of two numbers are not one.
        let two = rmp_serde::to_vec(&bytes::Bytes::from_static(&[0x80, 0x80])).unwrap();
        assert!(rmp_serde::from_slice::<Number>(&two).is_err());
    }
}
