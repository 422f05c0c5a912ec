//! Where a range read goes on: an opaque text. Values only.
//!
//! ```text
//!   base64url( version | direction | key bytes | checksum over all that and the table )
//! ```
//!
//! The checksum is against mistakes, not against forgery: whoever makes a cursor up can name no key that a range could not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

const VERSION: u8 = 1;

/// The text for a range that has been read up to and including `last`, a key as `Key::to_bytes` has it. `table` is the name under which
/// the table's items are stored: another table of the same name is not this one.
pub(super) fn to_text(table: &str, descends: bool, last: &[u8]) -> String {
    let mut bytes = vec![VERSION, u8::from(descends)];
    bytes.extend_from_slice(last);
    let checksum = checksum(table, &bytes);
    bytes.extend(checksum.to_le_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key, if the text is that of a range of this table in this direction.
pub(super) fn from_text(table: &str, descends: bool, text: &str) -> Option<Bytes> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (body, sent) = bytes.split_last_chunk::<4>()?;
    if checksum(table, body) != u32::from_le_bytes(*sent) {
        return None;
    }
    match body {
        [VERSION, direction, last @ ..] if *direction == u8::from(descends) => Some(Bytes::copy_from_slice(last)),
        _ => None,
    }
}

fn checksum(table: &str, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(table.as_bytes());
    hasher.update(&[0]);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{from_text, to_text};

    proptest! {
        #[test]
        fn a_cursor_reads_back_in_its_table_and_direction_only(
            key in prop::collection::vec(any::<u8>(), 0..40), descends: bool, text in ".*",
        ) {
            let cursor = to_text("t#1", descends, &key);
            prop_assert_eq!(from_text("t#1", descends, &cursor), Some(key.into()));
            prop_assert_eq!(from_text("t#1", !descends, &cursor), None);
            prop_assert_eq!(from_text("t#2", descends, &cursor), None);
            let _ = from_text("t#1", descends, &text);
        }

        #[test]
        fn an_altered_cursor_is_refused(key in prop::collection::vec(any::<u8>(), 0..20), at in any::<prop::sample::Index>()) {
            let mut cursor = to_text("t", false, &key).into_bytes();
            let at = at.index(cursor.len());
            cursor[at] = if cursor[at] == b'A' { b'B' } else { b'A' };
            prop_assert_eq!(from_text("t", false, &String::from_utf8(cursor).unwrap()), None);
        }
    }
}
