//! What every put and every get does to the versions of a key.
//!
//! Run with `cargo bench --bench siblings`.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use slipring::dynamo::hlc::HlcTime;
use slipring::dynamo::siblings::{Change, Mint, Siblings};
use slipring::dynamo::version::{Dot, ReplicaId, VersionVector};

fn mint(directory: u64, at: u64) -> Mint {
    let time = HlcTime::from_u64(at << 16);
    Mint { dot: Dot { replica: ReplicaId { directory, epoch: 1 }, time }, since: HlcTime::from_u64(0) }
}

fn change() -> Change {
    Change { value: Some(Bytes::from(vec![7; 1024])), expires_at_ms: None, tenure: 0 }
}

/// `count` versions, each by a replica that did not see the others.
fn beside_each_other(count: u64) -> Siblings {
    let mut siblings = Siblings::default();
    for directory in 1..=count {
        siblings.write(&VersionVector::new(), mint(directory, directory), change());
    }
    siblings
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("siblings/write");
    for count in [1, 5] {
        let before = beside_each_other(count);
        let (context, change) = (before.context().clone(), change());
        group.bench_function(format!("over_{count}"), |bencher| {
            bencher.iter_batched_ref(
                || before.clone(),
                |siblings| siblings.write(black_box(&context), mint(1, 100), change.clone()),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn merge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("siblings/merge");
    for count in [1, 5] {
        let before = beside_each_other(count);
        let mut after = before.clone();
        after.write(before.context(), mint(1, 100), change());
        for (name, other) in [("equal", &before), ("newer", &after)] {
            group.bench_function(format!("{name}_{count}"), |bencher| {
                bencher.iter_batched_ref(
                    || before.clone(),
                    |siblings| siblings.merge(black_box(other)),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
}

criterion_group!(name = benches; config = quick(); targets = write, merge);
criterion_main!(benches);
