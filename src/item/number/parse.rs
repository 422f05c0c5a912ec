//! Numbers from text.
//!
//! ```text
//!   [+ -]  digits [. digits] | . digits   [e [+ -] digits]
//!          └ Mantissa: an integer and the power of ten of its last digit
//! ```

use std::str::FromStr;

use super::{MAX_DIGITS, MAX_MAGNITUDE, MIN_MAGNITUDE, Number, NumberError};

impl FromStr for Number {
    type Err = NumberError;

    /// Reads an optional sign, digits with an optional dot among, before or after them, and an optional
    /// exponent. Zeros at either end count neither as digits nor as precision. The exponent of zero must be one that another number could have.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let (negative, unsigned) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (mantissa, exponent) = match unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..])?),
            None => (unsigned, 0),
        };
        let mantissa = Mantissa::parse(mantissa)?;
        if mantissa.digits == 0 && exponent > MAX_MAGNITUDE {
            return Err(NumberError::Overflow);
        }
        if mantissa.digits == 0 && exponent < MIN_MAGNITUDE {
            return Err(NumberError::Underflow);
        }
        let number = Self::from_parts(mantissa.kept, exponent.saturating_add(mantissa.exponent));
        // DynamoDB checks the range before the precision.
        match (number?, mantissa.digits) {
            (_, digits) if digits > u64::from(MAX_DIGITS) => Err(NumberError::TooPrecise { digits }),
            (number, _) if negative => Ok(Self { coefficient: -number.coefficient, ..number }),
            (number, _) => Ok(number),
        }
    }
}

/// Reads what follows the `e`. One that no number has is held at a bound that is far outside their range and still far inside that of `i64`; what an
/// `i64` cannot hold is no exponent.
fn parse_exponent(text: &[u8]) -> Result<i64, NumberError> {
    const BOUND: i64 = i64::MAX / 4;
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::Malformed);
    }
    let next = |value: i64, digit: &u8| value.checked_mul(10)?.checked_add(i64::from(digit - b'0'));
    let value = digits.iter().try_fold(0, next).ok_or(NumberError::Malformed)?;
    Ok(sign * value.min(BOUND))
}

/// What stands before the `e`, as an integer without zeros at its ends.
#[derive(Default)]
struct Mantissa {
    /// The first 38 significant digits.
    kept: i128,
    /// The power of ten of the last digit kept.
    exponent: i64,
    /// Significant digits in the text, also those not kept.
    digits: u64,
}

impl Mantissa {
    fn parse(text: &[u8]) -> Result<Self, NumberError> {
        let mut mantissa = Self::default();
        let (mut any_digit, mut after_dot, mut pending_zeros) = (false, false, 0_u64);
        for byte in text {
            match byte {
                b'.' if !after_dot => {
                    after_dot = true;
                    continue;
                }
                b'0' if mantissa.digits == 0 => {}
                // A zero becomes a digit only when another digit follows it.
                b'0' => pending_zeros += 1,
                b'1'..=b'9' => {
                    (0..pending_zeros).for_each(|_| mantissa.push(0));
                    mantissa.push(byte - b'0');
                    pending_zeros = 0;
                }
                _ => return Err(NumberError::Malformed),
            }
            any_digit = true;
            mantissa.exponent -= i64::from(after_dot);
        }
        if !any_digit {
            return Err(NumberError::Malformed);
        }
        let dropped = mantissa.digits.saturating_sub(u64::from(MAX_DIGITS)) + pending_zeros;
        mantissa.exponent = mantissa.exponent.saturating_add_unsigned(dropped);
        Ok(mantissa)
    }

    fn push(&mut self, digit: u8) {
        self.digits += 1;
        if self.digits <= u64::from(MAX_DIGITS) {
            self.kept = self.kept * 10 + i128::from(digit);
        }
    }
}
