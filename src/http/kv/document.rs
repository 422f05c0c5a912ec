//! Items as the bodies of requests and answers, in one of two dialects. Values only.
//!
//! Which one is asked for with `?form=`; an answer has that of its request. Both are described in `item/json.rs`.

use serde_json::{Value, json};

use super::failure::KvError;
use crate::dynamo::context::Context;
use crate::dynamo::siblings::Version;
use crate::item::{Item, item_from_dynamodb_json, item_from_json, item_to_dynamodb_json, item_to_json};

/// A dialect of JSON for items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// For people: `{"n": 1.5}`.
    #[default]
    Plain,
    /// DynamoDB's: `{"n": {"N": "1.5"}}`.
    Dynamodb,
}

impl Form {
    /// By its name in a query.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "plain" => Some(Self::Plain),
            "dynamodb" => Some(Self::Dynamodb),
            _ => None,
        }
    }

    /// The item that a body is.
    ///
    /// # Errors
    ///
    /// [`KvError::InvalidItem`] with what stands where.
    pub(super) fn read(self, body: &[u8]) -> Result<Item, KvError> {
        let invalid = |reason: String| KvError::InvalidItem { reason };
        if body.trim_ascii().is_empty() {
            return Err(invalid("there is no body: send the item as a JSON object".to_owned()));
        }
        let json: Value =
            serde_json::from_slice(body).map_err(|error| invalid(format!("the body is not JSON: {error}")))?;
        let item = match self {
            Self::Plain => item_from_json(&json),
            Self::Dynamodb => item_from_dynamodb_json(&json),
        };
        item.map_err(|error| invalid(error.to_string()))
    }

    /// The items of a key's visible versions. Reaped ones have none.
    ///
    /// # Errors
    ///
    /// [`KvError::Damaged`].
    pub(super) fn siblings(self, versions: &[Version]) -> Result<Value, KvError> {
        let items = versions.iter().filter_map(|version| version.value.as_deref());
        let items: Vec<Value> =
            items.map(|bytes| Ok(self.write(&Item::from_bytes(bytes)?))).collect::<Result<_, KvError>>()?;
        Ok(items.into())
    }

    fn write(self, item: &Item) -> Value {
        match self {
            Self::Plain => item_to_json(item),
            Self::Dynamodb => item_to_dynamodb_json(item),
        }
    }
}

/// The answer about one key: its siblings, or how many there are, and the context.
pub(super) fn of_key(siblings: impl Into<Value>, context: &Context) -> Value {
    json!({ "siblings": siblings.into(), "context": context.to_string() })
}

/// The answer to a range read.
pub(super) fn of_range(items: Vec<Value>, next: Option<String>) -> Value {
    let items: Vec<Value> = items.into_iter().map(|siblings| json!({ "siblings": siblings })).collect();
    json!({ "items": items, "next": next })
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn an_item_reads_back_in_both_forms() {
        let cases = [
            (Form::Plain, r#"{"n": 1.5, "set": {"$stringSet": ["a"]}, "deep": {"list": [null, true]}}"#),
            (Form::Dynamodb, r#"{"n": {"N": "1.5"}, "b": {"B": "AAEC"}}"#),
        ];
        for (form, text) in cases {
            let item = form.read(text.as_bytes()).unwrap();
            let json: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(form.write(&item), json);
        }
    }

    #[test]
    fn what_is_no_item_is_refused_with_its_place() {
        let cases = [
            (Form::Plain, "", "no body"),
            (Form::Plain, " \n", "no body"),
            (Form::Plain, "{", "not JSON"),
            (Form::Plain, "{} {}", "not JSON"),
            (Form::Plain, "[]", "expected an object"),
            (Form::Plain, r#"{"a": {"$binary": "?"}}"#, "$.a.$binary"),
            (Form::Dynamodb, r#"{"a": 1}"#, "$.a"),
        ];
        for (form, text, words) in cases {
            let error = form.read(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "invalid_item", "{text}");
            assert!(error.message().contains(words), "{text}: {}", error.message());
        }
        assert_eq!(Form::Plain.read(b"{\"a\": \"\xFF\"}").unwrap_err().code(), "invalid_item");
    }
}
