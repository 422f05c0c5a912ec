//! Requests on tables, their tags and their expiry.

use super::decode::{Decode, Words, enumeration, name_of_table, structure};
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json::Json;

/// Declares parameters of which this server looks at none.
macro_rules! without_members {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name;

        impl Decode for $name {
            fn decode(_: Json<'_>, _: Words) -> Result<Self, ApiError> {
                Ok(Self)
            }
        }
    };
}

without_members! {
    /// Says how much may be provisioned.
    DescribeLimits
}

without_members! {
    /// Says where to send requests.
    DescribeEndpoints
}

without_members! {
    /// A copy of the table in another region, which this server does not have.
    ReplicaUpdate
}

enumeration! {
    /// The type of a key.
    ScalarType {
        /// Text.
        "S" => S,
        /// A number.
        "N" => N,
        /// Bytes.
        "B" => B,
    }
}

enumeration! {
    /// Which part of a key an attribute is.
    KeyType {
        /// The partition key.
        "HASH" => Hash,
        /// The sort key.
        "RANGE" => Range,
    }
}

enumeration! {
    /// Which attributes an index has.
    ProjectionType {
        /// All.
        "ALL" => All,
        /// The keys.
        "KEYS_ONLY" => KeysOnly,
        /// The keys and those named.
        "INCLUDE" => Include,
    }
}

enumeration! {
    /// How a table would be paid for.
    BillingMode {
        /// By what is provisioned.
        "PROVISIONED" => Provisioned,
        /// By request.
        "PAY_PER_REQUEST" => PayPerRequest,
    }
}

enumeration! {
    /// What storage would cost.
    TableClass {
        /// As usual.
        "STANDARD" => Standard,
        /// For what is seldom read.
        "STANDARD_INFREQUENT_ACCESS" => StandardInfrequentAccess,
    }
}

enumeration! {
    /// What a stream has of an item that changes.
    StreamViewType {
        /// How it is.
        "NEW_IMAGE" => NewImage,
        /// How it was.
        "OLD_IMAGE" => OldImage,
        /// Both.
        "NEW_AND_OLD_IMAGES" => NewAndOldImages,
        /// Only its key.
        "KEYS_ONLY" => KeysOnly,
    }
}

structure! {
    /// The type of a key attribute.
    AttributeDefinition {
        /// Its name.
        "AttributeName" => attribute_name: String;
        /// Its type.
        "AttributeType" => attribute_type: ScalarType;
    }
}

structure! {
    /// A part of a key.
    KeySchemaElement {
        /// The attribute.
        "AttributeName" => attribute_name: String;
        /// The part.
        "KeyType" => key_type: KeyType;
    }
}

structure! {
    /// Capacity that is provisioned.
    ProvisionedThroughput {
        /// For reads, per second.
        "ReadCapacityUnits" => read_capacity_units: u64;
        /// For writes, per second.
        "WriteCapacityUnits" => write_capacity_units: u64;
    }
}

structure! {
    /// The most that may be used. -1 stands for no bound.
    OnDemandThroughput {
        /// For reads, per second.
        "MaxReadRequestUnits" => max_read_request_units: Option<i64>;
        /// For writes, per second.
        "MaxWriteRequestUnits" => max_write_request_units: Option<i64>;
    }
}

structure! {
    /// What could be used at once.
    WarmThroughput {
        /// For reads, per second.
        "ReadUnitsPerSecond" => read_units_per_second: Option<i64>;
        /// For writes, per second.
        "WriteUnitsPerSecond" => write_units_per_second: Option<i64>;
    }
}

structure! {
    /// Which attributes an index has.
    Projection {
        /// Which kind.
        "ProjectionType" => projection_type: Option<ProjectionType>;
        /// Which besides the keys.
        "NonKeyAttributes" => non_key_attributes: Option<Vec<String>>;
    }
}

structure! {
    /// Whether and how a table has a stream.
    StreamSpecification {
        /// Whether.
        "StreamEnabled" => stream_enabled: bool;
        /// What it shows.
        "StreamViewType" => stream_view_type: Option<StreamViewType>;
    }
}

structure! {
    /// Whether a table is encrypted with the client's key.
    SseSpecification {
        /// Whether.
        "Enabled" => enabled: Option<bool>;
        /// With which.
        "KMSMasterKeyId" => kms_master_key_id: Option<String>;
    }
}

structure! {
    /// An index within a partition key.
    LocalSecondaryIndex {
        /// Its name.
        "IndexName" => index_name: String;
        /// Its key.
        "KeySchema" => key_schema: Vec<KeySchemaElement>;
        /// Which attributes it has.
        "Projection" => projection: Projection;
    }
}

structure! {
    /// An index over the table.
    GlobalSecondaryIndex {
        /// Its name.
        "IndexName" => index_name: String;
        /// Its key.
        "KeySchema" => key_schema: Vec<KeySchemaElement>;
        /// Which attributes it has.
        "Projection" => projection: Projection;
        /// What is provisioned.
        "ProvisionedThroughput" => provisioned_throughput: Option<ProvisionedThroughput>;
        /// What may be used.
        "OnDemandThroughput" => on_demand_throughput: Option<OnDemandThroughput>;
    }
}

/// A name and value for the client's own use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl Decode for Tag {
    fn decode(json: Json<'_>, _: Words) -> Result<Self, ApiError> {
        let text = |name: &str| match json.get(name) {
            Some(Json::Text(text)) => Some(text.as_ref().to_owned()),
            _ => None,
        };
        let refused = |part: &str, text: Option<&str>| {
            let text = text.unwrap_or("null");
            ApiError::validation(format!("The Tag {part} provided is invalid, {part}: {text}"))
        };
        let (key, value) = (text("Key"), text("Value"));
        match (key, value) {
            (Some(key), _) if !(1..=128).contains(&key.chars().count()) => Err(refused("Key", Some(&key))),
            (Some(_), Some(value)) if value.chars().count() > 256 => Err(refused("Value", Some(&value))),
            (Some(key), Some(value)) => Ok(Self { key, value }),
            (Some(_), None) => Err(refused("Value", None)),
            (None, _) => Err(refused("Key", None)),
        }
    }
}

structure! {
    /// Creates a table.
    CreateTable {
        /// The types of the keys.
        "AttributeDefinitions" => attribute_definitions: Vec<AttributeDefinition>;
        /// Its name.
        "TableName" => table_name: String, name_of_table;
        /// Its key.
        "KeySchema" => key_schema: Vec<KeySchemaElement>;
        /// Its local indexes.
        "LocalSecondaryIndexes" => local_secondary_indexes: Option<Vec<LocalSecondaryIndex>>;
        /// Its global indexes.
        "GlobalSecondaryIndexes" => global_secondary_indexes: Option<Vec<GlobalSecondaryIndex>>;
        /// How it would be paid for.
        "BillingMode" => billing_mode: Option<BillingMode>;
        /// What is provisioned.
        "ProvisionedThroughput" => provisioned_throughput: Option<ProvisionedThroughput>;
        /// What may be used.
        "OnDemandThroughput" => on_demand_throughput: Option<OnDemandThroughput>;
        /// Its stream.
        "StreamSpecification" => stream_specification: Option<StreamSpecification>;
        /// Its encryption.
        "SSESpecification" => sse_specification: Option<SseSpecification>;
        /// Its tags.
        "Tags" => tags: Option<Vec<Tag>>;
        /// What storage would cost.
        "TableClass" => table_class: Option<TableClass>;
        /// Whether it can be deleted.
        "DeletionProtectionEnabled" => deletion_protection_enabled: Option<bool>;
        /// Who may use it.
        "ResourcePolicy" => resource_policy: Option<String>;
    }
}

structure! {
    /// One of the three must be there.
    GlobalSecondaryIndexUpdate {
        /// Changes an index.
        "Update" => update: Option<UpdateGlobalSecondaryIndex>;
        /// Creates an index.
        "Create" => create: Option<CreateGlobalSecondaryIndex>;
        /// Deletes an index.
        "Delete" => delete: Option<DeleteGlobalSecondaryIndex>;
    }
}

structure! {
    /// Changes an index.
    UpdateGlobalSecondaryIndex {
        /// Its name.
        "IndexName" => index_name: String;
        /// What is provisioned.
        "ProvisionedThroughput" => provisioned_throughput: Option<ProvisionedThroughput>;
        /// What may be used.
        "OnDemandThroughput" => on_demand_throughput: Option<OnDemandThroughput>;
    }
}

structure! {
    /// Creates an index.
    CreateGlobalSecondaryIndex {
        /// Its name.
        "IndexName" => index_name: String;
        /// Its key.
        "KeySchema" => key_schema: Vec<KeySchemaElement>;
        /// Which attributes it has.
        "Projection" => projection: Projection;
        /// What is provisioned.
        "ProvisionedThroughput" => provisioned_throughput: Option<ProvisionedThroughput>;
        /// What may be used.
        "OnDemandThroughput" => on_demand_throughput: Option<OnDemandThroughput>;
    }
}

structure! {
    /// Deletes an index.
    DeleteGlobalSecondaryIndex {
        /// Its name.
        "IndexName" => index_name: String;
    }
}

structure! {
    /// Changes a table.
    UpdateTable {
        /// The types of new keys.
        "AttributeDefinitions" => attribute_definitions: Option<Vec<AttributeDefinition>>;
        /// Its name.
        "TableName" => table_name: String, name_of_table;
        /// How it would be paid for.
        "BillingMode" => billing_mode: Option<BillingMode>;
        /// What is provisioned.
        "ProvisionedThroughput" => provisioned_throughput: Option<ProvisionedThroughput>;
        /// What may be used.
        "OnDemandThroughput" => on_demand_throughput: Option<OnDemandThroughput>;
        /// What becomes of the global indexes.
        "GlobalSecondaryIndexUpdates" => global_secondary_index_updates: Option<Vec<GlobalSecondaryIndexUpdate>>;
        /// Its stream.
        "StreamSpecification" => stream_specification: Option<StreamSpecification>;
        /// Its encryption.
        "SSESpecification" => sse_specification: Option<SseSpecification>;
        /// Its copies in other regions.
        "ReplicaUpdates" => replica_updates: Option<Vec<ReplicaUpdate>>;
        /// What storage would cost.
        "TableClass" => table_class: Option<TableClass>;
        /// Whether it can be deleted.
        "DeletionProtectionEnabled" => deletion_protection_enabled: Option<bool>;
        /// What could be used at once.
        "WarmThroughput" => warm_throughput: Option<WarmThroughput>;
    }
}

structure! {
    /// Deletes a table.
    DeleteTable {
        /// Its name.
        "TableName" => table_name: String, name_of_table;
    }
}

structure! {
    /// Describes a table.
    DescribeTable {
        /// Its name.
        "TableName" => table_name: String, name_of_table;
    }
}

structure! {
    /// Lists the tables by name.
    ListTables {
        /// After which to go on.
        "ExclusiveStartTableName" => exclusive_start_table_name: Option<String>;
        /// How many at most, 1..=100.
        "Limit" => limit: Option<u32>;
    }
}

structure! {
    /// Sets tags of a table.
    TagResource {
        /// Its ARN.
        "ResourceArn" => resource_arn: String;
        /// Which.
        "Tags" => tags: Vec<Tag>;
    }
}

structure! {
    /// Removes tags of a table.
    UntagResource {
        /// Its ARN.
        "ResourceArn" => resource_arn: String;
        /// Their names.
        "TagKeys" => tag_keys: Vec<String>;
    }
}

structure! {
    /// Lists the tags of a table.
    ListTagsOfResource {
        /// Its ARN.
        "ResourceArn" => resource_arn: String;
        /// Where to go on.
        "NextToken" => next_token: Option<String>;
    }
}

structure! {
    /// Says which attribute makes items expire.
    DescribeTimeToLive {
        /// The table.
        "TableName" => table_name: String, name_of_table;
    }
}

structure! {
    /// Says which attribute is to make items expire.
    UpdateTimeToLive {
        /// The table.
        "TableName" => table_name: String, name_of_table;
        /// Which, and whether.
        "TimeToLiveSpecification" => time_to_live_specification: TimeToLiveSpecification;
    }
}

structure! {
    /// Whether items expire, and when.
    TimeToLiveSpecification {
        /// Whether.
        "Enabled" => enabled: bool;
        /// The attribute that has the time, in seconds since 1970.
        "AttributeName" => attribute_name: String;
    }
}
