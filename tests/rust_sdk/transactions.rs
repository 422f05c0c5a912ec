//! Transactions: all or nothing, why one was not carried out, and what a token is for.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Get, Put, ReturnValuesOnConditionCheckFailure, TransactGetItem,
    TransactWriteItem, Update,
};

use super::{Item, create_table, item, number, refusal, refused, text};

pub async fn all(client: &Client) {
    let table = create_table(client, None).await;
    all_kinds_of_actions_at_once(client, &table).await;
    a_failed_condition_stops_all_of_it(client, &table).await;
    a_token_makes_it_happen_once(client, &table).await;
    mistakes_are_named(client, &table).await;
}

async fn read(
    client: &Client,
    table: &str,
    ids: &[&str],
) -> Result<
    Vec<Option<Item>>,
    aws_sdk_dynamodb::error::SdkError<aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError>,
> {
    let get = |id: &&str| Get::builder().table_name(table).key("id", text(*id)).build().expect("a key");
    let gets = ids.iter().map(|id| TransactGetItem::builder().get(get(id)).build()).collect();
    let answer = client.transact_get_items().set_transact_items(Some(gets)).send().await?;
    Ok(answer.responses.unwrap_or_default().into_iter().map(|response| response.item).collect())
}

fn put(table: &str, id: &str, n: i32) -> TransactWriteItem {
    let put = Put::builder().table_name(table).item("id", text(id)).item("n", number(n));
    TransactWriteItem::builder().put(put.build().expect("an item")).build()
}

fn add(table: &str, id: &str, n: i32) -> TransactWriteItem {
    let update = Update::builder().table_name(table).key("id", text(id)).update_expression("ADD n :n");
    let update = update.expression_attribute_values(":n", number(n)).build().expect("an update");
    TransactWriteItem::builder().update(update).build()
}

/// The item must be there with this number; if it is not, the refusal shows it.
fn check(table: &str, id: &str, n: i32) -> TransactWriteItem {
    let check = ConditionCheck::builder().table_name(table).key("id", text(id)).condition_expression("n = :n");
    let check = check.expression_attribute_values(":n", number(n));
    let check = check.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    TransactWriteItem::builder().condition_check(check.build().expect("a check")).build()
}

fn delete(table: &str, id: &str) -> TransactWriteItem {
    let delete = Delete::builder().table_name(table).key("id", text(id)).build().expect("a key");
    TransactWriteItem::builder().delete(delete).build()
}

async fn all_kinds_of_actions_at_once(client: &Client, table: &str) {
    let first = vec![put(table, "changed", 1), put(table, "gone", 1), put(table, "checked", 1)];
    client.transact_write_items().set_transact_items(Some(first)).send().await.expect("three puts");
    let all = vec![put(table, "new", 5), add(table, "changed", 4), delete(table, "gone"), check(table, "checked", 1)];
    client.transact_write_items().set_transact_items(Some(all)).send().await.expect("one of each kind");
    let found = read(client, table, &["new", "changed", "gone", "checked"]).await.expect("all items");
    let numbers: Vec<Option<&AttributeValue>> = found.iter().map(|item| item.as_ref().map(|item| &item["n"])).collect();
    assert_eq!(numbers, [Some(&number(5)), Some(&number(5)), None, Some(&number(1))]);
}

async fn a_failed_condition_stops_all_of_it(client: &Client, table: &str) {
    let actions = vec![put(table, "never", 1), check(table, "checked", 7), add(table, "changed", 100)];
    let refused = client.transact_write_items().set_transact_items(Some(actions)).send().await;
    let refused = refused.expect_err("a condition is not met").into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = refused else { panic!("{refused:?}") };
    let reasons = cancelled.cancellation_reasons();
    let codes: Vec<&str> = reasons.iter().filter_map(|reason| reason.code()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed", "None"]);
    assert_eq!(reasons[1].message(), Some("The conditional request failed"));
    assert_eq!(reasons[1].item(), Some(&item([("id", text("checked")), ("n", number(1))])));
    let found = read(client, table, &["never", "changed"]).await.expect("both items");
    assert_eq!(found, [None, Some(item([("id", text("changed")), ("n", number(5))]))]);
}

async fn a_token_makes_it_happen_once(client: &Client, table: &str) {
    let send = async |token: &str, n: i32| {
        let write = client.transact_write_items().transact_items(add(table, "token", n));
        write.client_request_token(token).send().await
    };
    // As often as there are nodes, and once more.
    for _ in 0..4 {
        send("token-1", 1).await.expect("once is carried out, the rest is the same again");
    }
    send("token-2", 1).await.expect("another token is another transaction");
    assert_eq!(
        read(client, table, &["token"]).await.expect("the item")[0].as_ref().expect("it is there")["n"],
        number(2)
    );
    let other = send("token-1", 2).await.expect_err("other parameters").into_service_error();
    assert!(matches!(other, TransactWriteItemsError::IdempotentParameterMismatchException(_)), "{other:?}");
}

async fn mistakes_are_named(client: &Client, table: &str) {
    let twice = client.transact_write_items().transact_items(put(table, "x", 1)).transact_items(delete(table, "x"));
    let words = "Transaction request cannot include multiple operations on one item";
    assert_eq!(refusal(twice.send().await), refused("ValidationException", words));
    let answer = read(client, "sdk-missing", &["x"]).await;
    assert_eq!(refusal(answer), refused("ResourceNotFoundException", "Requested resource not found"));
}
