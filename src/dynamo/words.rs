//! Dots and spans as bytes: their numbers one after the other, eight bytes each, little endian.
//!
//! They are in every message and every record, several at a time. As structures of numbers they would cost more to write and to
//! read than everything else beside the value itself.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// A value of `N` numbers.
pub(super) trait Words<const N: usize>: Sized {
    /// Its numbers.
    fn to_words(&self) -> [u64; N];
    /// The value that has these numbers.
    fn from_words(words: [u64; N]) -> Self;
}

pub(super) fn serialize<T: Words<N>, S: Serializer, const N: usize>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    const MAX: usize = 4;
    const { assert!(N <= MAX) };
    let mut bytes = [0; 8 * MAX];
    for (place, word) in bytes.chunks_exact_mut(8).zip(value.to_words()) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    serializer.serialize_bytes(&bytes[..8 * N])
}

pub(super) fn deserialize<'de, T: Words<N>, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_bytes(WordsVisitor(PhantomData))
}

struct WordsVisitor<T, const N: usize>(PhantomData<T>);

impl<T: Words<N>, const N: usize> Visitor<'_> for WordsVisitor<T, N> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", 8 * N)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        if chunks.len() != N || !rest.is_empty() {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        let mut words = [0; N];
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u64::from_le_bytes(*chunk);
        }
        Ok(T::from_words(words))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::dynamo::hlc::HlcTime;
    use crate::dynamo::version::{Dot, ReplicaId, Span};

    proptest! {
        #[test]
        fn what_is_written_is_read_back(directory: u64, epoch: u64, since: u64, until: u64) {
            let replica = ReplicaId { directory, epoch };
            let (since, until) = (HlcTime::from_u64(since), HlcTime::from_u64(until));
            let (dot, span) = (Dot { replica, time: until }, Span { replica, since, until });
            prop_assert_eq!(rmp_serde::from_slice::<Dot>(&rmp_serde::to_vec(&dot).unwrap()).unwrap(), dot);
            prop_assert_eq!(rmp_serde::from_slice::<Span>(&rmp_serde::to_vec(&span).unwrap()).unwrap(), span);
        }

        #[test]
        fn any_other_length_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let read = rmp_serde::from_slice::<Span>(&rmp_serde::to_vec(&bytes::Bytes::from(bytes.clone())).unwrap());
            prop_assert_eq!(read.is_ok(), bytes.len() == 32);
        }
    }
}
