//! Requests for many items of one table.

use std::collections::BTreeMap;

use super::decode::{Decode, Words, enumeration, name_of_table, structure};
use super::items::{ComparisonOperator, ConditionalOperator, ReturnConsumedCapacity};
use super::values::{ExpressionNames, ExpressionValues};
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json::Json;
use crate::item::{AttributeValue, Item};

enumeration! {
    /// What a query or scan gives of the items.
    Select {
        /// All attributes.
        "ALL_ATTRIBUTES" => AllAttributes,
        /// Those that the index has.
        "ALL_PROJECTED_ATTRIBUTES" => AllProjectedAttributes,
        /// Those that are asked for.
        "SPECIFIC_ATTRIBUTES" => SpecificAttributes,
        /// Only how many items there are.
        "COUNT" => Count,
    }
}

structure! {
    /// A condition of the old form on one attribute.
    Condition {
        /// How it is compared.
        "ComparisonOperator" => comparison_operator: ComparisonOperator;
        /// With what.
        "AttributeValueList" => attribute_value_list: Option<Vec<AttributeValue>>;
    }
}

/// The key after which a query or scan goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct StartKey(pub Item);

impl Decode for StartKey {
    fn decode(json: Json<'_>, words: Words) -> Result<Self, ApiError> {
        // The service puts this before some texts and not before others.
        const UNPREFIXED: [&str; 5] =
            ["contains duplicates", "number set", "numeric value", "significant digits", "number with magnitude"];
        Item::decode(json, words).map(Self).map_err(|error| match error {
            ApiError::Validation { message }
                if words == Words::Older && !UNPREFIXED.iter().any(|part| message.contains(part)) =>
            {
                ApiError::validation(format!("The provided starting key is invalid: {message}"))
            }
            error => error,
        })
    }
}

structure! {
    /// Reads the items of a partition key in order.
    Query {
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// In which index.
        "IndexName" => index_name: Option<String>;
        /// What of the items.
        "Select" => select: Option<Select>;
        /// Attributes in the old form.
        "AttributesToGet" => attributes_to_get: Option<Vec<String>>;
        /// How many items at most are looked at.
        "Limit" => limit: Option<u32>;
        /// Whether all writes before are seen.
        "ConsistentRead" => consistent_read: Option<bool>;
        /// Filters of the old form.
        "QueryFilter" => query_filter: Option<BTreeMap<String, Condition>>;
        /// How they are joined.
        "ConditionalOperator" => conditional_operator: Option<ConditionalOperator>;
        /// In ascending order, which is the default.
        "ScanIndexForward" => scan_index_forward: Option<bool>;
        /// Where to go on.
        "ExclusiveStartKey" => exclusive_start_key: Option<StartKey>;
        /// Keys in the old form.
        "KeyConditions" => key_conditions: Option<BTreeMap<String, Condition>>;
        /// What the reply says of capacity.
        "ReturnConsumedCapacity" => return_consumed_capacity: Option<ReturnConsumedCapacity>;
        /// Which attributes.
        "ProjectionExpression" => projection_expression: Option<String>;
        /// Which items are left out.
        "FilterExpression" => filter_expression: Option<String>;
        /// Which keys.
        "KeyConditionExpression" => key_condition_expression: Option<String>;
        /// Names in the expressions.
        "ExpressionAttributeNames" => expression_attribute_names: Option<ExpressionNames>;
        /// Values in the expressions.
        "ExpressionAttributeValues" => expression_attribute_values: Option<ExpressionValues>;
    }
}

structure! {
    /// Reads all items.
    Scan {
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// In which index.
        "IndexName" => index_name: Option<String>;
        /// Attributes in the old form.
        "AttributesToGet" => attributes_to_get: Option<Vec<String>>;
        /// How many items at most are looked at.
        "Limit" => limit: Option<u32>;
        /// What of the items.
        "Select" => select: Option<Select>;
        /// Filters of the old form.
        "ScanFilter" => scan_filter: Option<BTreeMap<String, Condition>>;
        /// How they are joined.
        "ConditionalOperator" => conditional_operator: Option<ConditionalOperator>;
        /// Where to go on.
        "ExclusiveStartKey" => exclusive_start_key: Option<StartKey>;
        /// What the reply says of capacity.
        "ReturnConsumedCapacity" => return_consumed_capacity: Option<ReturnConsumedCapacity>;
        /// Into how many parts the table is cut.
        "TotalSegments" => total_segments: Option<u32>;
        /// Which of them, from 0.
        "Segment" => segment: Option<u32>;
        /// Which attributes.
        "ProjectionExpression" => projection_expression: Option<String>;
        /// Which items are left out.
        "FilterExpression" => filter_expression: Option<String>;
        /// Names in the expressions.
        "ExpressionAttributeNames" => expression_attribute_names: Option<ExpressionNames>;
        /// Values in the expressions.
        "ExpressionAttributeValues" => expression_attribute_values: Option<ExpressionValues>;
        /// Whether all writes before are seen.
        "ConsistentRead" => consistent_read: Option<bool>;
    }
}
