//! Requests on one item.

use std::collections::BTreeMap;

use super::decode::{enumeration, name_of_table, structure};
use super::values::{ExpressionNames, ExpressionValues};
use crate::item::{AttributeValue, Item};

enumeration! {
    /// Which of the capacity that a request used the reply says.
    ReturnConsumedCapacity {
        /// Of the table and each index.
        "INDEXES" => Indexes,
        /// The sum.
        "TOTAL" => Total,
        /// Nothing.
        "NONE" => None,
    }
}

enumeration! {
    /// Whether the reply says how large the item's collection is.
    ReturnItemCollectionMetrics {
        /// It does.
        "SIZE" => Size,
        /// It does not.
        "NONE" => None,
    }
}

enumeration! {
    /// Which attributes the reply to a write has.
    ReturnValues {
        /// None.
        "NONE" => None,
        /// All, as they were before.
        "ALL_OLD" => AllOld,
        /// Those that changed, as they were before.
        "UPDATED_OLD" => UpdatedOld,
        /// All, as they are now.
        "ALL_NEW" => AllNew,
        /// Those that changed, as they are now.
        "UPDATED_NEW" => UpdatedNew,
    }
}

enumeration! {
    /// Whether a refusal by a condition has the item.
    ReturnValuesOnConditionCheckFailure {
        /// It has, as it is.
        "ALL_OLD" => AllOld,
        /// It has not.
        "NONE" => None,
    }
}

enumeration! {
    /// How conditions of the old form are joined.
    ConditionalOperator {
        /// All must be met. The default.
        "AND" => And,
        /// One must be met.
        "OR" => Or,
    }
}

enumeration! {
    /// What a condition of the old form compares.
    ComparisonOperator {
        /// Equal.
        "EQ" => Eq,
        /// Not equal.
        "NE" => Ne,
        /// One of the values.
        "IN" => In,
        /// Less or equal.
        "LE" => Le,
        /// Less.
        "LT" => Lt,
        /// Greater or equal.
        "GE" => Ge,
        /// Greater.
        "GT" => Gt,
        /// Between two values or equal to one.
        "BETWEEN" => Between,
        /// The attribute exists.
        "NOT_NULL" => NotNull,
        /// The attribute does not exist.
        "NULL" => Null,
        /// The set has the member, the text the part.
        "CONTAINS" => Contains,
        /// The opposite.
        "NOT_CONTAINS" => NotContains,
        /// The text begins so.
        "BEGINS_WITH" => BeginsWith,
    }
}

enumeration! {
    /// What an update of the old form does to an attribute.
    AttributeAction {
        /// Adds to a number, or members to a set.
        "ADD" => Add,
        /// Sets it. The default.
        "PUT" => Put,
        /// Removes it, or members from a set.
        "DELETE" => Delete,
    }
}

structure! {
    /// A condition of the old form on one attribute.
    ExpectedAttributeValue {
        /// What it must be equal to.
        "Value" => value: Option<AttributeValue>;
        /// Whether it must exist.
        "Exists" => exists: Option<bool>;
        /// How it is compared.
        "ComparisonOperator" => comparison_operator: Option<ComparisonOperator>;
        /// With what.
        "AttributeValueList" => attribute_value_list: Option<Vec<AttributeValue>>;
    }
}

structure! {
    /// An update of the old form of one attribute.
    AttributeValueUpdate {
        /// What is done.
        "Action" => action: Option<AttributeAction>;
        /// With what.
        "Value" => value: Option<AttributeValue>;
    }
}

structure! {
    /// Writes a whole item.
    PutItem {
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// What.
        "Item" => item: Item;
        /// Conditions of the old form.
        "Expected" => expected: Option<BTreeMap<String, ExpectedAttributeValue>>;
        /// How they are joined.
        "ConditionalOperator" => conditional_operator: Option<ConditionalOperator>;
        /// `NONE` or `ALL_OLD` here.
        "ReturnValues" => return_values: Option<ReturnValues>;
        /// What the reply says of capacity.
        "ReturnConsumedCapacity" => return_consumed_capacity: Option<ReturnConsumedCapacity>;
        /// What the reply says of the collection.
        "ReturnItemCollectionMetrics" => return_item_collection_metrics: Option<ReturnItemCollectionMetrics>;
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
    /// Reads an item by its key.
    GetItem {
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// Which.
        "Key" => key: Item;
        /// Attributes in the old form.
        "AttributesToGet" => attributes_to_get: Option<Vec<String>>;
        /// Whether all writes before are seen.
        "ConsistentRead" => consistent_read: Option<bool>;
        /// What the reply says of capacity.
        "ReturnConsumedCapacity" => return_consumed_capacity: Option<ReturnConsumedCapacity>;
        /// Which attributes.
        "ProjectionExpression" => projection_expression: Option<String>;
        /// Names in the expression.
        "ExpressionAttributeNames" => expression_attribute_names: Option<ExpressionNames>;
    }
}

structure! {
    /// Changes attributes of an item.
    UpdateItem {
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// Which.
        "Key" => key: Item;
        /// Updates of the old form.
        "AttributeUpdates" => attribute_updates: Option<BTreeMap<String, AttributeValueUpdate>>;
        /// Conditions of the old form.
        "Expected" => expected: Option<BTreeMap<String, ExpectedAttributeValue>>;
        /// How they are joined.
        "ConditionalOperator" => conditional_operator: Option<ConditionalOperator>;
        /// Which attributes the reply has.
        "ReturnValues" => return_values: Option<ReturnValues>;
        /// What the reply says of capacity.
        "ReturnConsumedCapacity" => return_consumed_capacity: Option<ReturnConsumedCapacity>;
        /// What the reply says of the collection.
        "ReturnItemCollectionMetrics" => return_item_collection_metrics: Option<ReturnItemCollectionMetrics>;
        /// The update.
        "UpdateExpression" => update_expression: Option<String>;
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

structure! {
    /// Deletes an item.
    DeleteItem {
        /// Where.
        "TableName" => table_name: String, name_of_table;
        /// Which.
        "Key" => key: Item;
        /// Conditions of the old form.
        "Expected" => expected: Option<BTreeMap<String, ExpectedAttributeValue>>;
        /// How they are joined.
        "ConditionalOperator" => conditional_operator: Option<ConditionalOperator>;
        /// `NONE` or `ALL_OLD` here.
        "ReturnValues" => return_values: Option<ReturnValues>;
        /// What the reply says of capacity.
        "ReturnConsumedCapacity" => return_consumed_capacity: Option<ReturnConsumedCapacity>;
        /// What the reply says of the collection.
        "ReturnItemCollectionMetrics" => return_item_collection_metrics: Option<ReturnItemCollectionMetrics>;
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
