//! Times, sizes and rates as people write them: `20ms`, `5s`, `32MiB`, `200/s`.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

/// A time, such as `20ms`, `10s` or `5min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

/// A number of bytes, such as `64KiB`, `4MiB` or `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Bytes(pub u64);

/// How often something may happen, such as `200/s`, `600/min` or `10000/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate {
    /// How many in [`Rate::per`], and how many at once.
    pub count: NonZeroU32,
    /// A second, a minute or an hour.
    pub per: Duration,
}

impl Rate {
    /// So many a second, and at least one.
    pub fn per_second(count: u32) -> Self {
        Self { count: NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN), per: Duration::from_secs(1) }
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad =
            || format!("`{}` is not a rate such as \"200/s\", \"600/min\" or \"10000/h\"", text.escape_debug());
        let (count, per) = text.split_once('/').ok_or_else(bad)?;
        let per = match per.trim_start() {
            "s" => Duration::from_secs(1),
            "min" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => return Err(bad()),
        };
        let count = count.trim_end();
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        let count: Option<NonZeroU32> = count.parse().ok().filter(|_| digits);
        // More than a million in a second is no limit that means anything.
        let most = per.as_secs().saturating_mul(1_000_000);
        count.filter(|count| u64::from(count.get()) <= most).map(|count| Self { count, per }).ok_or_else(bad)
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (number, unit) = split(&text).ok_or_else(|| bad_span(&text))?;
        let span = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "min" => Duration::from_secs(number.checked_mul(60).ok_or_else(|| bad_span(&text))?),
            _ => return Err(bad_span(&text)),
        };
        if span.is_zero() || span > Duration::from_hours(24) {
            return Err(format!("`{text}` is not between 1ms and a day"));
        }
        Ok(Self(span))
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (number, unit) = split(&text).ok_or_else(|| bad_size(&text))?;
        let factor: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(bad_size(&text)),
        };
        let bytes = number.checked_mul(factor).filter(|&bytes| bytes > 0 && bytes <= 64 << 30);
        bytes.map(Self).ok_or_else(|| format!("`{text}` is not between 1B and 64GiB"))
    }
}

/// Reads how long something lives, such as `30min`, `12h`, `90d` or `1y`: at most ten years.
pub fn lifetime(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{}` is not a time such as \"30min\", \"12h\" or \"90d\"", text.escape_debug());
    let (number, unit) = split(text).ok_or_else(bad)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "y" => 365 * 24 * 60 * 60,
        _ => return Err(bad()),
    };
    let lifetime = number.checked_mul(seconds).map(Duration::from_secs);
    let most = Duration::from_hours(10 * 365 * 24);
    lifetime.filter(|&lifetime| lifetime <= most).ok_or_else(|| format!("`{text}` is longer than ten years"))
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

fn bad_span(text: &str) -> String {
    format!("`{}` is not a time such as \"20ms\", \"10s\" or \"5min\"", text.escape_debug())
}

fn bad_size(text: &str) -> String {
    format!("`{}` is not a size such as \"64KiB\", \"32MiB\" or \"1GiB\"", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_span(text: &str, millis: Option<u128>) {
        let span = Span::try_from(text.to_owned()).ok().map(|span| span.0.as_millis());
        assert_eq!(span, millis, "{text}");
    }

    fn check_size(text: &str, bytes: Option<u64>) {
        assert_eq!(Bytes::try_from(text.to_owned()).ok().map(|size| size.0), bytes, "{text}");
    }

    #[test]
    fn rates_are_a_number_and_a_time() {
        let read = |text: &str| Rate::try_from(text.to_owned()).map(|rate| (rate.count.get(), rate.per.as_secs()));
        assert_eq!(read("200/s"), Ok((200, 1)));
        assert_eq!(read("600 / min"), Ok((600, 60)));
        assert_eq!(read("10000/h"), Ok((10_000, 3600)));
        for bad in
            ["", "200", "/s", "0/s", "-1/s", "+1/s", "1.5/s", "200/ms", "200/d", "2000000/s", "99999999999/h"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lifetimes_are_numbers_with_a_unit() {
        assert_eq!(lifetime("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(lifetime("0s"), Ok(Duration::ZERO));
        assert_eq!(lifetime("1y"), lifetime("365d"));
        for bad in ["", "d", "90", "1w", "-1d", "1.5h", "4000d", "99999999999999999999d", "999999999999999999d"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_and_sizes_have_a_unit() {
        check_span("20ms", Some(20));
        check_span("10 s", Some(10_000));
        check_span("5min", Some(300_000));
        for bad in ["", "20", "ms", "0s", "-1s", "1.5s", "1h", "99999999999999999999s", "400000min"] {
            check_span(bad, None);
        }
        check_size("32MiB", Some(32 << 20));
        check_size("512 B", Some(512));
        for bad in ["", "32", "32MB", "0MiB", "99999999999GiB"] {
            check_size(bad, None);
        }
    }
}
