//! Keys as bytes that sort like the keys.
//!
//! ```text
//!   key        partition part | sort part, if there is one
//!   part       0x01 | escaped bytes | 0x00 0x01     S, in UTF-8
//!              0x02 | number                        N, as `Number::to_key_bytes` writes it
//!              0x03 | escaped bytes | 0x00 0x01     B
//!   escaped    each 0x00 becomes 0x00 0xFF
//! ```
//!
//! A part ends itself: its end sorts before whatever else may follow a zero or any other byte, so a text sorts
//! before those it is a prefix of. Hence the bytes of one partition key begin all keys with that partition
//! key and no others, which makes them the bounds of a scan. (A length in front would not sort, and a bare
//! zero behind would let a part with a zero in it pass for two.)

use bytes::Bytes;

use super::key::{Key, KeyValue};
use super::number::{Number, NumberBytesError};

const TEXT: u8 = 0x01;
const NUMBER: u8 = 0x02;
const BYTES: u8 = 0x03;

/// Opens both the escape for a zero and the end of a part.
const ESCAPE: u8 = 0x00;
const ESCAPED_ZERO: u8 = 0xFF;
const END: u8 = 0x01;

/// Why bytes are not those of a key. They were cut, damaged, or written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyBytesError {
    /// The bytes end before the key does.
    #[error("the bytes end within a key")]
    Truncated,
    /// A part begins with a byte that stands for no type.
    #[error("byte {tag:#04x} stands for no type of key")]
    UnknownType {
        /// The byte found.
        tag: u8,
    },
    /// A zero is followed by a byte that neither escapes it nor ends the part.
    #[error("byte {byte:#04x} cannot follow a zero in a key")]
    BadEscape {
        /// The byte found.
        byte: u8,
    },
    /// A text is not UTF-8.
    #[error("the text of a key is not UTF-8")]
    NotUtf8,
    /// A number is damaged.
    #[error("the number of a key cannot be read: {reason}")]
    BadNumber {
        /// What is wrong with it.
        reason: NumberBytesError,
    },
    /// More bytes follow the sort key.
    #[error("{bytes} bytes follow the key")]
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
}

impl Key {
    /// The bytes of the key, of which the lexicographic order is the order of the keys. They begin with
    /// [`Key::partition_bytes`].
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.encoded_capacity());
        self.append_to(&mut out);
        out.into()
    }

    /// Appends what [`Key::to_bytes`] returns, and says how many of these bytes are [`Key::partition_bytes`].
    pub fn append_to(&self, out: &mut Vec<u8>) -> usize {
        let begin = out.len();
        encode(&self.partition, out);
        let partition_bytes = out.len() - begin;
        if let Some(sort) = &self.sort {
            encode(sort, out);
        }
        partition_bytes
    }

    /// What the bytes of all keys with this partition key begin with, and those of no others.
    #[must_use]
    pub fn partition_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.encoded_capacity());
        encode(&self.partition, &mut out);
        out.into()
    }

    /// What the bytes of all keys begin with that have this partition key, and a sort key that begins with this one: a text or bytes.
    #[must_use]
    pub fn prefix_bytes(&self) -> Bytes {
        let bytes = self.to_bytes();
        match self.sort {
            Some(KeyValue::S(_) | KeyValue::B(_)) => bytes.slice(..bytes.len().saturating_sub(2)),
            Some(KeyValue::N(_)) | None => bytes,
        }
    }

    /// Reads what [`Key::to_bytes`] writes. Lengths are not checked against the limits of keys; a caller that
    /// does not trust the bytes does so with `check_size`.
    ///
    /// # Errors
    ///
    /// [`KeyBytesError`] for anything that encoding never yields.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyBytesError> {
        let (partition, rest) = decode(bytes)?;
        if rest.is_empty() {
            return Ok(Self { partition, sort: None });
        }
        let (sort, rest) = decode(rest)?;
        match rest.len() {
            0 => Ok(Self { partition, sort: Some(sort) }),
            bytes => Err(KeyBytesError::TrailingBytes { bytes }),
        }
    }

    /// Enough for the key unless it has zeros to escape: a type and two bytes of end for each part.
    #[must_use]
    pub fn encoded_capacity(&self) -> usize {
        3 + self.partition.size() + self.sort.as_ref().map_or(0, |sort| 3 + sort.size())
    }
}

fn encode(value: &KeyValue, out: &mut Vec<u8>) {
    match value {
        KeyValue::S(text) => {
            out.push(TEXT);
            escape(text.as_bytes(), out);
        }
        KeyValue::N(number) => {
            out.push(NUMBER);
            number.to_key_bytes(out);
        }
        KeyValue::B(bytes) => {
            out.push(BYTES);
            escape(bytes, out);
        }
    }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == ESCAPE {
            out.push(ESCAPED_ZERO);
        }
    }
    out.extend([ESCAPE, END]);
}

/// Reads one part, and returns it with the bytes that follow it.
fn decode(bytes: &[u8]) -> Result<(KeyValue, &[u8]), KeyBytesError> {
    let (tag, rest) = bytes.split_first().ok_or(KeyBytesError::Truncated)?;
    match *tag {
        TEXT => {
            let (bytes, rest) = unescape(rest)?;
            let text = String::from_utf8(bytes).map_err(|_| KeyBytesError::NotUtf8)?;
            Ok((KeyValue::S(text), rest))
        }
        NUMBER => {
            let number = Number::from_key_bytes(rest).map_err(|reason| KeyBytesError::BadNumber { reason });
            number.map(|(number, rest)| (KeyValue::N(number), rest))
        }
        BYTES => unescape(rest).map(|(bytes, rest)| (KeyValue::B(bytes.into()), rest)),
        tag => Err(KeyBytesError::UnknownType { tag }),
    }
}

fn unescape(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), KeyBytesError> {
    let mut out = Vec::new();
    loop {
        let zero = rest.iter().position(|byte| *byte == ESCAPE).ok_or(KeyBytesError::Truncated)?;
        out.extend_from_slice(&rest[..zero]);
        let after = rest.get(zero + 1).ok_or(KeyBytesError::Truncated)?;
        rest = &rest[zero + 2..];
        match *after {
            END => return Ok((out, rest)),
            ESCAPED_ZERO => out.push(ESCAPE),
            byte => return Err(KeyBytesError::BadEscape { byte }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Key, KeyBytesError, KeyValue};
    use crate::item::arbitrary;

    #[test]
    fn refuses_what_encoding_never_yields() {
        let table: [(&[u8], KeyBytesError); 8] = [
            (b"", KeyBytesError::Truncated),
            (b"\x01ab", KeyBytesError::Truncated),
            (b"\x01ab\x00", KeyBytesError::Truncated),
            (b"\x01ab\x00\x01\x03", KeyBytesError::Truncated),
            (b"\x04ab\x00\x01", KeyBytesError::UnknownType { tag: 4 }),
            (b"\x01a\x00b\x00\x01", KeyBytesError::BadEscape { byte: b'b' }),
            (b"\x01\xFF\x00\x01", KeyBytesError::NotUtf8),
            (b"\x02\x80\x02\x80\x02\x80", KeyBytesError::TrailingBytes { bytes: 2 }),
        ];
        for (bytes, error) in table {
            assert_eq!(Key::from_bytes(bytes), Err(error), "{bytes:?}");
        }
        assert!(matches!(Key::from_bytes(b"\x02\x00"), Err(KeyBytesError::BadNumber { .. })));
    }

    /// Two keys, of which the second's partition key often is the first's, or the first's and a bit more.
    fn neighbours() -> impl Strategy<Value = (Key, Key)> {
        let tail = prop::sample::select(['\0', '\u{1}', '\u{2}', 'a', '\u{ff}'].as_slice());
        (arbitrary::key(), arbitrary::key(), 0..3, tail).prop_map(|(a, mut b, relation, tail)| {
            match relation {
                0 => b.partition = a.partition.clone(),
                1 => b.partition = extended(a.partition.clone(), tail),
                _ => {}
            }
            (a, b)
        })
    }

    fn extended(value: KeyValue, tail: char) -> KeyValue {
        match value {
            KeyValue::S(text) => KeyValue::S(format!("{text}{tail}")),
            KeyValue::B(bytes) => KeyValue::B([&bytes[..], tail.to_string().as_bytes()].concat().into()),
            number @ KeyValue::N(_) => number,
        }
    }

    /// Bytes of any values, or of those that mean something, which are a key now and then.
    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        let meaningful = [0x00, 0x01, 0x02, 0x03, 0x14, 0x80, 0xC0, 0xFF];
        let meaningful = prop::sample::select(meaningful.to_vec());
        prop_oneof![prop::collection::vec(meaningful, 0..8), any::<Vec<u8>>()]
    }

    proptest! {
        #[test]
        fn byte_order_is_key_order((a, b) in neighbours()) {
            prop_assert_eq!(a.to_bytes().cmp(&b.to_bytes()), a.cmp(&b), "{} and {}", a, b);
        }

        /// Of texts, here: bytes are encoded in the same way.
        #[test]
        fn a_prefix_finds_what_begins_with_it(begin in "[\0-\u{2}a\u{ff}]{0,3}", other in "[\0-\u{2}a\u{ff}]{0,5}") {
            let key = |sort: &str| Key { partition: KeyValue::S("p".to_owned()), sort: Some(KeyValue::S(sort.to_owned())) };
            let found = key(&other).to_bytes().starts_with(&key(&begin).prefix_bytes());
            prop_assert_eq!(found, other.starts_with(&begin));
        }

        #[test]
        fn round_trips(key in arbitrary::key()) {
            prop_assert_eq!(Key::from_bytes(&key.to_bytes()), Ok(key));
        }

        #[test]
        fn partition_bytes_begin_keys_of_that_partition_key_only((a, b) in neighbours()) {
            prop_assert!(a.to_bytes().starts_with(&a.partition_bytes()));
            let shared = b.to_bytes().starts_with(&a.partition_bytes());
            prop_assert_eq!(shared, a.partition == b.partition, "{} and {}", a, b);
        }

        #[test]
        fn texts_sort_as_their_bytes(a in "[\0\u{1}a\u{ff}]{0,4}", b in "[\0\u{1}a\u{ff}]{0,4}") {
            let key = |text: &String| Key { partition: KeyValue::S(text.clone()), sort: None }.to_bytes();
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.as_bytes().cmp(b.as_bytes()));
        }

        #[test]
        fn any_bytes_are_a_key_in_its_one_form_or_refused(bytes in any_bytes()) {
            if let Ok(key) = Key::from_bytes(&bytes) {
                prop_assert_eq!(key.to_bytes(), bytes);
            }
        }

        #[test]
        fn damaged_keys_are_keys_in_their_one_form_or_refused(
            key in arbitrary::key(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = key.to_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(key) = Key::from_bytes(&bytes) {
                prop_assert_eq!(key.to_bytes(), bytes);
            }
        }
    }
}
