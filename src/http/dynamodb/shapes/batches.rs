//! Requests on items of several tables, each by itself.

use super::items::{ATTRIBUTES_TO_GET, COLLECTION_METRICS, CONSUMED_CAPACITY, NAMES};
use super::words::{BOOLEAN, TEXT, VALUES, list, list_of, map, optional, required, structure};
use super::{Lengths, List, Map, Names, Structure};

pub(in crate::http::dynamodb) static BATCH_GET_ITEM: Structure = Structure {
    name: "BatchGetItemInput",
    members: &[required("RequestItems", map(&KEYS_BY_TABLE)), optional("ReturnConsumedCapacity", CONSUMED_CAPACITY)],
};

static KEYS_BY_TABLE: Map = Map {
    value: structure(&KEYS_AND_ATTRIBUTES),
    lengths: Lengths { min: 1, max: 100 },
    names: Names::OfTables,
    value_lengths: Lengths::ANY,
};

static KEYS_AND_ATTRIBUTES: Structure = Structure {
    name: "KeysAndAttributes",
    members: &[
        required("Keys", list(&KEYS)),
        optional("AttributesToGet", ATTRIBUTES_TO_GET),
        optional("ConsistentRead", BOOLEAN),
        optional("ProjectionExpression", TEXT),
        optional("ExpressionAttributeNames", NAMES),
    ],
};

static KEYS: List = List { element: VALUES, lengths: Lengths { min: 1, max: 100 }, is_shown: false };

pub(in crate::http::dynamodb) static BATCH_WRITE_ITEM: Structure = Structure {
    name: "BatchWriteItemInput",
    members: &[
        optional("ReturnConsumedCapacity", CONSUMED_CAPACITY),
        optional("ReturnItemCollectionMetrics", COLLECTION_METRICS),
        required("RequestItems", map(&WRITES_BY_TABLE)),
    ],
};

static WRITES_BY_TABLE: Map = Map {
    value: list(&WRITE_REQUESTS),
    lengths: Lengths { min: 1, max: 25 },
    names: Names::OfTablesLast,
    value_lengths: Lengths { min: 1, max: 25 },
};

static WRITE_REQUESTS: List = list_of(structure(&WRITE_REQUEST), 0, usize::MAX);

static WRITE_REQUEST: Structure = Structure {
    name: "WriteRequest",
    members: &[optional("DeleteRequest", structure(&DELETE_REQUEST)), optional("PutRequest", structure(&PUT_REQUEST))],
};

static DELETE_REQUEST: Structure = Structure { name: "DeleteRequest", members: &[required("Key", VALUES)] };

static PUT_REQUEST: Structure = Structure { name: "PutRequest", members: &[required("Item", VALUES)] };
