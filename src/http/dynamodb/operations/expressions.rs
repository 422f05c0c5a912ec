//! What the expressions of a request say, old and new.

use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::requests::{ExpressionNames, ExpressionValues};
use crate::item::expression::{
    Condition, ExpressionError, ExpressionKind, KeyConditionError, Parameters, Placeholders, Projection, UpdateError,
};

/// The placeholders of a request, whose expressions are there or not.
pub(super) fn placeholders(
    names: Option<ExpressionNames>,
    values: Option<ExpressionValues>,
    expressions: &[(&'static str, bool)],
) -> Result<Placeholders, ApiError> {
    let parameters = Parameters { expressions, legacy: &[], names: names.is_some(), values: values.is_some() };
    parameters.check()?;
    Ok(Placeholders::new(names, values.map(|values| values.0))?)
}

/// A condition or filter, if there is one.
pub(super) fn condition(
    kind: ExpressionKind,
    text: Option<&String>,
    placeholders: &mut Placeholders,
) -> Result<Option<Condition>, ApiError> {
    Ok(text.map(|text| Condition::parse(kind, text, placeholders)).transpose()?)
}

/// A projection, if there is one.
pub(super) fn projection(
    text: Option<&String>,
    placeholders: &mut Placeholders,
) -> Result<Option<Projection>, ApiError> {
    Ok(text.map(|text| Projection::parse(text, placeholders)).transpose()?)
}

impl From<ExpressionError> for ApiError {
    fn from(error: ExpressionError) -> Self {
        Self::validation(error.to_string())
    }
}

impl From<KeyConditionError> for ApiError {
    fn from(error: KeyConditionError) -> Self {
        Self::validation(error.to_string())
    }
}

impl From<UpdateError> for ApiError {
    fn from(error: UpdateError) -> Self {
        Self::validation(error.to_string())
    }
}
