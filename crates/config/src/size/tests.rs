//! Accepted sizes and rates, and the messages for others.

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn parses_sizes() {
    for (text, bytes) in [
        ("0", 0),
        ("0B", 0),
        ("0.0TiB", 0),
        ("00", 0),
        ("1", 1),
        ("007B", 7),
        ("1048576", MIB),
        ("1kB", 1000),
        ("1KB", 1000),
        ("2MB", 2_000_000),
        ("3GB", 3_000_000_000),
        ("4TB", 4_000_000_000_000),
        ("1KiB", 1 << 10),
        ("2MiB", 2 << 20),
        ("3GiB", 3 << 30),
        ("4TiB", 4 << 40),
        ("5k", 5 << 10),
        ("5K", 5 << 10),
        ("6m", 6 << 20),
        ("6M", 6 << 20),
        ("7g", 7 << 30),
        ("7G", 7 << 30),
        ("8T", 8 << 40),
        ("1.5MiB", 3 << 19),
        ("0.5k", 512),
        ("1.50000B", 1),
        ("0.1KiB", 102),
        ("1.9999999999B", 1),
        ("2.675kB", 2675),
        // 2^-40, all of its digits.
        ("0.0000000000009094947017729282379150390625TiB", 1),
        ("18446744073709551615", u64::MAX),
        ("18446744073709551615.9", u64::MAX),
        ("18446744073709551.615kB", u64::MAX),
        ("16777215.9999990463256835937TiB", u64::MAX - MIB),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
}

#[test]
fn rejects_invalid_sizes() {
    let long = "9".repeat(10_000);
    let tiny = format!("0.{}1TiB", "0".repeat(10_000));
    for (text, problem) in [
        ("", SizeProblem::Format),
        (" ", SizeProblem::Format),
        ("1 MB", SizeProblem::Format),
        (" 1MB", SizeProblem::Format),
        ("1MB ", SizeProblem::Format),
        ("MB", SizeProblem::Format),
        ("off", SizeProblem::Format),
        ("NaN", SizeProblem::Format),
        ("inf", SizeProblem::Format),
        (".5MB", SizeProblem::Format),
        ("5.MB", SizeProblem::Format),
        ("1.2.3MB", SizeProblem::Format),
        ("1,5MB", SizeProblem::Format),
        ("1_000", SizeProblem::Format),
        ("0x10", SizeProblem::Format),
        ("1e-3MB", SizeProblem::Format),
        ("1MB/s", SizeProblem::Format),
        ("10%", SizeProblem::Format),
        ("\u{661}MB", SizeProblem::Format),
        ("1\u{b5}B", SizeProblem::Format),
        ("1e3", SizeProblem::Format),
        ("1e", SizeProblem::Unit),
        ("1mb", SizeProblem::Unit),
        ("1Mb", SizeProblem::Unit),
        ("1mib", SizeProblem::Unit),
        ("1t", SizeProblem::Unit),
        ("1Mbit", SizeProblem::Unit),
        ("1PiB", SizeProblem::Unit),
        ("1bytes", SizeProblem::Unit),
        ("-1MB", SizeProblem::Sign),
        ("-0", SizeProblem::Sign),
        ("+1MB", SizeProblem::Sign),
        ("0.9", SizeProblem::BelowOne),
        ("0.0009kB", SizeProblem::BelowOne),
        (&tiny, SizeProblem::BelowOne),
        ("18446744073709551616", SizeProblem::TooLarge),
        ("18446744073709551.616kB", SizeProblem::TooLarge),
        ("16777216TiB", SizeProblem::TooLarge),
        (&long, SizeProblem::TooLarge),
    ] {
        assert_eq!(parse_size(text), Err(problem), "{text:.40}");
    }
}

#[test]
fn parses_rates() {
    for (text, bytes) in [
        ("1", 1),
        ("10MB", 10_000_000),
        ("10MB/s", 10_000_000),
        ("1.5MiB/s", 3 << 19),
        ("200K", 200 << 10),
        ("80Mbit", 10_000_000),
        ("80Mbit/s", 10_000_000),
        ("1kbit", 125),
        ("0.01kbit", 1),
        ("1Gbit", 125_000_000),
        ("147573952589.676412927Gbit", 18_446_744_073_709_551_615),
    ] {
        let limit = NonZeroU64::new(bytes);
        assert!(limit.is_some());
        assert_eq!(parse_rate(text), Ok(limit), "{text}");
    }
    for text in ["0", "off", "0/s", "0MB", "0.0Mbit/s"] {
        assert_eq!(parse_rate(text), Ok(None), "{text}");
    }
}

#[test]
fn rejects_invalid_rates() {
    for (text, problem) in [
        ("", RateProblem::Format),
        ("/s", RateProblem::Format),
        ("Off", RateProblem::Format),
        ("off/s", RateProblem::Format),
        ("none", RateProblem::Format),
        ("1MB/s/s", RateProblem::Format),
        ("1MB/m", RateProblem::Format),
        ("1MB /s", RateProblem::Format),
        ("10Mb", RateProblem::Unit),
        ("10mbit", RateProblem::Unit),
        ("10Mbps", RateProblem::Unit),
        ("10bit", RateProblem::Unit),
        ("-1MB", RateProblem::Sign),
        // Not 0, which is no limit.
        ("0.5", RateProblem::BelowOne),
        ("0.007kbit", RateProblem::BelowOne),
        ("18446744073709551616", RateProblem::TooLarge),
        ("147573952589.676412928Gbit", RateProblem::TooLarge),
    ] {
        assert_eq!(parse_rate(text), Err(problem), "{text}");
    }
}

/// The messages contain examples of the correct format.
#[test]
fn messages_contain_examples() {
    let messages = [
        SizeProblem::Format.to_string(),
        SizeProblem::Unit.to_string(),
        SizeProblem::Sign.to_string(),
        RateProblem::Format.to_string(),
        RateProblem::Unit.to_string(),
        RateProblem::Sign.to_string(),
        RateProblem::TooLarge.to_string(),
    ];
    for text in messages {
        let examples: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
        assert!(!examples.is_empty(), "{text}");
        for example in examples {
            let is_size = text.contains("size") && parse_size(example).is_ok();
            assert!(is_size || parse_rate(example).is_ok(), "{text}");
        }
    }
}

#[test]
fn shows_sizes_in_the_largest_exact_unit() {
    for (bytes, text) in [
        (0, "0B"),
        (1, "1B"),
        (999, "999B"),
        (1000, "1kB"),
        (1024, "1KiB"),
        (1 << 16, "64KiB"),
        (32 << 20, "32MiB"),
        (10_000_000, "10MB"),
        (16 << 30, "16GiB"),
        (u64::MAX, "18446744073709551615B"),
    ] {
        assert_eq!(shown_size(bytes), text);
    }
    assert_eq!(shown_rate(NonZeroU64::new(10_000_000)), "10MB/s");
    assert_eq!(shown_rate(None), "off");
}

/// Multiples of units, and any other sizes.
fn sizes() -> impl Strategy<Value = u64> {
    let round = (0_u64..100_000, 0..OUTPUT_UNITS.len())
        .prop_map(|(number, unit)| number.saturating_mul(OUTPUT_UNITS[unit].1));
    prop_oneof![round, any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shown_sizes_parse_to_the_same(bytes in sizes()) {
        prop_assert_eq!(parse_size(&shown_size(bytes)), Ok(bytes));
        let rate = NonZeroU64::new(bytes);
        prop_assert_eq!(parse_rate(&shown_rate(rate)), Ok(rate));
    }

    /// A slower method has the same result.
    #[test]
    fn fractions_are_exact(whole in 0_u64..1000, fraction in 0_u64..1_000_000, unit in 0..OUTPUT_UNITS.len()) {
        let (name, unit) = OUTPUT_UNITS[unit];
        let millionths = u128::from(whole * 1_000_000 + fraction) * u128::from(unit);
        let bytes = u64::try_from(millionths / 1_000_000).unwrap();
        let expected = match bytes {
            0 if fraction > 0 => Err(SizeProblem::BelowOne),
            _ => Ok(bytes),
        };
        prop_assert_eq!(parse_size(&format!("{whole}.{fraction:06}{name}")), expected);
    }

    #[test]
    fn no_text_panics(text in "[-+0-9a-zA-Z./ ]{0,12}|\\PC*") {
        let (size, rate) = (parse_size(&text), parse_rate(&text));
        prop_assert!(size.is_err() || rate.is_ok());
    }
}
