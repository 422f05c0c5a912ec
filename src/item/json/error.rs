//! What can be wrong with a JSON document that should be an item.

use crate::item::number::NumberError;
use crate::item::value::MAX_DEPTH;

/// Why a JSON document is not an item or value. Nothing was stored; correct what stands at the path, which is
/// a way from the root of the document, such as `$.a.b[3]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Another kind of JSON value is needed there.
    #[error("{path}: expected {expected}, found {found}")]
    WrongKind {
        /// Where it stands.
        path: String,
        /// What is needed, such as "an array".
        expected: &'static str,
        /// What stands there, such as "a string".
        found: &'static str,
    },
    /// A number is malformed or does not fit. Round it, or send a string.
    #[error("{path}: {reason}")]
    BadNumber {
        /// Where it stands.
        path: String,
        /// What is wrong with it.
        reason: NumberError,
    },
    /// Bytes are not in base64. Use the standard alphabet, with padding.
    #[error("{path}: not bytes in base64 (standard alphabet, padded)")]
    BadBase64 {
        /// Where they stand.
        path: String,
    },
    /// A set has no members. Leave the attribute out instead.
    #[error("{path}: a set cannot be empty")]
    EmptySet {
        /// Where the set stands.
        path: String,
    },
    /// A member of a set equals an earlier one. Leave it out.
    #[error("{path}: the set has this member already")]
    DuplicateMember {
        /// Where the second one stands.
        path: String,
    },
    /// A value is nested deeper than the 32 levels of an item. Flatten the document, or send it as text.
    #[error("{path}: nested deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// Where the first value below the limit stands.
        path: String,
    },
    /// In DynamoDB's dialect: a value needs exactly one type. Write it as in `{"S": "x"}`.
    #[error("{path}: a value has one type, as in {{\"S\": \"x\"}}; this has {count}")]
    NotOneType {
        /// Where the value stands.
        path: String,
        /// How many types it has.
        count: usize,
    },
    /// In DynamoDB's dialect: the type is none of the ten.
    #[error("{path}: {found:?} is no type; the types are S, N, B, BOOL, NULL, L, M, SS, NS and BS")]
    UnknownType {
        /// Where the value stands.
        path: String,
        /// What stands for its type.
        found: String,
    },
    /// In DynamoDB's dialect: a null is written `{"NULL": true}` and in no other way.
    #[error("{path}: the value of NULL must be true")]
    NullNotTrue {
        /// Where the value of NULL stands.
        path: String,
    },
    /// In the plain dialect: `$map` wraps only a map that would be taken for a tag. Leave it out.
    #[error("{path}: this map needs no $map around it")]
    NeedlessMapTag {
        /// Where the map stands.
        path: String,
    },
}
