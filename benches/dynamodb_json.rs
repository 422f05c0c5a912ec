//! What JSON costs the DynamoDB API: requests in, items out. Items of 1 KiB, in one attribute and in ten.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use slipring::http::dynamodb::{JsonWriter, Operation, Request};
use slipring::item::{AttributeValue, Item};

const BYTES: usize = 1024;

/// A key, and the bytes in so many attributes.
fn item(attributes: usize) -> Item {
    let text = |bytes: usize| AttributeValue::S("a1b2c3d4".chars().cycle().take(bytes).collect());
    let mut item = Item::new();
    item.insert("id", text(18));
    (0..attributes).for_each(|at| drop(item.insert(format!("value{at}"), text(BYTES / attributes))));
    item
}

fn written(item: &Item) -> Vec<u8> {
    let mut out = JsonWriter::default();
    out.object(|out| out.name("Item").item(item));
    out.into_bytes()
}

fn body(name: &str, item: &Item) -> Vec<u8> {
    let mut out = JsonWriter::default();
    out.object(|out| {
        out.name("TableName").text("bench");
        out.name(name).item(item);
    });
    out.into_bytes()
}

fn json(c: &mut Criterion) {
    let mut group = c.benchmark_group("dynamodb_json");
    let key: Item = item(1).iter().filter(|(name, _)| *name == "id").map(|(k, v)| (k.clone(), v.clone())).collect();
    let get = body("Key", &key);
    group.bench_function("read GetItem", |b| b.iter(|| Request::read(Operation::GetItem, black_box(&get))));
    for attributes in [1, 10] {
        let item = item(attributes);
        let (put, stored) = (body("Item", &item), item.to_bytes());
        group.bench_function(format!("read PutItem, {attributes} attributes"), |b| {
            b.iter(|| Request::read(Operation::PutItem, black_box(&put)));
        });
        group.bench_function(format!("write an item, {attributes} attributes"), |b| {
            b.iter(|| written(black_box(&item)))
        });
        group.bench_function(format!("read and write a stored item, {attributes} attributes"), |b| {
            b.iter(|| Item::from_bytes(black_box(&stored)).map(|item| written(&item)));
        });
        group.bench_function(format!("write a stored item, {attributes} attributes"), |b| {
            b.iter(|| {
                let mut out = JsonWriter::with_capacity(2 * BYTES);
                out.object(|out| drop(out.name("Item").stored_item(black_box(&stored))));
                out.into_bytes()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, json);
criterion_main!(benches);
