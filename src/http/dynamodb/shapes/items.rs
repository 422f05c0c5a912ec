//! Requests on one item, and what requests on several have in common with them.

use super::words::{
    BOOLEAN, TABLE_OF_ITEMS, TEXT, VALUE, VALUES, list, list_of, map, map_of, one_of, optional, required, structure,
};
use super::{List, Map, Shape, Structure};

pub(super) const CONSUMED_CAPACITY: Shape = one_of(&["INDEXES", "TOTAL", "NONE"]);
pub(super) const COLLECTION_METRICS: Shape = one_of(&["SIZE", "NONE"]);
pub(super) const CONDITIONAL_OPERATOR: Shape = one_of(&["OR", "AND"]);
pub(super) const ON_CONDITION_FAILURE: Shape = one_of(&["ALL_OLD", "NONE"]);
const RETURN_VALUES: Shape = one_of(&["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"]);
pub(super) const COMPARISON: Shape = one_of(&[
    "IN",
    "NULL",
    "BETWEEN",
    "LT",
    "NOT_CONTAINS",
    "EQ",
    "GT",
    "NOT_NULL",
    "NE",
    "LE",
    "BEGINS_WITH",
    "GE",
    "CONTAINS",
]);

/// Names for the placeholders of expressions.
pub(super) const NAMES: Shape = map(&NAMES_MAP);
static NAMES_MAP: Map = map_of(TEXT);

pub(super) const ATTRIBUTES_TO_GET: Shape = list(&ATTRIBUTE_NAMES);
static ATTRIBUTE_NAMES: List = list_of(TEXT, 1, 255);

pub(super) const ATTRIBUTE_VALUE_LIST: Shape = list(&ATTRIBUTE_VALUES);
static ATTRIBUTE_VALUES: List = list_of(VALUE, 0, usize::MAX);

/// Conditions of before there were expressions.
const EXPECTED: Shape = map(&EXPECTED_MAP);
static EXPECTED_MAP: Map = map_of(structure(&EXPECTED_ATTRIBUTE_VALUE));
static EXPECTED_ATTRIBUTE_VALUE: Structure = Structure {
    name: "ExpectedAttributeValue",
    members: &[
        optional("AttributeValueList", ATTRIBUTE_VALUE_LIST),
        optional("ComparisonOperator", COMPARISON),
        optional("Exists", BOOLEAN),
        optional("Value", VALUE),
    ],
};

static ATTRIBUTE_UPDATES: Map = map_of(structure(&ATTRIBUTE_VALUE_UPDATE));
static ATTRIBUTE_VALUE_UPDATE: Structure = Structure {
    name: "AttributeValueUpdate",
    members: &[optional("Action", one_of(&["ADD", "PUT", "DELETE"])), optional("Value", VALUE)],
};

pub(in crate::http::dynamodb) static PUT_ITEM: Structure = Structure {
    name: "PutItemInput",
    members: &[
        optional("ReturnConsumedCapacity", CONSUMED_CAPACITY),
        required("TableName", TABLE_OF_ITEMS),
        required("Item", VALUES),
        optional("ConditionalOperator", CONDITIONAL_OPERATOR),
        optional("Expected", EXPECTED),
        optional("ReturnValues", RETURN_VALUES),
        optional("ReturnItemCollectionMetrics", COLLECTION_METRICS),
        optional("ConditionExpression", TEXT),
        optional("ExpressionAttributeValues", VALUES),
        optional("ExpressionAttributeNames", NAMES),
        optional("ReturnValuesOnConditionCheckFailure", ON_CONDITION_FAILURE),
    ],
};

pub(in crate::http::dynamodb) static GET_ITEM: Structure = Structure {
    name: "GetItemInput",
    members: &[
        optional("ReturnConsumedCapacity", CONSUMED_CAPACITY),
        optional("AttributesToGet", ATTRIBUTES_TO_GET),
        required("TableName", TABLE_OF_ITEMS),
        required("Key", VALUES),
        optional("ConsistentRead", BOOLEAN),
        optional("ProjectionExpression", TEXT),
        optional("ExpressionAttributeNames", NAMES),
    ],
};

pub(in crate::http::dynamodb) static UPDATE_ITEM: Structure = Structure {
    name: "UpdateItemInput",
    members: &[
        optional("ReturnConsumedCapacity", CONSUMED_CAPACITY),
        required("TableName", TABLE_OF_ITEMS),
        optional("ReturnItemCollectionMetrics", COLLECTION_METRICS),
        optional("ReturnValues", RETURN_VALUES),
        required("Key", VALUES),
        optional("ConditionalOperator", CONDITIONAL_OPERATOR),
        optional("Expected", EXPECTED),
        optional("AttributeUpdates", map(&ATTRIBUTE_UPDATES)),
        optional("ConditionExpression", TEXT),
        optional("UpdateExpression", TEXT),
        optional("ExpressionAttributeValues", VALUES),
        optional("ExpressionAttributeNames", NAMES),
        optional("ReturnValuesOnConditionCheckFailure", ON_CONDITION_FAILURE),
    ],
};

pub(in crate::http::dynamodb) static DELETE_ITEM: Structure = Structure {
    name: "DeleteItemInput",
    members: &[
        optional("ReturnConsumedCapacity", CONSUMED_CAPACITY),
        required("TableName", TABLE_OF_ITEMS),
        optional("ReturnValues", RETURN_VALUES),
        optional("ReturnItemCollectionMetrics", COLLECTION_METRICS),
        required("Key", VALUES),
        optional("ConditionalOperator", CONDITIONAL_OPERATOR),
        optional("Expected", EXPECTED),
        optional("ConditionExpression", TEXT),
        optional("ExpressionAttributeValues", VALUES),
        optional("ExpressionAttributeNames", NAMES),
        optional("ReturnValuesOnConditionCheckFailure", ON_CONDITION_FAILURE),
    ],
};
