//! Expressions, and the parameters that were there before them, do not go together in one request.

use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json::Json;
use crate::http::dynamodb::operation::Operation;

/// The parameters of the one kind and of the other, in the order in which the service lists them.
struct Kinds {
    expressions: &'static [&'static str],
    others: &'static [&'static str],
}

const WRITE: Kinds = Kinds { expressions: &["ConditionExpression"], others: &["Expected"] };

const UPDATE: Kinds =
    Kinds { expressions: &["UpdateExpression", "ConditionExpression"], others: &["AttributeUpdates", "Expected"] };

const READ: Kinds = Kinds { expressions: &["ProjectionExpression"], others: &["AttributesToGet"] };

const QUERY: Kinds = Kinds {
    expressions: &["ProjectionExpression", "FilterExpression", "KeyConditionExpression"],
    others: &["AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"],
};

const SCAN: Kinds = Kinds {
    expressions: &["ProjectionExpression", "FilterExpression"],
    others: &["AttributesToGet", "ScanFilter", "ConditionalOperator"],
};

/// Checks a body whose types are right.
///
/// # Errors
///
/// [`ApiError::Validation`] when there are parameters of both kinds.
pub(super) fn check(operation: Operation, body: &Json<'_>) -> Result<(), ApiError> {
    match operation {
        Operation::PutItem | Operation::DeleteItem => check_kinds(body, &WRITE),
        Operation::UpdateItem => check_kinds(body, &UPDATE),
        Operation::GetItem => check_kinds(body, &READ),
        Operation::Query => check_kinds(body, &QUERY),
        Operation::Scan => check_kinds(body, &SCAN),
        Operation::BatchGetItem => match body.get("RequestItems") {
            // Not even in different tables.
            Some(Json::Object(tables)) => check_all(&tables.iter().map(|(_, keys)| keys).collect::<Vec<_>>(), &READ),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn check_kinds(parameters: &Json<'_>, kinds: &Kinds) -> Result<(), ApiError> {
    check_all(&[parameters], kinds)
}

fn check_all(parameters: &[&Json<'_>], kinds: &Kinds) -> Result<(), ApiError> {
    let is_there = |name: &&&str| parameters.iter().any(|some| some.get(name).is_some());
    let expressions: Vec<&str> = kinds.expressions.iter().filter(is_there).copied().collect();
    if expressions.is_empty() {
        return Ok(());
    }
    // Keys of the old form go with filters and projections of the new.
    let keys_only_of_old_form = !expressions.contains(&"KeyConditionExpression");
    let others: Vec<&str> = kinds
        .others
        .iter()
        .filter(is_there)
        .copied()
        .filter(|name| !(keys_only_of_old_form && *name == "KeyConditions"))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "Can not use both expression and non-expression parameters in the same request: \
         Non-expression parameters: {{{}}} Expression parameters: {{{}}}",
        others.join(", "),
        expressions.join(", ")
    )))
}
