//! Each error as a client sees it.

use std::borrow::Cow;

use super::{ApiError, CancellationReason};
use crate::item::{AttributeValue, Item};

fn item() -> Item {
    [("a", AttributeValue::S("x".to_owned()))].into_iter().collect()
}

fn shown(error: &ApiError) -> (u16, String) {
    (error.status(), String::from_utf8(error.to_json()).unwrap())
}

/// Of a variant that has a text: any.
const TEXT: Cow<'static, str> = Cow::Borrowed("t");

#[test]
fn errors_are_spelled_as_the_service_spells_them() {
    let texts = [
        (ApiError::Validation { message: TEXT }, 400, "com.amazon.coral.validate#ValidationException", "message"),
        (ApiError::serialization("t"), 400, "com.amazon.coral.service#SerializationException", "Message"),
        (
            ApiError::UnknownOperation { message: Some(TEXT) },
            400,
            "com.amazon.coral.service#UnknownOperationException",
            "message",
        ),
        (
            ApiError::IncompleteSignature { message: TEXT },
            400,
            "com.amazon.coral.service#IncompleteSignatureException",
            "message",
        ),
        (
            ApiError::InvalidSignature { message: TEXT },
            400,
            "com.amazon.coral.service#InvalidSignatureException",
            "message",
        ),
        (ApiError::AccessDenied { message: TEXT }, 400, "com.amazon.coral.service#AccessDeniedException", "Message"),
        (
            ApiError::ResourceNotFound { message: TEXT },
            400,
            "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            "message",
        ),
        (
            ApiError::ResourceInUse { message: TEXT },
            400,
            "com.amazonaws.dynamodb.v20120810#ResourceInUseException",
            "message",
        ),
        (
            ApiError::LimitExceeded { message: TEXT },
            400,
            "com.amazonaws.dynamodb.v20120810#LimitExceededException",
            "message",
        ),
        (ApiError::Throttling { message: TEXT }, 400, "com.amazon.coral.availability#ThrottlingException", "message"),
        (
            ApiError::InternalServerError { message: TEXT },
            500,
            "com.amazonaws.dynamodb.v20120810#InternalServerError",
            "message",
        ),
        (
            ApiError::ServiceUnavailable { message: TEXT },
            503,
            "com.amazonaws.dynamodb.v20120810#ServiceUnavailable",
            "message",
        ),
    ];
    for (error, status, error_type, field) in texts {
        assert_eq!(shown(&error), (status, format!(r#"{{"__type":"{error_type}","{field}":"t"}}"#)));
        assert_eq!(error.error_type(), error_type);
        assert!(error_type.ends_with(&format!("#{}", error.name())));
    }
}

#[test]
fn errors_without_a_text_of_their_own() {
    let cases = [
        (ApiError::Serialization { message: None }, r#"{"__type":"com.amazon.coral.service#SerializationException"}"#),
        (
            ApiError::UnknownOperation { message: None },
            r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#,
        ),
        (
            ApiError::MissingAuthenticationToken,
            r#"{"__type":"com.amazon.coral.service#MissingAuthenticationTokenException","message":"Request is missing Authentication Token"}"#,
        ),
        (
            ApiError::UnrecognizedClient,
            r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token included in the request is invalid."}"#,
        ),
        (
            ApiError::table_not_found(),
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found"}"#,
        ),
        (
            ApiError::no_such_table("abc"),
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found: Table: abc not found"}"#,
        ),
        (
            ApiError::condition_failed(None),
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}"#,
        ),
        (
            ApiError::condition_failed(Some(item())),
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed","Item":{"a":{"S":"x"}}}"#,
        ),
        (
            ApiError::TransactionConflict,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"Transaction is ongoing for the item"}"#,
        ),
    ];
    for (error, body) in cases {
        assert_eq!(shown(&error), (400, body.to_owned()));
    }
}

#[test]
fn a_transaction_says_what_became_of_each_action() {
    let reasons = vec![
        CancellationReason::NONE,
        CancellationReason::condition_failed(Some(item())),
        CancellationReason::validation("no"),
        CancellationReason::conflict(),
    ];
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ValidationError, TransactionConflict]","CancellationReasons":[{"Code":"None"},{"Code":"ConditionalCheckFailed","Message":"The conditional request failed","Item":{"a":{"S":"x"}}},{"Code":"ValidationError","Message":"no"},{"Code":"TransactionConflict","Message":"Transaction is ongoing for the item"}]}"#;
    assert_eq!(shown(&ApiError::TransactionCanceled { reasons }), (400, body.to_owned()));
}

#[test]
fn the_others_have_their_names_and_some_text() {
    let model = [
        (ApiError::TransactionInProgress, "TransactionInProgressException"),
        (ApiError::IdempotentParameterMismatch, "IdempotentParameterMismatchException"),
        (ApiError::ItemCollectionSizeLimitExceeded, "ItemCollectionSizeLimitExceededException"),
        (ApiError::ProvisionedThroughputExceeded, "ProvisionedThroughputExceededException"),
        (ApiError::RequestLimitExceeded, "RequestLimitExceeded"),
        (ApiError::DuplicateItem, "DuplicateItemException"),
    ];
    for (error, name) in model {
        assert_eq!(error.error_type(), format!("com.amazonaws.dynamodb.v20120810#{name}"));
        assert_eq!(error.status(), 400);
        assert!(error.message().is_some_and(|message| !message.is_empty()));
    }
    assert_eq!(ApiError::validation("no").to_string(), "ValidationException: no");
    assert_eq!(ApiError::Serialization { message: None }.to_string(), "SerializationException");
    assert_eq!(ApiError::RequestTooLarge.status(), 413);
    assert_eq!(ApiError::RequestTimeout.status(), 408);
}
