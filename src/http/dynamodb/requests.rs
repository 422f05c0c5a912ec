//! The parameters of each operation as types, decoded from a body that has been checked.
//!
//! ```text
//!   body ── Json::parse ──> tree ── Structure::check ──> the same tree ── Decode ──> Request::PutItem(PutItem)
//!           not JSON           types, constraints           values of attributes
//!           Serialization      Serialization, Validation    Validation
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `decode` | how a type is made of JSON, and the words that declare such types |
//! | `values` | values of attributes, in the service's words where they are wrong |
//! | `items`, `queries`, `batches`, `transactions`, `tables` | the parameters |
//!
//! Members that the service knows and this server has no use for are checked and dropped, unless they promise something (`unsupported`). What depends on more than one
//! member, or on a table, is for the operations to check, but for one rule: expressions and what was there
//! before them do not go together.

mod batches;
mod decode;
mod items;
mod mixture;
mod queries;
mod tables;
mod transactions;
mod unsupported;
mod values;

use super::error::ApiError;
use super::json::Json;
use super::operation::Operation;
use decode::{Decode, Words};

pub use batches::{BatchGetItem, BatchWriteItem, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
pub use items::{
    AttributeAction, AttributeValueUpdate, ComparisonOperator, ConditionalOperator, DeleteItem, ExpectedAttributeValue,
    GetItem, PutItem, ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValues,
    ReturnValuesOnConditionCheckFailure, UpdateItem,
};
pub use queries::{Condition, Query, Scan, Select, StartKey};
pub use tables::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndex, CreateTable, DeleteGlobalSecondaryIndex, DeleteTable,
    DescribeEndpoints, DescribeLimits, DescribeTable, DescribeTimeToLive, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, ListTables, ListTagsOfResource, LocalSecondaryIndex,
    OnDemandThroughput, Projection, ProjectionType, ProvisionedThroughput, ReplicaUpdate, ScalarType, SseSpecification,
    StreamSpecification, StreamViewType, TableClass, Tag, TagResource, TimeToLiveSpecification, UntagResource,
    UpdateGlobalSecondaryIndex, UpdateTable, UpdateTimeToLive, WarmThroughput,
};
pub use transactions::{
    ConditionCheck, Get, TransactDelete, TransactGetItem, TransactGetItems, TransactPut, TransactUpdate,
    TransactWriteItem, TransactWriteItems,
};
pub use values::{ExpressionNames, ExpressionValues};

/// Declares the sum of all requests, and how each is decoded.
macro_rules! requests {
    ($($name:ident),+ $(,)?) => {
        /// The parameters of an operation.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("See [`Operation::", stringify!($name), "`].")] $name(Box<$name>),)+
        }

        impl Request {
            /// Whose parameters they are.
            #[must_use]
            pub fn operation(&self) -> Operation {
                match self {
                    $(Self::$name(_) => Operation::$name,)+
                }
            }

            fn decode(operation: Operation, json: Json<'_>, words: Words) -> Result<Self, ApiError> {
                match operation {
                    $(Operation::$name => <$name>::decode(json, words).map(|request| Self::$name(Box::new(request))),)+
                }
            }
        }
    };
}

requests!(
    BatchGetItem,
    BatchWriteItem,
    CreateTable,
    DeleteItem,
    DeleteTable,
    DescribeEndpoints,
    DescribeLimits,
    DescribeTable,
    DescribeTimeToLive,
    GetItem,
    ListTables,
    ListTagsOfResource,
    PutItem,
    Query,
    Scan,
    TagResource,
    TransactGetItems,
    TransactWriteItems,
    UntagResource,
    UpdateItem,
    UpdateTable,
    UpdateTimeToLive,
);

impl Request {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// [`ApiError::Serialization`] when it is not JSON or has JSON of another type somewhere, and
    /// [`ApiError::Validation`] when a parameter is missing or cannot be, in the service's words.
    pub fn read(operation: Operation, body: &[u8]) -> Result<Self, ApiError> {
        Self::from_json(operation, parsed(body)?)
    }

    /// The same for a body that has been parsed.
    pub(super) fn from_json(operation: Operation, json: Json<'_>) -> Result<Self, ApiError> {
        operation.shape().check(&json)?;
        let words = match operation {
            Operation::PutItem
            | Operation::UpdateItem
            | Operation::DeleteItem
            | Operation::GetItem
            | Operation::BatchGetItem
            | Operation::Query => Words::Current,
            _ => Words::Older,
        };
        let decode = || {
            mixture::check(operation, &json)?;
            unsupported::check(operation, &json)?;
            Self::decode(operation, json, words)
        };
        decode().map_err(|error| error.in_envelope_of(operation))
    }
}

/// Parses a body.
///
/// # Errors
///
/// [`ApiError::Serialization`] when it is not JSON. What is nested deeper than can be parsed is deeper than any item.
pub(super) fn parsed(body: &[u8]) -> Result<Json<'_>, ApiError> {
    Json::parse(body).map_err(|error| match error.to_string().starts_with("recursion limit exceeded") {
        true => values::too_deep(),
        false => ApiError::Serialization { message: None },
    })
}

#[cfg(test)]
pub(super) mod property_tests;
#[cfg(test)]
#[path = "requests/tests.rs"]
mod tests;
