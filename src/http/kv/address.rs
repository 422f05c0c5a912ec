//! Where an item is: paths, and keys spelt in them. Values only.
//!
//! ```text
//!   /kv/orders/ada/7       table "orders", key "ada", sort "7"
//!   │                        │
//!   │                        └ with the table's schema: Key { S "ada", N 7 }
//!   └ percent-decoded, segment by segment
//! ```
//!
//! How a key is spelt depends on its declared type alone, so that no text can be meant in two ways: S is the text, N a decimal number,
//! B base64url. Segments that are empty, `.` or `..` are refused: clients, proxies and signatures drop them, so that two paths would be one.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::failure::KvError;
use crate::item::{Key, KeyAttribute, KeyError, KeyKind, KeyValue, TableSchema};

/// Everything of this surface is below it.
const ROOT: &str = "/kv/";

/// Bytes in a path or a query: the alphabet that needs no escapes there. Padding may be left out.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A path, taken apart and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The table's name.
    pub(super) table: String,
    /// The partition key, as text.
    pub(super) key: String,
    /// The sort key, as text.
    pub(super) sort: Option<String>,
}

/// What a path means in its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// One item.
    Item(Key),
    /// All items of a partition key, in a table that has a sort key.
    Range(KeyValue),
}

impl Address {
    /// Takes apart a path as it was sent.
    ///
    /// # Errors
    ///
    /// [`KvError::InvalidPath`], [`KvError::NoSuchResource`].
    pub(super) fn parse(path: &str) -> Result<Self, KvError> {
        let segments: Vec<&str> = path.strip_prefix(ROOT).ok_or(KvError::NoSuchResource)?.split('/').collect();
        if let Some(dropped) = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
            let reason = format!(
                "a segment of the path is {dropped:?}: a path is /kv/{{table}}/{{key}} or /kv/{{table}}/{{key}}/{{sort}}, and no part is \
                 empty; a dot is written %2E"
            );
            return Err(KvError::InvalidPath { reason });
        }
        let decoded = |segment: &str| percent_decoded(segment).map_err(|reason| KvError::InvalidPath { reason });
        match segments[..] {
            [table, key] => Ok(Self { table: decoded(table)?, key: decoded(key)?, sort: None }),
            [table, key, sort] => Ok(Self { table: decoded(table)?, key: decoded(key)?, sort: Some(decoded(sort)?) }),
            [_] => Err(KvError::NoSuchResource),
            _ => Err(KvError::InvalidPath {
                reason: "more than a table, a key and a sort key: a slash within a key is written %2F".to_owned(),
            }),
        }
    }

    /// What it means in a table with this schema.
    ///
    /// # Errors
    ///
    /// [`KvError::InvalidKey`].
    pub(super) fn place(&self, table: &TableSchema) -> Result<Place, KvError> {
        let partition = key_value(&table.partition_key, &self.key)?;
        let key = match (&table.sort_key, &self.sort) {
            (Some(attribute), Some(sort)) => Key { partition, sort: Some(key_value(attribute, sort)?) },
            (None, Some(_)) => return Err(KeyError::UnexpectedSortKey.into()),
            (_, None) => Key { partition, sort: None },
        };
        key.check_size()?;
        match (&table.sort_key, &key.sort) {
            (Some(_), None) => Ok(Place::Range(key.partition)),
            _ => Ok(Place::Item(key)),
        }
    }
}

/// A key value by the type that its attribute is declared to have.
///
/// # Errors
///
/// [`KvError::InvalidKey`]: the text is none of that type.
pub(super) fn key_value(attribute: &KeyAttribute, text: &str) -> Result<KeyValue, KvError> {
    let name = || attribute.name.clone();
    match attribute.kind {
        KeyKind::S => Ok(KeyValue::S(text.to_owned())),
        KeyKind::N => match text.parse() {
            Ok(number) => Ok(KeyValue::N(number)),
            Err(reason) => Err(KeyError::NotANumber { attribute: name(), reason }.into()),
        },
        KeyKind::B => match BASE64URL.decode(text) {
            Ok(bytes) => Ok(KeyValue::B(bytes.into())),
            Err(_) => {
                let reason = format!("the key attribute {:?} must be bytes in base64url (RFC 4648, section 5)", name());
                Err(KvError::InvalidKey { reason })
            }
        },
    }
}

/// The text that a percent-encoded one stands for, or what is wrong with it.
pub(super) fn percent_decoded(text: &str) -> Result<String, String> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte != b'%' {
            decoded.push(*byte);
            at += 1;
            continue;
        }
        let digits = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2)));
        let byte = digits.0.zip(digits.1).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded
            .push(byte.ok_or("a percent sign must be followed by two hexadecimal digits: itself it is written %25")?);
        at += 3;
    }
    String::from_utf8(decoded).map_err(|_| "what is percent-encoded is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Address, BASE64URL, Place, percent_decoded};
    use crate::item::{Key, KeyAttribute, KeyKind, KeyValue, TableSchema};
    use base64::Engine as _;

    fn table(partition: KeyKind, sort: Option<KeyKind>) -> TableSchema {
        let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
        TableSchema {
            partition_key: attribute("p", partition),
            sort_key: sort.map(|kind| attribute("s", kind)),
            ..TableSchema::kv()
        }
    }

    fn encoded(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
    }

    fn code(path: &str, table: &TableSchema) -> &'static str {
        let place = Address::parse(path).and_then(|address| address.place(table));
        place.map_or_else(|error| error.code(), |_| "ok")
    }

    proptest! {
        #[test]
        fn any_text_key_has_a_path(key in ".{1,20}", sort in ".{1,20}") {
            let path = format!("/kv/t/{}/{}", encoded(key.as_bytes()), encoded(sort.as_bytes()));
            let place = Address::parse(&path).unwrap().place(&table(KeyKind::S, Some(KeyKind::S)));
            prop_assert_eq!(place.unwrap(), Place::Item(Key { partition: KeyValue::S(key), sort: Some(KeyValue::S(sort)) }));
        }

        #[test]
        fn any_bytes_and_numbers_have_a_path(bytes in prop::collection::vec(any::<u8>(), 1..20), number: i64) {
            let path = format!("/kv/t/{}/{number}", BASE64URL.encode(&bytes));
            let place = Address::parse(&path).unwrap().place(&table(KeyKind::B, Some(KeyKind::N))).unwrap();
            let key = Key { partition: KeyValue::B(bytes.into()), sort: Some(KeyValue::N(number.into())) };
            prop_assert_eq!(place, Place::Item(key));
        }

        #[test]
        fn any_path_is_handled(path in "(/kv/)?[%/.a-f0-9=é-]{0,30}") {
            for kind in [KeyKind::S, KeyKind::N, KeyKind::B] {
                let _ = Address::parse(&path).and_then(|address| address.place(&table(kind, Some(kind))));
            }
            let _ = percent_decoded(&path);
        }
    }

    #[test]
    fn one_number_has_many_spellings_and_is_one_key() {
        let numbers = table(KeyKind::N, None);
        let one = |path| Address::parse(path).unwrap().place(&numbers).unwrap();
        assert_eq!(one("/kv/t/1.50"), one("/kv/t/15e-1"));
        assert_eq!(one("/kv/t/+1.5"), one("/kv/t/%31.5"));
    }

    #[test]
    fn a_partition_key_alone_is_a_range_where_there_are_sort_keys() {
        let place = Address::parse("/kv/t/AP8=").unwrap().place(&table(KeyKind::B, Some(KeyKind::S))).unwrap();
        assert_eq!(place, Place::Range(KeyValue::B(vec![0, 255].into())));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let (simple, sorted) = (table(KeyKind::S, None), table(KeyKind::N, Some(KeyKind::B)));
        let cases = [
            ("/kv/t/a", "ok"),
            ("/kv/t/a%2Fb", "ok"),
            ("/kv/t/%2E%2e", "ok"),
            ("/kv", "no_such_resource"),
            ("/kv/t", "no_such_resource"),
            ("/kv/t/", "invalid_path"),
            ("/kv/t/a/", "invalid_path"),
            ("/kv//a", "invalid_path"),
            ("/kv/t/..", "invalid_path"),
            ("/kv/t/./a", "invalid_path"),
            ("/kv/t/a/b/c", "invalid_path"),
            ("/kv/t/a%", "invalid_path"),
            ("/kv/t/a%2", "invalid_path"),
            ("/kv/t/%zz", "invalid_path"),
            ("/kv/t/%FF", "invalid_path"),
            ("/kv/t/a/b", "invalid_key"),
        ];
        for (path, expected) in cases {
            assert_eq!(code(path, &simple), expected, "{path}");
        }
        let long = format!("/kv/t/{}", "x".repeat(2049));
        assert_eq!(code(&long, &simple), "invalid_key");
        for (path, expected) in [
            ("/kv/t/1", "ok"),
            ("/kv/t/one", "invalid_key"),
            ("/kv/t/0x1", "invalid_key"),
            ("/kv/t/1/_-8", "ok"),
            ("/kv/t/1/_-8=", "ok"),
            ("/kv/t/1/%2B%2F8", "invalid_key"),
            ("/kv/t/1/_-9", "invalid_key"),
            ("/kv/t/1/a%20b", "invalid_key"),
        ] {
            assert_eq!(code(path, &sorted), expected, "{path}");
        }
    }
}
