//! What the parameters of each operation look like, as tables, and the two checks that go by them.
//!
//! ```text
//!   Structure ── Member "TableName": required ── Shape::Text { pattern, lengths, values }
//!             └─ Member "Key":       required ── Shape::Values              attribute values by name
//!
//!   types        JSON of another type       -> SerializationException, the first
//!   constraints  missing, too long, ...     -> ValidationException, up to ten at once
//! ```
//!
//! The tables follow the service model that AWS publishes with its client libraries. The order of members is the one in
//! which the service reports what is wrong, where that is known (it is no order that the model has), and that
//! of the model elsewhere.
//!
//! Types are checked before anything else, over the whole body. Members that no table lists are ignored, and a
//! null counts as nothing, as the service has it.

pub(super) mod batches;
mod constraints;
mod echo;
pub(super) mod items;
mod place;
pub(super) mod queries;
pub(super) mod tables;
pub(super) mod transactions;
mod types;

pub(super) use types::{boolean_of, whole_of};

use super::error::ApiError;
use super::json::Json;

/// An object with named members.
#[derive(Debug)]
pub(super) struct Structure {
    /// The name of the type in the service model, which some texts contain.
    pub(super) name: &'static str,
    pub(super) members: &'static [Member],
}

/// A member of a [`Structure`].
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) presence: Presence,
    pub(super) shape: Shape,
}

/// Whether a member must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Optional,
    /// Its absence is one of the ten things that are reported together.
    Required,
    /// Its absence is reported before all else, in these words.
    Told(&'static str),
}

/// What a JSON value may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Text(Text),
    Boolean,
    /// 32 bits.
    Integer(Range),
    /// 64 bits.
    Long(Range),
    /// The value of an attribute: an object that names its type.
    Value,
    /// Values of attributes by their names.
    Values,
    Structure(&'static Structure),
    List(&'static List),
    Map(&'static Map),
}

/// What a string may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    pub(super) kind: Kind,
    /// In UTF-16 units, as the service counts.
    pub(super) lengths: Lengths,
}

/// What a string stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Any,
    /// One of these.
    Enumeration(&'static [&'static str]),
    /// The name of a table or index: `[a-zA-Z0-9_.-]+`.
    Name,
    /// The same, but the service looks at its length first.
    NewName,
    /// The name of a table in a request on items, or its ARN.
    TableOfItems,
    /// The name of a table in a request on tables, or its ARN. Its length is checked before all else, and reported in
    /// words of its own.
    Table,
    /// The name of a table that is to be created. Its length is checked before all else.
    NewTable,
}

/// How long a text, list or map may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub(super) min: usize,
    pub(super) max: usize,
}

/// Between which values a number may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) min: i64,
    pub(super) max: i64,
}

/// An array.
#[derive(Debug)]
pub(super) struct List {
    pub(super) element: Shape,
    pub(super) lengths: Lengths,
    /// Whether the service shows a list of a wrong length. Of some it only says where it is, with capital letters.
    pub(super) is_shown: bool,
}

/// An object with names of the client's choice.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) value: Shape,
    pub(super) lengths: Lengths,
    /// Whether the names are names of tables, and how the service reports those that cannot be.
    pub(super) names: Names,
    /// How long the values may be, which are lists.
    pub(super) value_lengths: Lengths,
}

/// The names in a [`Map`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    Any,
    /// Names of tables, checked with all else; where they cannot be, the map is shown as JSON.
    OfTables,
    /// Names of tables, checked when all else is right.
    OfTablesLast,
}

impl Lengths {
    pub(super) const ANY: Self = Self { min: 0, max: usize::MAX };
}

impl Range {
    pub(super) const ANY: Self = Self { min: i64::MIN, max: i64::MAX };
}

/// What the name of a table or index is made of.
pub(super) const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";

/// How long the name of a table or index is.
pub(super) const NAME_LENGTHS: Lengths = Lengths { min: 3, max: 255 };

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// The name of the table that a client means by a name or an ARN (`arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`).
pub(super) fn table_of(name_or_arn: &str) -> &str {
    match name_or_arn.strip_prefix("arn:").and_then(|rest| rest.split_once(":table/")) {
        Some((_, table)) => table.split('/').next().unwrap_or(table),
        None => name_or_arn,
    }
}

/// Words with which the tables are written.
mod words {
    use super::{Kind, Lengths, List, Map, Member, Names, Presence, Range, Shape, Structure, Text};

    pub(super) const TEXT: Shape = text(0, usize::MAX);
    pub(super) const BOOLEAN: Shape = Shape::Boolean;
    pub(super) const VALUE: Shape = Shape::Value;
    pub(super) const VALUES: Shape = Shape::Values;
    pub(super) const LONG: Shape = Shape::Long(Range::ANY);

    pub(super) const fn required(name: &'static str, shape: Shape) -> Member {
        Member { name, presence: Presence::Required, shape }
    }

    pub(super) const fn optional(name: &'static str, shape: Shape) -> Member {
        Member { name, presence: Presence::Optional, shape }
    }

    pub(super) const fn told(name: &'static str, shape: Shape, words: &'static str) -> Member {
        Member { name, presence: Presence::Told(words), shape }
    }

    /// The table that a request on tables is about.
    pub(super) const fn table_name(kind: Kind) -> Member {
        let words = "The parameter 'TableName' is required but was not present in the request";
        told("TableName", named(kind, 0, usize::MAX), words)
    }

    pub(super) const fn text(min: usize, max: usize) -> Shape {
        Shape::Text(Text { kind: Kind::Any, lengths: Lengths { min, max } })
    }

    pub(super) const fn one_of(values: &'static [&'static str]) -> Shape {
        Shape::Text(Text { kind: Kind::Enumeration(values), lengths: Lengths::ANY })
    }

    pub(super) const fn named(kind: Kind, min: usize, max: usize) -> Shape {
        Shape::Text(Text { kind, lengths: Lengths { min, max } })
    }

    pub(super) const fn integer(min: i64, max: i64) -> Shape {
        Shape::Integer(Range { min, max })
    }

    pub(super) const fn long(min: i64, max: i64) -> Shape {
        Shape::Long(Range { min, max })
    }

    pub(super) const fn structure(structure: &'static Structure) -> Shape {
        Shape::Structure(structure)
    }

    pub(super) const fn list(list: &'static List) -> Shape {
        Shape::List(list)
    }

    pub(super) const fn list_of(element: Shape, min: usize, max: usize) -> List {
        List { element, lengths: Lengths { min, max }, is_shown: true }
    }

    pub(super) const fn map(map: &'static Map) -> Shape {
        Shape::Map(map)
    }

    pub(super) const fn map_of(value: Shape) -> Map {
        Map { value, lengths: Lengths::ANY, names: Names::Any, value_lengths: Lengths::ANY }
    }

    /// The name or ARN of a table in a request on items.
    pub(super) const TABLE_OF_ITEMS: Shape = named(Kind::TableOfItems, 0, usize::MAX);

    /// The name of an index.
    pub(super) const INDEX: Shape = named(Kind::Name, 3, 255);
}

impl Structure {
    /// Checks the parameters of an operation.
    ///
    /// # Errors
    ///
    /// [`ApiError::Serialization`] for JSON of a wrong type, [`ApiError::Validation`] for all else, in the
    /// service's words.
    pub(super) fn check(&'static self, body: &Json<'_>) -> Result<(), ApiError> {
        types::check(body, self)?;
        constraints::check(body, self)
    }
}

#[cfg(test)]
#[path = "shapes/constraints_tests.rs"]
mod constraints_tests;
#[cfg(test)]
#[path = "shapes/types_tests.rs"]
mod types_tests;
