//! Expressions as values: names and values themselves, no placeholders.
//!
//! ```text
//!   Condition   Test | Not | All | Any
//!     Test      Compare, Between, In, Exists, HasType, BeginsWith, Contains … of Operands
//!     Operand   Of a Source | the SizeOf one
//!     Source    a DocumentPath | an AttributeValue
//!
//!   Update      sets, removes, adds, deletes: a DocumentPath each, and what happens there
//!   Projection  DocumentPaths
//! ```
//!
//! Only a [`Condition`] is recursive, at most [`MAX_CONDITION_DEPTH`] levels: nothing that walks one can exhaust
//! the stack.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::document_path::DocumentPath;
use super::parser::MAX_OPERATORS;
pub use super::syntax::Comparator;
use crate::item::number::Number;
use crate::item::schema::KeyKind;
use crate::item::value::AttributeValue;

/// The deepest nesting of a condition: each level has an operator of its own.
pub const MAX_CONDITION_DEPTH: usize = MAX_OPERATORS + 1;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// The item.
    Path(DocumentPath),
    /// The expression.
    Value(AttributeValue),
}

/// What an operator or function of a condition is applied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operand {
    /// The value itself.
    Of(Source),
    /// Its size.
    SizeOf(Source),
}

/// One of the ten types of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AttributeType {
    /// Text.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
    /// True or false.
    Bool,
    /// Null.
    Null,
    /// A list.
    L,
    /// A map.
    M,
    /// A set of texts.
    Ss,
    /// A set of numbers.
    Ns,
    /// A set of byte strings.
    Bs,
}

/// What is asked of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// One thing.
    Test(Box<Test>),
    /// That something is not so.
    Not(Box<Condition>),
    /// That each of these is so.
    All(Vec<Condition>),
    /// That one of these is so.
    Any(Vec<Condition>),
}

/// The smallest condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Test {
    /// `left = right`, and so on.
    Compare {
        /// What stands on the left.
        left: Operand,
        /// How they are compared.
        comparator: Comparator,
        /// What stands on the right.
        right: Operand,
    },
    /// `operand BETWEEN lower AND upper`, both included.
    Between {
        /// What is asked about.
        operand: Operand,
        /// The least that it may be.
        lower: Operand,
        /// The greatest that it may be.
        upper: Operand,
    },
    /// `operand IN (alternatives)`
    In {
        /// What is asked about.
        operand: Operand,
        /// What it may be.
        alternatives: Vec<Operand>,
    },
    /// `attribute_exists(path)`
    Exists(DocumentPath),
    /// `attribute_not_exists(path)`
    NotExists(DocumentPath),
    /// `attribute_type(operand, expected)`
    HasType {
        /// What is asked about.
        operand: Operand,
        /// The type that it must have.
        expected: AttributeType,
    },
    /// `begins_with(operand, prefix)`
    BeginsWith {
        /// A text or bytes.
        operand: Operand,
        /// What they must begin with.
        prefix: Operand,
    },
    /// `contains(container, element)`
    Contains {
        /// A text, bytes, set or list.
        container: Operand,
        /// What must be within it.
        element: Operand,
    },
}

/// How an item changes. An expression has at least one change; the old `AttributeUpdates` may have none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Attributes that get a value.
    pub sets: Vec<(DocumentPath, SetValue)>,
    /// Attributes that go.
    pub removes: Vec<DocumentPath>,
    /// Numbers and sets that something is added to.
    pub adds: Vec<(DocumentPath, Addend)>,
    /// Sets that members are taken from.
    pub deletes: Vec<(DocumentPath, Members)>,
    /// What the update was written as, which decides how errors are worded.
    pub style: UpdateStyle,
    /// Attributes that are keys of indexes, and what they may become.
    pub index_keys: BTreeMap<String, KeyKind>,
}

/// The parameter that an update came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStyle {
    /// `UpdateExpression`.
    Expression,
    /// `AttributeUpdates`, which it replaced.
    AttributeUpdates,
}

/// What a SET gives to its path. Everything is read from the item as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetValue {
    /// A value.
    Of(SetOperand),
    /// The sum of two numbers.
    Sum(SetOperand, SetOperand),
    /// The difference of two numbers.
    Difference(SetOperand, SetOperand),
    /// One list and then another: `list_append`.
    Appended(SetOperand, SetOperand),
}

/// A value for a SET: `if_not_exists(a, if_not_exists(b, c))` is the first of a and b that exists, otherwise c.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetOperand {
    /// Where to look first.
    pub first_of: Vec<DocumentPath>,
    /// What it is when nothing is there.
    pub otherwise: Source,
}

/// What an ADD adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addend {
    /// A number, to a number.
    Number(Number),
    /// Members, to a set.
    Members(Members),
}

/// The members of a set, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AttributeValue", into = "AttributeValue")]
pub enum Members {
    /// Texts.
    Texts(BTreeSet<String>),
    /// Numbers.
    Numbers(BTreeSet<Number>),
    /// Byte strings.
    Bytes(BTreeSet<Bytes>),
}

/// A value is not a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value of type {found} is not a set")]
pub struct NotASet {
    /// The name of its type.
    pub found: &'static str,
}

impl TryFrom<AttributeValue> for Members {
    type Error = NotASet;

    fn try_from(value: AttributeValue) -> Result<Self, NotASet> {
        match value {
            AttributeValue::Ss(members) => Ok(Self::Texts(members)),
            AttributeValue::Ns(members) => Ok(Self::Numbers(members)),
            AttributeValue::Bs(members) => Ok(Self::Bytes(members)),
            other => Err(NotASet { found: other.type_name() }),
        }
    }
}

impl From<Members> for AttributeValue {
    fn from(members: Members) -> Self {
        match members {
            Members::Texts(members) => Self::Ss(members),
            Members::Numbers(members) => Self::Ns(members),
            Members::Bytes(members) => Self::Bs(members),
        }
    }
}

impl From<Addend> for AttributeValue {
    fn from(addend: Addend) -> Self {
        match addend {
            Addend::Number(number) => Self::N(number),
            Addend::Members(members) => members.into(),
        }
    }
}

impl Condition {
    /// That all of these are so. Of several joined that way before, each is one of them.
    #[must_use]
    pub fn all(conditions: Vec<Self>) -> Self {
        let mut parts = Vec::with_capacity(conditions.len());
        for condition in conditions {
            match condition {
                Self::All(inner) => parts.extend(inner),
                other => parts.push(other),
            }
        }
        if parts.len() == 1 { parts.remove(0) } else { Self::All(parts) }
    }

    /// That one of these is so. Of several joined that way before, each is one of them.
    #[must_use]
    pub fn any(conditions: Vec<Self>) -> Self {
        let mut parts = Vec::with_capacity(conditions.len());
        for condition in conditions {
            match condition {
                Self::Any(inner) => parts.extend(inner),
                other => parts.push(other),
            }
        }
        if parts.len() == 1 { parts.remove(0) } else { Self::Any(parts) }
    }

    /// The paths that the condition looks at, in the order in which it is written.
    #[must_use]
    pub fn paths(&self) -> Vec<&DocumentPath> {
        let mut paths = Vec::new();
        self.collect_paths(&mut paths);
        paths
    }

    fn collect_paths<'a>(&'a self, paths: &mut Vec<&'a DocumentPath>) {
        match self {
            Self::Test(test) => test.collect_paths(paths),
            Self::Not(condition) => condition.collect_paths(paths),
            Self::All(conditions) | Self::Any(conditions) => {
                conditions.iter().for_each(|condition| condition.collect_paths(paths));
            }
        }
    }
}

impl Test {
    fn collect_paths<'a>(&'a self, paths: &mut Vec<&'a DocumentPath>) {
        match self {
            Self::Compare { left, right, .. } => paths.extend([left, right].into_iter().filter_map(Operand::path)),
            Self::Between { operand, lower, upper } => {
                paths.extend([operand, lower, upper].into_iter().filter_map(Operand::path));
            }
            Self::In { operand, alternatives } => {
                paths.extend(std::iter::once(operand).chain(alternatives).filter_map(Operand::path));
            }
            Self::Exists(path) | Self::NotExists(path) => paths.push(path),
            Self::HasType { operand, .. } => paths.extend(operand.path()),
            Self::BeginsWith { operand, prefix } => {
                paths.extend([operand, prefix].into_iter().filter_map(Operand::path));
            }
            Self::Contains { container, element } => {
                paths.extend([container, element].into_iter().filter_map(Operand::path));
            }
        }
    }
}

impl Operand {
    /// The path from which the value comes, if it comes from the item.
    #[must_use]
    pub fn path(&self) -> Option<&DocumentPath> {
        match self {
            Self::Of(Source::Path(path)) | Self::SizeOf(Source::Path(path)) => Some(path),
            _ => None,
        }
    }
}

impl From<Test> for Condition {
    fn from(test: Test) -> Self {
        Self::Test(Box::new(test))
    }
}

impl From<DocumentPath> for Operand {
    fn from(path: DocumentPath) -> Self {
        Self::Of(Source::Path(path))
    }
}

impl From<AttributeValue> for Operand {
    fn from(value: AttributeValue) -> Self {
        Self::Of(Source::Value(value))
    }
}

impl AttributeType {
    const ALL: [Self; 10] =
        [Self::S, Self::N, Self::B, Self::Bool, Self::Null, Self::L, Self::M, Self::Ss, Self::Ns, Self::Bs];

    /// The type's name as DynamoDB writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
            Self::Bool => "BOOL",
            Self::Null => "NULL",
            Self::L => "L",
            Self::M => "M",
            Self::Ss => "SS",
            Self::Ns => "NS",
            Self::Bs => "BS",
        }
    }

    /// The type of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
