//! The operations of the API, and the header that names one.

use super::error::ApiError;
use super::shapes::{self, Structure};

/// Declares each operation once: its name, and the shape of its parameters.
macro_rules! operations {
    ($($name:ident: $shape:path, $doc:literal;)+) => {
        /// An operation that this server carries out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation {
            $(#[doc = $doc] $name,)+
        }

        impl Operation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name, as in the API reference.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What its parameters look like.
            pub(super) fn shape(self) -> &'static Structure {
                match self {
                    $(Self::$name => &$shape,)+
                }
            }
        }
    };
}

operations! {
    BatchGetItem: shapes::batches::BATCH_GET_ITEM, "Reads items of several tables by their keys.";
    BatchWriteItem: shapes::batches::BATCH_WRITE_ITEM, "Puts and deletes items of several tables.";
    CreateTable: shapes::tables::CREATE_TABLE, "Creates a table.";
    DeleteItem: shapes::items::DELETE_ITEM, "Deletes an item.";
    DeleteTable: shapes::tables::DELETE_TABLE, "Deletes a table.";
    DescribeEndpoints: shapes::tables::DESCRIBE_ENDPOINTS, "Says where to send requests.";
    DescribeLimits: shapes::tables::DESCRIBE_LIMITS, "Says how much may be provisioned.";
    DescribeTable: shapes::tables::DESCRIBE_TABLE, "Describes a table.";
    DescribeTimeToLive: shapes::tables::DESCRIBE_TIME_TO_LIVE, "Says which attribute makes items expire.";
    GetItem: shapes::items::GET_ITEM, "Reads an item by its key.";
    ListTables: shapes::tables::LIST_TABLES, "Lists the tables by name.";
    ListTagsOfResource: shapes::tables::LIST_TAGS_OF_RESOURCE, "Lists the tags of a table.";
    PutItem: shapes::items::PUT_ITEM, "Writes a whole item.";
    Query: shapes::queries::QUERY, "Reads the items of a partition key in order.";
    Scan: shapes::queries::SCAN, "Reads all items.";
    TagResource: shapes::tables::TAG_RESOURCE, "Sets tags of a table.";
    TransactGetItems: shapes::transactions::TRANSACT_GET_ITEMS, "Reads items as they are at one time.";
    TransactWriteItems: shapes::transactions::TRANSACT_WRITE_ITEMS, "Writes all items or none.";
    UntagResource: shapes::tables::UNTAG_RESOURCE, "Removes tags of a table.";
    UpdateItem: shapes::items::UPDATE_ITEM, "Changes attributes of an item.";
    UpdateTable: shapes::tables::UPDATE_TABLE, "Changes a table.";
    UpdateTimeToLive: shapes::tables::UPDATE_TIME_TO_LIVE, "Says which attribute is to make items expire.";
}

/// Operations of DynamoDB that this server does not carry out.
const UNSUPPORTED: &[&str] = &[
    "BatchExecuteStatement",
    "CancelBulkOperation",
    "CreateBackup",
    "CreateGlobalTable",
    "DeleteBackup",
    "DeleteResourcePolicy",
    "DescribeBackup",
    "DescribeBulkOperation",
    "DescribeContinuousBackups",
    "DescribeContributorInsights",
    "DescribeExport",
    "DescribeGlobalTable",
    "DescribeGlobalTableSettings",
    "DescribeImport",
    "DescribeKinesisStreamingDestination",
    "DescribeTableReplicaAutoScaling",
    "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination",
    "ExecuteStatement",
    "ExecuteTransaction",
    "ExportTableToPointInTime",
    "GetResourcePolicy",
    "ImportTable",
    "ListBackups",
    "ListBulkOperations",
    "ListContributorInsights",
    "ListExports",
    "ListGlobalTables",
    "ListImports",
    "PutResourcePolicy",
    "RestoreTableFromBackup",
    "RestoreTableToPointInTime",
    "SearchVectors",
    "StartBulkPutItems",
    "UpdateContinuousBackups",
    "UpdateContributorInsights",
    "UpdateGlobalTable",
    "UpdateGlobalTableSettings",
    "UpdateKinesisStreamingDestination",
    "UpdateTableReplicaAutoScaling",
];

/// The version of the API that is spoken here, as `X-Amz-Target` begins with it.
const VERSION: &str = "DynamoDB_20120810";

impl Operation {
    /// Reads the header `X-Amz-Target`, such as `DynamoDB_20120810.GetItem`.
    ///
    /// # Errors
    ///
    /// [`ApiError::UnknownOperation`] when it is missing, is another service's (streams have an endpoint of
    /// their own), or names an operation that does not exist or is not supported.
    pub fn from_target(target: Option<&[u8]>) -> Result<Self, ApiError> {
        let name = target
            .and_then(|target| std::str::from_utf8(target).ok())
            .and_then(|target| target.trim().strip_prefix(VERSION))
            .and_then(|rest| rest.strip_prefix('.'))
            .ok_or(ApiError::UnknownOperation { message: None })?;
        if let Some(operation) = Self::from_name(name) {
            return Ok(operation);
        }
        let message = UNSUPPORTED.contains(&name).then(|| format!("{name} is not supported by this server.").into());
        Err(ApiError::UnknownOperation { message })
    }

    fn from_name(name: &str) -> Option<Self> {
        // `ALL` is sorted by name, as the variants are.
        Self::ALL
            .binary_search_by(|operation| operation.name().cmp(name))
            .ok()
            .and_then(|at| Self::ALL.get(at).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, UNSUPPORTED};
    use crate::http::dynamodb::error::ApiError;

    fn refusal(target: Option<&[u8]>) -> Option<String> {
        match Operation::from_target(target) {
            Err(ApiError::UnknownOperation { message }) => message.map(|message| message.into_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_operation_is_found_by_its_target() {
        for operation in Operation::ALL {
            let target = format!("DynamoDB_20120810.{}", operation.name());
            assert_eq!(Operation::from_target(Some(target.as_bytes())), Ok(*operation));
        }
    }

    #[test]
    fn what_does_not_exist_is_refused_without_a_text() {
        let none: [Option<&[u8]>; 9] = [
            None,
            Some(b""),
            Some(b"whatever"),
            Some(b"DynamoDB_20120810"),
            Some(b"DynamoDB_20120810."),
            Some(b"DynamoDB_20120810.ListTable"),
            Some(b"DynamoDB_20120810.getItem"),
            Some(b"DynamoDBStreams_20120810.ListStreams"),
            Some(b"DynamoDB_20120810.\xFF"),
        ];
        for target in none {
            assert_eq!(refusal(target), None, "{target:?}");
        }
    }

    #[test]
    fn what_is_not_supported_is_called_so() {
        for name in UNSUPPORTED {
            let target = format!("DynamoDB_20120810.{name}");
            let message = refusal(Some(target.as_bytes())).unwrap();
            assert_eq!(message, format!("{name} is not supported by this server."));
        }
    }
}
