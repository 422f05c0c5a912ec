//! Requests for many items of one table.

use super::items::{
    ATTRIBUTE_VALUE_LIST, ATTRIBUTES_TO_GET, COMPARISON, CONDITIONAL_OPERATOR, CONSUMED_CAPACITY, NAMES,
};
use super::words::{
    BOOLEAN, INDEX, TABLE_OF_ITEMS, TEXT, VALUES, integer, map, map_of, one_of, optional, required, structure,
};
use super::{Map, Shape, Structure};

const SELECT: Shape = one_of(&["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"]);

const LIMIT: Shape = integer(1, i64::MAX);

/// Conditions of before there were expressions.
const CONDITIONS: Shape = map(&CONDITIONS_MAP);
static CONDITIONS_MAP: Map = map_of(structure(&CONDITION));
static CONDITION: Structure = Structure {
    name: "Condition",
    members: &[optional("AttributeValueList", ATTRIBUTE_VALUE_LIST), required("ComparisonOperator", COMPARISON)],
};

pub(in crate::http::dynamodb) static QUERY: Structure = Structure {
    name: "QueryInput",
    members: &[
        optional("Select", SELECT),
        optional("IndexName", INDEX),
        optional("ReturnConsumedCapacity", CONSUMED_CAPACITY),
        optional("QueryFilter", CONDITIONS),
        required("TableName", TABLE_OF_ITEMS),
        optional("ConditionalOperator", CONDITIONAL_OPERATOR),
        optional("AttributesToGet", ATTRIBUTES_TO_GET),
        optional("Limit", LIMIT),
        optional("KeyConditions", CONDITIONS),
        optional("ExclusiveStartKey", VALUES),
        optional("ConsistentRead", BOOLEAN),
        optional("ScanIndexForward", BOOLEAN),
        optional("KeyConditionExpression", TEXT),
        optional("FilterExpression", TEXT),
        optional("ProjectionExpression", TEXT),
        optional("ExpressionAttributeValues", VALUES),
        optional("ExpressionAttributeNames", NAMES),
    ],
};

pub(in crate::http::dynamodb) static SCAN: Structure = Structure {
    name: "ScanInput",
    members: &[
        optional("Select", SELECT),
        optional("IndexName", INDEX),
        optional("TotalSegments", integer(1, 1_000_000)),
        optional("ReturnConsumedCapacity", CONSUMED_CAPACITY),
        required("TableName", TABLE_OF_ITEMS),
        optional("ConditionalOperator", CONDITIONAL_OPERATOR),
        optional("ScanFilter", CONDITIONS),
        optional("Segment", integer(0, 999_999)),
        optional("Limit", LIMIT),
        optional("AttributesToGet", ATTRIBUTES_TO_GET),
        optional("ExclusiveStartKey", VALUES),
        optional("FilterExpression", TEXT),
        optional("ProjectionExpression", TEXT),
        optional("ExpressionAttributeValues", VALUES),
        optional("ExpressionAttributeNames", NAMES),
        optional("ConsistentRead", BOOLEAN),
    ],
};
