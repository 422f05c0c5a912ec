//! Query and scan: ranges of sort keys, filters, pages, segments.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{ScalarAttributeType, Select};

use super::{Item, create_table, item, number, refusal, refused, text};

/// So many items of each of the partition keys.
const ITEMS: usize = 40;
const CUSTOMERS: [&str; 3] = ["ada", "bob", "cleo"];

pub async fn all(client: &Client) {
    let table = create_table(client, Some(ScalarAttributeType::N)).await;
    for customer in CUSTOMERS {
        for at in 0..ITEMS {
            let put = client.put_item().table_name(&table).item("id", text(customer)).item("at", number(at));
            put.item("cents", number(at * 10)).send().await.expect("it is put");
        }
    }
    ranges_of_sort_keys(client, &table).await;
    pages_in_both_directions(client, &table).await;
    filters_and_counts(client, &table).await;
    a_scan_in_segments_sees_everything_once(client, &table).await;
    indexes_are_refused(client, &table).await;
}

fn query(client: &Client, table: &str, condition: &str) -> QueryFluentBuilder {
    let query = client.query().table_name(table).consistent_read(true).key_condition_expression(condition);
    query.expression_attribute_values(":id", text("bob"))
}

fn times(items: &[Item]) -> Vec<usize> {
    items.iter().map(|item| item["at"].as_n().expect("a number").parse().expect("a small one")).collect()
}

async fn ranges_of_sort_keys(client: &Client, table: &str) {
    let between =
        query(client, table, "id = :id AND #at BETWEEN :from AND :to").expression_attribute_names("#at", "at");
    let between =
        between.expression_attribute_values(":from", number(7)).expression_attribute_values(":to", number(9.5));
    assert_eq!(times(between.send().await.expect("an answer").items()), [7, 8, 9]);
    let less = query(client, table, "id = :id AND #at < :to").expression_attribute_names("#at", "at");
    let less = less.expression_attribute_values(":to", number(3)).scan_index_forward(false);
    assert_eq!(times(less.send().await.expect("an answer").items()), [2, 1, 0]);
}

async fn pages_in_both_directions(client: &Client, table: &str) {
    for forward in [true, false] {
        let pages = query(client, table, "id = :id").limit(7).scan_index_forward(forward).into_paginator().send();
        let pages: Vec<_> = pages.collect::<Result<_, _>>().await.expect("all pages");
        let found: Vec<usize> = pages.iter().flat_map(|page| times(page.items())).collect();
        let expected: Vec<usize> = if forward { (0..ITEMS).collect() } else { (0..ITEMS).rev().collect() };
        assert_eq!(found, expected);
        assert_eq!(pages.len(), ITEMS.div_ceil(7));
    }
}

async fn filters_and_counts(client: &Client, table: &str) {
    let filtered = query(client, table, "id = :id").filter_expression("cents >= :least");
    let filtered = filtered.expression_attribute_values(":least", number(350)).select(Select::Count);
    let filtered = filtered.send().await.expect("an answer");
    assert_eq!((filtered.count(), filtered.scanned_count()), (5, 40));
    assert!(filtered.items().is_empty());
}

async fn a_scan_in_segments_sees_everything_once(client: &Client, table: &str) {
    let segment = async |at: i32| -> Vec<Item> {
        let scan = client.scan().table_name(table).segment(at).total_segments(4).limit(9).consistent_read(true);
        scan.into_paginator().items().send().collect::<Result<_, _>>().await.expect("all pages")
    };
    let segments = futures_util::future::join_all((0..4).map(segment)).await;
    let found: Vec<(String, usize)> = segments
        .iter()
        .flatten()
        .map(|item| (item["id"].as_s().expect("a text").clone(), times(std::slice::from_ref(item))[0]))
        .collect();
    assert_eq!(found.len(), CUSTOMERS.len() * ITEMS);
    let expected = CUSTOMERS.iter().flat_map(|customer| (0..ITEMS).map(|at| ((*customer).to_owned(), at)));
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected.collect());
    let start = item([("id", text("ada"))]);
    let wrong = client.scan().table_name(table).set_exclusive_start_key(Some(start)).send().await;
    let words = "The provided starting key is invalid: The provided key element does not match the schema";
    assert_eq!(refusal(wrong), refused("ValidationException", words));
}

async fn indexes_are_refused(client: &Client, table: &str) {
    let words = "The table does not have the specified index: by-total";
    let of_index = query(client, table, "id = :id").consistent_read(false).index_name("by-total").send().await;
    assert_eq!(refusal(of_index), refused("ValidationException", words));
}
