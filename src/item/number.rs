//! Decimal numbers, exact to 38 significant digits.
//!
//! ```text
//!   "-0012.3400e1"  --parse-->  { coefficient: -1234, exponent: -1 }  --print-->  "-123.4"
//!                                 no zero at its right end              plain digits, never an exponent
//! ```
//!
//! A number is `coefficient × 10^exponent`, and the coefficient of a [`Number`] never ends in a zero, so
//! each value has one form: `1`, `1.0` and `1E0` are equal, hash equally and encode to the same bytes, and
//! `-0` is `0`. Nothing here passes through a float.
//!
//! Range and precision are those of the `N` type in the DynamoDB developer guide, "Supported data types and
//! naming rules". Reading text is in `number/parse.rs`, sums are in `number/arithmetic.rs`, the bytes that sort in `number/key_bytes.rs`.

mod arithmetic;
mod key_bytes;
mod parse;

use std::cmp::Ordering;
use std::fmt;

pub use key_bytes::NumberBytesError;

/// The most significant digits that a number may have.
pub const MAX_DIGITS: u32 = 38;

/// The power of ten of the first digit of the smallest magnitude, 1E-130.
const MIN_MAGNITUDE: i64 = -130;

/// The power of ten of the first digit of the largest magnitude, 9.99…E+125 (38 nines).
const MAX_MAGNITUDE: i64 = 125;

/// A decimal number as DynamoDB's `N` type has it: zero, or a magnitude from 1E-130 to 9.99…E+125 (38 nines)
/// of either sign, with up to 38 significant digits.
///
/// The order is numeric. The printed form is plain decimal notation without needless zeros, at any exponent
/// (`1E+20` prints as `100000000000000000000`), which is how DynamoDB returns numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    /// Below 10^38 in magnitude, which an `i128` holds; zero, or not divisible by ten.
    coefficient: i128,
    /// 0 when the coefficient is zero; otherwise -167..=125.
    exponent: i16,
}

/// Why a text is not a [`Number`]. Nothing was stored; correct the number and send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is not a decimal number. Write digits with an optional sign, dot and exponent, no spaces.
    #[error("not a decimal number")]
    Malformed,
    /// More than 38 significant digits. Round it, or store it as a string.
    #[error("{digits} significant digits, more than the {MAX_DIGITS} that a number can hold")]
    TooPrecise {
        /// Significant digits in the text, zeros at either end not counted.
        digits: u64,
    },
    /// The magnitude is 1E+126 or more. Store it as a string.
    #[error("magnitude too large: it must be less than 1E+126")]
    Overflow,
    /// The magnitude is less than 1E-130 and not zero. Round it to zero, or store it as a string.
    #[error("magnitude too small: it must be zero or at least 1E-130")]
    Underflow,
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self { coefficient: 0, exponent: 0 };

    /// Whether the number is less than zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.coefficient < 0
    }

    /// How many significant digits the number has, 0..=38. Zero has none.
    #[must_use]
    pub fn significant_digits(&self) -> u32 {
        self.coefficient.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1)
    }

    /// The power of ten of the first digit, -130..=125 (123 is 1.23E+2, so 2), and 0 for zero.
    fn magnitude(&self) -> i64 {
        i64::from(self.exponent) + i64::from(self.significant_digits().saturating_sub(1))
    }

    /// The digits as an integer of exactly 38 digits, `d.ddd…` without its dot, so that numbers of one
    /// magnitude compare as integers. 10^38 is below 2^127.
    fn aligned_digits(&self) -> u128 {
        let padding = MAX_DIGITS - self.significant_digits();
        match self.coefficient {
            0 => 0,
            coefficient => coefficient.unsigned_abs() * 10_u128.pow(padding),
        }
    }

    /// The digits before the dot and behind it, from the first to the last that is not zero.
    pub(super) fn digits_around_the_dot(&self) -> (u32, u32) {
        let digits = self.significant_digits();
        match u32::from(self.exponent.min(0).unsigned_abs()) {
            behind if behind < digits => (digits - behind, behind),
            _ => (0, digits),
        }
    }

    /// Makes a number of a coefficient of at most 38 digits, moving zeros at its right end to the exponent.
    fn from_parts(mut coefficient: i128, mut exponent: i64) -> Result<Self, NumberError> {
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent += 1;
        }
        let magnitude = exponent + i64::from(coefficient.unsigned_abs().ilog10());
        if magnitude > MAX_MAGNITUDE {
            return Err(NumberError::Overflow);
        }
        if magnitude < MIN_MAGNITUDE {
            return Err(NumberError::Underflow);
        }
        let exponent = i16::try_from(exponent).map_err(|_| NumberError::Overflow)?;
        Ok(Self { coefficient, exponent })
    }
}

impl From<i64> for Number {
    fn from(integer: i64) -> Self {
        // Nineteen digits are within both limits, so the zero is never used.
        Self::from_parts(i128::from(integer), 0).unwrap_or(Self::ZERO)
    }
}

impl From<u64> for Number {
    fn from(integer: u64) -> Self {
        // Twenty digits are within both limits, so the zero is never used.
        Self::from_parts(i128::from(integer), 0).unwrap_or(Self::ZERO)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_sign = self.coefficient.signum().cmp(&other.coefficient.signum());
        let by_size = || {
            let magnitudes = self.magnitude().cmp(&other.magnitude());
            magnitudes.then_with(|| self.aligned_digits().cmp(&other.aligned_digits()))
        };
        by_sign.then_with(|| if self.is_negative() { by_size().reverse() } else { by_size() })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.unsigned_abs().to_string();
        let plain = match usize::try_from(self.exponent) {
            Ok(zeros) => format!("{digits}{}", "0".repeat(zeros)),
            Err(_) => {
                let decimals = usize::from(self.exponent.unsigned_abs());
                let padded = format!("{digits:0>width$}", width = decimals + 1);
                let (whole, fraction) = padded.split_at(padded.len() - decimals);
                format!("{whole}.{fraction}")
            }
        };
        f.pad_integral(!self.is_negative(), "", &plain)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
