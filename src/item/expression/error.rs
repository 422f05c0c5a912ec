//! Why an expression, or what a request says beside it, is refused. Each text is the one that DynamoDB answers with.
//!
//! ```text
//!   ExpressionError   Invalid { kind, problem }   "Invalid UpdateExpression: Syntax error; token: …"
//!                     the rest                    about ExpressionAttributeNames and -Values, and which
//!                                                 parameters may stand together
//! ```
//!
//! All of them are found before any item is read: nothing was read or stored. Correct the request and send it again.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::document_path::DocumentPath;
use crate::item::value::AttributeValue;

/// Which of a request's expressions is meant: the name of its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExpressionKind {
    /// Decides whether a write happens.
    Condition,
    /// Decides which of the items read are returned.
    Filter,
    /// Says which items a query reads.
    KeyCondition,
    /// Says which parts of an item are returned.
    Projection,
    /// Says how an item changes.
    Update,
}

/// One of the two maps of placeholders that a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlaceholderMap {
    /// `ExpressionAttributeNames`, with `#name`s.
    Names,
    /// `ExpressionAttributeValues`, with `:value`s.
    Values,
}

/// A section of an update expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Sets attributes.
    Set,
    /// Removes attributes.
    Remove,
    /// Adds to numbers and sets.
    Add,
    /// Takes members from sets.
    Delete,
}

/// Why a request's expressions are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// An expression is not well formed, or refers to what the request does not define.
    #[error("Invalid {kind}: {problem}")]
    Invalid {
        /// Which expression.
        kind: ExpressionKind,
        /// What is wrong with it.
        problem: Box<Problem>,
    },
    /// A map of placeholders is there and empty. Leave it out.
    #[error("{map} must not be empty")]
    EmptyMap {
        /// Which map.
        map: PlaceholderMap,
    },
    /// A placeholder is not its mark (`#` or `:`) followed by letters, digits and underscores.
    #[error("{map} contains invalid key: Syntax error; key: \"{key}\"")]
    BadPlaceholder {
        /// Which map.
        map: PlaceholderMap,
        /// The placeholder.
        key: String,
    },
    /// A placeholder has more than 255 bytes with its mark.
    #[error(
        "{map} contains invalid key: The expression attribute map contains a key that is too long;{}",
        size_of_key(*.map, *.bytes)
    )]
    PlaceholderTooLong {
        /// Which map.
        map: PlaceholderMap,
        /// How many bytes it has.
        bytes: usize,
    },
    /// A placeholder stands for an attribute name without any characters.
    #[error("ExpressionAttributeNames contains invalid value: Empty attribute name for key {key}")]
    EmptyAttributeName {
        /// The placeholder.
        key: String,
    },
    /// A placeholder stands for an attribute name longer than any attribute's.
    #[error(
        "ExpressionAttributeNames contains invalid value: Attribute name is too large, must be less than \
         65536 bytes for key {key}"
    )]
    AttributeNameTooLong {
        /// The placeholder.
        key: String,
    },
    /// What a map of placeholders stands for has more than 2 MB.
    #[error("{map} exceeds max size")]
    MapTooLarge {
        /// Which map.
        map: PlaceholderMap,
    },
    /// No expression uses some of the placeholders. Leave them out.
    #[error("Value provided in {map} unused in expressions: keys: {{{}}}", .keys.join(", "))]
    Unused {
        /// Which map.
        map: PlaceholderMap,
        /// The placeholders.
        keys: Vec<String>,
    },
    /// Placeholders are given and no expression could use them.
    #[error("{map} can only be specified when using expressions")]
    WithoutExpressions {
        /// Which map.
        map: PlaceholderMap,
    },
    /// Expressions and the parameters that they replaced are in one request. Use one or the other.
    #[error(
        "Can not use both expression and non-expression parameters in the same request: \
         Non-expression parameters: {{{}}} Expression parameters: {{{}}}", .legacy.join(", "), .expressions.join(", ")
    )]
    Mixed {
        /// The names of the old parameters.
        legacy: Vec<&'static str>,
        /// The names of the expressions.
        expressions: Vec<&'static str>,
    },
}

/// DynamoDB names the size of a name that is too long, and not that of a value.
fn size_of_key(map: PlaceholderMap, bytes: usize) -> String {
    match map {
        PlaceholderMap::Names => format!(" size of key: {bytes}"),
        PlaceholderMap::Values => String::new(),
    }
}

/// What is wrong with one expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no expression in the text.
    #[error("The expression can not be empty;")]
    Empty,
    /// An update expression has more than 4 KB.
    #[error("Expression size has exceeded the maximum allowed size;")]
    UpdateTooLong,
    /// An expression has more than 4 KB.
    #[error("Expression size has exceeded the maximum allowed size; expression size: {bytes}")]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// The text is not of the language from this token on.
    #[error("Syntax error; token: \"{token}\", near: \"{near}\"")]
    Syntax {
        /// The token that cannot stand where it does; `<EOF>` for the end of the text.
        token: String,
        /// The text from the token before to the one after.
        near: String,
    },
    /// Two parentheses stand around the same thing.
    #[error("The expression has redundant parentheses;")]
    RedundantParentheses,
    /// There are more operators and functions than 300.
    #[error("The expression contains too many operators; operator count: {count}")]
    TooManyOperators {
        /// At which of them the count stopped.
        count: usize,
    },
    /// A reserved word stands for an attribute. Use a `#name`.
    #[error("Attribute name is a reserved keyword; reserved keyword: {word}")]
    ReservedWord {
        /// The word as written.
        word: String,
    },
    /// No list can have so many elements.
    #[error("List index is not within the allowable range; index: [{index}]")]
    IndexOutOfRange {
        /// The index as written.
        index: String,
    },
    /// There is no such function.
    #[error("Invalid function name; function: {name}")]
    UnknownFunction {
        /// Its name as written.
        name: String,
    },
    /// The function belongs in update expressions.
    #[error("The function is not allowed in a condition expression; function: {name}")]
    NotInConditions {
        /// Its name.
        name: String,
    },
    /// The function belongs in conditions.
    #[error("The function is not allowed in an update expression; function: {name}")]
    NotInUpdates {
        /// Its name.
        name: String,
    },
    /// The function stands where its result cannot.
    #[error("The function is not allowed to be used this way in an expression; function: {name}")]
    MisusedFunction {
        /// Its name.
        name: String,
    },
    /// A section is there twice.
    #[error("The \"{section}\" section can only be used once in an update expression;")]
    RepeatedSection {
        /// Which section.
        section: Section,
    },
    /// A path has more than 32 elements.
    #[error("The document path has too many nesting levels; nesting levels: {levels}")]
    PathTooDeep {
        /// How many it has.
        levels: usize,
    },
    /// One path uses as a list what another uses as a map.
    #[error("Two document paths conflict with each other; must remove or rewrite one of these paths; {0}")]
    PathsConflict(Box<Paths>),
    /// Two paths are the same, or one is within the other.
    #[error("Two document paths overlap with each other; must remove or rewrite one of these paths; {0}")]
    PathsOverlap(Box<Paths>),
    /// A `#name` is not in `ExpressionAttributeNames`.
    #[error("An expression attribute name used in the document path is not defined; attribute name: {name}")]
    UndefinedName {
        /// The placeholder.
        name: String,
    },
    /// A `:value` is not in `ExpressionAttributeValues`.
    #[error("An expression attribute value used in expression is not defined; attribute value: {name}")]
    UndefinedValue {
        /// The placeholder.
        name: String,
    },
    /// A function has more or fewer operands than it takes.
    #[error(
        "Incorrect number of operands for operator or function; operator or function: {function}, number of \
         operands: {count}"
    )]
    OperandCount {
        /// The function.
        function: String,
        /// How many operands it has.
        count: usize,
    },
    /// The type of a value, or of the size of something, is one that the operator or function does not take.
    #[error("Incorrect operand type for operator or function; operator or function: {operator}, operand type: {found}")]
    OperandType {
        /// The operator or function.
        operator: &'static str,
        /// The name of the type.
        found: &'static str,
    },
    /// The value of an ADD is no number or set, or that of a DELETE no set.
    #[error(
        "Incorrect operand type for operator or function; operator: {section}, operand type: {found}, \
         typeSet: ALLOWED_FOR_{section}_OPERAND"
    )]
    SectionOperandType {
        /// The section.
        section: Section,
        /// The long name of the type.
        found: &'static str,
    },
    /// The function is about an attribute, and its operand is none.
    #[error("Operator or function requires a document path; operator or function: {function}")]
    NeedsPath {
        /// The function.
        function: &'static str,
    },
    /// Something is compared with itself.
    #[error(
        "The first operand must be distinct from the remaining operands for this operator or function; \
         operator: {operator}, first operand: {path}"
    )]
    RepeatedOperand {
        /// The operator or function.
        operator: &'static str,
        /// The operand.
        path: Box<DocumentPath>,
    },
    /// The bounds of a BETWEEN have different types.
    #[error("The BETWEEN operator requires same data type for lower and upper bounds; {0}")]
    BoundTypes(Box<Bounds>),
    /// The lower bound of a BETWEEN is above the upper one.
    #[error("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {0}")]
    BoundOrder(Box<Bounds>),
    /// An IN has more than 100 alternatives.
    #[error("The IN operator is provided with too many operands; number of operands: {count}")]
    TooManyAlternatives {
        /// How many it has.
        count: usize,
    },
    /// An `attribute_type` asks for a type that does not exist.
    #[error("Invalid attribute type name found; type: {name}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}")]
    UnknownType {
        /// What it asks for.
        name: String,
    },
}

impl Problem {
    /// The error of an expression of this kind.
    #[must_use]
    pub fn in_expression(self, kind: ExpressionKind) -> ExpressionError {
        ExpressionError::Invalid { kind, problem: Box::new(self) }
    }
}

/// Two paths that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path one: {one}, path two: {two}")]
pub struct Paths {
    /// The one that is written first.
    pub one: DocumentPath,
    /// The other.
    pub two: DocumentPath,
}

/// Both bounds of a BETWEEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The lower one.
    pub lower: AttributeValue,
    /// The upper one.
    pub upper: AttributeValue,
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lower bound operand: AttributeValue: ")?;
        bound(&self.lower, f)?;
        f.write_str(", upper bound operand: AttributeValue: ")?;
        bound(&self.upper, f)
    }
}

/// Bounds are texts, numbers or bytes: others are refused for their type before.
fn bound(value: &AttributeValue, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{{{}:", value.type_name())?;
    match value {
        AttributeValue::S(text) => f.write_str(text)?,
        AttributeValue::N(number) => write!(f, "{number}")?,
        AttributeValue::B(bytes) => f.write_str(&STANDARD.encode(bytes))?,
        _ => {}
    }
    f.write_str("}")
}

impl ExpressionKind {
    /// The name of the request's parameter.
    #[must_use]
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Projection => "ProjectionExpression",
            Self::Update => "UpdateExpression",
        }
    }
}

impl fmt::Display for ExpressionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.parameter())
    }
}

impl fmt::Display for PlaceholderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Names => "ExpressionAttributeNames",
            Self::Values => "ExpressionAttributeValues",
        })
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set => "SET",
            Self::Remove => "REMOVE",
            Self::Add => "ADD",
            Self::Delete => "DELETE",
        })
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
