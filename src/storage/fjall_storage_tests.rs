//! What only the engine on a disk can show: damaged files, a full device, load.

use std::collections::HashMap;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{
    Batch, CommitError, EngineOpenError, EngineOptions, FjallStorage, Persist, ReadError, ScanRange, Space,
    SpaceReading, Storage,
};

fn open(path: &Path) -> FjallStorage {
    FjallStorage::open(path, EngineOptions::default()).unwrap()
}

/// Another value for each seed, which no compressor makes smaller (splitmix64).
fn random_value(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed << 32;
    let mut value = Vec::with_capacity(bytes + 8);
    while value.len() < bytes {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    value.truncate(bytes);
    value
}

fn batch_of(keys: std::ops::Range<u32>, value_bytes: usize) -> Batch {
    let mut batch = Batch::default();
    for key in keys {
        let value = random_value(key.into(), value_bytes);
        batch.put(Space::Records, key.to_be_bytes().to_vec(), value);
    }
    batch
}

fn journal(path: &Path) -> PathBuf {
    let mut journals: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "jnl"))
        .collect();
    assert_eq!(journals.len(), 1);
    journals.remove(0)
}

/// Moves everything from memory and journal into tables.
fn flush(engine: &FjallStorage) {
    for space in Space::ALL {
        engine.keyspace(space).rotate_memtable_and_wait().unwrap();
    }
}

/// Where the journal's contents end and its padding begins.
fn journal_end(path: &Path) -> usize {
    let bytes = std::fs::read(journal(path)).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

fn overwrite(file: &Path, at: usize, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(bytes, at as u64).unwrap();
}

/// A power loss can leave any page of the last batch unwritten.
#[test]
fn a_hole_anywhere_in_the_last_batch_loses_that_batch_only() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    engine.commit(&batch_of(0..10, 500), Persist::Sync).unwrap();
    let begin = journal_end(folder.path());
    engine.commit(&batch_of(10..14, 3000), Persist::Sync).unwrap();
    drop(engine);
    let whole = std::fs::read(journal(folder.path())).unwrap();
    let end = journal_end(folder.path());

    for hole in (begin..end).step_by(1024).chain([end - 8]) {
        std::fs::write(journal(folder.path()), &whole).unwrap();
        let hole_bytes = 512.min(end - hole);
        overwrite(&journal(folder.path()), hole, &vec![0; hole_bytes]);
        for _ in 0..2 {
            let engine = open(folder.path());
            let page = engine.scan(Space::Records, ScanRange::all(), 100).unwrap();
            assert_eq!((page.entries.len(), page.corrupt.len()), (10, 0), "hole at {hole}");
            let mut batch = Batch::default();
            batch.put(Space::Meta, &b"goes on"[..], &b"value"[..]);
            engine.commit(&batch, Persist::Sync).unwrap();
        }
    }
}

/// A rotten batch in the middle may have been acknowledged: a person must decide. Left to itself, the
/// engine would refuse to open for some of these places, and silently drop both batches for others.
#[test]
fn a_rotten_batch_before_a_whole_one_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    engine.commit(&batch_of(0..4, 3000), Persist::Sync).unwrap();
    let end = journal_end(folder.path());
    engine.commit(&batch_of(4..8, 3000), Persist::Sync).unwrap();
    drop(engine);
    let whole = std::fs::read(journal(folder.path())).unwrap();
    for place in [end - 3000, end / 2, end - 12] {
        std::fs::write(journal(folder.path()), &whole).unwrap();
        overwrite(&journal(folder.path()), place, b"rot");
        let rotten = std::fs::read(journal(folder.path())).unwrap();
        let error = FjallStorage::open(folder.path(), EngineOptions::default()).err();
        let is_refused = matches!(error, Some(EngineOpenError::RottenJournal { .. }));
        assert!(is_refused, "{place}: {error:?}");
        assert_eq!(std::fs::read(journal(folder.path())).unwrap(), rotten);
    }
    let options = EngineOptions { cut_rotten_tail: true, ..EngineOptions::default() };
    let engine = FjallStorage::open(folder.path(), options).unwrap();
    let page = engine.scan(Space::Records, ScanRange::all(), 100).unwrap();
    assert!(page.entries.is_empty());
}

#[test]
fn a_second_engine_in_one_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let error = FjallStorage::open(folder.path(), EngineOptions::default()).err();
    assert!(matches!(error, Some(EngineOpenError::Locked { .. })), "{error:?}");
    drop(engine);
    open(folder.path());
}

/// Every file below `folder` that lies in a folder called `kind`.
fn files_of(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_of(&path, kind));
        } else if path.parent().unwrap().ends_with(kind) {
            found.push(path);
        }
    }
    found
}

/// Flips a bit in the middle of each value in turn, in the file where separated values lie.
#[test]
fn a_bit_that_flips_in_a_value_file_damages_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    engine.commit(&batch_of(0..20, 4000), Persist::Sync).unwrap();
    flush(&engine);
    drop(engine);
    let [file] = &files_of(folder.path(), "blobs")[..] else {
        panic!("one file of values");
    };
    let bytes = std::fs::read(file).unwrap();
    overwrite(file, bytes.len() / 2, &[bytes[bytes.len() / 2] ^ 1]);

    let engine = open(folder.path());
    let page = engine.scan(Space::Records, ScanRange::all(), 100).unwrap();
    assert_eq!((page.entries.len(), page.corrupt.len()), (19, 1));
    let error = engine.get(Space::Records, &page.corrupt[0]).unwrap_err();
    assert!(matches!(error, ReadError::Corrupt { .. }), "{error}");
}

/// A damaged block of keys cannot be stepped over, but it does not turn into wrong or missing entries.
#[test]
fn a_bit_that_flips_in_a_table_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let mut batch = Batch::default();
    for key in 0..1000_u32 {
        batch.put(Space::Hints, key.to_be_bytes().to_vec(), random_value(key.into(), 100));
    }
    engine.commit(&batch, Persist::Sync).unwrap();
    flush(&engine);
    let keyspace = engine.keyspace(Space::Hints).path().to_path_buf();
    drop(engine);
    let [table] = &files_of(&keyspace, "tables")[..] else {
        panic!("one table");
    };
    let bytes = std::fs::read(table).unwrap();
    overwrite(table, 50_000, &[bytes[50_000] ^ 1]);

    let engine = open(folder.path());
    let error = engine.scan(Space::Hints, ScanRange::all(), 2000).unwrap_err();
    assert!(matches!(error, ReadError::Corrupt { space: Space::Hints, .. }), "{error}");
    let damaged = (0..1000_u32).filter(|key| engine.get(Space::Hints, &key.to_be_bytes()).is_err()).count();
    assert!((1..100).contains(&damaged), "{damaged} keys of one block");
}

/// Far more than the write buffers hold: they must be sealed, flushed, and kept bounded.
#[test]
fn write_buffers_stay_bounded_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let options = EngineOptions { write_buffer_bytes: 1 << 20, ..EngineOptions::default() };
    let engine = FjallStorage::open(folder.path(), options).unwrap();
    let mut highest = 0;
    for round in 0..320 {
        let keys = round * 64..(round + 1) * 64;
        engine.commit(&batch_of(keys, 2048), Persist::Buffer).unwrap();
        highest = highest.max(engine.usage().write_buffer_bytes);
    }
    // 40 MiB were written. One active buffer and three sealed ones, each a batch too large, and those
    // that are flushed but not yet counted off.
    assert!(highest < 12 << 20, "{highest}");
    for key in [0, 10_000, 320 * 64 - 1_u32] {
        let value = engine.get(Space::Records, &key.to_be_bytes()).unwrap().unwrap();
        assert_eq!(value, random_value(key.into(), 2048));
    }
}

/// A real small device, or `None` where mounting one is not allowed.
struct SmallDevice(tempfile::TempDir);

impl SmallDevice {
    fn new(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDevice {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

/// Writes and overwrites until the device is full; returns how many puts were acknowledged.
fn fill(engine: &FjallStorage, keys: u32) -> (u32, CommitError) {
    for put in 0.. {
        let mut batch = Batch::default();
        let key = put % keys;
        batch.put(Space::Records, key.to_be_bytes().to_vec(), random_value(put.into(), 4096));
        if let Err(error) = engine.commit(&batch, Persist::Sync) {
            return (put, error);
        }
        assert!(put < 1_000_000, "never full");
    }
    unreachable!()
}

fn assert_latest(engine: &FjallStorage, puts: u32, keys: u32) {
    for put in puts.saturating_sub(keys)..puts {
        let value = engine.get(Space::Records, &(put % keys).to_be_bytes()).unwrap();
        assert_eq!(value.unwrap(), random_value(put.into(), 4096));
    }
}

/// The engine must never meet ENOSPC itself, which would poison it until it is opened again.
#[test]
fn a_device_that_fills_up_refuses_writes_serves_reads_and_recovers_by_itself() {
    let Some(device) = SmallDevice::new(160) else {
        eprintln!("mounting a tmpfs is not allowed here: covered with a played device only");
        return;
    };
    let engine = open(&device.0.path().join("engine"));
    let ballast = device.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 40 << 20]).unwrap();
    let keys = 1 << 30;
    let (puts, error) = fill(&engine, keys);
    assert!(matches!(error, CommitError::DiskFull { .. }), "{error}");
    assert!(puts > 5_000, "{puts} puts of 4 KiB on 120 MiB");
    assert_latest(&engine, puts, keys);

    std::fs::remove_file(&ballast).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(60));
    engine.commit(&batch_of(0..10, 4096), Persist::Sync).unwrap();
    drop(engine);
    assert_latest(&open(&device.0.path().join("engine")), puts, keys);
}

/// Puts `puts` values in turn, each under the key that `key_of` names, as often as it takes until the
/// small device has room for it.
fn overwrite_on_a_nearly_full_device(puts: u32, key_of: impl Fn(u32) -> u32) {
    let Some(device) = SmallDevice::new(128) else {
        eprintln!("mounting a tmpfs is not allowed here");
        return;
    };
    let options = EngineOptions { write_buffer_bytes: 4 << 20, ..EngineOptions::default() };
    let engine = FjallStorage::open(&device.0.path().join("engine"), options).unwrap();
    let (mut refused_since, mut resumed) = (None, 0);
    let mut put = 0;
    while put < puts {
        let mut batch = Batch::default();
        let value = random_value(put.into(), 4096);
        batch.put(Space::Records, key_of(put).to_be_bytes().to_vec(), value);
        match engine.commit(&batch, Persist::Buffer) {
            Ok(()) => {
                put += 1;
                resumed += u32::from(refused_since.take().is_some());
            }
            Err(CommitError::DiskFull { .. }) => {
                let since = refused_since.get_or_insert_with(Instant::now);
                assert!(since.elapsed().as_secs() < 5, "stuck at {put}: {:?}", engine.usage());
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => panic!("put {put}: {error}"),
        }
    }
    assert!(resumed > 0, "the device was never full: it proves nothing");
    let latest: HashMap<u32, u32> = (0..puts).map(|put| (key_of(put), put)).collect();
    for (key, put) in latest {
        let value = engine.get(Space::Records, &key.to_be_bytes()).unwrap();
        assert_eq!(value.unwrap(), random_value(put.into(), 4096));
    }
}

/// Flushes, journals, compaction and the collection of overwritten values work in the reserve. A stream
/// of overwrites much larger than the device must neither break the engine nor get stuck on garbage.
#[test]
fn overwriting_on_a_nearly_full_device_never_breaks_the_engine() {
    overwrite_on_a_nearly_full_device(40_000, |put| put % 5_000);
}

/// Harder than in turn: every file of values keeps some that are still in use.
#[test]
fn overwriting_at_random_on_a_nearly_full_device_never_breaks_the_engine() {
    let random = |put: u32| random_value(put.into(), 1)[0];
    let key_of = |put: u32| u32::from(random(put)) << 8 | u32::from(random(put + (1 << 24)));
    overwrite_on_a_nearly_full_device(40_000, |put| key_of(put) % 5_000);
}

/// Allocated bytes of all files below `folder`, some of which may vanish meanwhile.
fn allocated_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => allocated_bytes(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

const GARBAGE_KEYS: u32 = 2100;

/// An engine on a played device that refuses puts, although three quarters of its values are garbage.
/// All is flushed, and fjall sees no reason to compact: it would at four tables in level 0.
fn full_of_garbage(folder: &Path) -> FjallStorage {
    let device_bytes = Arc::new(AtomicU64::new(1 << 30));
    let played = (Arc::clone(&device_bytes), folder.to_path_buf());
    let probe = Box::new(move || {
        let device_bytes = played.0.load(Ordering::Relaxed);
        Ok(SpaceReading { free_bytes: device_bytes.saturating_sub(allocated_bytes(&played.1)), device_bytes })
    });
    let options = EngineOptions { reserve_bytes: Some(8 << 20), ..EngineOptions::default() };
    let engine = FjallStorage::open_with_probe(folder, options, probe).unwrap();
    for round in 0..4 {
        // More than 8 MiB, so that the device is asked again before the next batch.
        let mut batch = Batch::default();
        for key in 0..GARBAGE_KEYS {
            let value = random_value((round * GARBAGE_KEYS + key).into(), 4096);
            batch.put(Space::Records, key.to_be_bytes().to_vec(), value);
        }
        engine.commit(&batch, Persist::Sync).unwrap();
        flush(&engine);
    }
    device_bytes.store(allocated_bytes(folder) + (7 << 20), Ordering::Relaxed);
    let refused = engine.commit(&batch_of(0..1, 100), Persist::Sync);
    assert!(matches!(refused, Err(CommitError::DiskFull { .. })), "{refused:?}");
    engine
}

/// Without writes there is no flush, and without a flush fjall collects nothing.
#[test]
fn a_device_full_of_garbage_takes_puts_again() {
    let folder = tempfile::tempdir().unwrap();
    let engine = full_of_garbage(folder.path());
    let refused_since = Instant::now();
    let mut batch = Batch::default();
    batch.put(Space::Hints, &b"key"[..], &b"value"[..]);
    while let Err(error) = engine.commit(&batch, Persist::Sync) {
        assert!(matches!(error, CommitError::DiskFull { .. }), "{error}");
        assert!(refused_since.elapsed().as_secs() < 10, "stuck: {:?}", engine.usage());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_latest(&engine, 4 * GARBAGE_KEYS, GARBAGE_KEYS);
}

/// The thread that collects must not outlive the engine: it would write into a folder that may belong
/// to another one by then.
#[test]
fn an_engine_that_is_dropped_while_it_collects_garbage_can_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    drop(full_of_garbage(folder.path()));
    assert_latest(&open(folder.path()), 4 * GARBAGE_KEYS, GARBAGE_KEYS);
}
