//! The parameters that expressions have replaced, as the same values.

use std::collections::BTreeMap;

use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::requests;
use crate::http::dynamodb::requests::{AttributeAction, AttributeValueUpdate, ExpectedAttributeValue};
use crate::item::expression::{
    AttributeUpdate, ComparisonOperator, Condition, ConditionalOperator, ExpectedAttribute, KeyTerms, LegacyCondition,
    LegacyError, Projection, Update, UpdateAction,
};

/// What `Expected` asks for, if anything.
pub(super) fn expected(
    expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    operator: Option<requests::ConditionalOperator>,
) -> Result<Option<Condition>, ApiError> {
    let attributes = expected.unwrap_or_default().into_iter().map(|(attribute, asked)| {
        let operator = asked.comparison_operator.map(comparison);
        let (exists, value, values) = (asked.exists, asked.value, asked.attribute_value_list);
        (attribute, ExpectedAttribute { exists, value, operator, values })
    });
    Ok(Condition::of_expected(attributes.collect(), operator.map(conditional))?)
}

/// What a filter asks for, if anything.
pub(super) fn filter(
    filter: Option<BTreeMap<String, requests::Condition>>,
    operator: Option<requests::ConditionalOperator>,
) -> Result<Option<Condition>, ApiError> {
    Ok(Condition::of_filter(conditions(filter.unwrap_or_default()), operator.map(conditional))?)
}

/// What `KeyConditions` ask for.
pub(super) fn key_conditions(asked: BTreeMap<String, requests::Condition>) -> Result<KeyTerms, ApiError> {
    Ok(KeyTerms::of_key_conditions(conditions(asked))?)
}

/// What `AttributeUpdates` change, if they are there.
pub(super) fn updates(asked: Option<BTreeMap<String, AttributeValueUpdate>>) -> Result<Option<Update>, ApiError> {
    let Some(asked) = asked else { return Ok(None) };
    let update = |(attribute, AttributeValueUpdate { action, value })| {
        let action = match action {
            None | Some(AttributeAction::Put) => UpdateAction::Put,
            Some(AttributeAction::Add) => UpdateAction::Add,
            Some(AttributeAction::Delete) => UpdateAction::Delete,
        };
        (attribute, AttributeUpdate { action, value })
    };
    Ok(Some(Update::of_attribute_updates(asked.into_iter().map(update).collect())?))
}

/// What `AttributesToGet` show, if they are there.
pub(super) fn attributes(asked: Option<&Vec<String>>) -> Result<Option<Projection>, ApiError> {
    Ok(asked.map(|names| Projection::of_attributes_to_get(names.clone())).transpose()?)
}

fn conditions(asked: BTreeMap<String, requests::Condition>) -> BTreeMap<String, LegacyCondition> {
    let condition = |(attribute, asked): (String, requests::Condition)| {
        let operator = comparison(asked.comparison_operator);
        (attribute, LegacyCondition { operator, values: asked.attribute_value_list.unwrap_or_default() })
    };
    asked.into_iter().map(condition).collect()
}

fn comparison(operator: requests::ComparisonOperator) -> ComparisonOperator {
    match operator {
        requests::ComparisonOperator::Eq => ComparisonOperator::Eq,
        requests::ComparisonOperator::Ne => ComparisonOperator::Ne,
        requests::ComparisonOperator::In => ComparisonOperator::In,
        requests::ComparisonOperator::Le => ComparisonOperator::Le,
        requests::ComparisonOperator::Lt => ComparisonOperator::Lt,
        requests::ComparisonOperator::Ge => ComparisonOperator::Ge,
        requests::ComparisonOperator::Gt => ComparisonOperator::Gt,
        requests::ComparisonOperator::Between => ComparisonOperator::Between,
        requests::ComparisonOperator::NotNull => ComparisonOperator::NotNull,
        requests::ComparisonOperator::Null => ComparisonOperator::Null,
        requests::ComparisonOperator::Contains => ComparisonOperator::Contains,
        requests::ComparisonOperator::NotContains => ComparisonOperator::NotContains,
        requests::ComparisonOperator::BeginsWith => ComparisonOperator::BeginsWith,
    }
}

fn conditional(operator: requests::ConditionalOperator) -> ConditionalOperator {
    match operator {
        requests::ConditionalOperator::And => ConditionalOperator::And,
        requests::ConditionalOperator::Or => ConditionalOperator::Or,
    }
}

impl From<LegacyError> for ApiError {
    fn from(error: LegacyError) -> Self {
        Self::validation(error.to_string())
    }
}
