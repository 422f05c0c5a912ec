//! How a type is made of JSON, and the words that declare types which are.
//!
//! What arrives here has been checked against the tables of `shapes`, so only the values of attributes can
//! still be wrong. Should the tables and these types disagree, the request is refused as one that does not
//! fit, and nothing panics.

use std::collections::BTreeMap;

use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json::Json;
use crate::http::dynamodb::shapes::{boolean_of, table_of, whole_of};

/// In which words a value is refused: the service has two layers that check values, and some operations go through
/// the one, some through the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Current,
    Older,
}

/// A type that JSON can be decoded to.
pub(super) trait Decode: Sized {
    /// Makes one of a JSON value that is not null.
    fn decode(json: Json<'_>, words: Words) -> Result<Self, ApiError>;

    /// What the absence of a member stands for.
    fn absent(member: &str) -> Result<Self, ApiError> {
        Err(ApiError::validation(format!("The parameter '{member}' is required but was not present in the request")))
    }
}

/// The tables let something through that the types do not have.
pub(super) fn misfit() -> ApiError {
    ApiError::Serialization { message: None }
}

impl Decode for String {
    fn decode(json: Json<'_>, _: Words) -> Result<Self, ApiError> {
        match json {
            Json::Text(text) => Ok(text.into_owned()),
            _ => Err(misfit()),
        }
    }
}

impl Decode for bool {
    fn decode(json: Json<'_>, _: Words) -> Result<Self, ApiError> {
        match json {
            Json::Boolean(boolean) => Ok(boolean),
            Json::Text(text) => boolean_of(&text).ok_or_else(misfit),
            _ => Err(misfit()),
        }
    }
}

impl Decode for i64 {
    fn decode(json: Json<'_>, _: Words) -> Result<Self, ApiError> {
        match json {
            Json::Number(number) => whole_of(&number).ok_or_else(misfit),
            _ => Err(misfit()),
        }
    }
}

impl Decode for u64 {
    fn decode(json: Json<'_>, words: Words) -> Result<Self, ApiError> {
        Self::try_from(i64::decode(json, words)?).map_err(|_| misfit())
    }
}

impl Decode for u32 {
    fn decode(json: Json<'_>, words: Words) -> Result<Self, ApiError> {
        Self::try_from(i64::decode(json, words)?).map_err(|_| misfit())
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(json: Json<'_>, words: Words) -> Result<Self, ApiError> {
        T::decode(json, words).map(Some)
    }

    fn absent(_: &str) -> Result<Self, ApiError> {
        Ok(None)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(json: Json<'_>, words: Words) -> Result<Self, ApiError> {
        match json {
            // A null in a list counts as nothing, as everywhere.
            Json::Array(elements) => elements
                .into_iter()
                .filter(|element| !element.is_null())
                .map(|element| T::decode(element, words))
                .collect(),
            _ => Err(misfit()),
        }
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(json: Json<'_>, words: Words) -> Result<Self, ApiError> {
        match json {
            Json::Object(fields) => fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| Ok((name.into_owned(), T::decode(value, words)?)))
                .collect(),
            _ => Err(misfit()),
        }
    }
}

/// The name of a table, which clients may send within an ARN.
pub(super) fn name_of_table(json: Json<'_>, _: Words) -> Result<String, ApiError> {
    match json {
        Json::Text(text) => Ok(table_of(&text).to_owned()),
        _ => Err(misfit()),
    }
}

/// Declares a structure: the name of each member in JSON, and its field and type here. Members are decoded in
/// the order of the declaration, whatever their order in the body. A function behind a
/// type decodes the field in its stead.
macro_rules! structure {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$field_doc:meta])* $member:literal => $field:ident: $type:ty $(, $with:path)?;)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::http::dynamodb::requests::decode::Decode for $name {
            fn decode(
                json: $crate::http::dynamodb::json::Json<'_>,
                words: $crate::http::dynamodb::requests::decode::Words,
            ) -> Result<Self, $crate::http::dynamodb::error::ApiError> {
                $(let mut $field = None;)*
                let $crate::http::dynamodb::json::Json::Object(members) = json else {
                    return Err($crate::http::dynamodb::requests::decode::misfit());
                };
                for (name, value) in members {
                    if value.is_null() {
                        continue;
                    }
                    match name.as_ref() {
                        $($member => $field = Some(value),)*
                        _ => {}
                    }
                }
                Ok(Self {
                    $($field: match $field {
                        Some(value) => $crate::http::dynamodb::requests::decode::structure!(
                            @decode value, words, $type $(, $with)?
                        )?,
                        None => <$type as $crate::http::dynamodb::requests::decode::Decode>::absent($member)?,
                    },)*
                })
            }
        }
    };
    (@decode $value:ident, $words:ident, $type:ty) => {
        <$type as $crate::http::dynamodb::requests::decode::Decode>::decode($value, $words)
    };
    (@decode $value:ident, $words:ident, $type:ty, $with:path) => {
        $with($value, $words)
    };
}

/// Declares a set of words as JSON has them, and the variants that stand for them.
macro_rules! enumeration {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $word:literal => $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The word as JSON has it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl $crate::http::dynamodb::requests::decode::Decode for $name {
            fn decode(
                json: $crate::http::dynamodb::json::Json<'_>,
                _: $crate::http::dynamodb::requests::decode::Words,
            ) -> Result<Self, $crate::http::dynamodb::error::ApiError> {
                match &json {
                    $($crate::http::dynamodb::json::Json::Text(text) if text == $word => Ok(Self::$variant),)+
                    _ => Err($crate::http::dynamodb::requests::decode::misfit()),
                }
            }
        }
    };
}

pub(super) use {enumeration, structure};
