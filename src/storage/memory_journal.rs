//! The journal of [`MemoryStorage`](super::MemoryStorage): how batches look as bytes, and what is left
//! of them when the bytes end in the middle.
//!
//! ```text
//! batch   crc32 (of the rest) | body length u32 | body
//! body    per write: space tag | 0 delete, 1 put | key length u32 | key | frame length u32 | frame
//! ```

use bytes::Bytes;

use super::Space;

/// A write as it is journalled: the frame of the value, or nothing for a delete.
pub(super) type JournalWrite = (Space, Bytes, Option<Bytes>);

/// Appends one batch.
pub(super) fn encode(journal: &mut Vec<u8>, writes: &[JournalWrite]) {
    let mut body = Vec::new();
    for (space, key, frame) in writes {
        body.push(space.tag());
        body.push(u8::from(frame.is_some()));
        encode_bytes(&mut body, key);
        encode_bytes(&mut body, frame.as_deref().unwrap_or_default());
    }
    let length = (body.len() as u32).to_le_bytes();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(&body);
    journal.extend_from_slice(&hasher.finalize().to_le_bytes());
    journal.extend_from_slice(&length);
    journal.extend_from_slice(&body);
}

fn encode_bytes(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    body.extend_from_slice(bytes);
}

/// The whole batches at the front of `journal`; what follows the first broken one is dropped.
pub(super) fn decode(mut journal: &[u8]) -> Vec<Vec<JournalWrite>> {
    let mut batches = Vec::new();
    while let Some(batch) = decode_batch(&mut journal) {
        batches.push(batch);
    }
    batches
}

fn decode_batch(journal: &mut &[u8]) -> Option<Vec<JournalWrite>> {
    let stored = u32::from_le_bytes(*journal.split_off(..4)?.first_chunk()?);
    let length = *journal.split_off(..4)?.first_chunk::<4>()?;
    let mut body = journal.split_off(..u32::from_le_bytes(length) as usize)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(body);
    if hasher.finalize() != stored {
        return None;
    }
    let mut writes = Vec::new();
    while !body.is_empty() {
        let space = Space::from_tag(*body.split_off_first()?)?;
        let is_put = *body.split_off_first()? == 1;
        let key = decode_bytes(&mut body)?;
        let frame = decode_bytes(&mut body)?;
        writes.push((space, key, is_put.then_some(frame)));
    }
    Some(writes)
}

fn decode_bytes(body: &mut &[u8]) -> Option<Bytes> {
    let length = u32::from_le_bytes(*body.split_off(..4)?.first_chunk()?);
    Some(Bytes::copy_from_slice(body.split_off(..length as usize)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn writes() -> impl Strategy<Value = JournalWrite> {
        (prop::sample::select(Space::ALL.to_vec()), vec(any::<u8>(), 1..9), prop::option::of(vec(any::<u8>(), 0..20)))
            .prop_map(|(space, key, frame)| (space, key.into(), frame.map(Bytes::from)))
    }

    proptest! {
        /// Cut anywhere: exactly the batches that lie whole before the cut come back.
        #[test]
        fn a_cut_journal_gives_back_its_whole_batches(
            batches in vec(vec(writes(), 0..4), 0..6),
            cut: prop::sample::Index,
        ) {
            let mut journal = Vec::new();
            let mut ends = Vec::new();
            for batch in &batches {
                encode(&mut journal, batch);
                ends.push(journal.len());
            }
            let cut = cut.index(journal.len() + 1);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            prop_assert_eq!(decode(&journal[..cut]), &batches[..whole]);
        }

        #[test]
        fn a_flipped_bit_drops_its_batch_and_all_behind(
            batches in vec(vec(writes(), 1..4), 1..6),
            at: prop::sample::Index,
        ) {
            let mut journal = Vec::new();
            let mut ends = Vec::new();
            for batch in &batches {
                encode(&mut journal, batch);
                ends.push(journal.len());
            }
            let bit = at.index(journal.len() * 8);
            journal[bit / 8] ^= 1 << (bit % 8);
            let whole = ends.iter().filter(|end| **end <= bit / 8).count();
            prop_assert_eq!(decode(&journal), &batches[..whole]);
        }
    }
}
