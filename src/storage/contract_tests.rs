//! The tests that every engine passes, written once. `contract_of!` runs them for an engine.

use std::ops::Bound;

use bytes::Bytes;

use super::contract_disks::{Disk, FolderDisk, MemoryDisk};
use super::contract_trees::{
    trees_are_right_or_not_trusted_after_refusals, trees_say_what_the_records_say_after_every_crash,
    trees_that_have_rotted_are_not_trusted,
};
use super::{Batch, CommitError, MAX_KEY_BYTES, MAX_VALUE_BYTES, Persist, ReadError, ScanRange, Space, Storage, frame};

fn put(engine: &impl Storage, space: Space, key: &[u8], value: &[u8]) {
    let mut batch = Batch::default();
    batch.put(space, key.to_vec(), value.to_vec());
    engine.commit(&batch, Persist::Sync).unwrap();
}

fn get(engine: &impl Storage, space: Space, key: &[u8]) -> Option<Bytes> {
    engine.get(space, key).unwrap()
}

fn keys(engine: &impl Storage, space: Space, range: ScanRange<'_>) -> Vec<Bytes> {
    let page = engine.scan(space, range, usize::MAX).unwrap();
    assert_eq!((page.corrupt.len(), &page.resume_after), (0, &None));
    page.entries.into_iter().map(|(key, _)| key).collect()
}

fn a_put_is_seen_and_a_delete_hides_it<D: Disk>() {
    let disk = D::new();
    let engine = disk.open();
    assert_eq!(get(&engine, Space::Records, b"key"), None);
    put(&engine, Space::Records, b"key", b"one");
    put(&engine, Space::Records, b"key", b"two");
    put(&engine, Space::Records, b"empty", b"");
    assert_eq!(get(&engine, Space::Records, b"key").unwrap(), "two");
    assert_eq!(get(&engine, Space::Records, b"empty").unwrap(), "");
    assert_eq!(get(&engine, Space::Hints, b"key"), None, "another space");

    let mut batch = Batch::default();
    batch.delete(Space::Records, &b"key"[..]);
    batch.delete(Space::Records, &b"never there"[..]);
    engine.commit(&batch, Persist::Buffer).unwrap();
    assert_eq!(get(&engine, Space::Records, b"key"), None);
}

/// Clients may ask for keys, and for ranges of keys, that are longer than any that is stored.
fn keys_too_long_to_be_stored_are_nowhere<D: Disk>() {
    let disk = D::new();
    let engine = disk.open();
    let (longest, longer) = (vec![b'k'; MAX_KEY_BYTES], vec![b'k'; MAX_KEY_BYTES + 1]);
    for key in [b"a", longest.as_slice(), b"l"] {
        put(&engine, Space::Records, key, b"value");
    }
    assert_eq!(get(&engine, Space::Records, &longest).unwrap(), "value");
    assert_eq!(get(&engine, Space::Records, &longer), None);

    let found = |range| keys(&engine, Space::Records, range);
    let (before, behind) = ([&b"a"[..], &longest], [&b"l"[..]]);
    let all = ScanRange::all();
    for (lower, upper) in [
        (Bound::Included(&longer[..]), Bound::Excluded(&longer[..])),
        (Bound::Excluded(&longer[..]), Bound::Included(&longer[..])),
    ] {
        assert_eq!(found(all.between(Bound::Unbounded, upper)), before);
        assert_eq!(found(all.between(lower, Bound::Unbounded)), behind);
        assert_eq!(found(all.between(lower, upper)), [&b""[..]; 0]);
        assert_eq!(found(all.between(lower, upper).descending()), [&b""[..]; 0]);
    }
    assert_eq!(found(all.after(&longer)), behind);
    assert_eq!(found(all.descending().after(&longer)), [&longest[..], b"a"]);
    assert_eq!(found(ScanRange::prefix(&longer)), [&b""[..]; 0]);
    assert_eq!(found(ScanRange::prefix(&longest)), [&longest[..]]);
}

fn a_batch_is_applied_whole_and_in_order<D: Disk>() {
    let disk = D::new();
    {
        let engine = disk.open();
        let mut batch = Batch::default();
        for space in Space::ALL {
            batch.put(space, &b"a"[..], &b"first"[..]);
            batch.put(space, &b"a"[..], &b"last"[..]);
            batch.put(space, &b"b"[..], &b"gone"[..]);
            batch.delete(space, &b"b"[..]);
        }
        assert_eq!((batch.len(), batch.bytes()), (12, 3 * (6 + 5 + 5 + 1)));
        engine.commit(&batch, Persist::Sync).unwrap();
    }
    disk.crash();
    let engine = disk.open();
    for space in Space::ALL {
        assert_eq!(get(&engine, space, b"a").unwrap(), "last");
        assert_eq!(get(&engine, space, b"b"), None);
    }
}

fn a_batch_that_no_engine_takes_changes_nothing<D: Disk>() {
    let disk = D::new();
    let engine = disk.open();
    let too_long = vec![b'k'; MAX_KEY_BYTES + 1];
    for key in [&b""[..], &too_long[..]] {
        let mut batch = Batch::default();
        batch.put(Space::Meta, &b"fine"[..], &b"value"[..]);
        batch.put(Space::Meta, key.to_vec(), &b"value"[..]);
        let error = engine.commit(&batch, Persist::Sync).unwrap_err();
        assert!(matches!(error, CommitError::KeySize { key_bytes } if key_bytes == key.len()));
        assert!(error.nothing_applied() && !error.must_stop());
    }
    let mut batch = Batch::default();
    batch.put(Space::Meta, &b"fine"[..], vec![0; MAX_VALUE_BYTES + 1]);
    let error = engine.commit(&batch, Persist::Sync).unwrap_err();
    assert!(matches!(error, CommitError::ValueSize { .. }));
    assert_eq!(get(&engine, Space::Meta, b"fine"), None);
    assert_eq!(get(&engine, Space::Meta, b""), None);
    let longest = &too_long[1..];
    put(&engine, Space::Meta, longest, b"longest key");
    assert_eq!(get(&engine, Space::Meta, longest).unwrap(), "longest key");
}

fn a_scan_goes_in_key_order_through_its_range<D: Disk>() {
    let disk = D::new();
    let engine = disk.open();
    for key in [&b"b"[..], b"a\xff", b"a", b"c", b"a\x00", b"\xff\xff", b"\xff"] {
        put(&engine, Space::Hints, key, key);
    }
    put(&engine, Space::Meta, b"a1", b"another space");
    let in_range = |range| keys(&engine, Space::Hints, range);

    let all = [&b"a"[..], b"a\x00", b"a\xff", b"b", b"c", b"\xff", b"\xff\xff"];
    assert_eq!(in_range(ScanRange::all()), all);
    assert_eq!(in_range(ScanRange::prefix(b"a")), all[..3]);
    assert_eq!(in_range(ScanRange::prefix(b"\xff")), all[5..]);
    assert_eq!(in_range(ScanRange::prefix(b"a").after(b"a")), all[1..3]);
    assert_eq!(in_range(ScanRange::prefix(b"a").after(b"a\xff")), all[..0]);
    assert_eq!(in_range(ScanRange::prefix(b"a").after(b"c")), all[..0]);
    assert_eq!(in_range(ScanRange::prefix(b"b").after(b"a")), all[3..4]);
    assert_eq!(in_range(ScanRange::all().starting_at(b"b")), all[3..]);
    assert_eq!(in_range(ScanRange::all().starting_at(b"a\x01")), all[2..]);
    let between = |start, end| ScanRange::all().between(start, end);
    assert_eq!(in_range(between(Bound::Excluded(b"a"), Bound::Included(b"b"))), all[1..4]);
    assert_eq!(in_range(between(Bound::Included(b"a"), Bound::Excluded(b"b"))), all[..3]);

    let down = |range: ScanRange<'static>| {
        let mut found = keys(&engine, Space::Hints, range.descending());
        found.reverse();
        found
    };
    assert_eq!(down(ScanRange::all()), all);
    assert_eq!(down(ScanRange::prefix(b"a")), all[..3]);
    assert_eq!(down(between(Bound::Excluded(b"a"), Bound::Included(b"b"))), all[1..4]);
    assert_eq!(down(ScanRange::prefix(b"a").descending().after(b"a\xff")), all[..2]);
}

fn pages_joined_are_the_whole_scan<D: Disk>() {
    let disk = D::new();
    let engine = disk.open();
    let written: Vec<Bytes> = (0..10_u8).map(|i| vec![b'k', i].into()).collect();
    for key in &written {
        put(&engine, Space::Records, key, b"v");
    }
    for (limit, descends) in [1, 3, 5, 10, 11].into_iter().flat_map(|limit| [(limit, false), (limit, true)]) {
        let mut found = Vec::new();
        let mut after: Option<Bytes> = None;
        loop {
            let all = if descends { ScanRange::prefix(b"k").descending() } else { ScanRange::prefix(b"k") };
            let range = after.as_deref().map_or(all, |last| all.after(last));
            let page = engine.scan(Space::Records, range, limit).unwrap();
            assert!(page.entries.len() <= limit);
            found.extend(page.entries.into_iter().map(|(key, _)| key));
            match page.resume_after {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        if descends {
            found.reverse();
        }
        assert_eq!(found, written, "limit {limit}, descending: {descends}");
    }
}

fn large_values_come_back_and_end_a_page_early<D: Disk>() {
    let disk = D::new();
    {
        let engine = disk.open();
        for i in 0..20_u8 {
            put(&engine, Space::Records, &[i], &vec![i; 400 * 1024]);
        }
    }
    let engine = disk.open();
    for i in 0..20_u8 {
        assert_eq!(get(&engine, Space::Records, &[i]).unwrap(), vec![i; 400 * 1024]);
    }
    let page = engine.scan(Space::Records, ScanRange::all(), 20).unwrap();
    assert_eq!(page.entries.len(), 11, "4 MiB and the item that crosses it");
    assert_eq!(page.resume_after.unwrap(), &[10][..]);
}

fn empty_spaces_are_empty_also_after_a_restart<D: Disk>() {
    let disk = D::new();
    for _ in 0..2 {
        let engine = disk.open();
        for space in Space::ALL {
            assert_eq!(get(&engine, space, b"key"), None);
            assert!(keys(&engine, space, ScanRange::all()).is_empty());
        }
        engine.commit(&Batch::default(), Persist::Sync).unwrap();
        drop(engine);
        disk.crash();
    }
}

fn what_was_synced_survives<D: Disk>() {
    let disk = D::new();
    for life in 0..4_u8 {
        let engine = disk.open();
        for earlier in 0..life {
            assert_eq!(get(&engine, Space::Records, &[earlier]).unwrap(), "synced");
            assert_eq!(get(&engine, Space::Meta, &[earlier]).unwrap(), "synced later");
        }
        let mut batch = Batch::default();
        batch.put(Space::Meta, vec![life], &b"synced later"[..]);
        engine.commit(&batch, Persist::Buffer).unwrap();
        engine.sync().unwrap();
        put(&engine, Space::Records, &[life], b"synced");
        drop(engine);
        disk.crash();
    }
}

fn a_sync_commit_carries_the_buffered_ones_before_it<D: Disk>() {
    let disk = D::new();
    {
        let engine = disk.open();
        let mut batch = Batch::default();
        batch.put(Space::Hints, &b"before"[..], &b"1"[..]);
        engine.commit(&batch, Persist::Buffer).unwrap();
        put(&engine, Space::Records, b"then", b"2");
    }
    disk.crash();
    let engine = disk.open();
    assert_eq!(get(&engine, Space::Hints, b"before").unwrap(), "1");
    assert_eq!(get(&engine, Space::Records, b"then").unwrap(), "2");
}

fn a_damaged_value_is_an_error_and_does_not_end_a_scan<D: Disk>() {
    let disk = D::new();
    let engine = disk.open();
    for key in [b"1", b"2", b"3"] {
        put(&engine, Space::Records, key, b"value");
    }
    disk.corrupt(&engine, Space::Records, b"2");

    let error = engine.get(Space::Records, b"2").unwrap_err();
    assert!(matches!(&error, ReadError::Corrupt { space: Space::Records, key_hex } if key_hex == "32"));
    let page = engine.scan(Space::Records, ScanRange::all(), 10).unwrap();
    let found: Vec<_> = page.entries.iter().map(|(key, _)| &key[..]).collect();
    assert_eq!(found, [b"1", b"3"]);
    assert_eq!(page.corrupt, [&b"2"[..]]);

    // A page of nothing but damaged values is not the end.
    let range = ScanRange::all().after(b"1");
    let page = engine.scan(Space::Records, range, 1).unwrap();
    assert!(page.entries.is_empty());
    assert_eq!(page.resume_after.unwrap(), "2");

    put(&engine, Space::Records, b"2", b"repaired");
    assert_eq!(get(&engine, Space::Records, b"2").unwrap(), "repaired");
}

fn a_full_disk_refuses_writes_and_keeps_what_it_has<D: Disk>() {
    let disk = D::new();
    let engine = disk.open();
    put(&engine, Space::Records, b"earlier", b"value");
    disk.set_full(true);
    let mut batch = Batch::default();
    batch.put(Space::Records, &b"later"[..], &b"value"[..]);
    batch.delete(Space::Records, &b"earlier"[..]);
    let error = engine.commit(&batch, Persist::Sync).unwrap_err();
    assert!(matches!(error, CommitError::DiskFull { .. }));
    assert!(error.nothing_applied() && !error.must_stop());
    assert_eq!(get(&engine, Space::Records, b"earlier").unwrap(), "value");
    assert_eq!(get(&engine, Space::Records, b"later"), None);
    assert_eq!(engine.usage().free_bytes, 0);
    engine.sync().unwrap();

    disk.set_full(false);
    engine.commit(&batch, Persist::Sync).unwrap();
    assert_eq!(get(&engine, Space::Records, b"later").unwrap(), "value");
}

fn incompressible(bytes: usize) -> Vec<u8> {
    use rand::{Rng, SeedableRng};
    let mut value = vec![0; bytes];
    rand::rngs::StdRng::seed_from_u64(1).fill_bytes(&mut value);
    value
}

fn usage_grows_with_what_is_stored<D: Disk>() {
    let disk = D::new();
    let engine = disk.open();
    let before = engine.usage();
    put(&engine, Space::Records, b"key", &incompressible(1 << 20));
    let after = engine.usage();
    assert!(after.used_bytes >= before.used_bytes + (1 << 20));
    assert!(after.free_bytes > 1 << 30);
}

macro_rules! contract_of {
    ($engine:ident, $disk:ty: $($case:ident)*) => {
        mod $engine {
            $(#[test] fn $case() { super::$case::<$disk>(); })*
        }
    };
    ($engine:ident, $disk:ty) => {
        contract_of! { $engine, $disk:
            a_put_is_seen_and_a_delete_hides_it
            keys_too_long_to_be_stored_are_nowhere
            a_batch_is_applied_whole_and_in_order
            a_batch_that_no_engine_takes_changes_nothing
            a_scan_goes_in_key_order_through_its_range
            pages_joined_are_the_whole_scan
            large_values_come_back_and_end_a_page_early
            empty_spaces_are_empty_also_after_a_restart
            what_was_synced_survives
            a_sync_commit_carries_the_buffered_ones_before_it
            a_damaged_value_is_an_error_and_does_not_end_a_scan
            a_full_disk_refuses_writes_and_keeps_what_it_has
            usage_grows_with_what_is_stored
            trees_say_what_the_records_say_after_every_crash
            trees_are_right_or_not_trusted_after_refusals
            trees_that_have_rotted_are_not_trusted
        }
    };
}

contract_of!(memory, super::MemoryDisk);
contract_of!(fjall, super::FolderDisk);

/// The frame is the engines' shared part: what one stores, the other could read.
#[test]
fn both_engines_store_the_same_frame() {
    let disk = FolderDisk::new();
    let engine = disk.open();
    put(&engine, Space::Records, b"key", b"value");
    let stored = engine.keyspace(Space::Records).get("key").unwrap().unwrap();
    assert_eq!(&stored[..], &frame::seal(Space::Records, b"key", b"value")[..]);
}
