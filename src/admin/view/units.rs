//! Times, durations, sizes and counts as people read them.

const DAY_S: u64 = 86_400;

/// A point in time (ms since the Unix epoch) in UTC, as RFC 3339 has it: `2026-01-31T12:00:00.123Z`.
pub fn utc(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (year, month, day) = date(seconds / DAY_S);
    let of_day = seconds % DAY_S;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Year, month and day from days since the Unix epoch, by the method of Howard Hinnant's `civil_from_days`: years begin
/// in March, so that the leap day comes last and every 400 years are alike.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// A duration in its two greatest units: `3 d 4 h`, `5 min 6 s`, `7 s`.
pub fn duration(seconds: u64) -> String {
    let (days, hours, minutes, rest) = (seconds / DAY_S, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A size in binary units: `512 B`, `1.5 KiB`, `20.0 GiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut power = 0;
    while power < UNITS.len() - 1 && bytes >> (10 * (power + 2)) > 0 {
        power += 1;
    }
    // Below 2^63 tenths of a unit are exact enough in integers.
    let tenths = (bytes >> (10 * power)) * 10 / 1024;
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power])
}

/// A count with its noun: `1 item`, `7,923 items`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// A number with commas: `7,923`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most `max_chars` characters of a text, the last of them `…` where some are missing.
pub fn shortened(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    text.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, duration, shortened, utc};

    #[test]
    fn times_are_utc() {
        assert_eq!(utc(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(utc(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(utc(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn units_are_legible() {
        assert_eq!([duration(7), duration(306), duration(93_600)], ["7 s", "5 min 6 s", "1 d 2 h"]);
        assert_eq!([bytes(1023), bytes(1536), bytes(u64::MAX)], ["1023 B", "1.5 KiB", "15.9 EiB"]);
        assert_eq!([count(1, "item"), count(7_923, "item")], ["1 item", "7,923 items"]);
        assert_eq!([shortened("abc", 3), shortened("abcd", 3)], ["abc", "ab…"]);
    }
}
