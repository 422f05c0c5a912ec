use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::{Digest, LEAVES, LeafSet, Tree, leaf_of};
use crate::dynamo::hlc::HlcTime;
use crate::dynamo::siblings::{Change, Mint, Siblings};
use crate::dynamo::version::{Dot, ReplicaId, VersionVector};

fn write(siblings: &mut Siblings, time: u64, expires_at_ms: Option<u64>) {
    let dot = Dot { replica: ReplicaId { directory: 1, epoch: 1 }, time: HlcTime::from_u64(time) };
    let mint = Mint { dot, since: HlcTime::from_u64(0) };
    siblings.write(
        &VersionVector::new(),
        mint,
        Change { value: Some(Bytes::from_static(b"v")), expires_at_ms, tenure: 0 },
    );
}

fn record(time: u64) -> Siblings {
    let mut siblings = Siblings::default();
    write(&mut siblings, time, None);
    siblings
}

/// A set of records: the content of each key stands for itself as a number.
type Records = BTreeMap<u16, u64>;

fn digest(key: u16, content: u64) -> Digest {
    Digest::of_record(&key.to_be_bytes(), &record(content))
}

fn tree_of(records: &Records) -> Tree {
    let mut tree = Tree::default();
    for (key, content) in records {
        tree.replace(leaf_of(&key.to_be_bytes()), Digest::EMPTY, digest(*key, *content));
    }
    tree
}

fn records() -> impl Strategy<Value = Records> {
    prop::collection::btree_map(0..600_u16, 1..4_u64, 0..80)
}

proptest! {
    #[test]
    fn diff_is_the_set_of_buckets_that_differ(ours in records(), theirs in records()) {
        let (a, b) = (tree_of(&ours), tree_of(&theirs));
        let keys: BTreeSet<u16> = ours.keys().chain(theirs.keys()).copied().collect();
        let expected: LeafSet =
            keys.into_iter().filter(|key| ours.get(key) != theirs.get(key)).map(|key| leaf_of(&key.to_be_bytes())).collect();
        let found = LeafSet::differing(a.leaves(), b.leaves());
        prop_assert_eq!(found, expected);
        prop_assert_eq!(a.root() == b.root(), expected.is_empty());
        prop_assert_eq!(found.len() as usize, (0..=255).filter(|leaf| found.contains(*leaf)).count());
    }

    #[test]
    fn a_tree_depends_on_its_records_and_not_on_their_history(
        before in records(), after in records(), order in any::<u64>(),
    ) {
        let mut tree = tree_of(&before);
        let mut keys: Vec<u16> = before.keys().chain(after.keys()).copied().collect::<BTreeSet<_>>().into_iter().collect();
        keys.sort_by_key(|key| u64::from(*key).wrapping_mul(order | 1));
        for key in keys {
            let of = |set: &Records| set.get(&key).map_or(Digest::EMPTY, |content| digest(key, *content));
            tree.replace(leaf_of(&key.to_be_bytes()), of(&before), of(&after));
        }
        prop_assert_eq!(tree, tree_of(&after));
    }

    #[test]
    fn the_root_is_the_sum_of_the_leaves(set in records(), leaf: u8, word: u128) {
        let mut tree = tree_of(&set);
        tree.set_leaf(leaf, Digest(word));
        let sum = tree.leaves().iter().fold(Digest::EMPTY, |sum, leaf| sum.replaced(Digest::EMPTY, *leaf));
        prop_assert_eq!(tree.root(), sum);
        prop_assert_eq!(tree.leaf(leaf), Digest(word));
    }

    #[test]
    fn digests_and_leaf_sets_read_back(word: u128, leaves in prop::collection::btree_set(any::<u8>(), 0..LEAVES)) {
        let digest = Digest(word);
        prop_assert_eq!(Digest::from_bytes(digest.to_bytes()), digest);
        prop_assert_eq!(rmp_serde::from_slice::<Digest>(&rmp_serde::to_vec(&digest).unwrap()).unwrap(), digest);
        let set: LeafSet = leaves.iter().copied().collect();
        prop_assert!((0..=255).all(|leaf| set.contains(leaf) == leaves.contains(&leaf)));
        prop_assert_eq!(rmp_serde::from_slice::<LeafSet>(&rmp_serde::to_vec(&set).unwrap()).unwrap(), set);
    }
}

/// Replicas reap at different moments, and must not differ meanwhile, nor for ever.
#[test]
fn reaping_does_not_change_a_digest() {
    let mut unreaped = Siblings::default();
    write(&mut unreaped, 1, Some(10));
    let mut reaped = unreaped.clone();
    assert!(reaped.reap(11));
    assert_ne!(unreaped.fingerprint(), reaped.fingerprint());
    assert_eq!(Digest::of_record(b"k", &unreaped), Digest::of_record(b"k", &reaped));
}

#[test]
fn a_digest_tells_keys_dots_clocks_tombstones_and_expiries_apart() {
    let plain = record(1);
    let mut expiring = Siblings::default();
    write(&mut expiring, 1, Some(10));
    let mut tombstone = Siblings::default();
    let dot = Dot { replica: ReplicaId { directory: 1, epoch: 1 }, time: HlcTime::from_u64(1) };
    let mint = Mint { dot, since: HlcTime::from_u64(0) };
    tombstone.write(&VersionVector::new(), mint, Change { value: None, expires_at_ms: None, tenure: 0 });
    let mut later_born = Siblings::default();
    later_born.write(
        &VersionVector::new(),
        Mint { since: HlcTime::from_u64(1), ..mint },
        Change { value: Some(Bytes::from_static(b"v")), expires_at_ms: None, tenure: 0 },
    );
    let of = |siblings: &Siblings| Digest::of_record(b"k", siblings);
    let digests =
        [of(&plain), of(&record(2)), of(&expiring), of(&tombstone), of(&later_born), Digest::of_record(b"l", &plain)];
    assert_eq!(digests.iter().collect::<BTreeSet<_>>().len(), digests.len());
    assert_eq!(of(&Siblings::default()), Digest::EMPTY);
}
