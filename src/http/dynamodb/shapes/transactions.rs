//! Requests on several items, all or none.

use super::items::{COLLECTION_METRICS, CONSUMED_CAPACITY, NAMES, ON_CONDITION_FAILURE};
use super::words::{TABLE_OF_ITEMS, TEXT, VALUES, list, list_of, optional, required, structure, text};
use super::{List, Structure};

pub(in crate::http::dynamodb) static TRANSACT_GET_ITEMS: Structure = Structure {
    name: "TransactGetItemsInput",
    members: &[optional("ReturnConsumedCapacity", CONSUMED_CAPACITY), required("TransactItems", list(&GETS))],
};

static GETS: List = list_of(structure(&TRANSACT_GET_ITEM), 1, 100);

static TRANSACT_GET_ITEM: Structure =
    Structure { name: "TransactGetItem", members: &[required("Get", structure(&GET))] };

static GET: Structure = Structure {
    name: "Get",
    members: &[
        required("Key", VALUES),
        required("TableName", TABLE_OF_ITEMS),
        optional("ProjectionExpression", TEXT),
        optional("ExpressionAttributeNames", NAMES),
    ],
};

pub(in crate::http::dynamodb) static TRANSACT_WRITE_ITEMS: Structure = Structure {
    name: "TransactWriteItemsInput",
    members: &[
        optional("ClientRequestToken", text(1, 36)),
        optional("ReturnConsumedCapacity", CONSUMED_CAPACITY),
        optional("ReturnItemCollectionMetrics", COLLECTION_METRICS),
        required("TransactItems", list(&WRITES)),
    ],
};

static WRITES: List = list_of(structure(&TRANSACT_WRITE_ITEM), 1, 100);

static TRANSACT_WRITE_ITEM: Structure = Structure {
    name: "TransactWriteItem",
    members: &[
        optional("ConditionCheck", structure(&CONDITION_CHECK)),
        optional("Put", structure(&PUT)),
        optional("Delete", structure(&DELETE)),
        optional("Update", structure(&UPDATE)),
    ],
};

static CONDITION_CHECK: Structure = Structure {
    name: "ConditionCheck",
    members: &[
        required("Key", VALUES),
        required("TableName", TABLE_OF_ITEMS),
        required("ConditionExpression", TEXT),
        optional("ExpressionAttributeNames", NAMES),
        optional("ExpressionAttributeValues", VALUES),
        optional("ReturnValuesOnConditionCheckFailure", ON_CONDITION_FAILURE),
    ],
};

static PUT: Structure = Structure {
    name: "Put",
    members: &[
        required("Item", VALUES),
        required("TableName", TABLE_OF_ITEMS),
        optional("ConditionExpression", TEXT),
        optional("ExpressionAttributeNames", NAMES),
        optional("ExpressionAttributeValues", VALUES),
        optional("ReturnValuesOnConditionCheckFailure", ON_CONDITION_FAILURE),
    ],
};

static DELETE: Structure = Structure {
    name: "Delete",
    members: &[
        required("Key", VALUES),
        required("TableName", TABLE_OF_ITEMS),
        optional("ConditionExpression", TEXT),
        optional("ExpressionAttributeNames", NAMES),
        optional("ExpressionAttributeValues", VALUES),
        optional("ReturnValuesOnConditionCheckFailure", ON_CONDITION_FAILURE),
    ],
};

static UPDATE: Structure = Structure {
    name: "Update",
    members: &[
        required("Key", VALUES),
        required("UpdateExpression", TEXT),
        required("TableName", TABLE_OF_ITEMS),
        optional("ConditionExpression", TEXT),
        optional("ExpressionAttributeNames", NAMES),
        optional("ExpressionAttributeValues", VALUES),
        optional("ReturnValuesOnConditionCheckFailure", ON_CONDITION_FAILURE),
    ],
};
