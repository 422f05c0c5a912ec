//! Which items a query reads.
//!
//! ```text
//!   KeyConditionExpression ── KeyTerms::parse ──┐
//!   KeyConditions          ── legacy          ──┴─> KeyTerms ── for_keys ──> KeyCondition
//!                                                   one or two                    a partition, a range of sort keys
//! ```
//!
//! The expression is parsed as a condition, and only then found to be of another shape than a key condition: so
//! are its errors. What depends on the table is checked last, by [`KeyTerms::for_keys`].

use super::ast::{Comparator, Condition, Operand, Source, Test};
use super::document_path::DocumentPath;
use super::error::{ExpressionError, ExpressionKind};
use super::placeholders::Placeholders;
use crate::item::key::KeyValue;
use crate::item::schema::KeyAttribute;
use crate::item::value::AttributeValue;

/// Why a query cannot say which items it reads. Nothing was read; correct the key condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyConditionError {
    /// The expression is no condition at all.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// An operator or function of conditions that keys cannot be asked with.
    #[error("Invalid operator used in KeyConditionExpression: {operator}")]
    Operator {
        /// Which one.
        operator: &'static str,
    },
    /// A BETWEEN or `begins_with` is about something else than an attribute.
    #[error(
        "Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its \
         first operand"
    )]
    FirstOperand {
        /// Which of them.
        operator: &'static str,
    },
    /// Two attributes are compared.
    #[error("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")]
    TwoAttributes,
    /// No attribute is compared.
    #[error("Invalid condition in KeyConditionExpression: No key attribute specified")]
    NoAttribute,
    /// What is compared is within an attribute.
    #[error("KeyConditionExpressions cannot have conditions on nested attributes")]
    NestedAttribute,
    /// The size of something is compared.
    #[error("KeyConditionExpressions cannot contain nested operations")]
    NestedOperation,
    /// An attribute is compared twice.
    #[error("Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key")]
    TwoPerAttribute,
    /// There are no conditions, or more than a key has parts.
    #[error("Conditions can be of length 1 or 2 only")]
    Count,
    /// A part of the key is not compared.
    #[error("Query condition missed key schema element: {attribute}")]
    Missed {
        /// The name of the key attribute.
        attribute: String,
    },
    /// A comparison operator of the old parameters that keys cannot be asked with.
    #[error("Attempted conditional constraint is not an indexable operation")]
    NotIndexable,
    /// The partition key is not compared for equality, or there is no sort key to compare.
    #[error("Query key condition not supported")]
    NotSupported,
    /// A value is of another type than the key.
    #[error("One or more parameter values were invalid: Condition parameter type does not match schema type")]
    ValueType,
    /// A value is an empty text.
    #[error(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
         empty string value. Key: {attribute}"
    )]
    EmptyText {
        /// The name of the key attribute.
        attribute: String,
    },
    /// A value has no bytes.
    #[error(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
         empty binary value. Key: {attribute}"
    )]
    EmptyBytes {
        /// The name of the key attribute.
        attribute: String,
    },
    /// A filter of a query is about an attribute of the key. Ask in the key condition.
    #[error("Filter Expression can only contain non-primary key attributes: Primary key attribute: {attribute}")]
    FilterOnKey {
        /// The name of the key attribute.
        attribute: String,
    },
    /// The same for the old parameter.
    #[error("QueryFilter can only contain non-primary key attributes: Primary key attribute: {attribute}")]
    OldFilterOnKey {
        /// The name of the key attribute.
        attribute: String,
    },
    /// An expression looks within an attribute of the key, which is a text, a number or bytes.
    #[error(
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: {attribute}"
    )]
    WithinKey {
        /// The name of the key attribute.
        attribute: String,
    },
}

/// The conditions of a query by attribute: what can be said without the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTerms(Vec<KeyTerm>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyTerm {
    pub(super) attribute: String,
    pub(super) test: KeyTest<AttributeValue>,
}

/// What is asked of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyTest<V> {
    Range(SortTest<V>),
    /// What no order of keys can answer.
    NotIndexable,
}

/// What a sort key must be. The values are of the type of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortTest<V> {
    /// This.
    Equal(V),
    /// Less than this.
    Less(V),
    /// At most this.
    LessOrEqual(V),
    /// More than this.
    Greater(V),
    /// At least this.
    GreaterOrEqual(V),
    /// From the first to the second, both included.
    Between(V, V),
    /// Something that begins with this.
    BeginsWith(V),
}

/// Which items a query reads: those of one partition key, and of a range of sort keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCondition {
    /// The name of the partition key.
    pub partition_name: String,
    /// The partition key.
    pub partition: KeyValue,
    /// The name of the sort key and what it must be; `None` for all.
    pub sort: Option<(String, SortTest<KeyValue>)>,
}

impl KeyTerms {
    /// Parses a `KeyConditionExpression`.
    ///
    /// # Errors
    ///
    /// [`KeyConditionError`] with what DynamoDB would say before it looks at the table.
    pub fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, KeyConditionError> {
        let condition = Condition::parse(ExpressionKind::KeyCondition, text, placeholders)?;
        let mut terms = Vec::new();
        collect(condition, &mut terms)?;
        Self::new(terms)
    }

    pub(super) fn new(terms: Vec<KeyTerm>) -> Result<Self, KeyConditionError> {
        match terms.len() {
            1 | 2 => Ok(Self(terms)),
            _ => Err(KeyConditionError::Count),
        }
    }

    /// The condition for a table or index with this key.
    ///
    /// # Errors
    ///
    /// [`KeyConditionError`] when the conditions are not those that this key can be asked with.
    pub fn for_keys(
        self,
        partition: &KeyAttribute,
        sort: Option<&KeyAttribute>,
    ) -> Result<KeyCondition, KeyConditionError> {
        let missed = |name: &str| KeyConditionError::Missed { attribute: name.to_owned() };
        let mut terms = self.0;
        let count = terms.len();
        let mut take = |name: &str| {
            let at = terms.iter().position(|term| term.attribute == name)?;
            Some(terms.remove(at).test)
        };
        let of_partition = take(&partition.name).ok_or_else(|| missed(&partition.name))?;
        let of_sort = match (sort, count) {
            (Some(sort), 2) => Some((sort, take(&sort.name).ok_or_else(|| missed(&sort.name))?)),
            _ => None,
        };
        let left = terms.iter().map(|term| &term.test);
        let all = std::iter::once(&of_partition).chain(of_sort.iter().map(|(_, test)| test)).chain(left);
        if all.into_iter().any(|test| *test == KeyTest::NotIndexable) {
            return Err(KeyConditionError::NotIndexable);
        }
        let KeyTest::Range(SortTest::Equal(value)) = of_partition else {
            return Err(KeyConditionError::NotSupported);
        };
        if !terms.is_empty() {
            return Err(KeyConditionError::NotSupported);
        }
        let of_sort = of_sort.map(|(sort, test)| sort_test(sort, test)).transpose()?;
        let partition_name = partition.name.clone();
        Ok(KeyCondition { partition_name, partition: key_value(partition, value)?, sort: of_sort })
    }
}

fn sort_test(
    sort: &KeyAttribute,
    test: KeyTest<AttributeValue>,
) -> Result<(String, SortTest<KeyValue>), KeyConditionError> {
    let KeyTest::Range(test) = test else {
        return Err(KeyConditionError::NotIndexable);
    };
    Ok((sort.name.clone(), test.try_map(|value| key_value(sort, value))?))
}

impl<V> SortTest<V> {
    fn try_map<T, E>(self, mut convert: impl FnMut(V) -> Result<T, E>) -> Result<SortTest<T>, E> {
        Ok(match self {
            Self::Equal(value) => SortTest::Equal(convert(value)?),
            Self::Less(value) => SortTest::Less(convert(value)?),
            Self::LessOrEqual(value) => SortTest::LessOrEqual(convert(value)?),
            Self::Greater(value) => SortTest::Greater(convert(value)?),
            Self::GreaterOrEqual(value) => SortTest::GreaterOrEqual(convert(value)?),
            Self::Between(lower, upper) => SortTest::Between(convert(lower)?, convert(upper)?),
            Self::BeginsWith(value) => SortTest::BeginsWith(convert(value)?),
        })
    }
}

/// A value as that of a key attribute. Only a prefix may be empty, and DynamoDB refuses that one as well.
fn key_value(attribute: &KeyAttribute, value: AttributeValue) -> Result<KeyValue, KeyConditionError> {
    let name = || attribute.name.clone();
    let value = match value {
        AttributeValue::S(text) => KeyValue::S(text),
        AttributeValue::N(number) => KeyValue::N(number),
        AttributeValue::B(bytes) => KeyValue::B(bytes),
        _ => return Err(KeyConditionError::ValueType),
    };
    match &value {
        value if value.kind() != attribute.kind => Err(KeyConditionError::ValueType),
        KeyValue::S(text) if text.is_empty() => Err(KeyConditionError::EmptyText { attribute: name() }),
        KeyValue::B(bytes) if bytes.is_empty() => Err(KeyConditionError::EmptyBytes { attribute: name() }),
        _ => Ok(value),
    }
}

/// Adds the terms of a condition, which can only be joined by AND.
fn collect(condition: Condition, terms: &mut Vec<KeyTerm>) -> Result<(), KeyConditionError> {
    match condition {
        Condition::All(conditions) => conditions.into_iter().try_for_each(|condition| collect(condition, terms)),
        Condition::Any(_) => Err(KeyConditionError::Operator { operator: "OR" }),
        Condition::Not(_) => Err(KeyConditionError::Operator { operator: "NOT" }),
        Condition::Test(test) => {
            let term = term_of(*test)?;
            if terms.iter().any(|before| before.attribute == term.attribute) {
                return Err(KeyConditionError::TwoPerAttribute);
            }
            terms.push(term);
            Ok(())
        }
    }
}

fn term_of(test: Test) -> Result<KeyTerm, KeyConditionError> {
    let refused = |operator| Err(KeyConditionError::Operator { operator });
    match test {
        Test::Compare { comparator: Comparator::NotEqual, .. } => refused("<>"),
        Test::Compare { left, comparator, right } => compared(left, comparator, right),
        Test::Between { operand, lower, upper } => {
            check_first("BETWEEN", &operand)?;
            let (attribute, [lower, upper]) = split([operand, lower, upper])?;
            Ok(KeyTerm { attribute, test: KeyTest::Range(SortTest::Between(lower, upper)) })
        }
        Test::BeginsWith { operand, prefix } => {
            check_first("begins_with", &operand)?;
            let (attribute, [prefix]) = split([operand, prefix])?;
            Ok(KeyTerm { attribute, test: KeyTest::Range(SortTest::BeginsWith(prefix)) })
        }
        Test::In { .. } => refused("IN"),
        Test::Exists(_) => refused("attribute_exists"),
        Test::NotExists(_) => refused("attribute_not_exists"),
        Test::HasType { .. } => refused("attribute_type"),
        Test::Contains { .. } => refused("contains"),
    }
}

fn check_first(operator: &'static str, operand: &Operand) -> Result<(), KeyConditionError> {
    match operand {
        Operand::Of(Source::Path(_)) => Ok(()),
        _ => Err(KeyConditionError::FirstOperand { operator }),
    }
}

fn compared(left: Operand, comparator: Comparator, right: Operand) -> Result<KeyTerm, KeyConditionError> {
    let comparator = match left {
        Operand::Of(Source::Value(_)) => comparator.mirrored(),
        _ => comparator,
    };
    let (attribute, [value]) = split([left, right])?;
    let test = match comparator {
        Comparator::Equal => SortTest::Equal(value),
        Comparator::Less => SortTest::Less(value),
        Comparator::LessOrEqual => SortTest::LessOrEqual(value),
        Comparator::Greater => SortTest::Greater(value),
        Comparator::GreaterOrEqual => SortTest::GreaterOrEqual(value),
        Comparator::NotEqual => return Err(KeyConditionError::Operator { operator: "<>" }),
    };
    Ok(KeyTerm { attribute, test: KeyTest::Range(test) })
}

/// The one attribute among operands, and the values that the others are.
fn split<const ALL: usize, const VALUES: usize>(
    operands: [Operand; ALL],
) -> Result<(String, [AttributeValue; VALUES]), KeyConditionError> {
    let (mut path, mut values) = (None::<DocumentPath>, Vec::with_capacity(VALUES));
    for operand in operands {
        match operand {
            Operand::Of(Source::Path(_)) if path.is_some() => return Err(KeyConditionError::TwoAttributes),
            Operand::Of(Source::Path(found)) if !found.steps().is_empty() => {
                return Err(KeyConditionError::NestedAttribute);
            }
            Operand::Of(Source::Path(found)) => path = Some(found),
            Operand::Of(Source::Value(value)) => values.push(value),
            Operand::SizeOf(_) => return Err(KeyConditionError::NestedOperation),
        }
    }
    let path = path.ok_or(KeyConditionError::NoAttribute)?;
    let values = <[AttributeValue; VALUES]>::try_from(values).map_err(|_| KeyConditionError::NoAttribute)?;
    Ok((path.root().to_owned(), values))
}

/// Checks that the filter of a query is not about the key.
///
/// # Errors
///
/// [`KeyConditionError::FilterOnKey`] with the first key attribute that it is about.
pub fn check_query_filter<'a>(
    filter: &Condition,
    key_names: impl IntoIterator<Item = &'a str>,
) -> Result<(), KeyConditionError> {
    match key_in(filter, key_names) {
        Some(attribute) => Err(KeyConditionError::FilterOnKey { attribute }),
        None => Ok(()),
    }
}

/// Checks the same of the old `QueryFilter`.
///
/// # Errors
///
/// [`KeyConditionError::OldFilterOnKey`] with the first key attribute that it is about.
pub fn check_old_query_filter<'a>(
    filter: &Condition,
    key_names: impl IntoIterator<Item = &'a str>,
) -> Result<(), KeyConditionError> {
    match key_in(filter, key_names) {
        Some(attribute) => Err(KeyConditionError::OldFilterOnKey { attribute }),
        None => Ok(()),
    }
}

fn key_in<'a>(filter: &Condition, key_names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let paths = filter.paths();
    let found = key_names.into_iter().find(|name| paths.iter().any(|path| path.root() == *name));
    found.map(str::to_owned)
}

/// Checks that no path goes into an attribute of the key.
///
/// # Errors
///
/// [`KeyConditionError::WithinKey`] with the first key attribute that one goes into.
pub fn check_not_within_key<'a, 'b>(
    paths: impl IntoIterator<Item = &'b DocumentPath> + Clone,
    key_names: impl IntoIterator<Item = &'a str>,
) -> Result<(), KeyConditionError> {
    let goes_into = |name: &str| paths.clone().into_iter().any(|path| path.root() == name && !path.steps().is_empty());
    match key_names.into_iter().find(|name| goes_into(name)) {
        Some(name) => Err(KeyConditionError::WithinKey { attribute: name.to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "key_condition_tests.rs"]
mod tests;
