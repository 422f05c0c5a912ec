//! Sums and differences, exact or refused: what `ADD` and `SET a = a + :b` of an update expression need.
//!
//! Both operands are brought to the smaller exponent of the two and added as integers. A result that 38
//! digits cannot hold is refused and not rounded, as in DynamoDB.

use super::{MAX_DIGITS, Number, NumberError};

impl Number {
    /// The exact sum.
    ///
    /// # Errors
    ///
    /// [`NumberError::TooPrecise`] when the sum has more than 38 significant digits,
    /// [`NumberError::Overflow`] and [`NumberError::Underflow`] when its magnitude is out of range.
    pub fn checked_add(&self, other: &Self) -> Result<Self, NumberError> {
        if self.coefficient == 0 || other.coefficient == 0 {
            return Ok(if self.coefficient == 0 { *other } else { *self });
        }
        let exponent = self.exponent.min(other.exponent);
        let span = self.magnitude().max(other.magnitude()) - i64::from(exponent) + 1;
        let too_precise = NumberError::TooPrecise { digits: span.unsigned_abs() };
        // An operand of more than 39 digits at that exponent is so much larger than the other that the sum,
        // which ends in a digit of the other, has more than 38 too.
        let ours = self.digits_at(exponent).ok_or(too_precise)?;
        let theirs = other.digits_at(exponent).ok_or(too_precise)?;
        let (sum, negative) = match self.is_negative() == other.is_negative() {
            true => (ours.checked_add(theirs).ok_or(too_precise)?, self.is_negative()),
            false if ours >= theirs => (ours - theirs, self.is_negative()),
            false => (theirs - ours, other.is_negative()),
        };
        Self::from_sum(sum, negative, exponent)
    }

    /// The exact difference.
    ///
    /// # Errors
    ///
    /// Those of [`Number::checked_add`].
    pub fn checked_sub(&self, other: &Self) -> Result<Self, NumberError> {
        let negated = Self { coefficient: -other.coefficient, ..*other };
        self.checked_add(&negated)
    }

    /// The magnitude as an integer in units of a smaller or equal power of ten, if 128 bits hold it.
    fn digits_at(&self, exponent: i16) -> Option<u128> {
        let shift = u32::try_from(self.exponent - exponent).ok()?;
        10_u128.checked_pow(shift)?.checked_mul(self.coefficient.unsigned_abs())
    }

    /// Makes a number of a sum in units of a power of ten. A sum of 39 digits fits if it ends in a zero.
    fn from_sum(mut sum: u128, negative: bool, exponent: i16) -> Result<Self, NumberError> {
        let mut exponent = i64::from(exponent);
        while sum >= 10_u128.pow(MAX_DIGITS) {
            if !sum.is_multiple_of(10) {
                return Err(NumberError::TooPrecise { digits: u64::from(sum.ilog10()) + 1 });
            }
            sum /= 10;
            exponent += 1;
        }
        // Below 10^38 by now, which an i128 holds.
        let coefficient = i128::try_from(sum).map_err(|_| NumberError::Overflow)?;
        Self::from_parts(if negative { -coefficient } else { coefficient }, exponent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::item::{Number, NumberError, arbitrary};

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn adds_exactly_or_refuses() {
        let (nines, power) = ("9".repeat(38), "1e38");
        let too_precise = |digits| Err(NumberError::TooPrecise { digits });
        let table = [
            ("0.1", "0.2", Ok(number("0.3"))),
            ("1e20", "1", Ok(number("100000000000000000001"))),
            ("-5", "5", Ok(Number::ZERO)),
            ("0", "1e-130", Ok(number("1e-130"))),
            (&nines, "1", Ok(number(power))),
            (power, "-1", Ok(number(&nines))),
            ("18e37", "-90000000000000000000000000000000000001", Ok(number(&format!("8{}", "9".repeat(37))))),
            (power, "1", too_precise(39)),
            (&nines, "2", too_precise(39)),
            ("9e38", "-1", too_precise(39)),
            ("1e125", "1e-130", too_precise(256)),
            (&format!("{nines}e88"), "1e88", Err(NumberError::Overflow)),
            ("1.1e-130", "-1e-130", Err(NumberError::Underflow)),
        ];
        for (a, b, sum) in table {
            assert_eq!(number(a).checked_add(&number(b)), sum, "{a} + {b}");
            assert_eq!(number(b).checked_add(&number(a)), sum, "{b} + {a}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_integers(a in -10_i64.pow(15)..10_i64.pow(15), b in any::<i32>(), exp in -20_i32..20) {
            let scaled = |integer: i64| number(&format!("{integer}e{exp}"));
            let (a, b) = (a, i64::from(b));
            prop_assert_eq!(scaled(a).checked_add(&scaled(b)), Ok(scaled(a + b)));
            prop_assert_eq!(scaled(a).checked_sub(&scaled(b)), Ok(scaled(a - b)));
        }

        #[test]
        fn what_was_added_can_be_taken_away(a in arbitrary::number(), b in arbitrary::number()) {
            prop_assert_eq!(a.checked_add(&b), b.checked_add(&a));
            if let Ok(sum) = a.checked_add(&b) {
                prop_assert_eq!(sum.checked_sub(&b), Ok(a));
                prop_assert_eq!(sum.cmp(&a), b.cmp(&Number::ZERO));
            }
        }
    }
}
