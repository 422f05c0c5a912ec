//! What the ring costs: each request looks up its partition and preference list, each change of members claims anew.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use slipring::dynamo::claim::claim;
use slipring::dynamo::node_id::NodeId;
use slipring::dynamo::preference_list::preference_list;
use slipring::dynamo::ring::{Member, PartitionId, Ring};

/// In so many zones in turn; 0: none.
fn members(count: usize, zones: usize) -> Vec<Member> {
    let zone = |number: usize| number.checked_rem(zones).map(|zone| format!("zone-{zone}"));
    (0..count)
        .filter_map(|number| Some((number, NodeId::new(&format!("node-{number:02}")).ok()?)))
        .map(|(number, id)| Member { id, zone: zone(number), weight: 1 })
        .collect()
}

fn ring(count: usize, zones: usize, partitions: u32) -> Ring {
    match claim(None, &members(count, zones), partitions, 3) {
        Ok(ring) => ring,
        Err(error) => panic!("no ring: {error}"),
    }
}

fn requests(criterion: &mut Criterion) {
    let ring = ring(8, 0, 256);
    let partition = PartitionId(77);
    let down = ring.owner(partition).clone();
    criterion.bench_function("partition_of a 16 byte key", |bencher| {
        bencher.iter(|| ring.partition_of(black_box(b"customer#0000042")));
    });
    criterion.bench_function("preference_list, all up", |bencher| {
        bencher.iter(|| preference_list(&ring, black_box(partition), 3, true, |_| true, |_| true));
    });
    criterion.bench_function("preference_list, one primary down", |bencher| {
        bencher.iter(|| preference_list(&ring, black_box(partition), 3, true, |id| *id != down, |_| true));
    });
    criterion.bench_function("preference_list, other N, all up", |bencher| {
        bencher.iter(|| preference_list(&ring, black_box(partition), 2, true, |_| true, |_| true));
    });
    criterion.bench_function("primaries", |bencher| {
        bencher.iter(|| ring.primaries(black_box(partition), 3).map(NodeId::as_str).map(str::len).sum::<usize>());
    });
}

fn changes(criterion: &mut Criterion) {
    for (count, zones, partitions) in [(5, 0, 256), (30, 0, 1024), (30, 6, 1024), (100, 0, 4096)] {
        let before = ring(count, zones, partitions);
        let more = members(count + 1, zones);
        let fewer = members(count - 1, zones);
        let zones = if zones > 0 { format!(" in {zones} zones") } else { String::new() };
        let name = |what| format!("{what}, {count} members{zones}, {partitions} partitions");
        criterion.bench_function(&name("join"), |bencher| {
            bencher.iter(|| claim(Some(&before), black_box(&more), partitions, 3));
        });
        criterion.bench_function(&name("leave"), |bencher| {
            bencher.iter(|| claim(Some(&before), black_box(&fewer), partitions, 3));
        });
    }
}

criterion_group! {
    name = ring_costs;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_millis(1500));
    targets = requests, changes
}
criterion_main!(ring_costs);
