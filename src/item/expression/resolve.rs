//! Gives raw expressions their meaning: placeholders become names and values, functions and operators are checked
//! against what they are applied to, and the result is an expression as a value.
//!
//! ```text
//!   text ── parser ──> raw ── survey ──> raw, well used ── resolve ──> Condition, Update, Projection
//! ```
//!
//! Where an expression has several faults, the one reported is the one that DynamoDB would report, as far as is
//! known.

use std::cmp::Ordering;

use super::ast::{AttributeType, Condition, Operand, Source, Test};
use super::condition::order;
use super::condition_parser::parse_condition;
use super::document_path::{DocumentPath, MAX_PATH_ELEMENTS, PathStep};
use super::error::{Bounds, ExpressionError, ExpressionKind, Paths, Problem};
use super::parser::parse_projection;
use super::placeholders::Placeholders;
use super::projection::Projection;
use super::survey::{Function, parse_index, survey_condition, survey_path};
use super::syntax::{Comparator, RawCall, RawCondition, RawPath, RawStep, RawTerm, RawTest};
use crate::item::value::AttributeValue;

/// The most alternatives that an IN may have: DynamoDB developer guide, "Quotas", expression parameters.
pub const MAX_ALTERNATIVES: usize = 100;

/// What DynamoDB says of the type of an operand that must be a value and is a path.
const ANY_TYPE: &str = "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}";

impl Condition {
    /// Parses a condition, which is of the kind that errors say: [`ExpressionKind::Condition`] or
    /// [`ExpressionKind::Filter`].
    ///
    /// # Errors
    ///
    /// [`ExpressionError::Invalid`] with what DynamoDB would say.
    pub fn parse(kind: ExpressionKind, text: &str, placeholders: &mut Placeholders) -> Result<Self, ExpressionError> {
        let raw = parse_condition(text).and_then(|raw| survey_condition(&raw).map(|()| raw));
        let condition = raw.and_then(|raw| Resolver { placeholders }.condition(raw));
        condition.map_err(|problem| problem.in_expression(kind))
    }
}

impl Projection {
    /// Parses a projection.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::Invalid`] with what DynamoDB would say.
    pub fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, ExpressionError> {
        let raw = parse_projection(text).and_then(|raw| raw.iter().try_for_each(survey_path).map(|()| raw));
        let paths = raw.and_then(|raw| Resolver { placeholders }.places(&raw));
        paths.map(Self::new).map_err(|problem| problem.in_expression(ExpressionKind::Projection))
    }
}

/// Refuses paths of which one is within another, or that use one value as a list and as a map.
fn check_distinct_places(paths: &[DocumentPath]) -> Result<(), Problem> {
    // A path sorts right before those within it, and indexes before names: neighbours tell whether there is
    // any clash. Which one is reported is looked for only then.
    let mut sorted: Vec<&DocumentPath> = paths.iter().collect();
    sorted.sort_unstable();
    if !sorted.windows(2).any(|pair| pair[0].contains(pair[1]) || pair[0].conflicts_with(pair[1])) {
        return Ok(());
    }
    let both = |(one, two): (&DocumentPath, &DocumentPath)| Box::new(Paths { one: one.clone(), two: two.clone() });
    let pairs = || paths.iter().enumerate().flat_map(|(at, two)| paths[..at].iter().map(move |one| (one, two)));
    if let Some((one, two)) = pairs().find(|(one, two)| one.contains(two) || two.contains(one)) {
        return Err(Problem::PathsOverlap(both((one, two))));
    }
    let conflict = pairs().find(|(one, two)| one.conflicts_with(two));
    conflict.map_or(Ok(()), |pair| Err(Problem::PathsConflict(both(pair))))
}

/// Resolves the parts of one expression.
pub(super) struct Resolver<'p> {
    pub(super) placeholders: &'p mut Placeholders,
}

impl Resolver<'_> {
    pub(super) fn path(&mut self, raw: &RawPath<'_>) -> Result<DocumentPath, Problem> {
        let mut steps = Vec::with_capacity(raw.steps.len());
        for step in &raw.steps {
            steps.push(match step {
                RawStep::Name(name) => PathStep::Name((*name).to_owned()),
                RawStep::Placeholder(name) => PathStep::Name(self.placeholders.use_name(name)?),
                RawStep::Index(digits) => PathStep::Index(parse_index(digits)?),
            });
        }
        let levels = steps.len();
        let too_deep = || Problem::PathTooDeep { levels };
        if levels > MAX_PATH_ELEMENTS {
            return Err(too_deep());
        }
        match steps.remove(0) {
            PathStep::Name(attribute) => DocumentPath::new(attribute, steps).map_err(|_| too_deep()),
            // The parser reads a name first.
            PathStep::Index(index) => Err(Problem::IndexOutOfRange { index: index.to_string() }),
        }
    }

    /// Paths of which each means a place of its own.
    pub(super) fn places<'a>(
        &mut self,
        raw: impl IntoIterator<Item = &'a RawPath<'a>>,
    ) -> Result<Vec<DocumentPath>, Problem> {
        let paths = raw.into_iter().map(|path| self.path(path)).collect::<Result<Vec<_>, _>>()?;
        check_distinct_places(&paths).map(|()| paths)
    }

    fn condition(&mut self, raw: RawCondition<'_>) -> Result<Condition, Problem> {
        match raw {
            RawCondition::Test(test) => self.test(*test).map(|test| Condition::Test(Box::new(test))),
            RawCondition::Not(condition) => Ok(Condition::Not(Box::new(self.condition(*condition)?))),
            RawCondition::All(parts) => self.conditions(parts).map(Condition::all),
            RawCondition::Any(parts) => self.conditions(parts).map(Condition::any),
        }
    }

    // Kept out of the function that calls itself, so that a level of nesting takes little of the stack.
    #[inline(never)]
    fn test(&mut self, raw: RawTest<'_>) -> Result<Test, Problem> {
        match raw {
            RawTest::Compare { left, comparator, right } => self.compare(left, comparator, right),
            RawTest::Between { operand, lower, upper } => self.between(operand, lower, upper),
            RawTest::In { operand, alternatives } => self.one_of(operand, alternatives),
            RawTest::Call(call) => self.call(call),
        }
    }

    #[inline(never)]
    fn conditions(&mut self, raw: Vec<RawCondition<'_>>) -> Result<Vec<Condition>, Problem> {
        raw.into_iter().map(|condition| self.condition(condition)).collect()
    }

    fn compare(&mut self, left: RawTerm<'_>, comparator: Comparator, right: RawTerm<'_>) -> Result<Test, Problem> {
        let (left, right) = (self.operand(left)?, self.operand(right)?);
        check_distinct(comparator.symbol(), &left, [&right])?;
        if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
            check_types(comparator.symbol(), [&left, &right], is_ordered)?;
        }
        Ok(Test::Compare { left, comparator, right })
    }

    fn between(&mut self, operand: RawTerm<'_>, lower: RawTerm<'_>, upper: RawTerm<'_>) -> Result<Test, Problem> {
        let (operand, lower, upper) = (self.operand(operand)?, self.operand(lower)?, self.operand(upper)?);
        check_distinct("BETWEEN", &operand, [&lower, &upper])?;
        check_types("BETWEEN", [&operand, &lower, &upper], is_ordered)?;
        if let (Operand::Of(Source::Value(lower)), Operand::Of(Source::Value(upper))) = (&lower, &upper) {
            let bounds = || Box::new(Bounds { lower: lower.clone(), upper: upper.clone() });
            match order(lower, upper) {
                None => return Err(Problem::BoundTypes(bounds())),
                Some(Ordering::Greater) => return Err(Problem::BoundOrder(bounds())),
                Some(_) => {}
            }
        }
        Ok(Test::Between { operand, lower, upper })
    }

    fn one_of(&mut self, operand: RawTerm<'_>, alternatives: Vec<RawTerm<'_>>) -> Result<Test, Problem> {
        let operand = self.operand(operand)?;
        let alternatives = alternatives.into_iter().map(|term| self.operand(term)).collect::<Result<Vec<_>, _>>()?;
        match alternatives.len() {
            0..=MAX_ALTERNATIVES => check_distinct("IN", &operand, &alternatives)?,
            count => return Err(Problem::TooManyAlternatives { count }),
        }
        Ok(Test::In { operand, alternatives })
    }

    fn call(&mut self, call: RawCall<'_>) -> Result<Test, Problem> {
        let function = Function::of_name(call.function)?;
        let mut operands = call.operands.into_iter().map(|term| self.operand(term)).collect::<Result<Vec<_>, _>>()?;
        function.check_operands(operands.len())?;
        let first = operands.remove(0);
        let second = operands.pop();
        test_of(function, first, second)
    }

    /// An operand of a condition. The only function there is `size`.
    fn operand(&mut self, raw: RawTerm<'_>) -> Result<Operand, Problem> {
        match raw {
            RawTerm::Path(path) => Ok(Operand::Of(Source::Path(self.path(&path)?))),
            RawTerm::Value(name) => Ok(Operand::Of(Source::Value(self.placeholders.use_value(name)?))),
            RawTerm::Call(RawCall { mut operands, .. }) => {
                let measured = match operands.pop() {
                    Some(operand) => self.operand(operand)?,
                    None => return Err(Problem::OperandCount { function: "size".to_owned(), count: 0 }),
                };
                let has_size = |kind: &str| !matches!(kind, "N" | "BOOL" | "NULL");
                check_types("size", [&measured], has_size)?;
                match measured {
                    Operand::Of(source) => Ok(Operand::SizeOf(source)),
                    Operand::SizeOf(_) => Err(Problem::OperandType { operator: "size", found: "N" }),
                }
            }
        }
    }
}

/// The test that a function of conditions is. Whoever calls has counted the operands.
fn test_of(function: Function, first: Operand, second: Option<Operand>) -> Result<Test, Problem> {
    let name = function.name();
    let Some(second) = second else {
        let Operand::Of(Source::Path(path)) = first else {
            return Err(Problem::NeedsPath { function: name });
        };
        return match function {
            Function::AttributeExists => Ok(Test::Exists(path)),
            Function::AttributeNotExists => Ok(Test::NotExists(path)),
            _ => Err(Problem::MisusedFunction { name: name.to_owned() }),
        };
    };
    check_distinct(name, &first, [&second])?;
    match function {
        Function::AttributeType => {
            let expected = asked_type(&second)?;
            Ok(Test::HasType { operand: first, expected })
        }
        Function::BeginsWith => {
            check_types(name, [&first, &second], |kind| matches!(kind, "S" | "B"))?;
            Ok(Test::BeginsWith { operand: first, prefix: second })
        }
        Function::Contains => Ok(Test::Contains { container: first, element: second }),
        _ => Err(Problem::MisusedFunction { name: name.to_owned() }),
    }
}

/// The type that an `attribute_type` asks for, which only a value can say.
fn asked_type(operand: &Operand) -> Result<AttributeType, Problem> {
    let operator = Function::AttributeType.name();
    match operand {
        Operand::Of(Source::Value(AttributeValue::S(name))) => {
            AttributeType::of_name(name).ok_or_else(|| Problem::UnknownType { name: name.clone() })
        }
        other => Err(Problem::OperandType { operator, found: known_type(other).unwrap_or(ANY_TYPE) }),
    }
}

/// The type of an operand, if no item is needed to know it.
fn known_type(operand: &Operand) -> Option<&'static str> {
    match operand {
        Operand::Of(Source::Path(_)) => None,
        Operand::Of(Source::Value(value)) => Some(value.type_name()),
        Operand::SizeOf(_) => Some("N"),
    }
}

fn is_ordered(kind: &str) -> bool {
    matches!(kind, "S" | "N" | "B")
}

fn check_types<'a>(
    operator: &'static str,
    operands: impl IntoIterator<Item = &'a Operand>,
    fits: fn(&str) -> bool,
) -> Result<(), Problem> {
    match operands.into_iter().filter_map(known_type).find(|found| !fits(found)) {
        Some(found) => Err(Problem::OperandType { operator, found }),
        None => Ok(()),
    }
}

fn check_distinct<'a>(
    operator: &'static str,
    first: &Operand,
    rest: impl IntoIterator<Item = &'a Operand>,
) -> Result<(), Problem> {
    match first {
        Operand::Of(Source::Path(path)) if rest.into_iter().any(|operand| operand == first) => {
            Err(Problem::RepeatedOperand { operator, path: Box::new(path.clone()) })
        }
        _ => Ok(()),
    }
}
