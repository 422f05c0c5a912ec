//! Requests on several items, all or none.

use super::decode::{name_of_table, structure};
use super::items::{ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValuesOnConditionCheckFailure};
use super::values::{ExpressionNames, ExpressionValues};
use crate::item::Item;

structure! {
    /// Reads items as they are at one time.
    TransactGetItems {
        /// Which.
        "TransactItems" => transact_items: Vec<TransactGetItem>;
        /// What the reply says of capacity.
        "ReturnConsumedCapacity" => return_consumed_capacity: Option<ReturnConsumedCapacity>;
    }
}

structure! {
    /// One of the reads.
    TransactGetItem {
        /// The only kind.
        "Get" => get: Get;
    }
}

structure! {
    /// Reads an item.
    Get {
        /// Which.
        "Key" => key: Item;
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// Which attributes.
        "ProjectionExpression" => projection_expression: Option<String>;
        /// Names in the expression.
        "ExpressionAttributeNames" => expression_attribute_names: Option<ExpressionNames>;
    }
}

structure! {
    /// Writes all items or none.
    TransactWriteItems {
        /// What is done.
        "TransactItems" => transact_items: Vec<TransactWriteItem>;
        /// What the reply says of capacity.
        "ReturnConsumedCapacity" => return_consumed_capacity: Option<ReturnConsumedCapacity>;
        /// What the reply says of collections.
        "ReturnItemCollectionMetrics" => return_item_collection_metrics: Option<ReturnItemCollectionMetrics>;
        /// Requests with the same token are carried out once.
        "ClientRequestToken" => client_request_token: Option<String>;
    }
}

structure! {
    /// One of the four must be there.
    TransactWriteItem {
        /// Checks an item.
        "ConditionCheck" => condition_check: Option<ConditionCheck>;
        /// Puts an item.
        "Put" => put: Option<TransactPut>;
        /// Deletes an item.
        "Delete" => delete: Option<TransactDelete>;
        /// Changes an item.
        "Update" => update: Option<TransactUpdate>;
    }
}

structure! {
    /// Checks an item.
    ConditionCheck {
        /// Which.
        "Key" => key: Item;
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// The condition.
        "ConditionExpression" => condition_expression: String;
        /// Names in the expression.
        "ExpressionAttributeNames" => expression_attribute_names: Option<ExpressionNames>;
        /// Values in the expression.
        "ExpressionAttributeValues" => expression_attribute_values: Option<ExpressionValues>;
        /// What a refusal has.
        "ReturnValuesOnConditionCheckFailure" =>
            return_values_on_condition_check_failure: Option<ReturnValuesOnConditionCheckFailure>;
    }
}

structure! {
    /// Puts an item.
    TransactPut {
        /// What.
        "Item" => item: Item;
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// The condition.
        "ConditionExpression" => condition_expression: Option<String>;
        /// Names in the expression.
        "ExpressionAttributeNames" => expression_attribute_names: Option<ExpressionNames>;
        /// Values in the expression.
        "ExpressionAttributeValues" => expression_attribute_values: Option<ExpressionValues>;
        /// What a refusal has.
        "ReturnValuesOnConditionCheckFailure" =>
            return_values_on_condition_check_failure: Option<ReturnValuesOnConditionCheckFailure>;
    }
}

structure! {
    /// Deletes an item.
    TransactDelete {
        /// Which.
        "Key" => key: Item;
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// The condition.
        "ConditionExpression" => condition_expression: Option<String>;
        /// Names in the expression.
        "ExpressionAttributeNames" => expression_attribute_names: Option<ExpressionNames>;
        /// Values in the expression.
        "ExpressionAttributeValues" => expression_attribute_values: Option<ExpressionValues>;
        /// What a refusal has.
        "ReturnValuesOnConditionCheckFailure" =>
            return_values_on_condition_check_failure: Option<ReturnValuesOnConditionCheckFailure>;
    }
}

structure! {
    /// Changes an item.
    TransactUpdate {
        /// Which.
        "Key" => key: Item;
        /// The update.
        "UpdateExpression" => update_expression: String;
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// The condition.
        "ConditionExpression" => condition_expression: Option<String>;
        /// Names in the expressions.
        "ExpressionAttributeNames" => expression_attribute_names: Option<ExpressionNames>;
        /// Values in the expressions.
        "ExpressionAttributeValues" => expression_attribute_values: Option<ExpressionValues>;
        /// What a refusal has.
        "ReturnValuesOnConditionCheckFailure" =>
            return_values_on_condition_check_failure: Option<ReturnValuesOnConditionCheckFailure>;
    }
}
