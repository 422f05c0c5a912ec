//! Items: every type of value, changes, conditions.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};

use super::{Item, create_table, item, number, refusal, refused, text};

pub async fn all(client: &Client) {
    let table = create_table(client, None).await;
    every_type_of_value_comes_back(client, &table).await;
    changes_return_what_was_asked_for(client, &table).await;
    a_failed_condition_shows_the_item(client, &table).await;
    a_counter_adds_up(client, &table).await;
    what_it_cost_is_told(client, &table).await;
    mistakes_are_named(client, &table).await;
}

async fn get(client: &Client, table: &str, id: &str) -> Option<Item> {
    let get = client.get_item().table_name(table).key("id", text(id)).consistent_read(true);
    get.send().await.expect("it is read").item
}

async fn every_type_of_value_comes_back(client: &Client, table: &str) {
    let nested =
        AttributeValue::M(item([("deep", AttributeValue::L(vec![number(1), text(""), AttributeValue::Null(true)]))]));
    let put = item([
        ("id", text("types")),
        ("s", text("ü 🦀 \u{0}")),
        ("n", number("-123456789012345678901234567890.12345678")),
        ("b", AttributeValue::B(Blob::new([0, 255]))),
        ("bool", AttributeValue::Bool(false)),
        ("ss", AttributeValue::Ss(vec!["a".to_owned(), "b".to_owned()])),
        ("ns", AttributeValue::Ns(vec!["1".to_owned(), "2".to_owned()])),
        ("bs", AttributeValue::Bs(vec![Blob::new([1])])),
        ("m", nested),
    ]);
    client.put_item().table_name(table).set_item(Some(put.clone())).send().await.expect("it is put");
    assert_eq!(get(client, table, "types").await, Some(put));
}

async fn changes_return_what_was_asked_for(client: &Client, table: &str) {
    let put = client.put_item().table_name(table).item("id", text("c")).item("n", number(1)).item("before", text("x"));
    put.send().await.expect("it is put");
    let update = client.update_item().table_name(table).key("id", text("c"));
    let update = update
        .update_expression("SET #n = #n + :one REMOVE #before")
        .expression_attribute_names("#n", "n")
        .expression_attribute_names("#before", "before");
    let update = update.expression_attribute_values(":one", number(1)).return_values(ReturnValue::AllNew);
    let updated = update.send().await.expect("it is changed").attributes;
    assert_eq!(updated, Some(item([("id", text("c")), ("n", number(2))])));

    let get = client.get_item().table_name(table).key("id", text("c")).projection_expression("n");
    assert_eq!(get.send().await.expect("it is read").item, Some(item([("n", number(2))])));
    let delete = client.delete_item().table_name(table).key("id", text("c")).return_values(ReturnValue::AllOld);
    assert_eq!(delete.send().await.expect("it is deleted").attributes, updated);
    assert_eq!(self::get(client, table, "c").await, None);
}

async fn a_failed_condition_shows_the_item(client: &Client, table: &str) {
    let put = |n: i32| {
        let put = client.put_item().table_name(table).item("id", text("once")).item("n", number(n));
        put.condition_expression("attribute_not_exists(id)")
    };
    put(1).send().await.expect("it is new");
    let again = put(2).return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let again = again.send().await.expect_err("it is there already").into_service_error();
    let PutItemError::ConditionalCheckFailedException(failed) = again else { panic!("{again:?}") };
    assert_eq!(failed.message(), Some("The conditional request failed"));
    assert_eq!(failed.item(), Some(&item([("id", text("once")), ("n", number(1))])));
    let silent = put(3).send().await.expect_err("it is there already").into_service_error();
    let PutItemError::ConditionalCheckFailedException(failed) = silent else { panic!("{silent:?}") };
    assert_eq!(failed.item(), None);

    let delete = client.delete_item().table_name(table).key("id", text("once")).condition_expression("n = :n");
    let delete = delete.expression_attribute_values(":n", number(2)).send().await;
    assert_eq!(refusal(delete), refused("ConditionalCheckFailedException", "The conditional request failed"));
}

/// Increments through all nodes at once.
async fn a_counter_adds_up(client: &Client, table: &str) {
    let add = || {
        let update = client.update_item().table_name(table).key("id", text("counter"));
        update.update_expression("ADD n :one").expression_attribute_values(":one", number(1)).send()
    };
    for outcome in futures_util::future::join_all((0..60).map(|_| add())).await {
        outcome.expect("it is added");
    }
    assert_eq!(get(client, table, "counter").await.expect("it is there")["n"], number(60));
}

async fn what_it_cost_is_told(client: &Client, table: &str) {
    let put = client.put_item().table_name(table).item("id", text("large")).item("x", text("x".repeat(3000)));
    let cost = put.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.expect("it is put");
    let cost = cost.consumed_capacity().expect("it is told");
    assert_eq!((cost.table_name(), cost.capacity_units()), (Some(table), Some(3.0)));
}

async fn mistakes_are_named(client: &Client, table: &str) {
    let reserved =
        client.delete_item().table_name(table).key("id", text("x")).condition_expression("attribute_exists(name)");
    let words = "1 validation error detected: Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: name";
    assert_eq!(refusal(reserved.send().await), refused("ValidationException", words));
    let key = client.get_item().table_name(table).key("nope", text("x")).send().await;
    assert_eq!(refusal(key), refused("ValidationException", "The provided key element does not match the schema"));
    let table = client.get_item().table_name("sdk-missing").key("id", text("x")).send().await;
    assert_eq!(refusal(table), refused("ResourceNotFoundException", "Requested resource not found"));
    let large = client.put_item().table_name("sdk-missing").item("id", text("x"));
    let large = large.item("x", text("x".repeat(17 * 1024 * 1024))).send().await;
    assert_eq!(refusal(large).1, 413);
}
