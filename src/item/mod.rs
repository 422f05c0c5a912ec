//! The data model as values: what a table holds, how it is named, sized, ordered and written down.
//!
//! ```text
//!   TableSchema ── key_of ──> Key { partition, sort } ── to_bytes ──> bytes that sort like the keys
//!        │                     └ KeyValue: S N B
//!        └ describes
//!   Item: name -> AttributeValue ── to_bytes ──> bytes for storage and the wire
//!        │         └ ten types, N a Number of 38 digits
//!        ├ size, validate ──> DynamoDB's rules and limits
//!        └ json ──> plain JSON or DynamoDB JSON, without loss
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `number` | decimals, exact, and their bytes that sort |
//! | `value` | the ten types, items and their limits |
//! | `size` | how many bytes an item counts as |
//! | `key`, `key_bytes` | keys, and their bytes that sort |
//! | `schema`, `table_name` | what a table says about its items |
//! | `table_settings` | what the DynamoDB API says about a table besides |
//! | `codec` | items as bytes, one encoding each |
//! | `json` | items as JSON, in two dialects |
//! | `modification` | a change that depends on what the item is |
//! | `transaction` | what a transaction leaves at its items, and its record |
//! | `turn` | steps of one item, one after the other: changes and what transactions do |
//! | `path` | where in a document something is |
//! | `expression` | what requests ask of items and how they change them, in DynamoDB's language |
//!
//! Nothing here waits, reads a clock or draws a random number. Whatever comes from outside is checked by
//! functions that return errors; none of them panics or recurses beyond the 32 levels of an item.

#[cfg(test)]
pub(crate) mod arbitrary;
mod codec;
pub mod expression;
mod json;
mod key;
mod key_bytes;
mod modification;
mod number;
mod path;
mod schema;
mod size;
mod table_name;
mod table_settings;
mod transaction;
mod turn;
mod value;

pub use codec::{CodecError, Compound, Listener, Scalar, walk};
pub use json::{
    JsonError, item_from_dynamodb_json, item_from_json, item_to_dynamodb_json, item_to_json, value_from_dynamodb_json,
    value_from_json, value_to_dynamodb_json, value_to_json,
};
pub use key::{Key, KeyError, KeyPart, KeyValue, MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES};
pub use key_bytes::KeyBytesError;
pub use modification::{Action, Modification, Refused};
pub use number::{MAX_DIGITS, Number, NumberBytesError, NumberError};
pub use schema::{Conflict, KeyAttribute, KeyKind, MAX_KEY_NAME_BYTES, OtherKey, SchemaError, TableId, TableSchema};
pub use table_name::{TableName, TableNameError};
pub use table_settings::{
    Billing, IndexSchema, MAX_GLOBAL_INDEXES, MAX_TAGS, Projected, SettingChange, SettingError, TableSettings,
};
pub use transaction::{Decision, Intent, Part, Standing, Token, TransactionId, TransactionRecord};
pub use turn::{Held, Step, StepOutcome, Turn};
pub use value::{AttributeValue, Item, ItemError, MAX_DEPTH, MAX_ITEM_BYTES, MAX_NAME_BYTES};
