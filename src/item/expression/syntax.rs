//! Expressions as they are written: what the parser reads and the resolver gives meaning.
//!
//! ```text
//!   RawCondition ── RawTerm ── RawPath ── RawStep     names, placeholders, functions and indexes as texts
//! ```
//!
//! Parentheses are gone. What is left of the nesting that they made has an operator on each level.

use serde::{Deserialize, Serialize};

use super::error::Section;

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparator {
    /// How it is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The comparator of this symbol.
    pub(super) fn of_symbol(symbol: &str) -> Option<Self> {
        use Comparator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        let all = [Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual];
        all.into_iter().find(|comparator| comparator.symbol() == symbol)
    }

    /// The one that says the same with the operands exchanged.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

/// A step of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RawStep<'a> {
    Name(&'a str),
    Placeholder(&'a str),
    Index(&'a str),
}

/// A path: at least one step, and the first is no index.
#[derive(Debug)]
pub(super) struct RawPath<'a> {
    pub(super) steps: Vec<RawStep<'a>>,
}

/// A function with its operands.
#[derive(Debug)]
pub(super) struct RawCall<'a> {
    pub(super) function: &'a str,
    pub(super) operands: Vec<RawTerm<'a>>,
}

/// What an operator or function is applied to.
#[derive(Debug)]
pub(super) enum RawTerm<'a> {
    Path(RawPath<'a>),
    Value(&'a str),
    Call(RawCall<'a>),
}

/// A condition.
#[derive(Debug)]
pub(super) enum RawCondition<'a> {
    Test(Box<RawTest<'a>>),
    Not(Box<RawCondition<'a>>),
    All(Vec<RawCondition<'a>>),
    Any(Vec<RawCondition<'a>>),
}

/// The smallest condition.
#[derive(Debug)]
pub(super) enum RawTest<'a> {
    Compare { left: RawTerm<'a>, comparator: Comparator, right: RawTerm<'a> },
    Between { operand: RawTerm<'a>, lower: RawTerm<'a>, upper: RawTerm<'a> },
    In { operand: RawTerm<'a>, alternatives: Vec<RawTerm<'a>> },
    Call(RawCall<'a>),
}

/// What a SET gives to its path.
#[derive(Debug)]
pub(super) enum RawSetValue<'a> {
    Term(RawTerm<'a>),
    /// The operator is `+` or `-`.
    Arithmetic {
        left: RawTerm<'a>,
        operator: &'static str,
        right: RawTerm<'a>,
    },
}

/// One change of an update.
#[derive(Debug)]
pub(super) struct RawAction<'a> {
    pub(super) path: RawPath<'a>,
    pub(super) change: RawChange<'a>,
}

/// What a change does at its path.
#[derive(Debug)]
pub(super) enum RawChange<'a> {
    Set(RawSetValue<'a>),
    Remove,
    /// With the placeholder of the value.
    Add(&'a str),
    /// With the placeholder of the value.
    Delete(&'a str),
}

/// A section of an update as written. The same one may come again, which the resolver refuses.
#[derive(Debug)]
pub(super) struct RawSection<'a> {
    pub(super) section: Section,
    pub(super) actions: Vec<RawAction<'a>>,
}
