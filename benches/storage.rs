//! Durable puts of 1 KiB: through the commit thread with some number outstanding, and for comparison
//! straight into the engine in batches of that size.
//!
//! `woken_per_put` is the tempting mistake, for the difference: the submitter is told of every single
//! put instead of once per group.
//!
//! Run with `cargo bench --bench storage`. The disk decides: compare only runs on one machine.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use slipring::storage::{
    Batch, CommitOutcome, Committer, CommitterSource, Durability, EngineOptions, FjallStorage, GroupCommit, Persist,
    Space, Storage,
};

const OUTSTANDING: [u64; 3] = [1, 16, 64];
const VALUE_BYTES: usize = 1024;

/// A value that no compressor makes smaller.
fn value() -> Bytes {
    use rand::{Rng, SeedableRng};
    let mut value = vec![0; VALUE_BYTES];
    rand::rngs::StdRng::seed_from_u64(1).fill_bytes(&mut value);
    value.into()
}

fn open(folder: &tempfile::TempDir) -> Arc<FjallStorage> {
    match FjallStorage::open(folder.path(), EngineOptions::default()) {
        Ok(engine) => Arc::new(engine),
        Err(error) => panic!("{error}"),
    }
}

/// Keys spread over the whole space, as hashed keys are.
fn add_put(batch: &mut Batch, number: u64, value: &Bytes) {
    let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    batch.put(Space::Records, key.to_vec(), value.clone());
}

fn straight(group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>, size: u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = open(&folder);
    let value = value();
    let mut number = 0;
    group.bench_function(format!("engine/{size}"), |bencher| {
        bencher.iter_custom(|puts| {
            let started = Instant::now();
            for _ in 0..puts.div_ceil(size) {
                let mut batch = Batch::default();
                for _ in 0..size {
                    number += 1;
                    add_put(&mut batch, number, &value);
                }
                engine.commit(&batch, Persist::Sync).expect("a commit");
            }
            started.elapsed().mul_f64(puts as f64 / puts.next_multiple_of(size) as f64)
        });
    });
}

/// Keeps `outstanding` puts in flight until `puts` have been acknowledged.
fn keep_in_flight(
    committer: &dyn Committer,
    outcomes: &Receiver<CommitOutcome>,
    last_ticket: &mut u64,
    (outstanding, puts): (u64, u64),
    value: &Bytes,
) -> Duration {
    let submit = |ticket| {
        let mut batch = Batch::default();
        add_put(&mut batch, ticket, value);
        committer.submit(ticket, batch);
    };
    let target = *last_ticket + puts;
    let started = Instant::now();
    let mut acknowledged = *last_ticket;
    while acknowledged < target {
        while *last_ticket < target && *last_ticket - acknowledged < outstanding {
            *last_ticket += 1;
            submit(*last_ticket);
        }
        let outcome = outcomes.recv().expect("an outcome");
        outcome.result.expect("a commit");
        acknowledged = outcome.last;
    }
    started.elapsed()
}

fn grouped(
    group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    outstanding: u64,
    woken_per_put: bool,
) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let commits = GroupCommit::start(open(&folder), Durability::Always).expect("a thread");
    let (sink, outcomes) = mpsc::channel();
    let committer = commits.committer(Box::new(move |outcome: CommitOutcome| {
        let first = if woken_per_put { outcome.first } else { outcome.last };
        for last in first..=outcome.last {
            let _ = sink.send(CommitOutcome { last, ..outcome.clone() });
        }
    }));
    let value = value();
    let mut last_ticket = 0;
    group.bench_function(format!("{name}/{outstanding}"), |bencher| {
        bencher.iter_custom(|puts| {
            let load = (outstanding, puts);
            black_box(keep_in_flight(&*committer, &outcomes, &mut last_ticket, load, &value))
        });
    });
}

fn durable_puts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("durable_puts");
    group.throughput(Throughput::Elements(1));
    group.sample_size(20);
    for outstanding in OUTSTANDING {
        straight(&mut group, outstanding);
        grouped(&mut group, "group_commit", outstanding, false);
        grouped(&mut group, "woken_per_put", outstanding, true);
    }
    group.finish();
}

criterion_group!(benches, durable_puts);
criterion_main!(benches);
