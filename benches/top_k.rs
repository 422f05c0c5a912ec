//! What counting keys adds to every request of a client.
//!
//! Run with `cargo bench --bench top_k`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use slipring::actors::load_monitor::{KEYS_MAX, LOAD_DECAY};
use slipring::dynamo::record_key::RecordKey;
use slipring::dynamo::ring::PartitionId;
use slipring::dynamo::top_k::TopK;

/// Far more than the sketch has room for.
const KEYS: u32 = 100_000;

fn keys() -> Vec<RecordKey> {
    let key = |number: u32| {
        RecordKey::new(
            PartitionId(number.wrapping_mul(2_654_435_761) >> 24),
            "kv",
            format!("\x01user:{number:08}").as_bytes(),
        )
    };
    (0..KEYS).map(key).collect()
}

/// Which keys are asked for, one after the other.
fn asked(name: &str) -> Vec<usize> {
    let mut rng = StdRng::seed_from_u64(7);
    let keys = KEYS as usize;
    let one = |_| match name {
        "one_key" => 0,
        // 90 % of the requests for 10 % of the keys, and a fifth of them for one.
        "hotspot" if rng.random::<f64>() < 0.2 => 0,
        "hotspot" if rng.random::<f64>() < 0.9 => rng.random_range(0..keys / 10),
        _ => rng.random_range(0..keys),
    };
    (0..1 << 16).map(one).collect()
}

fn count(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("top_k/count");
    let keys = keys();
    for name in ["one_key", "hotspot", "uniform"] {
        let asked = asked(name);
        let mut sketch = TopK::new(KEYS_MAX, LOAD_DECAY, 0);
        let mut turn = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                turn += 1;
                // 30,000 requests per second.
                sketch.count(black_box(&keys[asked[turn % asked.len()]]), turn as u64 / 30);
            });
        });
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
}

criterion_group!(name = benches; config = quick(); targets = count);
criterion_main!(benches);
