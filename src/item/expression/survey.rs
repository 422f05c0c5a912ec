//! What can be said of an expression before its placeholders: reserved words, indexes, and functions that do not
//! exist, stand where they cannot or have the wrong number of operands. The first in the order of writing counts.

use super::document_path::MAX_LIST_INDEX;
use super::error::Problem;
use super::reserved::is_reserved;
use super::syntax::{RawAction, RawCall, RawChange, RawCondition, RawPath, RawSetValue, RawStep, RawTerm, RawTest};

/// The functions of all expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    AttributeExists,
    AttributeNotExists,
    AttributeType,
    BeginsWith,
    Contains,
    Size,
    IfNotExists,
    ListAppend,
}

impl Function {
    const ALL: [Self; 8] = [
        Self::AttributeExists,
        Self::AttributeNotExists,
        Self::AttributeType,
        Self::BeginsWith,
        Self::Contains,
        Self::Size,
        Self::IfNotExists,
        Self::ListAppend,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AttributeExists => "attribute_exists",
            Self::AttributeNotExists => "attribute_not_exists",
            Self::AttributeType => "attribute_type",
            Self::BeginsWith => "begins_with",
            Self::Contains => "contains",
            Self::Size => "size",
            Self::IfNotExists => "if_not_exists",
            Self::ListAppend => "list_append",
        }
    }

    /// The function of this name, which unlike keywords has one spelling.
    pub(super) fn of_name(name: &str) -> Result<Self, Problem> {
        let function = Self::ALL.into_iter().find(|function| function.name() == name);
        function.ok_or_else(|| Problem::UnknownFunction { name: name.to_owned() })
    }

    fn operands(self) -> usize {
        match self {
            Self::AttributeExists | Self::AttributeNotExists | Self::Size => 1,
            _ => 2,
        }
    }

    fn is_of_updates(self) -> bool {
        matches!(self, Self::IfNotExists | Self::ListAppend)
    }

    fn misused(self) -> Problem {
        Problem::MisusedFunction { name: self.name().to_owned() }
    }

    pub(super) fn check_operands(self, count: usize) -> Result<(), Problem> {
        match count == self.operands() {
            true => Ok(()),
            false => Err(Problem::OperandCount { function: self.name().to_owned(), count }),
        }
    }
}

pub(super) fn survey_condition(condition: &RawCondition<'_>) -> Result<(), Problem> {
    match condition {
        RawCondition::Test(test) => survey_test(test),
        RawCondition::Not(condition) => survey_condition(condition),
        RawCondition::All(conditions) | RawCondition::Any(conditions) => {
            conditions.iter().try_for_each(survey_condition)
        }
    }
}

fn survey_test(test: &RawTest<'_>) -> Result<(), Problem> {
    match test {
        RawTest::Compare { left, right, .. } => [left, right].into_iter().try_for_each(survey_operand),
        RawTest::Between { operand, lower, upper } => [operand, lower, upper].into_iter().try_for_each(survey_operand),
        RawTest::In { operand, alternatives } => {
            survey_operand(operand)?;
            alternatives.iter().try_for_each(survey_operand)
        }
        RawTest::Call(call) => survey_call(call, |function| function != Function::Size),
    }
}

/// Within a condition's operand only `size` can stand.
fn survey_operand(term: &RawTerm<'_>) -> Result<(), Problem> {
    match term {
        RawTerm::Path(path) => survey_path(path),
        RawTerm::Value(_) => Ok(()),
        RawTerm::Call(call) => survey_call(call, |function| function == Function::Size),
    }
}

fn survey_call(call: &RawCall<'_>, fits_here: fn(Function) -> bool) -> Result<(), Problem> {
    let function = Function::of_name(call.function)?;
    if function.is_of_updates() {
        return Err(Problem::NotInConditions { name: function.name().to_owned() });
    }
    if !fits_here(function) {
        return Err(function.misused());
    }
    function.check_operands(call.operands.len())?;
    call.operands.iter().try_for_each(survey_operand)
}

pub(super) fn survey_action(action: &RawAction<'_>) -> Result<(), Problem> {
    survey_path(&action.path)?;
    match &action.change {
        // A list can be appended to one at the top, and to nothing within it.
        RawChange::Set(RawSetValue::Term(term)) => survey_set_term(term, |_| true),
        RawChange::Set(RawSetValue::Arithmetic { left, right, .. }) => [left, right]
            .into_iter()
            .try_for_each(|term| survey_set_term(term, |function| function == Function::IfNotExists)),
        RawChange::Remove | RawChange::Add(_) | RawChange::Delete(_) => Ok(()),
    }
}

fn survey_set_term(term: &RawTerm<'_>, fits_here: fn(Function) -> bool) -> Result<(), Problem> {
    match term {
        RawTerm::Path(path) => survey_path(path),
        RawTerm::Value(_) => Ok(()),
        RawTerm::Call(call) => {
            let function = Function::of_name(call.function)?;
            if !function.is_of_updates() {
                return Err(Problem::NotInUpdates { name: function.name().to_owned() });
            }
            if !fits_here(function) {
                return Err(function.misused());
            }
            let nested = |function| function == Function::IfNotExists;
            call.operands.iter().try_for_each(|operand| survey_set_term(operand, nested))
        }
    }
}

pub(super) fn survey_path(path: &RawPath<'_>) -> Result<(), Problem> {
    path.steps.iter().try_for_each(|step| match step {
        RawStep::Name(word) if is_reserved(word) => Err(Problem::ReservedWord { word: (*word).to_owned() }),
        RawStep::Index(index) => parse_index(index).map(|_| ()),
        RawStep::Name(_) | RawStep::Placeholder(_) => Ok(()),
    })
}

/// The number that digits stand for.
pub(super) fn parse_index(digits: &str) -> Result<u32, Problem> {
    let index = digits.parse().ok().filter(|index| *index <= MAX_LIST_INDEX);
    index.ok_or_else(|| Problem::IndexOutOfRange { index: digits.to_owned() })
}
