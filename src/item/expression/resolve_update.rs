//! Gives raw updates their meaning. An update's values are looked at from its last action to its first: where
//! several are wrong, the last is the one that DynamoDB reports.

use super::ast::{Addend, Members, SetOperand, SetValue, Source, Update, UpdateStyle};
use super::error::{ExpressionError, ExpressionKind, Problem, Section};
use super::parser::parse_update;
use super::placeholders::Placeholders;
use super::resolve::Resolver;
use super::survey::{Function, survey_action};
use super::syntax::{RawAction, RawChange, RawSection, RawSetValue, RawStep, RawTerm};
use crate::item::value::AttributeValue;

impl Update {
    /// Parses an update.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::Invalid`] with what DynamoDB would say.
    pub fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ExpressionError> {
        let actions = parse_update(text).and_then(once_each);
        let update = actions.and_then(|actions| Resolver { placeholders }.update(actions));
        update.map_err(|problem| match problem {
            // The service does not say here how long it was.
            Problem::TooLong { .. } => Problem::UpdateTooLong.in_expression(ExpressionKind::Update),
            other => other.in_expression(ExpressionKind::Update),
        })
    }
}

/// Surveys the sections, each in its place, and refuses one that comes twice.
fn once_each(sections: Vec<RawSection<'_>>) -> Result<Vec<RawAction<'_>>, Problem> {
    for (at, RawSection { section, actions }) in sections.iter().enumerate() {
        if sections[..at].iter().any(|before| before.section == *section) {
            continue;
        }
        actions.iter().try_for_each(survey_action)?;
        let mut again = sections[at + 1..].iter().filter(|after| after.section == *section).peekable();
        let repeated = again.peek().is_some();
        again.flat_map(|after| &after.actions).try_for_each(survey_action)?;
        if repeated {
            return Err(Problem::RepeatedSection { section: *section });
        }
    }
    Ok(sections.into_iter().flat_map(|section| section.actions).collect())
}

impl Resolver<'_> {
    fn update(&mut self, actions: Vec<RawAction<'_>>) -> Result<Update, Problem> {
        let paths = self.places(actions.iter().map(|action| &action.path))?;
        for action in actions.iter().rev() {
            if let RawChange::Set(value) = &action.change {
                self.check_names(value)?;
            }
        }
        let style = UpdateStyle::Expression;
        let mut update = Update::nothing(style);
        for (path, action) in paths.into_iter().zip(actions).rev() {
            match action.change {
                RawChange::Set(value) => update.sets.push((path, self.set_value(value)?)),
                RawChange::Remove => update.removes.push(path),
                RawChange::Add(name) => update.adds.push((path, addend(self.placeholders.use_value(name)?)?)),
                RawChange::Delete(name) => {
                    let members = members(Section::Delete, self.placeholders.use_value(name)?)?;
                    update.deletes.push((path, members));
                }
            }
        }
        update.sets.reverse();
        update.removes.reverse();
        update.adds.reverse();
        update.deletes.reverse();
        Ok(update)
    }

    fn check_names(&self, value: &RawSetValue<'_>) -> Result<(), Problem> {
        match value {
            RawSetValue::Term(term) => self.check_names_of(term),
            RawSetValue::Arithmetic { left, right, .. } => {
                self.check_names_of(left)?;
                self.check_names_of(right)
            }
        }
    }

    fn check_names_of(&self, term: &RawTerm<'_>) -> Result<(), Problem> {
        match term {
            RawTerm::Value(_) => Ok(()),
            RawTerm::Call(call) => call.operands.iter().try_for_each(|operand| self.check_names_of(operand)),
            RawTerm::Path(path) => path.steps.iter().try_for_each(|step| match step {
                RawStep::Placeholder(name) if !self.placeholders.defines_name(name) => {
                    Err(Problem::UndefinedName { name: (*name).to_owned() })
                }
                _ => Ok(()),
            }),
        }
    }

    fn set_value(&mut self, raw: RawSetValue<'_>) -> Result<SetValue, Problem> {
        match raw {
            RawSetValue::Term(RawTerm::Call(call)) if call.function == Function::ListAppend.name() => {
                let (first, second) = self.two(Function::ListAppend, call.operands)?;
                check_set_types("list_append", [&first, &second], "L")?;
                Ok(SetValue::Appended(first, second))
            }
            RawSetValue::Term(term) => self.set_operand(term).map(SetValue::Of),
            RawSetValue::Arithmetic { left, operator, right } => {
                let (left, right) = (self.set_operand(left)?, self.set_operand(right)?);
                check_set_types(operator, [&left, &right], "N")?;
                Ok(if operator == "+" { SetValue::Sum(left, right) } else { SetValue::Difference(left, right) })
            }
        }
    }

    fn two(&mut self, function: Function, operands: Vec<RawTerm<'_>>) -> Result<(SetOperand, SetOperand), Problem> {
        function.check_operands(operands.len())?;
        let mut operands = operands.into_iter().map(|operand| self.set_operand(operand));
        match (operands.next(), operands.next()) {
            (Some(first), Some(second)) => Ok((first?, second?)),
            _ => Err(Problem::OperandCount { function: function.name().to_owned(), count: 0 }),
        }
    }

    fn set_operand(&mut self, raw: RawTerm<'_>) -> Result<SetOperand, Problem> {
        match raw {
            RawTerm::Path(path) => Ok(Source::Path(self.path(&path)?).into()),
            RawTerm::Value(name) => Ok(Source::Value(self.placeholders.use_value(name)?).into()),
            // The survey leaves no other function here.
            RawTerm::Call(call) => {
                let (asked, otherwise) = self.two(Function::IfNotExists, call.operands)?;
                let needs_path = Problem::NeedsPath { function: Function::IfNotExists.name() };
                let SetOperand { first_of, otherwise: Source::Path(path) } = asked else {
                    return Err(needs_path);
                };
                if !first_of.is_empty() {
                    return Err(needs_path);
                }
                if otherwise.first_of.is_empty() && otherwise.otherwise == Source::Path(path.clone()) {
                    let operator = Function::IfNotExists.name();
                    return Err(Problem::RepeatedOperand { operator, path: Box::new(path) });
                }
                let first_of = std::iter::once(path).chain(otherwise.first_of).collect();
                Ok(SetOperand { first_of, otherwise: otherwise.otherwise })
            }
        }
    }
}

impl From<Source> for SetOperand {
    fn from(source: Source) -> Self {
        Self { first_of: Vec::new(), otherwise: source }
    }
}

/// Checks the operands of a SET that are values, not those that are looked up first.
fn check_set_types(operator: &'static str, operands: [&SetOperand; 2], expected: &'static str) -> Result<(), Problem> {
    let known = operands.into_iter().filter_map(|operand| match operand {
        SetOperand { first_of, otherwise: Source::Value(value) } if first_of.is_empty() => Some(value.type_name()),
        _ => None,
    });
    match known.into_iter().find(|found| *found != expected) {
        Some(found) => Err(Problem::OperandType { operator, found }),
        None => Ok(()),
    }
}

fn addend(value: AttributeValue) -> Result<Addend, Problem> {
    match value {
        AttributeValue::N(number) => Ok(Addend::Number(number)),
        other => members(Section::Add, other).map(Addend::Members),
    }
}

fn members(section: Section, value: AttributeValue) -> Result<Members, Problem> {
    let found = match &value {
        AttributeValue::S(_) => "STRING",
        AttributeValue::N(_) => "NUMBER",
        AttributeValue::B(_) => "BINARY",
        AttributeValue::Bool(_) => "BOOLEAN",
        AttributeValue::Null => "NULL",
        AttributeValue::L(_) => "LIST",
        AttributeValue::M(_) => "MAP",
        AttributeValue::Ss(_) => "STRING_SET",
        AttributeValue::Ns(_) => "NUMBER_SET",
        AttributeValue::Bs(_) => "BINARY_SET",
    };
    value.try_into().map_err(|_| Problem::SectionOperandType { section, found })
}
