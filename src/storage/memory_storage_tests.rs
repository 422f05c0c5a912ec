//! The memory engine against a model: what reads see, and what a crash may take.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Batch, CommitError, MemoryStorage, Persist, ReadError, ScanRange, Space, Storage};

type Contents = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(Space, u8, Option<u8>)>, bool),
    Sync,
    Crash { seed: u64, tear: bool },
    FailNextWrite,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (prop::sample::select(Space::ALL.to_vec()), 0..6_u8, prop::option::of(any::<u8>()));
    prop_oneof![
        6 => (vec(write, 0..4), any::<bool>()).prop_map(|(w, sync)| Step::Commit(w, sync)),
        1 => Just(Step::Sync),
        2 => (any::<u64>(), any::<bool>()).prop_map(|(seed, tear)| Step::Crash { seed, tear }),
        1 => Just(Step::FailNextWrite),
    ]
}

fn batch_of(writes: &[(Space, u8, Option<u8>)]) -> Batch {
    let mut batch = Batch::default();
    for (space, key, value) in writes {
        match value {
            Some(value) => batch.put(*space, vec![*key], vec![*value; 3]),
            None => batch.delete(*space, vec![*key]),
        }
    }
    batch
}

fn applied(mut contents: Contents, writes: &[(Space, u8, Option<u8>)]) -> Contents {
    for (space, key, value) in writes {
        match value {
            Some(value) => contents.insert((*space, vec![*key]), vec![*value; 3]),
            None => contents.remove(&(*space, vec![*key])),
        };
    }
    contents
}

fn contents_of(storage: &MemoryStorage) -> Contents {
    let mut contents = Contents::new();
    for space in Space::ALL {
        let page = storage.scan(space, ScanRange::all(), usize::MAX).unwrap();
        assert!(page.corrupt.is_empty());
        for (key, value) in page.entries {
            assert_eq!(storage.get(space, &key).unwrap().as_ref(), Some(&value));
            contents.insert((space, key.to_vec()), value.to_vec());
        }
    }
    contents
}

/// What the disk must hold now, and what it may hold after a crash: the contents after each batch
/// since the last sync, oldest first. The first is what is durable for certain.
struct Model {
    possible: Vec<Contents>,
    visible: Contents,
    failing: bool,
    broken: bool,
}

impl Model {
    fn new() -> Self {
        Self { possible: vec![Contents::new()], visible: Contents::new(), failing: false, broken: false }
    }

    fn settle(&mut self, contents: Contents) {
        self.possible = vec![contents.clone()];
        self.visible = contents;
    }

    /// Whether a write must fail, and how it ends.
    fn write_fails(&mut self) -> bool {
        let fails = self.failing || self.broken;
        self.broken = fails;
        self.failing = false;
        fails
    }
}

fn run(storage: &MemoryStorage, model: &mut Model, step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Commit(writes, sync) => {
            let persist = if sync { Persist::Sync } else { Persist::Buffer };
            let result = storage.commit(&batch_of(&writes), persist);
            let was_broken = model.broken;
            let after = applied(model.visible.clone(), &writes);
            if model.write_fails() {
                prop_assert_eq!(result.unwrap_err().nothing_applied(), was_broken);
                if !was_broken {
                    model.possible.push(after);
                }
            } else {
                prop_assert!(result.is_ok());
                model.possible.push(after.clone());
                model.visible = after.clone();
                if sync {
                    model.settle(after);
                }
            }
        }
        Step::Sync => {
            let result = storage.sync();
            if model.write_fails() {
                prop_assert!(result.unwrap_err().must_stop());
            } else {
                prop_assert!(result.is_ok());
                model.settle(model.visible.clone());
            }
        }
        Step::Crash { seed, tear } => {
            storage.crash(seed, tear);
            let found = contents_of(storage);
            prop_assert!(
                model.possible.contains(&found),
                "{:?} is no state between two batches: {:?}",
                found,
                model.possible
            );
            *model = Model::new();
            model.settle(found);
        }
        Step::FailNextWrite => {
            storage.fail_next_write();
            model.failing = true;
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn it_is_a_map_that_crashes_only_between_batches(steps in vec(step(), 1..40)) {
        let storage = MemoryStorage::new();
        let mut model = Model::new();
        for step in steps {
            run(&storage, &mut model, step)?;
            prop_assert_eq!(&contents_of(&storage), &model.visible);
        }
    }

    #[test]
    fn the_same_seed_crashes_the_same_way(
        batches in vec(vec((Just(Space::Records), 0..6_u8, any::<Option<u8>>()), 1..4), 1..10),
        seed: u64,
        tear: bool,
    ) {
        let [one, two] = [(); 2].map(|()| {
            let storage = MemoryStorage::new();
            for writes in &batches {
                storage.commit(&batch_of(writes), Persist::Buffer).unwrap();
            }
            storage.crash(seed, tear);
            contents_of(&storage)
        });
        prop_assert_eq!(one, two);
    }
}

fn with_unsynced_batches() -> MemoryStorage {
    let storage = MemoryStorage::new();
    for key in 0..8_u8 {
        let mut batch = Batch::default();
        batch.put(Space::Records, vec![key, 0], vec![key; 100]);
        batch.put(Space::Records, vec![key, 1], vec![key; 100]);
        storage.commit(&batch, Persist::Buffer).unwrap();
    }
    storage
}

#[test]
fn crashes_lose_nothing_something_and_everything_unsynced() {
    let mut left = [0_u32; 17];
    for seed in 0..400 {
        let storage = with_unsynced_batches();
        storage.crash(seed, true);
        left[contents_of(&storage).len()] += 1;
    }
    assert!(left[0] > 100, "often all of it: {left:?}");
    assert!((1..8).all(|batches| left[2 * batches] > 0), "{left:?}");
    assert!((0..8).all(|batches| left[2 * batches + 1] == 0), "half a batch: {left:?}");
}

#[test]
fn a_handle_outlives_the_node() {
    let storage = MemoryStorage::new();
    let node = storage.clone();
    let mut batch = Batch::default();
    batch.put(Space::Meta, &b"key"[..], &b"value"[..]);
    node.commit(&batch, Persist::Sync).unwrap();
    drop(node);
    storage.crash(1, false);
    assert_eq!(storage.get(Space::Meta, b"key").unwrap().unwrap(), "value");
}

#[test]
fn damage_and_misdirection_are_found_and_survive_a_crash() {
    let storage = MemoryStorage::new();
    let mut batch = Batch::default();
    for key in [b"a", b"b", b"c"] {
        batch.put(Space::Records, &key[..], &b"value"[..]);
    }
    storage.commit(&batch, Persist::Sync).unwrap();
    assert!(storage.corrupt(Space::Records, b"a"));
    assert!(storage.misdirect(Space::Records, b"b", b"c"));
    assert!(!storage.corrupt(Space::Records, b"absent"));
    assert!(!storage.misdirect(Space::Records, b"b", b"absent"));
    for _ in 0..2 {
        for key in [b"a", b"b"] {
            let error = storage.get(Space::Records, key).unwrap_err();
            assert!(matches!(error, ReadError::Corrupt { .. }));
        }
        assert_eq!(storage.get(Space::Records, b"c").unwrap().unwrap(), "value");
        storage.crash(1, true);
    }
}

#[test]
fn after_a_failed_write_nothing_is_taken_until_the_engine_is_opened_again() {
    let storage = MemoryStorage::new();
    storage.fail_next_write();
    let mut batch = Batch::default();
    batch.put(Space::Records, &b"key"[..], &b"value"[..]);
    let first = storage.commit(&batch, Persist::Sync).unwrap_err();
    assert!(matches!(first, CommitError::Io { .. }));
    assert_eq!(storage.get(Space::Records, b"key").unwrap(), None);
    let second = storage.commit(&batch, Persist::Sync).unwrap_err();
    assert!(matches!(second, CommitError::ReadOnly));
    assert!(matches!(storage.sync(), Err(CommitError::ReadOnly)));
    storage.crash(1, false);
    storage.commit(&batch, Persist::Sync).unwrap();
}
