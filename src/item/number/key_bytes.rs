//! Numbers as bytes that sort like the numbers.
//!
//! ```text
//!   zero       0x80
//!   positive   0xC0 | magnitude | pair | pair | … | last pair
//!   negative   0x40 | the rest of the positive form, each bit inverted
//!
//!   magnitude  the power of ten of the first digit, -130..=125, plus 130: exactly one byte
//!   pair       two digits, first pair first: 2 × pair + 1 when another follows, 2 × pair when it is the last
//! ```
//!
//! The pairs hold `d.ddd…` without its dot, the last one filled with a zero. A number that ends where another
//! goes on is less than it, and so is its last byte, by the lowest bit. That bit also says where the number
//! ends, so more bytes may follow. A number takes 2 bytes and one for each two digits: 3 to 21, and zero 1.
//! The scheme is that of SQLite4's key encoding, with the magnitude fitted to DynamoDB's range.

use super::{MAX_DIGITS, MIN_MAGNITUDE, Number};

const NEGATIVE: u8 = 0x40;
const ZERO: u8 = 0x80;
const POSITIVE: u8 = 0xC0;

/// How many pairs 38 digits make.
const MAX_PAIRS: u32 = MAX_DIGITS / 2;

/// Why bytes do not begin with an encoded number. They were cut, damaged, or written by something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberBytesError {
    /// The bytes end before the number does.
    #[error("the bytes end within a number")]
    Truncated,
    /// The bytes have a form that encoding never yields.
    #[error("byte {byte:#04x} cannot stand in an encoded number here")]
    Invalid {
        /// The byte that cannot stand where it was found.
        byte: u8,
    },
}

impl Number {
    /// Appends bytes of which the lexicographic order is the numeric order of the numbers, and which end
    /// themselves, so that others may follow: 1 byte for zero, else 3 to 21.
    pub fn to_key_bytes(&self, out: &mut Vec<u8>) {
        let (lead, mask) = match self.coefficient.signum() {
            0 => return out.push(ZERO),
            1 => (POSITIVE, 0x00),
            _ => (NEGATIVE, 0xFF),
        };
        out.push(lead);
        // The magnitude is in -130..=125, so the sum is in 0..=255.
        let magnitude = u8::try_from(self.magnitude() - MIN_MAGNITUDE).unwrap_or(u8::MAX);
        out.push(magnitude ^ mask);
        let mut digits = self.aligned_digits();
        let mut unit = 100_u128.pow(MAX_PAIRS - 1);
        while digits > 0 {
            let pair = u8::try_from(digits / unit).unwrap_or(u8::MAX);
            digits %= unit;
            unit /= 100;
            out.push((2 * pair + u8::from(digits > 0)) ^ mask);
        }
    }

    /// Reads a number from the beginning of `bytes`, and returns it with the bytes that follow it.
    ///
    /// # Errors
    ///
    /// [`NumberBytesError`] when the bytes do not begin with what [`Number::to_key_bytes`] writes.
    pub fn from_key_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), NumberBytesError> {
        let (lead, rest) = bytes.split_first().ok_or(NumberBytesError::Truncated)?;
        let (sign, mask) = match *lead {
            ZERO => return Ok((Self::ZERO, rest)),
            POSITIVE => (1, 0x00),
            NEGATIVE => (-1, 0xFF),
            byte => return Err(NumberBytesError::Invalid { byte }),
        };
        let (magnitude, pairs) = rest.split_first().ok_or(NumberBytesError::Truncated)?;
        let (digits, pair_count, rest) = read_pairs(pairs, mask)?;
        let magnitude = i64::from(magnitude ^ mask) + MIN_MAGNITUDE;
        // The first digit is not zero, so the digits span exactly their pairs, and the last of them has the
        // power of ten `magnitude - (2 × pairs - 1)`.
        let exponent = magnitude + 1 - 2 * pair_count;
        let number = Self::from_parts(sign * digits, exponent);
        number.map(|number| (number, rest)).map_err(|_| NumberBytesError::Invalid { byte: *lead })
    }
}

/// Reads pairs up to the last one: their digits as one integer, how many pairs, and the bytes that follow.
fn read_pairs(bytes: &[u8], mask: u8) -> Result<(i128, i64, &[u8]), NumberBytesError> {
    let (mut digits, mut pair_count) = (0_i128, 0_i64);
    for (at, byte) in bytes.iter().enumerate().take(MAX_PAIRS as usize) {
        let (pair, is_last) = ((byte ^ mask) / 2, (byte ^ mask).is_multiple_of(2));
        // One form for each number: the first digit is not zero, and neither are both of the last pair.
        let least = if at == 0 { 10 } else { u8::from(is_last) };
        if pair > 99 || pair < least {
            return Err(NumberBytesError::Invalid { byte: *byte });
        }
        digits = digits * 100 + i128::from(pair);
        pair_count += 1;
        if is_last {
            return Ok((digits, pair_count, &bytes[at + 1..]));
        }
    }
    match bytes.get(MAX_PAIRS as usize) {
        Some(byte) => Err(NumberBytesError::Invalid { byte: *byte }),
        None => Err(NumberBytesError::Truncated),
    }
}
