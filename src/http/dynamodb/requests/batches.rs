//! Requests on items of several tables, each by itself.

use std::collections::BTreeMap;

use super::decode::structure;
use super::items::{ReturnConsumedCapacity, ReturnItemCollectionMetrics};
use super::values::ExpressionNames;
use crate::item::Item;

structure! {
    /// Reads items by their keys.
    BatchGetItem {
        /// Which, by table.
        "RequestItems" => request_items: BTreeMap<String, KeysAndAttributes>;
        /// What the reply says of capacity.
        "ReturnConsumedCapacity" => return_consumed_capacity: Option<ReturnConsumedCapacity>;
    }
}

structure! {
    /// Which items of a table, and what of them.
    KeysAndAttributes {
        /// Their keys.
        "Keys" => keys: Vec<Item>;
        /// Attributes in the old form.
        "AttributesToGet" => attributes_to_get: Option<Vec<String>>;
        /// Whether all writes before are seen.
        "ConsistentRead" => consistent_read: Option<bool>;
        /// Which attributes.
        "ProjectionExpression" => projection_expression: Option<String>;
        /// Names in the expression.
        "ExpressionAttributeNames" => expression_attribute_names: Option<ExpressionNames>;
    }
}

structure! {
    /// Puts and deletes items.
    BatchWriteItem {
        /// Which, by table.
        "RequestItems" => request_items: BTreeMap<String, Vec<WriteRequest>>;
        /// What the reply says of capacity.
        "ReturnConsumedCapacity" => return_consumed_capacity: Option<ReturnConsumedCapacity>;
        /// What the reply says of collections.
        "ReturnItemCollectionMetrics" => return_item_collection_metrics: Option<ReturnItemCollectionMetrics>;
    }
}

structure! {
    /// One of the two must be there.
    WriteRequest {
        /// Puts an item.
        "PutRequest" => put_request: Option<PutRequest>;
        /// Deletes an item.
        "DeleteRequest" => delete_request: Option<DeleteRequest>;
    }
}

structure! {
    /// Puts an item.
    PutRequest {
        /// What.
        "Item" => item: Item;
    }
}

structure! {
    /// Deletes an item.
    DeleteRequest {
        /// Which.
        "Key" => key: Item;
    }
}
