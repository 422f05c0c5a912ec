//! Frames with the two messages that the load is made of, in and out.
//!
//! Run with `cargo bench --bench wire`.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use slipring::dynamo::context::Context;
use slipring::messages::TraceId;
use slipring::messages::client::{Get, Put};
use slipring::wire::frame::{Frame, FrameKind, encode};
use slipring::wire::operation::BridgeRequest;

const FRAME_MAX_BYTES: usize = 1 << 20;

fn put() -> Put {
    Put {
        trace: TraceId(7),
        table: "kv".to_owned(),
        item: vec![7; 1024].into(),
        context: Some(Context::new(b"key", Vec::new().into())),
        ttl_ms: None,
        w: None,
        timeout_ms: None,
    }
}

fn get() -> Get {
    let key = Bytes::from_static(b"bench-000000000001");
    Get { trace: TraceId(7), table: "kv".to_owned(), key, r: None, timeout_ms: None }
}

fn frame_of<M: BridgeRequest>(message: &M) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode(&mut bytes, FrameKind::Request, M::OPERATION.number(), 1, message, FRAME_MAX_BYTES)
        .expect("the message is shorter than the bound");
    bytes
}

fn both_ways<M: BridgeRequest>(criterion: &mut Criterion, name: &str, message: &M) {
    let mut group = criterion.benchmark_group(format!("frame/{name}"));
    let frame = frame_of(message);
    group.throughput(Throughput::Bytes(frame.len() as u64));
    let mut buffer = BytesMut::with_capacity(FRAME_MAX_BYTES);
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            let operation = M::OPERATION.number();
            encode(&mut buffer, FrameKind::Request, operation, 1, black_box(message), FRAME_MAX_BYTES)
        });
    });
    group.bench_function("take_and_decode", |bencher| {
        bencher.iter_batched_ref(
            || frame.clone(),
            |bytes| {
                let frame = Frame::take(bytes, FRAME_MAX_BYTES).expect("a frame").expect("a whole frame");
                frame.decode::<M>().expect("a message")
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    both_ways(criterion, "put_1KiB", &put());
    both_ways(criterion, "get", &get());
}

fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
}

criterion_group!(name = benches; config = quick(); targets = frames);
criterion_main!(benches);
