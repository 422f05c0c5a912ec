//! The engine's share of a node's memory: 100,000 items of 1 KiB, written, read and opened again.
//! Alone in its process, because it measures the process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use slipring::storage::{Batch, EngineOptions, FjallStorage, Persist, Space, Storage};

const ITEMS: u64 = 100_000;

/// A node has 300 MiB for everything; the engine must leave most of the other half to the rest.
const LIMIT_KIB: u64 = 180 * 1024;

fn value(number: u64) -> Vec<u8> {
    use rand::{Rng, SeedableRng};
    let mut value = vec![0; 1024];
    rand::rngs::StdRng::seed_from_u64(number).fill_bytes(&mut value);
    value
}

fn key(number: u64) -> Vec<u8> {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec()
}

/// The most memory that this process ever had, in KiB; `None` where the system does not tell.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn write_all(folder: &Path) {
    let engine = FjallStorage::open(folder, EngineOptions::default()).unwrap();
    for first in (0..ITEMS).step_by(64) {
        let mut batch = Batch::default();
        for number in first..(first + 64).min(ITEMS) {
            batch.put(Space::Records, key(number), value(number));
        }
        engine.commit(&batch, Persist::Buffer).unwrap();
    }
    engine.sync().unwrap();
}

fn read_all(folder: &Path) {
    let engine = FjallStorage::open(folder, EngineOptions::default()).unwrap();
    for number in 0..ITEMS {
        let found = engine.get(Space::Records, &key(number)).unwrap();
        assert_eq!(found.unwrap(), value(number));
    }
}

#[test]
fn a_hundred_thousand_items_fit_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    write_all(folder.path());
    let written = peak_kib();
    read_all(folder.path());
    let read = peak_kib();
    println!("peak after writing {written:?} KiB, after opening and reading {read:?} KiB");
    assert!(read.is_none_or(|kib| kib < LIMIT_KIB), "{read:?} KiB");
}
