//! Reads counts, sizes and durations, each within a range that its refusal names. Pure, so that
//! every limit can be tested from both sides.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

use super::mistake::Refusal;

/// Bytes of a KiB.
pub(super) const KIB: u64 = bytesize::KIB;
/// Bytes of a MiB.
pub(super) const MIB: u64 = bytesize::MIB;
/// Bytes of a GiB.
pub(super) const GIB: u64 = bytesize::GIB;
/// Bytes of a TiB.
pub(super) const TIB: u64 = bytesize::TIB;

/// The longest text of a duration, and the longest number in it. No limit of ours is near them, and
/// beyond them humantime's sum of seconds can overflow, which panics.
const DURATION_CHARS_MAX: usize = 40;
const DURATION_DIGITS_MAX: usize = 9;

/// Reads a whole number.
pub(super) fn count<T>(text: &str, range: RangeInclusive<T>) -> Result<T, Refusal>
where
    T: FromStr + PartialOrd + Display,
{
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) | Err(_) => {
            Err(Refusal::expected(format!("a whole number from {} to {}", range.start(), range.end())))
        }
    }
}

/// Reads a percentage. The sign is required: `1` alone could be all of it.
pub(super) fn percent(text: &str, range: RangeInclusive<u32>) -> Result<u32, Refusal> {
    let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        let refusal = Refusal::expected(format!("a percentage from {}% to {}%", range.start(), range.end()));
        match text.parse::<u32>() {
            Ok(number) if range.contains(&number) => refusal.or_rather(format!("{number}%")),
            Ok(_) | Err(_) => refusal,
        }
    })
}

/// Reads a number of bytes: plain, or with a unit such as `KiB` (1024) or `KB` (1000).
pub(super) fn bytes<T: TryFrom<u64>>(text: &str, range: RangeInclusive<u64>) -> Result<T, Refusal> {
    text.parse::<ByteSize>()
        .ok()
        .map(|size| size.as_u64())
        .filter(|size| range.contains(size))
        .and_then(|size| T::try_from(size).ok())
        .ok_or_else(|| {
            let (least, most) = (size_text(*range.start()), size_text(*range.end()));
            Refusal::expected(format!("a size from {least} to {most}"))
        })
}

/// Reads a duration. The unit is required: `30` alone would be seconds to one reader and
/// milliseconds to the next.
pub(super) fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, Refusal> {
    match duration_any(text) {
        Some(duration) if range.contains(&duration) => Ok(duration),
        Some(_) | None => {
            let least = humantime::format_duration(*range.start());
            let most = humantime::format_duration(*range.end());
            let refusal = Refusal::expected(format!("a duration with its unit, from {least} to {most}"));
            let seconds = format!("{text}s");
            match duration_any(&seconds) {
                Some(duration) if range.contains(&duration) => Err(refusal.or_rather(seconds)),
                Some(_) | None => Err(refusal),
            }
        }
    }
}

fn duration_any(text: &str) -> Option<Duration> {
    let numbers_are_short =
        text.split(|character: char| !character.is_ascii_digit()).all(|run| run.len() <= DURATION_DIGITS_MAX);
    // humantime takes a bare `0`.
    let ends_in_a_unit = !text.ends_with(|character: char| character.is_ascii_digit());
    if text.len() > DURATION_CHARS_MAX || !numbers_are_short || !ends_in_a_unit {
        return None;
    }
    humantime::parse_duration(text).ok()
}

/// The shortest exact text of a size, in the unit that a person would choose.
fn size_text(bytes: u64) -> String {
    [(TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")]
        .into_iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn counts_hold_both_limits() {
        for (text, expected) in [("1", Some(1)), ("8", Some(8)), ("9", None), ("0", None)] {
            assert_eq!(count::<u32>(text, 1..=8).ok(), expected, "{text}");
        }
        for text in ["", "-1", "1.0", "1e3", " 1", "ten", "99999999999999999999"] {
            assert!(count::<u32>(text, 1..=8).is_err(), "{text}");
        }
    }

    #[test]
    fn percentages_hold_both_limits_and_need_their_sign() {
        for (text, expected) in [("1%", Some(1)), ("100%", Some(100)), ("0%", None), ("101%", None)] {
            assert_eq!(percent(text, 1..=100).ok(), expected, "{text}");
        }
        assert_eq!(percent("50", 1..=100).unwrap_err().example.as_deref(), Some("50%"));
        for text in ["", "%", "-1%", "1.5%", "500", "ten%"] {
            assert_eq!(percent(text, 1..=100).unwrap_err().example, None, "{text}");
        }
    }

    #[test]
    fn sizes_hold_both_limits() {
        let cases = [
            ("1KiB", Some(KIB)),
            ("1023B", None),
            ("1024", Some(KIB)),
            ("1MiB", Some(MIB)),
            ("1048577", None),
            ("64KB", Some(64_000)),
            ("1.5 kib", Some(1536)),
            ("99999999999EiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes::<u64>(text, KIB..=MIB).ok(), expected, "{text}");
        }
        for text in ["", "KiB", "-1KiB", "1XB", "1.2.3KiB", "inf"] {
            assert!(bytes::<u64>(text, 0..=TIB).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_that_do_not_fit_the_target_are_refused() {
        assert!(bytes::<u8>("256", 0..=KIB).is_err());
    }

    #[test]
    fn durations_hold_both_limits() {
        let cases = [
            ("1s", Some(SECOND)),
            ("999ms", None),
            ("60s", Some(MINUTE)),
            ("1m", Some(MINUTE)),
            ("1m 1ms", None),
            ("1s 500ms", Some(Duration::from_millis(1500))),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text, SECOND..=MINUTE).ok(), expected, "{text}");
        }
        for text in ["", "s", "-1s", "1 fortnight", "1s 1"] {
            assert!(duration(text, Duration::ZERO..=MINUTE).is_err(), "{text}");
        }
    }

    #[test]
    fn duration_without_a_unit_is_refused_with_its_unit() {
        let refusal = duration("30", SECOND..=MINUTE).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "expected a duration with its unit, from 1s to 1m, for example `30s`"
        );
        assert_eq!(duration("0", Duration::ZERO..=MINUTE).unwrap_err().example.as_deref(), Some("0s"));
        assert_eq!(duration("61", SECOND..=MINUTE).unwrap_err().example, None);
    }

    #[test]
    fn duration_that_overflows_its_parser_is_refused() {
        for text in ["18446744073709551615s 1000ms", "584542046090y 28049615s 1000ms"] {
            assert!(duration(text, SECOND..=MINUTE).is_err(), "{text}");
        }
    }

    #[test]
    fn size_texts_are_exact_and_short() {
        for (size, text) in [(0, "0B"), (64, "64B"), (KIB, "1KiB"), (1536, "1536B"), (4 * GIB, "4GiB")] {
            assert_eq!(size_text(size), text);
        }
    }

    /// Texts that are nearly right.
    const NEAR_DURATION: &str =
        concat!("([0-9]{1,21}(\\.[0-9]{1,21})?", "(ns|us|ms|s|m|h|d|w|y| ){1,2}){0,6}");

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = count::<u64>(&text, 0..=u64::MAX);
            let _ = bytes::<u64>(&text, 0..=u64::MAX);
            let _ = duration(&text, Duration::ZERO..=Duration::MAX);
        }

        #[test]
        fn no_near_duration_panics(text in NEAR_DURATION) {
            let _ = duration(&text, Duration::ZERO..=Duration::MAX);
        }

        #[test]
        fn every_size_reads_back(size: u64) {
            prop_assert_eq!(bytes::<u64>(&size_text(size), 0..=u64::MAX), Ok(size));
        }

        #[test]
        fn offered_durations_are_accepted(text in "[0-9]{1,4}") {
            let refusal = duration(&text, SECOND..=MINUTE).unwrap_err();
            if let Some(example) = refusal.example {
                prop_assert!(duration(&example, SECOND..=MINUTE).is_ok());
            }
        }
    }
}
