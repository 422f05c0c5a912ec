//! Items as JSON, in two dialects, both without loss.
//!
//! ```text
//!                 plain                          DynamoDB
//!   S             "x"                            {"S": "x"}
//!   N             1.5                            {"N": "1.5"}
//!   BOOL, NULL    true, null                     {"BOOL": true}, {"NULL": true}
//!   L             [1, "x"]                       {"L": [{"N": "1"}, {"S": "x"}]}
//!   M             {"a": 1}                       {"M": {"a": {"N": "1"}}}
//!   B             {"$binary": "AAEC"}            {"B": "AAEC"}
//!   SS            {"$stringSet": ["a", "b"]}     {"SS": ["a", "b"]}
//!   NS            {"$numberSet": [1, 2.5]}       {"NS": ["1", "2.5"]}
//!   BS            {"$binarySet": ["AAEC"]}       {"BS": ["AAEC"]}
//!   M {$binary…}  {"$map": {"$binary": …}}       {"M": {"$binary": …}}
//! ```
//!
//! Plain JSON is for people and files. An object whose only name is one of the five tags is never a map, and
//! a map that would look so is wrapped in `$map`; a `$map` around any other map is refused, so that each item
//! has one document and each document one item. What may differ in a document that comes back are spellings
//! of one value: `1.0` returns as `1`, sets return in order. An item itself is always a map of attributes,
//! where tags mean nothing.
//!
//! DynamoDB's dialect is that of its API (API reference, `AttributeValue`) and as strict.
//!
//! Numbers are read from their text and written from their digits, never through a float. Base64 has the
//! standard alphabet and is padded. One limit is not ours: `serde_json` itself takes an object whose only name
//! is `$serde_json::private::Number` for a number when it reads text.

mod dynamodb;
mod error;
mod parts;
mod plain;

pub use dynamodb::{item_from_dynamodb_json, item_to_dynamodb_json, value_from_dynamodb_json, value_to_dynamodb_json};
pub use error::JsonError;
pub use plain::{item_from_json, item_to_json, value_from_json, value_to_json};

#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod tests;
