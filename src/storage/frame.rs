//! The frame around every stored value, the same in all engines.
//!
//! ```text
//! byte 0      format, now 1
//! bytes 1-4   crc32, little endian, of: format, space tag, key length (u32), key, payload
//! bytes 5-    payload
//! ```
//!
//! The engines have checksums of their own, but those speak of blocks and files. This one speaks of a
//! key: it also catches a whole, intact value that is found under a key it was not written for.

use bytes::Bytes;

use super::{ReadError, Space};

/// The only frame format so far.
const FORMAT: u8 = 1;

/// Bytes that a frame adds to a value.
pub const FRAME_BYTES: usize = 5;

/// Writes the frame of `payload` into `out`, replacing what it held.
pub fn seal_into(out: &mut Vec<u8>, space: Space, key: &[u8], payload: &[u8]) {
    out.clear();
    out.reserve(FRAME_BYTES + payload.len());
    out.push(FORMAT);
    out.extend_from_slice(&checksum(FORMAT, space, key, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// The frame of `payload`.
#[must_use]
pub fn seal(space: Space, key: &[u8], payload: &[u8]) -> Bytes {
    let mut out = Vec::new();
    seal_into(&mut out, space, key, payload);
    Bytes::from(out)
}

/// The payload of a frame that was sealed for this space and key, without a copy.
///
/// # Errors
///
/// [`ReadError::Corrupt`] when it was not.
pub fn open(space: Space, key: &[u8], frame: &Bytes) -> Result<Bytes, ReadError> {
    let corrupt = || ReadError::corrupt(space, key);
    let header = frame.first_chunk::<FRAME_BYTES>().ok_or_else(corrupt)?;
    let [format, stored @ ..] = *header;
    let payload = frame.slice(FRAME_BYTES..);
    let expected = checksum(format, space, key, &payload);
    if format != FORMAT || u32::from_le_bytes(stored) != expected {
        return Err(corrupt());
    }
    Ok(payload)
}

/// The key's length is part of it: without it, key "ab" with payload "c" would pass for key "a" with
/// payload "bc".
fn checksum(format: u8, space: Space, key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[format, space.tag()]);
    hasher.update(&(key.len() as u32).to_le_bytes());
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn open_gives_back_what_was_sealed(key: Vec<u8>, payload: Vec<u8>) {
            let frame = seal(Space::Records, &key, &payload);
            prop_assert_eq!(frame.len(), payload.len() + FRAME_BYTES);
            prop_assert_eq!(&open(Space::Records, &key, &frame).unwrap()[..], &payload[..]);
        }

        #[test]
        fn any_flipped_bit_is_detected(key: Vec<u8>, payload: Vec<u8>, at: prop::sample::Index) {
            let mut frame = seal(Space::Records, &key, &payload).to_vec();
            let bit = at.index(frame.len() * 8);
            frame[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(open(Space::Records, &key, &Bytes::from(frame)).is_err());
        }

        #[test]
        fn any_truncation_is_detected(payload: Vec<u8>, at: prop::sample::Index) {
            let frame = seal(Space::Hints, b"key", &payload);
            let cut = frame.slice(..at.index(frame.len()));
            prop_assert!(open(Space::Hints, b"key", &cut).is_err());
        }
    }

    #[test]
    fn a_value_is_refused_under_another_key_or_space() {
        let frame = seal(Space::Records, b"ab", b"c");
        assert!(open(Space::Records, b"ax", &frame).is_err());
        assert!(open(Space::Meta, b"ab", &frame).is_err());
        let shifted = seal(Space::Records, b"a", b"bc");
        assert!(open(Space::Records, b"ab", &shifted).is_err());
    }

    /// Other releases must read what this one wrote: change these bytes only with a new format.
    #[test]
    fn the_bytes_on_disk_are_fixed() {
        let frame = seal(Space::Records, b"key", b"value");
        assert_eq!(hex::encode(frame), "014bbfcb4576616c7565");
    }
}
