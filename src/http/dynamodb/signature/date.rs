//! When a request was signed.
//!
//! ```text
//!   20150830T123600Z                  ISO 8601 in its basic format: X-Amz-Date, and the string to sign
//!   Sun, 30 Aug 2015 12:36:00 GMT     the header Date, of clients that send no X-Amz-Date
//! ```

use std::time::{Duration, SystemTime};

use super::{incomplete, invalid};
use crate::http::dynamodb::error::ApiError;

/// A request whose date is further off is refused.
const SKEW_MAX_S: i64 = 15 * 60;

const DAY_S: i64 = 24 * 60 * 60;

/// A date, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    /// Since 1970, in UTC.
    seconds: i64,
}

impl Date {
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        parse_basic(text).or_else(|| parse_http(text)).ok_or_else(|| {
            incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
            ))
        })
    }

    fn of(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX) }
    }

    fn plus(self, seconds: i64) -> Self {
        Self { seconds: self.seconds.saturating_add(seconds) }
    }

    /// Whether a request of this date is to be taken now, if it is valid for so long.
    pub(super) fn check_age(self, now: SystemTime, expires_s: u64) -> Result<(), ApiError> {
        let now = Self::of(now);
        let age_max_s = i64::try_from(expires_s).unwrap_or(i64::MAX).max(SKEW_MAX_S);
        let (oldest, newest) = (now.plus(-age_max_s), now.plus(SKEW_MAX_S));
        let (signed, now) = (self.basic(), now.basic());
        if self.seconds < oldest.seconds {
            let (oldest, minutes) = (oldest.basic(), age_max_s / 60);
            return Err(invalid(format!(
                "Signature expired: {signed} is now earlier than {oldest} ({now} - {minutes} min.)"
            )));
        }
        if self.seconds > newest.seconds {
            let (newest, minutes) = (newest.basic(), SKEW_MAX_S / 60);
            return Err(invalid(format!(
                "Signature not yet current: {signed} is still later than {newest} ({now} + {minutes} min.)"
            )));
        }
        Ok(())
    }

    /// As in the string to sign: `20150830T123600Z`.
    pub(super) fn basic(self) -> String {
        let (year, month, day) = civil(self.seconds.div_euclid(DAY_S));
        let second = self.seconds.rem_euclid(DAY_S);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// As in the scope: `20150830`.
    pub(super) fn day(self) -> String {
        let (year, month, day) = civil(self.seconds.div_euclid(DAY_S));
        format!("{year:04}{month:02}{day:02}")
    }
}

fn parse_basic(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits(&bytes[range]);
    date(number(0..4)?, number(4..6)?, number(6..8)?, (number(9..11)?, number(11..13)?, number(13..15)?))
}

fn parse_http(text: &str) -> Option<Date> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let day = digits(parts.next()?.as_bytes())?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year = digits(parts.next()?.as_bytes())?;
    let mut time = parts.next()?.splitn(3, ':').map(|part| digits(part.as_bytes()));
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let is_utc = matches!(parts.next()?, "GMT" | "UTC") && parts.next().is_none();
    if !is_utc {
        return None;
    }
    date(year, i64::try_from(month).ok()? + 1, day, (hour, minute, second))
}

fn digits(bytes: &[u8]) -> Option<i64> {
    let is_number = (1..=4).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit);
    is_number.then(|| bytes.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

fn date(year: i64, month: i64, day: i64, (hour, minute, second): (i64, i64, i64)) -> Option<Date> {
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    if !is_time || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_since_1970(year, month, day);
    // A day that the month does not have comes back as another.
    if civil(days) != (year, month, day) {
        return None;
    }
    Some(Date { seconds: days * DAY_S + hour * 3600 + minute * 60 + second })
}

/// Days of the Gregorian calendar, in eras of 400 years that begin in March (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms").
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day: the inverse of [`days_since_1970`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Date, civil, days_since_1970};

    #[test]
    fn reads_both_forms() {
        for text in ["20150830T123600Z", "Sun, 30 Aug 2015 12:36:00 GMT"] {
            let date = Date::parse(text).unwrap();
            assert_eq!(
                (date.seconds, date.basic(), date.day()),
                (1_440_938_160, "20150830T123600Z".into(), "20150830".into())
            );
        }
        assert_eq!(Date::parse("20240229T235959Z").unwrap().basic(), "20240229T235959Z");
    }

    #[test]
    fn refuses_what_is_no_date() {
        let refused = [
            "",
            "201",
            "20150830",
            "20150830T123600",
            "20150830T123600z",
            "20150830T246000Z",
            "20150230T123600Z",
            "20230229T000000Z",
            "20151301T000000Z",
            "2015083\u{30c}T12360Z",
            "2015-08-30T12:36:00Z",
            "Sun, 30 Aug 2015 12:36:00",
            "Sun, 30 Aug 2015 12:36:00 CET",
            "Sun, 31 Feb 2015 12:36:00 GMT",
            "Sun, 30 Aug 2015 12:36 GMT",
            "Sun, 30 Aug 99999 12:36:00 GMT",
        ];
        for text in refused {
            let message = Date::parse(text).unwrap_err().message().unwrap();
            let expected = format!(
                "Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
            );
            assert_eq!(message, expected);
        }
    }

    proptest! {
        #[test]
        fn days_and_dates_are_each_others_inverse(days in -1_000_000_i64..3_000_000) {
            let (year, month, day) = civil(days);
            prop_assert_eq!(days_since_1970(year, month, day), days);
            prop_assert!((1..=12).contains(&month) && (1..=31).contains(&day));
        }

        #[test]
        fn what_is_printed_is_read(seconds in 0_i64..253_402_300_799) {
            let date = Date { seconds };
            prop_assert_eq!(Date::parse(&date.basic()).unwrap(), date);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = Date::parse(&text);
        }
    }
}
