//! Laws of numbers: one form per value, numeric order, and bytes in that order.

use std::hash::{BuildHasher, RandomState};

use proptest::prelude::*;

use super::{Number, NumberBytesError, NumberError};
use crate::item::arbitrary;

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

fn key_bytes(number: Number) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.to_key_bytes(&mut bytes);
    bytes
}

#[test]
fn prints_plain_digits_without_needless_zeros() {
    let nines = "9".repeat(38);
    let largest = format!("{nines}{}", "0".repeat(88));
    let smallest = format!("0.{}1", "0".repeat(129));
    let table = [
        ("0", "0"),
        ("-0", "0"),
        ("-0.00e7", "0"),
        ("0e125", "0"),
        ("0.00e-130", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("1.", "1"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("1.0", "1"),
        ("1E0", "1"),
        ("10e-1", "1"),
        ("007", "7"),
        ("-0012.3400e1", "-123.4"),
        ("1E+20", "100000000000000000000"),
        ("1e-7", "0.0000001"),
        ("1000000000000000000000000000000000000000e-2", "10000000000000000000000000000000000000"),
        (&format!("{nines}e88"), &largest),
        ("1e-130", &smallest),
        ("9.5e-130", &format!("0.{}95", "0".repeat(129))),
    ];
    for (text, printed) in table {
        assert_eq!(number(text).to_string(), printed, "{text}");
    }
}

#[test]
fn refuses_what_is_not_a_number_or_does_not_fit() {
    let digits = "1234567890123456789012345678901234567890";
    let table = [
        ("", NumberError::Malformed),
        ("-", NumberError::Malformed),
        (".", NumberError::Malformed),
        ("1.2.3", NumberError::Malformed),
        ("1e", NumberError::Malformed),
        ("1e+", NumberError::Malformed),
        ("e5", NumberError::Malformed),
        ("--1", NumberError::Malformed),
        (" 1", NumberError::Malformed),
        ("1_000", NumberError::Malformed),
        ("0x10", NumberError::Malformed),
        ("NaN", NumberError::Malformed),
        ("Infinity", NumberError::Malformed),
        ("\u{0661}", NumberError::Malformed),
        (&digits[..39], NumberError::TooPrecise { digits: 39 }),
        (&format!("{}e-160", &digits[..39]), NumberError::TooPrecise { digits: 39 }),
        (&format!("1{}1", "0".repeat(37)), NumberError::TooPrecise { digits: 39 }),
        ("1e126", NumberError::Overflow),
        ("-1e126", NumberError::Overflow),
        ("1e9223372036854775807", NumberError::Overflow),
        ("1e9223372036854775808", NumberError::Malformed),
        ("0e126", NumberError::Overflow),
        ("0e-131", NumberError::Underflow),
        (&format!("{digits}e200"), NumberError::Overflow),
        // Forty digits, the last of them a zero: the digits not kept count for the range all the same.
        (&format!("{digits}e86"), NumberError::TooPrecise { digits: 39 }),
        (&format!("{digits}e87"), NumberError::Overflow),
        ("9.99e-131", NumberError::Underflow),
        ("1e-9223372036854775807", NumberError::Underflow),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<Number>(), Err(error), "{text:?}");
    }
}

#[test]
fn orders_across_signs_and_magnitudes() {
    let ascending =
        ["-1e125", "-100", "-99.5", "-1", "-0.5", "-1e-130", "0", "1e-130", "0.05", "0.5", "1", "1.5", "2", "10", "11"];
    for pair in ascending.map(number).windows(2) {
        assert!(pair[0] < pair[1], "{} < {}", pair[0], pair[1]);
        assert!(key_bytes(pair[0]) < key_bytes(pair[1]), "bytes of {} < {}", pair[0], pair[1]);
    }
}

#[test]
fn key_bytes_are_compact() {
    assert_eq!(key_bytes(number("0")).len(), 1);
    assert_eq!(key_bytes(number("-42")).len(), 3);
    assert_eq!(key_bytes(number("1700000000")).len(), 3);
    assert_eq!(key_bytes(number(&"9".repeat(38))).len(), 21);
}

#[test]
fn key_bytes_refuse_second_forms_of_a_number() {
    let refused: [&[u8]; 5] = [
        &[0xC0, 0x82, 2 * 5],                           // 05: a zero in front
        &[0xC0, 0x82, 2 * 10 + 1, 0],                   // 1000: a pair of zeros behind
        &[0xC0, 0x82, 2 * 100],                         // no pair of digits
        &[0x41, 0x82, 2 * 10],                          // no sign
        &[[0xC0, 0x82].as_slice(), &[21; 20]].concat(), // forty digits
    ];
    for bytes in refused {
        let decoded = Number::from_key_bytes(bytes);
        assert!(matches!(decoded, Err(NumberBytesError::Invalid { .. })), "{bytes:?}: {decoded:?}");
    }
}

/// The value as `coefficient × 10^-170` in decimal text with a fixed width: an order that does not rest on
/// the code under test.
fn fixed_width(coefficient: u128, exponent: i32) -> String {
    let zeros = usize::try_from(exponent + 170).unwrap();
    format!("{:0>340}", format!("{coefficient}{}", "0".repeat(zeros)))
}

prop_compose! {
    /// Few digits and a narrow range of exponents, so that equal and neighbouring values are common.
    fn near_parts()(negative in any::<bool>(), coefficient in 0_u128..2000, exponent in -4_i32..4) -> (bool, u128, i32) {
        (negative && coefficient > 0, coefficient, exponent)
    }
}

proptest! {
    #[test]
    fn order_is_numeric((a_negative, a, a_exp) in near_parts(), (b_negative, b, b_exp) in near_parts()) {
        let text = |negative: bool, digits: u128, exp: i32| format!("{}{digits}e{exp}", if negative { "-" } else { "" });
        let by_size = fixed_width(a, a_exp).cmp(&fixed_width(b, b_exp));
        let expected = b_negative.cmp(&a_negative).then(if a_negative { by_size.reverse() } else { by_size });
        let (a, b) = (number(&text(a_negative, a, a_exp)), number(&text(b_negative, b, b_exp)));
        prop_assert_eq!(a.cmp(&b), expected);
        prop_assert_eq!(a == b, expected.is_eq());
    }

    #[test]
    fn print_then_parse_is_identity(number in arbitrary::number()) {
        let printed = number.to_string();
        prop_assert!(!printed.contains(['e', 'E']));
        prop_assert_eq!(printed.parse::<Number>(), Ok(number));
    }

    #[test]
    fn spelling_does_not_matter(number in arbitrary::number(), zeros in 0_usize..50, shift in -300_i32..300) {
        let printed = number.to_string();
        let (sign, digits) = printed.strip_prefix('-').map_or(("", printed.as_str()), |digits| ("-", digits));
        let dotted = if digits.contains('.') { digits.to_owned() } else { format!("{digits}.") };
        let padded = format!("{sign}{0}{dotted}{0}", "0".repeat(zeros));
        // The exponent of zero counts.
        let shift = if number == Number::ZERO { shift % 100 } else { shift };
        let spelled = [padded, shifted(sign, digits, shift)];
        let hash = RandomState::new();
        for text in spelled {
            let again = text.parse::<Number>().unwrap();
            prop_assert_eq!(again, number, "{}", text);
            prop_assert_eq!(hash.hash_one(again), hash.hash_one(number));
        }
    }

    #[test]
    fn key_bytes_order_is_numeric_order(a in arbitrary::number(), b in arbitrary::number()) {
        prop_assert_eq!(key_bytes(a).cmp(&key_bytes(b)), a.cmp(&b));
    }

    #[test]
    fn key_bytes_round_trip_and_end_themselves(number in arbitrary::number(), tail in any::<Vec<u8>>()) {
        let bytes = [key_bytes(number), tail.clone()].concat();
        prop_assert_eq!(Number::from_key_bytes(&bytes), Ok((number, tail.as_slice())));
        let own = &bytes[..bytes.len() - tail.len()];
        prop_assert_eq!(Number::from_key_bytes(&own[..own.len() - 1]), Err(NumberBytesError::Truncated));
    }

    #[test]
    fn key_bytes_have_one_form(lead in prop::sample::select(vec![0x40_u8, 0x80, 0xC0]), tail in any::<Vec<u8>>()) {
        let bytes = [vec![lead], tail].concat();
        if let Ok((number, rest)) = Number::from_key_bytes(&bytes) {
            prop_assert_eq!(key_bytes(number), &bytes[..bytes.len() - rest.len()]);
        }
    }

    #[test]
    fn any_text_parses_or_is_refused(text in "[-+]?[0-9]{0,42}\\.?[0-9]{0,9}([eE][-+]?[0-9]{1,3})?|[-+0-9.eE]{0,9}|\\PC{0,9}") {
        if let Ok(number) = text.parse::<Number>() {
            prop_assert!(number.significant_digits() <= 38);
            prop_assert_eq!(number.to_string().parse::<Number>(), Ok(number));
        }
    }
}

/// The digits with their dot moved out of sight: an integer and an exponent, the integer `shift` zeros longer.
fn shifted(sign: &str, digits: &str, shift: i32) -> String {
    let decimals = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let zeros = usize::try_from(shift.abs()).unwrap();
    let exponent = -i64::try_from(decimals + zeros).unwrap();
    format!("{sign}{}{}e{exponent}", digits.replace('.', ""), "0".repeat(zeros))
}
