//! Expressions: what requests ask of items and how they change them, in DynamoDB's language.
//!
//! ```text
//!   text + Placeholders ── parse ──> Condition ── holds(&item) ──> bool
//!                                    Projection ── apply(&item) ──> item
//!                                    Update ── apply(old, key) ──> item
//!                                    KeyTerms ── for_keys ──> KeyCondition
//!   old parameters      ── legacy ─┘
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `lexer`, `syntax`, `parser`, `condition_parser` | text to a raw tree, and syntax errors |
//! | `survey`, `reserved` | what can be said of a raw tree before its placeholders |
//! | `placeholders` | what `#names` and `:values` stand for, shared by the expressions of a request |
//! | `resolve`, `resolve_update` | raw trees to expressions as values, with the checks of operands |
//! | `ast`, `document_path` | expressions as values |
//! | `condition`, `projection`, `update` | what they say of an item, or make of it |
//! | `key_condition` | which items a query reads |
//! | `legacy`, `legacy_error` | the parameters that expressions replaced, as the same values |
//! | `print`, `wire` | expressions as text again, and as messages |
//! | `error` | what is wrong with an expression, in DynamoDB's words |
//!
//! Work is bounded whatever a text says: 4096 bytes, 300 operators, 32 elements of a path, 100 alternatives, and
//! nesting that no stack minds.

#[cfg(test)]
mod arbitrary;
mod ast;
mod condition;
mod condition_parser;
mod document_path;
mod error;
mod key_condition;
mod legacy;
mod legacy_error;
mod lexer;
mod parser;
mod placeholders;
mod print;
mod projection;
mod reserved;
mod resolve;
mod resolve_update;
mod survey;
mod syntax;
mod update;
mod wire;

pub use ast::{
    Addend, AttributeType, Comparator, Condition, MAX_CONDITION_DEPTH, Members, NotASet, Operand, SetOperand, SetValue,
    Source, Test, Update, UpdateStyle,
};
pub use document_path::{DocumentPath, MAX_LIST_INDEX, MAX_PATH_ELEMENTS, PathOutOfBounds, PathStep};
pub use error::{Bounds, ExpressionError, ExpressionKind, Paths, PlaceholderMap, Problem, Section};
pub use key_condition::{
    KeyCondition, KeyConditionError, KeyTerms, SortTest, check_not_within_key, check_old_query_filter,
    check_query_filter,
};
pub use legacy::{
    AttributeUpdate, ComparisonOperator, ConditionalOperator, ExpectedAttribute, LegacyCondition, UpdateAction,
};
pub use legacy_error::LegacyError;
pub use parser::{MAX_EXPRESSION_BYTES, MAX_OPERATORS};
pub use placeholders::{
    MAX_PLACEHOLDER_BYTES, MAX_PLACEHOLDER_MAP_BYTES, MAX_SUBSTITUTED_BYTES, Parameters, Placeholders,
};
pub use print::Printed;
pub use projection::Projection;
pub use resolve::MAX_ALTERNATIVES;
pub use update::UpdateError;
