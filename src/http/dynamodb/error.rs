//! What the API answers when it refuses: one variant for each type of error that DynamoDB has.
//!
//! ```text
//!   ApiError ── status ──────> 400, for most
//!            ── error_type ──> com.amazon.coral.validate#ValidationException
//!            ── to_json ─────> {"__type": "...", "message": "..."}
//! ```
//!
//! Clients take the name behind the `#` and decide by it whether to retry. The namespaces, and whether a text
//! is called `message` or `Message`, are spelled as the service spells them, which is not consistent.
//!
//! Source: API reference, "Common Errors" and the errors of each operation; developer guide, "Error handling
//! with DynamoDB".

use std::borrow::Cow;
use std::fmt;

use super::json_out::JsonWriter;
use super::operation::Operation;
use crate::item::Item;

/// A text for the client.
pub type Message = Cow<'static, str>;

/// Why a request was refused or not carried out, as the client sees it.
///
/// Unless a variant says otherwise nothing was written. Those that a client library retries by itself say so.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiError {
    /// A parameter is missing, malformed or does not fit the others. Correct the request.
    Validation {
        /// What is wrong with it.
        message: Message,
    },
    /// The body is not JSON, or a value in it has another JSON type than the API defines. Correct the request.
    Serialization {
        /// Where JSON of another type stands; nothing for a body that is not JSON at all.
        message: Option<Message>,
    },
    /// There is no such operation, or it is not supported here.
    UnknownOperation {
        /// Nothing for an operation that does not exist.
        message: Option<Message>,
    },
    /// The request is not signed.
    MissingAuthenticationToken,
    /// The access key is not known here.
    UnrecognizedClient,
    /// The signature cannot be checked: parts of it are missing or malformed.
    IncompleteSignature {
        /// Which.
        message: Message,
    },
    /// The signature is another one than the secret key gives, or it is too old.
    InvalidSignature {
        /// What differs.
        message: Message,
    },
    /// The access key may not do that.
    AccessDenied {
        /// Who may not do what.
        message: Message,
    },
    /// There is no such table or index, or it is not `ACTIVE`.
    ResourceNotFound {
        /// What is not there.
        message: Message,
    },
    /// The table exists already, or is being created or deleted.
    ResourceInUse {
        /// Which table, and what stands in the way.
        message: Message,
    },
    /// Too many tables, indexes or changes at once.
    LimitExceeded {
        /// Which limit.
        message: Message,
    },
    /// The condition of a write is not met.
    ConditionalCheckFailed {
        /// The item as it is, where the request asked for it (`ReturnValuesOnConditionCheckFailure`).
        item: Option<Box<Item>>,
    },
    /// A transaction was not carried out; nothing of it was written.
    TransactionCanceled {
        /// One for each action, in the order of the request.
        reasons: Vec<CancellationReason>,
    },
    /// A transaction is under way for an item of the request. Retried by clients.
    TransactionConflict,
    /// A transaction with the same token is under way. It may be carried out yet. Retried by clients.
    TransactionInProgress,
    /// A token was sent before with other parameters. Draw a new one.
    IdempotentParameterMismatch,
    /// The items of a partition key are too large together (tables with a local secondary index).
    ItemCollectionSizeLimitExceeded,
    /// Requests come faster than the table or index provides for. Retried by clients.
    ProvisionedThroughputExceeded,
    /// Requests come faster than the account provides for. Retried by clients.
    RequestLimitExceeded,
    /// Requests come faster than this server takes them. Retried by clients.
    Throttling {
        /// What is exceeded.
        message: Message,
    },
    /// An item with this key exists already (PartiQL's `INSERT`).
    DuplicateItem,
    /// The body is larger than 16 MiB.
    RequestTooLarge,
    /// The body did not arrive in time.
    RequestTimeout,
    /// Something failed here that the client cannot help. A write may have been applied. Retried by clients.
    InternalServerError {
        /// What to look for in the log.
        message: Message,
    },
    /// Too few replicas can be reached. A write may have been applied to some. Retried by clients.
    ServiceUnavailable {
        /// What is missing.
        message: Message,
    },
}

/// Why an action of a transaction stopped it, or that it did not.
#[derive(Clone, Debug, PartialEq)]
pub struct CancellationReason {
    /// What kind of reason; [`CancellationCode::None`] for an action that would have gone well.
    pub code: CancellationCode,
    /// The text that the action alone would have been refused with.
    pub message: Option<Message>,
    /// The item as it is, where the action asked for it.
    pub item: Option<Item>,
}

/// What kind of reason stopped a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancellationCode {
    /// Not this action.
    None,
    /// Its condition is not met.
    ConditionalCheckFailed,
    /// See [`ApiError::ItemCollectionSizeLimitExceeded`].
    ItemCollectionSizeLimitExceeded,
    /// Another write of the item is under way.
    TransactionConflict,
    /// See [`ApiError::ProvisionedThroughputExceeded`].
    ProvisionedThroughputExceeded,
    /// See [`ApiError::Throttling`].
    ThrottlingError,
    /// A key or value does not fit the table.
    ValidationError,
}

impl CancellationCode {
    /// The code's name in the reply.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::ConditionalCheckFailed => "ConditionalCheckFailed",
            Self::ItemCollectionSizeLimitExceeded => "ItemCollectionSizeLimitExceeded",
            Self::TransactionConflict => "TransactionConflict",
            Self::ProvisionedThroughputExceeded => "ProvisionedThroughputExceeded",
            Self::ThrottlingError => "ThrottlingError",
            Self::ValidationError => "ValidationError",
        }
    }
}

impl CancellationReason {
    /// For an action that would have gone well.
    pub const NONE: Self = Self { code: CancellationCode::None, message: None, item: None };

    /// For an action whose condition is not met, with the item where the action asked for it.
    #[must_use]
    pub fn condition_failed(item: Option<Item>) -> Self {
        let message = Some(Cow::Borrowed(CONDITION_FAILED));
        Self { code: CancellationCode::ConditionalCheckFailed, message, item }
    }

    /// For an action that does not fit its table.
    #[must_use]
    pub fn validation(message: impl Into<Message>) -> Self {
        Self { code: CancellationCode::ValidationError, message: Some(message.into()), item: None }
    }

    /// For an action whose item another write is busy with.
    #[must_use]
    pub fn conflict() -> Self {
        let message = Some(Cow::Borrowed(TRANSACTION_CONFLICT));
        Self { code: CancellationCode::TransactionConflict, message, item: None }
    }
}

const CONDITION_FAILED: &str = "The conditional request failed";
const TRANSACTION_CONFLICT: &str = "Transaction is ongoing for the item";

/// The namespaces of the types of errors.
const MODEL: &str = "com.amazonaws.dynamodb.v20120810";
const SERVICE: &str = "com.amazon.coral.service";
const VALIDATE: &str = "com.amazon.coral.validate";
const AVAILABILITY: &str = "com.amazon.coral.availability";

impl ApiError {
    /// A [`ApiError::Validation`].
    #[must_use]
    pub fn validation(message: impl Into<Message>) -> Self {
        Self::Validation { message: message.into() }
    }

    /// The error as an operation reports it: those that write one item put what is wrong with a value or an expression
    /// behind "1 validation error detected: ".
    #[must_use]
    pub fn in_envelope_of(self, operation: Operation) -> Self {
        match operation {
            Operation::PutItem | Operation::UpdateItem | Operation::DeleteItem => self.in_envelope(),
            _ => self,
        }
    }

    /// The error, if it is of validation, behind "1 validation error detected: ".
    #[must_use]
    pub fn in_envelope(self) -> Self {
        match self {
            Self::Validation { message } => Self::validation(format!("1 validation error detected: {message}")),
            error => error,
        }
    }

    /// A [`ApiError::Serialization`] that says where JSON of another type stands.
    #[must_use]
    pub fn serialization(message: impl Into<Message>) -> Self {
        Self::Serialization { message: Some(message.into()) }
    }

    /// The table of a request on items does not exist.
    #[must_use]
    pub fn table_not_found() -> Self {
        Self::ResourceNotFound { message: Cow::Borrowed("Requested resource not found") }
    }

    /// The table of a request on tables does not exist.
    #[must_use]
    pub fn no_such_table(name: &str) -> Self {
        Self::ResourceNotFound { message: format!("Requested resource not found: Table: {name} not found").into() }
    }

    /// The condition of a write is not met.
    #[must_use]
    pub fn condition_failed(item: Option<Item>) -> Self {
        Self::ConditionalCheckFailed { item: item.map(Box::new) }
    }

    /// The status of the reply.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::RequestTimeout => 408,
            Self::RequestTooLarge => 413,
            Self::InternalServerError { .. } => 500,
            Self::ServiceUnavailable { .. } => 503,
            _ => 400,
        }
    }

    /// The type with its namespace, such as `com.amazon.coral.validate#ValidationException`.
    #[must_use]
    pub fn error_type(&self) -> String {
        let (namespace, name) = self.namespace_and_name();
        format!("{namespace}#{name}")
    }

    /// The name by which clients know the error, such as `ValidationException`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.namespace_and_name().1
    }

    fn namespace_and_name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Validation { .. } => (VALIDATE, "ValidationException"),
            Self::Serialization { .. } => (SERVICE, "SerializationException"),
            Self::UnknownOperation { .. } => (SERVICE, "UnknownOperationException"),
            Self::MissingAuthenticationToken => (SERVICE, "MissingAuthenticationTokenException"),
            Self::UnrecognizedClient => (SERVICE, "UnrecognizedClientException"),
            Self::IncompleteSignature { .. } => (SERVICE, "IncompleteSignatureException"),
            Self::InvalidSignature { .. } => (SERVICE, "InvalidSignatureException"),
            Self::AccessDenied { .. } => (SERVICE, "AccessDeniedException"),
            Self::RequestTooLarge => (SERVICE, "RequestEntityTooLargeException"),
            Self::RequestTimeout => (SERVICE, "RequestTimeoutException"),
            Self::Throttling { .. } => (AVAILABILITY, "ThrottlingException"),
            Self::ResourceNotFound { .. } => (MODEL, "ResourceNotFoundException"),
            Self::ResourceInUse { .. } => (MODEL, "ResourceInUseException"),
            Self::LimitExceeded { .. } => (MODEL, "LimitExceededException"),
            Self::ConditionalCheckFailed { .. } => (MODEL, "ConditionalCheckFailedException"),
            Self::TransactionCanceled { .. } => (MODEL, "TransactionCanceledException"),
            Self::TransactionConflict => (MODEL, "TransactionConflictException"),
            Self::TransactionInProgress => (MODEL, "TransactionInProgressException"),
            Self::IdempotentParameterMismatch => (MODEL, "IdempotentParameterMismatchException"),
            Self::ItemCollectionSizeLimitExceeded => (MODEL, "ItemCollectionSizeLimitExceededException"),
            Self::ProvisionedThroughputExceeded => (MODEL, "ProvisionedThroughputExceededException"),
            Self::RequestLimitExceeded => (MODEL, "RequestLimitExceeded"),
            Self::DuplicateItem => (MODEL, "DuplicateItemException"),
            Self::InternalServerError { .. } => (MODEL, "InternalServerError"),
            Self::ServiceUnavailable { .. } => (MODEL, "ServiceUnavailable"),
        }
    }

    /// The text for the client. Some errors have none.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        let fixed = match self {
            Self::Serialization { message } | Self::UnknownOperation { message } => return message.clone(),
            Self::Validation { message }
            | Self::IncompleteSignature { message }
            | Self::InvalidSignature { message }
            | Self::AccessDenied { message }
            | Self::ResourceNotFound { message }
            | Self::ResourceInUse { message }
            | Self::LimitExceeded { message }
            | Self::Throttling { message }
            | Self::InternalServerError { message }
            | Self::ServiceUnavailable { message } => return Some(message.clone()),
            Self::TransactionCanceled { reasons } => return Some(cancellation_message(reasons).into()),
            Self::MissingAuthenticationToken => "Request is missing Authentication Token",
            Self::UnrecognizedClient => "The security token included in the request is invalid.",
            Self::ConditionalCheckFailed { .. } => CONDITION_FAILED,
            Self::TransactionConflict => TRANSACTION_CONFLICT,
            Self::TransactionInProgress => "The transaction with the given request token is already in progress.",
            Self::IdempotentParameterMismatch => {
                "DynamoDB rejected the request because you retried a request with a different payload but with an \
                 idempotent token that was already used."
            }
            Self::ItemCollectionSizeLimitExceeded => "Collection size exceeded.",
            Self::ProvisionedThroughputExceeded => {
                "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
                 provisioning level with the UpdateTable API."
            }
            Self::RequestLimitExceeded => "Throughput exceeds the current throughput limit for your account.",
            Self::DuplicateItem => "Duplicate primary key exists in table",
            Self::RequestTooLarge => "The request is larger than 16 MiB.",
            Self::RequestTimeout => "The body of the request did not arrive in time.",
        };
        Some(Cow::Borrowed(fixed))
    }

    /// What the service calls the text of this error: `Message` where its code is older or newer than the rest.
    fn message_field(&self) -> &'static str {
        match self {
            Self::Serialization { .. }
            | Self::AccessDenied { .. }
            | Self::TransactionCanceled { .. }
            | Self::TransactionInProgress
            | Self::IdempotentParameterMismatch => "Message",
            _ => "message",
        }
    }

    /// The body of the reply.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = JsonWriter::default();
        out.object(|out| {
            out.name("__type").text(&self.error_type());
            if let Some(message) = self.message() {
                out.name(self.message_field()).text(&message);
            }
            match self {
                Self::ConditionalCheckFailed { item: Some(item) } => out.name("Item").item(item),
                Self::TransactionCanceled { reasons } => out.name("CancellationReasons").array(|out| {
                    reasons.iter().for_each(|reason| reason.write(out));
                }),
                _ => {}
            }
        });
        out.into_bytes()
    }
}

/// As a log has it: the name, and the text if there is one.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => write!(f, "{}: {message}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

impl std::error::Error for ApiError {}

impl CancellationReason {
    fn write(&self, out: &mut JsonWriter) {
        out.object(|out| {
            out.name("Code").text(self.code.name());
            if let Some(message) = &self.message {
                out.name("Message").text(message);
            }
            if let Some(item) = &self.item {
                out.name("Item").item(item);
            }
        });
    }
}

fn cancellation_message(reasons: &[CancellationReason]) -> String {
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code.name()).collect();
    format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "))
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
