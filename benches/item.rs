//! Items and keys as bytes and back.
//!
//! Run with `cargo bench --bench item`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use slipring::item::{AttributeValue, Item, Key, KeyValue, TableSchema};

/// A blob of 1 KiB, and ten short attributes.
fn items() -> [(&'static str, Item); 2] {
    let key = || ("key".to_owned(), AttributeValue::S("customer-000001".to_owned()));
    let blob = ("value".to_owned(), AttributeValue::B(vec![7; 1024].into()));
    let short = (0..10).map(|number| (format!("attribute-{number}"), AttributeValue::S(format!("text {number}"))));
    [("blob_1KiB", [key(), blob].into_iter().collect()), ("10_attributes", short.chain([key()]).collect())]
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("item");
    let schema = TableSchema::kv();
    for (name, item) in items() {
        let bytes = item.to_bytes();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("to_bytes/{name}"), |bencher| bencher.iter(|| black_box(&item).to_bytes()));
        group.bench_function(format!("from_bytes/{name}"), |bencher| {
            bencher.iter(|| Item::from_bytes(black_box(&bytes)));
        });
        group.bench_function(format!("key_of/{name}"), |bencher| bencher.iter(|| schema.key_of(black_box(&item))));
    }
    group.finish();
}

fn key_bytes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("key");
    let text = |text: &str| KeyValue::S(text.to_owned());
    let keys = [
        ("partition", Key { partition: text("customer-000001"), sort: None }),
        ("partition_and_sort", Key { partition: text("customer-000001"), sort: Some(text("2024-01-31T12:00:00Z")) }),
    ];
    for (name, key) in keys {
        let bytes = key.to_bytes();
        group.bench_function(format!("to_bytes/{name}"), |bencher| bencher.iter(|| black_box(&key).to_bytes()));
        group.bench_function(format!("from_bytes/{name}"), |bencher| {
            bencher.iter(|| Key::from_bytes(black_box(&bytes)))
        });
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
}

criterion_group!(name = benches; config = quick(); targets = codec, key_bytes);
criterion_main!(benches);
