//! Batches, and what a client does about what they hand back.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};

use super::{Item, create_table, item, refusal, refused, text};
use crate::cluster::Cluster;

/// A reply has 16 MiB at most: it has no room for so many items of this size.
const LARGE_BYTES: usize = 390 * 1024;
const LARGE_ITEMS: usize = 60;

pub async fn all(client: &Client) {
    let table = create_table(client, None).await;
    keys_without_room_are_handed_back(client, &table).await;
    writes_that_are_refused_are_handed_back().await;
    mistakes_are_named(client, &table).await;
}

fn id(at: usize) -> AttributeValue {
    text(format!("item-{at:03}"))
}

fn put(item: Item) -> WriteRequest {
    let put = PutRequest::builder().set_item(Some(item)).build().expect("an item");
    WriteRequest::builder().put_request(put).build()
}

/// Writes all of it, however often the server hands something back. How often it did.
async fn write_all(client: &Client, table: &str, requests: Vec<WriteRequest>) -> usize {
    let (mut handed_back, mut left) = (0, HashMap::from([(table.to_owned(), requests)]));
    while !left.is_empty() {
        let answer = client.batch_write_item().set_request_items(Some(left)).send().await.expect("an answer");
        left = answer.unprocessed_items.unwrap_or_default();
        handed_back += usize::from(!left.is_empty());
    }
    handed_back
}

/// Reads all of it. The items, and how often something was handed back.
async fn read_all(client: &Client, table: &str, items: usize) -> (Vec<Item>, usize) {
    let keys = (0..items).map(|at| item([("id", id(at))])).collect();
    let asked = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().expect("keys");
    let (mut found, mut handed_back, mut left) = (Vec::new(), 0, HashMap::from([(table.to_owned(), asked)]));
    while !left.is_empty() {
        let answer = client.batch_get_item().set_request_items(Some(left)).send().await.expect("an answer");
        found.extend(answer.responses.unwrap_or_default().into_values().flatten());
        left = answer.unprocessed_keys.unwrap_or_default();
        handed_back += usize::from(!left.is_empty());
    }
    (found, handed_back)
}

async fn keys_without_room_are_handed_back(client: &Client, table: &str) {
    let large = |at| item([("id", id(at)), ("x", text("x".repeat(LARGE_BYTES)))]);
    for first in (0..LARGE_ITEMS).step_by(20) {
        write_all(client, table, (first..first + 20).map(|at| put(large(at))).collect()).await;
    }
    let (mut found, handed_back) = read_all(client, table, LARGE_ITEMS).await;
    assert_eq!(handed_back, 1, "60 items of 390 KiB are two replies");
    found.sort_by_key(|item| item["id"].as_s().cloned().unwrap_or_default());
    assert!(found.into_iter().eq((0..LARGE_ITEMS).map(large)), "all items come back");

    let delete = |at| DeleteRequest::builder().key("id", id(at)).build().expect("a key");
    let deletes = (0..25).map(|at| WriteRequest::builder().delete_request(delete(at)).build()).collect();
    write_all(client, table, deletes).await;
    assert_eq!(read_all(client, table, 25).await.0, []);
}

/// Nodes that take one request at a time: most of a batch is handed back, and all of it is written in the end.
async fn writes_that_are_refused_are_handed_back() {
    let cluster = Cluster::start_with(3, &[("limits.inflight_requests", "1")]);
    let client = super::client_of(&cluster);
    let table = create_table(&client, None).await;
    let requests = (0..25).map(|at| put(item([("id", id(at))]))).collect();
    assert!(write_all(&client, &table, requests).await > 0, "a node takes one request at a time");
    let (found, handed_back) = read_all(&client, &table, 25).await;
    assert_eq!(found.len(), 25);
    assert!(handed_back > 0, "a node takes one request at a time");
    cluster.nodes.iter().for_each(crate::cluster::Node::assert_unharmed);
}

async fn mistakes_are_named(client: &Client, table: &str) {
    let twice = vec![put(item([("id", id(0))])), put(item([("id", id(0))]))];
    let twice = client.batch_write_item().request_items(table, twice).send().await;
    let words = "Provided list of item keys contains duplicates";
    assert_eq!(refusal(twice), refused("ValidationException", words));
    let missing = client.batch_write_item().request_items("sdk-missing", vec![put(item([("id", id(0))]))]);
    assert_eq!(refusal(missing.send().await), refused("ResourceNotFoundException", "Requested resource not found"));
}
