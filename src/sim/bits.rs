//! Sets of small numbers, as the bits of words.

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn insert(&mut self, number: usize) {
        let word = number / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Adds all that is in `others`.
    pub(super) fn extend(&mut self, others: &Self) {
        if self.0.len() < others.0.len() {
            self.0.resize(others.0.len(), 0);
        }
        self.0.iter_mut().zip(&others.0).for_each(|(ours, theirs)| *ours |= theirs);
    }

    /// What is in this set and not in `others`, in order.
    pub(super) fn without<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = usize> + 'a {
        let left = self.0.iter().enumerate().map(|(at, word)| (at, word & !others.0.get(at).unwrap_or(&0)));
        left.flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Bits;

    fn bits(numbers: &BTreeSet<usize>) -> Bits {
        let mut bits = Bits::default();
        numbers.iter().for_each(|number| bits.insert(*number));
        bits
    }

    proptest! {
        #[test]
        fn they_are_sets(some in prop::collection::btree_set(0_usize..300, 0..40), others in prop::collection::btree_set(0_usize..300, 0..40)) {
            let (a, b) = (bits(&some), bits(&others));
            prop_assert!((0..320).all(|number| a.contains(number) == some.contains(&number)));
            let difference: Vec<usize> = some.difference(&others).copied().collect();
            prop_assert_eq!(a.without(&b).collect::<Vec<_>>(), difference);
            let mut both = a.clone();
            both.extend(&b);
            prop_assert_eq!(both.without(&Bits::default()).collect::<BTreeSet<_>>(), some.union(&others).copied().collect());
        }
    }
}
