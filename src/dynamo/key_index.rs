//! Finds the place of a key by its hash, in a table of fixed room: open addressing, and what is removed leaves no mark behind.
//!
//! It is never walked through, so that nothing depends on the order of hashes.

/// Entries for each place, so that searches are short.
const ROOM: usize = 4;

/// Hashes and the places that they lead to.
#[derive(Clone, Debug)]
pub struct KeyIndex {
    /// A power of two of them, never full.
    entries: Vec<Option<(u64, usize)>>,
}

impl KeyIndex {
    /// For at most `capacity` keys.
    pub fn new(capacity: usize) -> Self {
        Self { entries: vec![None; (capacity.max(1) * ROOM).next_power_of_two()] }
    }

    /// The place of the key with this hash of which `is_it` says that it is the one.
    pub fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = self.first(hash);
        while let Some((other, place)) = self.entries[at] {
            if other == hash && is_it(place) {
                return Some(place);
            }
            at = self.next(at);
        }
        None
    }

    /// Adds a key that is not there.
    pub fn insert(&mut self, hash: u64, place: usize) {
        let mut at = self.first(hash);
        while self.entries[at].is_some() {
            at = self.next(at);
        }
        self.entries[at] = Some((hash, place));
    }

    /// Takes out a key that is there, and moves up what would not be found behind the gap.
    pub fn remove(&mut self, hash: u64, place: usize) {
        let mut gap = self.first(hash);
        while self.entries[gap] != Some((hash, place)) {
            if self.entries[gap].is_none() {
                return;
            }
            gap = self.next(gap);
        }
        let mut at = self.next(gap);
        while let Some((other, _)) = self.entries[at] {
            // How far it is from where its search begins: if that is before the gap, it may move there.
            if self.distance(self.first(other), at) >= self.distance(gap, at) {
                self.entries[gap] = self.entries[at];
                gap = at;
            }
            at = self.next(at);
        }
        self.entries[gap] = None;
    }

    fn first(&self, hash: u64) -> usize {
        // Whatever does not fit into a place is cut off anyway.
        hash as usize & (self.entries.len() - 1)
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.entries.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::KeyIndex;

    proptest! {
        /// With few hashes, all of which begin their search at the same places, and keys that share a hash.
        #[test]
        fn it_finds_what_is_there_and_nothing_else(steps in prop::collection::vec((0_usize..24, any::<bool>()), 1..300)) {
            let hash = |key: usize| (key as u64 / 2 * 16) + (key as u64 % 6) / 2;
            let mut index = KeyIndex::new(24);
            let mut there: BTreeMap<usize, ()> = BTreeMap::new();
            for (key, insert) in steps {
                match (there.contains_key(&key), insert) {
                    (false, true) => index.insert(hash(key), key),
                    (true, false) => index.remove(hash(key), key),
                    _ => continue,
                }
                if insert { there.insert(key, ()) } else { there.remove(&key) };
                for key in 0..24 {
                    let found = index.find(hash(key), |place| place == key);
                    prop_assert_eq!(found, there.get(&key).map(|()| key));
                }
            }
        }
    }
}
