//! The parameters that expressions replaced, turned into the same values: `Expected`, `QueryFilter`, `ScanFilter`,
//! `KeyConditions`, `AttributeUpdates` and `AttributesToGet`.
//!
//! ```text
//!   attribute -> operator, values ── condition_of ──> Test, Not …    EQ NE LE LT GE GT BETWEEN IN NULL NOT_NULL
//!                                                                    CONTAINS NOT_CONTAINS BEGINS_WITH
//!   attribute -> action, value    ── update_of ─────> Update         PUT ADD DELETE
//! ```
//!
//! They name attributes, never what is within them. DynamoDB developer guide, "Legacy conditional parameters".

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{
    Addend, Comparator, Condition, Members, Operand, SetOperand, SetValue, Source, Test, Update, UpdateStyle,
};
use super::condition::order;
use super::document_path::DocumentPath;
use super::key_condition::{KeyTerm, KeyTerms, KeyTest, SortTest};
use super::legacy_error::LegacyError;
use super::projection::Projection;
use crate::item::value::AttributeValue;

/// How an attribute is compared with values: `ComparisonOperator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComparisonOperator {
    /// Equal to the value.
    Eq,
    /// Not equal to the value, or not there.
    Ne,
    /// One of the values.
    In,
    /// At most the value.
    Le,
    /// Less than the value.
    Lt,
    /// At least the value.
    Ge,
    /// More than the value.
    Gt,
    /// From the first value to the second.
    Between,
    /// There.
    NotNull,
    /// Not there.
    Null,
    /// A text, bytes, set or list with the value in it.
    Contains,
    /// There, and without the value in it.
    NotContains,
    /// A text or bytes that begin with the value.
    BeginsWith,
}

/// How the conditions of several attributes go together: `ConditionalOperator`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConditionalOperator {
    /// Each must hold.
    #[default]
    And,
    /// One must hold.
    Or,
}

/// What a filter or key condition says of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyCondition {
    /// How it is compared.
    pub operator: ComparisonOperator,
    /// What with: `AttributeValueList`.
    pub values: Vec<AttributeValue>,
}

/// What `Expected` says of one attribute. Each field is there if the request has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedAttribute {
    /// Whether the attribute must exist.
    pub exists: Option<bool>,
    /// The value that it must have, or is compared with.
    pub value: Option<AttributeValue>,
    /// How it is compared.
    pub operator: Option<ComparisonOperator>,
    /// What with.
    pub values: Option<Vec<AttributeValue>>,
}

/// What `AttributeUpdates` does to one attribute: `Action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UpdateAction {
    /// Give it the value.
    #[default]
    Put,
    /// Add the value to it.
    Add,
    /// Remove it, or take the value's members from it.
    Delete,
}

/// A change of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeUpdate {
    /// What is done. Without an action it is PUT.
    pub action: UpdateAction,
    /// With what.
    pub value: Option<AttributeValue>,
}

impl ComparisonOperator {
    const ALL: [Self; 13] = [
        Self::Eq,
        Self::Ne,
        Self::In,
        Self::Le,
        Self::Lt,
        Self::Ge,
        Self::Gt,
        Self::Between,
        Self::NotNull,
        Self::Null,
        Self::Contains,
        Self::NotContains,
        Self::BeginsWith,
    ];

    /// Its name in requests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Eq => "EQ",
            Self::Ne => "NE",
            Self::In => "IN",
            Self::Le => "LE",
            Self::Lt => "LT",
            Self::Ge => "GE",
            Self::Gt => "GT",
            Self::Between => "BETWEEN",
            Self::NotNull => "NOT_NULL",
            Self::Null => "NULL",
            Self::Contains => "CONTAINS",
            Self::NotContains => "NOT_CONTAINS",
            Self::BeginsWith => "BEGINS_WITH",
        }
    }

    /// The operator of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.name() == name)
    }

    fn takes_count(self, count: usize) -> bool {
        match self {
            Self::Null | Self::NotNull => count == 0,
            Self::In => count >= 1,
            Self::Between => count == 2,
            _ => count == 1,
        }
    }

    fn takes_type(self, kind: &str) -> bool {
        match self {
            Self::Lt | Self::Le | Self::Gt | Self::Ge | Self::Between | Self::In => matches!(kind, "S" | "N" | "B"),
            Self::BeginsWith => matches!(kind, "S" | "B"),
            Self::Contains | Self::NotContains => !matches!(kind, "SS" | "NS" | "BS" | "L" | "M"),
            Self::Eq | Self::Ne | Self::Null | Self::NotNull => true,
        }
    }
}

impl LegacyCondition {
    fn check(&self) -> Result<(), LegacyError> {
        let operator = self.operator;
        if !operator.takes_count(self.values.len()) {
            return Err(LegacyError::ValueCount { operator });
        }
        let kinds = || self.values.iter().map(AttributeValue::type_name);
        if kinds().any(|kind| Some(kind) != kinds().next()) {
            return Err(LegacyError::MixedTypes);
        }
        if let Some(found) = kinds().find(|kind| !operator.takes_type(kind)) {
            return Err(LegacyError::ValueType { operator, found });
        }
        match self.values.as_slice() {
            [lower, upper]
                if operator == ComparisonOperator::Between
                    && order(lower, upper).is_some_and(|order| order.is_gt()) =>
            {
                Err(LegacyError::BoundOrder)
            }
            _ => Ok(()),
        }
    }

    fn condition_of(self, attribute: String) -> Result<Condition, LegacyError> {
        self.check()?;
        let operator = self.operator;
        let path = DocumentPath::attribute(attribute);
        let mut values = self.values.into_iter().map(Operand::from);
        let mut next = || values.next().ok_or(LegacyError::ValueCount { operator });
        let test = match operator {
            ComparisonOperator::NotNull => Test::Exists(path),
            ComparisonOperator::Null => Test::NotExists(path),
            ComparisonOperator::In => Test::In { operand: path.into(), alternatives: values.collect() },
            ComparisonOperator::Between => Test::Between { operand: path.into(), lower: next()?, upper: next()? },
            ComparisonOperator::BeginsWith => Test::BeginsWith { operand: path.into(), prefix: next()? },
            ComparisonOperator::Contains => Test::Contains { container: path.into(), element: next()? },
            ComparisonOperator::NotContains => {
                // Unlike NE, it does not hold for an attribute that is not there.
                let contains = Test::Contains { container: path.clone().into(), element: next()? };
                let not = Condition::Not(Box::new(contains.into()));
                return Ok(Condition::All(vec![Test::Exists(path).into(), not]));
            }
            ComparisonOperator::Eq => compared(path, Comparator::Equal, next()?),
            ComparisonOperator::Ne => compared(path, Comparator::NotEqual, next()?),
            ComparisonOperator::Le => compared(path, Comparator::LessOrEqual, next()?),
            ComparisonOperator::Lt => compared(path, Comparator::Less, next()?),
            ComparisonOperator::Ge => compared(path, Comparator::GreaterOrEqual, next()?),
            ComparisonOperator::Gt => compared(path, Comparator::Greater, next()?),
        };
        Ok(test.into())
    }

    fn key_test(self) -> Result<KeyTest<AttributeValue>, LegacyError> {
        let operator = self.operator;
        let mut values = self.values.into_iter();
        let mut next = || values.next().ok_or(LegacyError::ValueCount { operator });
        Ok(KeyTest::Range(match operator {
            ComparisonOperator::Eq => SortTest::Equal(next()?),
            ComparisonOperator::Lt => SortTest::Less(next()?),
            ComparisonOperator::Le => SortTest::LessOrEqual(next()?),
            ComparisonOperator::Gt => SortTest::Greater(next()?),
            ComparisonOperator::Ge => SortTest::GreaterOrEqual(next()?),
            ComparisonOperator::Between => SortTest::Between(next()?, next()?),
            ComparisonOperator::BeginsWith => SortTest::BeginsWith(next()?),
            _ => return Ok(KeyTest::NotIndexable),
        }))
    }
}

fn compared(path: DocumentPath, comparator: Comparator, right: Operand) -> Test {
    Test::Compare { left: path.into(), comparator, right }
}

impl Condition {
    /// The condition that `QueryFilter` or `ScanFilter` is; `None` when it says nothing.
    ///
    /// # Errors
    ///
    /// [`LegacyError`] with what DynamoDB would say.
    pub fn of_filter(
        filter: BTreeMap<String, LegacyCondition>,
        operator: Option<ConditionalOperator>,
    ) -> Result<Option<Self>, LegacyError> {
        let conditions = filter.into_iter().map(|(attribute, condition)| condition.condition_of(attribute));
        joined(conditions.collect::<Result<_, _>>()?, operator)
    }

    /// The condition that `Expected` is; `None` when it says nothing.
    ///
    /// # Errors
    ///
    /// [`LegacyError`] with what DynamoDB would say.
    pub fn of_expected(
        expected: BTreeMap<String, ExpectedAttribute>,
        operator: Option<ConditionalOperator>,
    ) -> Result<Option<Self>, LegacyError> {
        let conditions = expected.into_iter().map(|(attribute, expected)| expected.condition_of(attribute));
        joined(conditions.collect::<Result<_, _>>()?, operator)
    }
}

fn joined(conditions: Vec<Condition>, operator: Option<ConditionalOperator>) -> Result<Option<Condition>, LegacyError> {
    match (conditions.len(), operator) {
        (0, None) => Ok(None),
        (0, Some(_)) => Err(LegacyError::NothingToJoin),
        (1, Some(_)) => Err(LegacyError::OneToJoin),
        (_, Some(ConditionalOperator::Or)) => Ok(Some(Condition::any(conditions))),
        (_, Some(ConditionalOperator::And) | None) => Ok(Some(Condition::all(conditions))),
    }
}

impl ExpectedAttribute {
    fn condition_of(self, attribute: String) -> Result<Condition, LegacyError> {
        if self.value.is_some() && self.values.is_some() {
            return Err(LegacyError::ValueAndList { attribute });
        }
        match self.operator {
            Some(_) if self.exists.is_some() => Err(LegacyError::ExistsAndOperator { attribute }),
            Some(operator) => {
                let needs_values = !matches!(operator, ComparisonOperator::Null | ComparisonOperator::NotNull);
                let values = self.values.or_else(|| self.value.map(|value| vec![value]));
                match values {
                    None if needs_values => Err(LegacyError::NoValues { operator, attribute }),
                    values => LegacyCondition { operator, values: values.unwrap_or_default() }.condition_of(attribute),
                }
            }
            None if self.values.is_some() => Err(LegacyError::ListWithoutOperator { attribute }),
            None => Self::existence(attribute, self.exists, self.value),
        }
    }

    fn existence(
        attribute: String,
        exists: Option<bool>,
        value: Option<AttributeValue>,
    ) -> Result<Condition, LegacyError> {
        match (exists, value) {
            (None | Some(true), Some(value)) => {
                let path = DocumentPath::attribute(attribute);
                Ok(compared(path, Comparator::Equal, value.into()).into())
            }
            (Some(false), None) => Ok(Test::NotExists(DocumentPath::attribute(attribute)).into()),
            (exists, None) => Err(LegacyError::ExistsWithoutValue { exists, attribute }),
            (Some(false), Some(_)) => Err(LegacyError::ValueOfNothing { attribute }),
        }
    }
}

impl KeyTerms {
    /// The terms that `KeyConditions` are.
    ///
    /// # Errors
    ///
    /// [`LegacyError`] with what DynamoDB would say before it looks at the table.
    pub fn of_key_conditions(conditions: BTreeMap<String, LegacyCondition>) -> Result<Self, LegacyError> {
        conditions.values().try_for_each(LegacyCondition::check)?;
        let terms = conditions.into_iter().map(|(attribute, condition)| {
            let test = condition.key_test()?;
            Ok(KeyTerm { attribute, test })
        });
        Ok(Self::new(terms.collect::<Result<_, LegacyError>>()?)?)
    }
}

impl Update {
    /// The update that `AttributeUpdates` are.
    ///
    /// # Errors
    ///
    /// [`LegacyError`] with what DynamoDB would say before it looks at the item.
    pub fn of_attribute_updates(updates: BTreeMap<String, AttributeUpdate>) -> Result<Self, LegacyError> {
        let style = UpdateStyle::AttributeUpdates;
        let mut update = Self::nothing(style);
        for (attribute, AttributeUpdate { action, value }) in updates {
            let path = DocumentPath::attribute(attribute);
            match (action, value) {
                (UpdateAction::Delete, None) => update.removes.push(path),
                (UpdateAction::Put | UpdateAction::Add, None) => return Err(LegacyError::UpdateWithoutValue),
                (UpdateAction::Put, Some(value)) => update.sets.push((path, SetValue::Of(Source::Value(value).into()))),
                (UpdateAction::Add, Some(value)) => update.add(path, value)?,
                (UpdateAction::Delete, Some(value)) => {
                    let members = Members::try_from(value);
                    let members = members.map_err(|not| LegacyError::CannotDelete { found: not.found })?;
                    update.deletes.push((path, members));
                }
            }
        }
        Ok(update)
    }

    /// Unlike an expression's, this ADD takes lists too: it appends them.
    fn add(&mut self, path: DocumentPath, value: AttributeValue) -> Result<(), LegacyError> {
        match value {
            AttributeValue::N(number) => self.adds.push((path, Addend::Number(number))),
            AttributeValue::L(_) => {
                let empty = Source::Value(AttributeValue::L(Vec::new()));
                let found = SetOperand { first_of: vec![path.clone()], otherwise: empty };
                self.sets.push((path, SetValue::Appended(found, Source::Value(value).into())));
            }
            other => {
                let members = Members::try_from(other);
                let members = members.map_err(|not| LegacyError::CannotAdd { found: not.found })?;
                self.adds.push((path, Addend::Members(members)));
            }
        }
        Ok(())
    }
}

impl Projection {
    /// The projection that `AttributesToGet` are.
    ///
    /// # Errors
    ///
    /// [`LegacyError::DuplicateAttribute`].
    pub fn of_attributes_to_get(attributes: Vec<String>) -> Result<Self, LegacyError> {
        let mut seen = BTreeSet::new();
        if let Some(attribute) = attributes.iter().find(|attribute| !seen.insert(attribute.as_str())) {
            return Err(LegacyError::DuplicateAttribute { attribute: attribute.clone() });
        }
        Ok(Self::new(attributes.into_iter().map(DocumentPath::attribute).collect()))
    }
}

#[cfg(test)]
#[path = "legacy_tests.rs"]
mod tests;
