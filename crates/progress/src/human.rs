//! Sizes, durations and ages for humans, in the decimal units that Docker prints.

use std::time::Duration;

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Formats `bytes` like the tables of `docker images` and `docker history`: three significant digits, no trailing
/// zeros ("7.38MB", "141MB", "0B").
pub fn table_size(bytes: u64) -> String {
    significant(bytes, 3)
}

/// Formats `bytes` like `docker system df`: four significant digits ("1.049MB").
pub fn usage_size(bytes: u64) -> String {
    significant(bytes, 4)
}

/// Formats `bytes` with one decimal ("144.6 MB", "61.0 MB", "999 B").
pub fn amount(bytes: u64) -> String {
    let (scale, unit) = unit_of(bytes);
    format!("{} {unit}", tenths(bytes, scale))
}

/// Formats `done` of `total` in the unit of `total` ("88.1/144.6 MB").
pub fn amount_of(done: u64, total: u64) -> String {
    let (scale, unit) = unit_of(total);
    format!("{}/{} {unit}", tenths(done, scale), tenths(total, scale))
}

/// Formats an approximate number of bytes with three significant digits ("431 MB", "1.25 GB").
pub fn about(bytes: u64) -> String {
    let (scale, unit) = unit_of(bytes);
    if scale == 1 {
        return format!("{bytes} {unit}");
    }
    let value = to_float(bytes) / to_float(scale);
    let decimals = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// Formats bytes per second like [`about`]. The caller appends "/s".
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is not negative, and large values saturate"
)]
pub fn about_rate(rate: f64) -> String {
    about(rate as u64)
}

/// Formats a duration for progress output ("0.3s", "42s", "2m 05s", "1h 04m").
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if time < Duration::from_millis(9950) {
        format!("{:.1}s", time.as_secs_f64())
    } else if time < Duration::from_millis(59_500) {
        format!("{:.0}s", time.as_secs_f64())
    } else if seconds < HOUR {
        let seconds = seconds.max(MINUTE);
        format!("{}m {:02}s", seconds / MINUTE, seconds % MINUTE)
    } else {
        format!("{}h {:02}m", seconds / HOUR, seconds % HOUR / MINUTE)
    }
}

/// Formats an age like Docker's tables ("2 weeks ago").
pub fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    // Docker rounds to the nearest hour and derives whole days, weeks and months from it.
    let hours = (seconds + HOUR / 2) / HOUR;
    let text = match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..MINUTE => format!("{seconds} seconds"),
        MINUTE..120 => "About a minute".to_owned(),
        120..HOUR => format!("{} minutes", seconds / MINUTE),
        _ => match hours {
            ..=1 => "About an hour".to_owned(),
            2..48 => format!("{hours} hours"),
            48..336 => format!("{} days", hours / 24),
            336..1440 => format!("{} weeks", hours / 24 / 7),
            1440..17_520 => format!("{} months", hours / 24 / 30),
            17_520.. => format!("{} years", seconds / DAY / 365),
        },
    };
    format!("{text} ago")
}

/// Formats `count` and `noun`, in the plural unless the count is one.
pub fn count(count: u64, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("{count} {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

/// Returns the scale and name of the unit in which `bytes` has one to three integer digits, rounded to one decimal.
fn unit_of(bytes: u64) -> (u64, &'static str) {
    let mut scale = 1;
    for unit in &UNITS[..UNITS.len() - 1] {
        let almost_next = if scale == 1 {
            1000
        } else {
            scale * 1000 - scale / 20
        };
        if bytes < almost_next {
            return (scale, unit);
        }
        scale *= 1000;
    }
    (scale, UNITS[UNITS.len() - 1])
}

fn tenths(bytes: u64, scale: u64) -> String {
    if scale == 1 {
        return bytes.to_string();
    }
    format!("{:.1}", to_float(bytes) / to_float(scale))
}

/// Formats like C's `%.*g`, followed by a unit: rounded to `digits`, without trailing zeros.
fn significant(bytes: u64, digits: i32) -> String {
    let mut value = to_float(bytes);
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let whole = if value < 10.0 {
        1
    } else if value < 100.0 {
        2
    } else {
        3
    };
    let decimals = usize::try_from(digits - whole).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{}", UNITS[unit])
}

/// Converts `bytes`. The lost precision does not matter: at most four digits are shown.
#[expect(clippy::cast_precision_loss, reason = "at most four digits are shown")]
fn to_float(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those that Docker's CLI prints for the same sizes.
    #[test]
    fn table_sizes_are_formatted_like_docker() {
        let sizes = [
            0,
            999,
            1000,
            1_048_576,
            7_377_000,
            141_400_000,
            999_999,
            2_500_000_000,
        ];
        let printed = sizes.map(|size| (table_size(size), usage_size(size)));
        insta::assert_debug_snapshot!(printed, @r#"
        [
            (
                "0B",
                "0B",
            ),
            (
                "999B",
                "999B",
            ),
            (
                "1kB",
                "1kB",
            ),
            (
                "1.05MB",
                "1.049MB",
            ),
            (
                "7.38MB",
                "7.377MB",
            ),
            (
                "141MB",
                "141.4MB",
            ),
            (
                "1000kB",
                "1000kB",
            ),
            (
                "2.5GB",
                "2.5GB",
            ),
        ]
        "#);
    }

    #[test]
    fn amounts_have_a_unit_and_one_decimal() {
        let printed = [
            amount(0),
            amount(999),
            amount(61_000_000),
            amount(144_600_000),
            amount(999_949),
            amount(999_950),
            amount(u64::MAX),
            amount_of(88_100_000, 144_600_000),
            amount_of(0, 12),
            about(431_400_000),
            about(61_000_000),
            about(1_254_000_000),
            about(0),
        ];
        insta::assert_debug_snapshot!(printed, @r#"
        [
            "0 B",
            "999 B",
            "61.0 MB",
            "144.6 MB",
            "999.9 kB",
            "1.0 MB",
            "18.4 EB",
            "88.1/144.6 MB",
            "0/12 B",
            "431 MB",
            "61.0 MB",
            "1.25 GB",
            "0 B",
        ]
        "#);
    }

    #[test]
    fn durations_range_from_tenths_of_seconds_to_hours() {
        let printed = [300, 9949, 9950, 42_000, 59_499, 59_500, 125_000, 3_840_000]
            .map(|millis| duration(Duration::from_millis(millis)));
        insta::assert_debug_snapshot!(printed, @r#"
        [
            "0.3s",
            "9.9s",
            "10s",
            "42s",
            "59s",
            "1m 00s",
            "2m 05s",
            "1h 04m",
        ]
        "#);
    }

    /// Values around the limits at which Docker changes the unit.
    #[test]
    fn ages_are_formatted_like_docker() {
        let printed = [
            0,
            1,
            59,
            60,
            119,
            120,
            59 * MINUTE,
            HOUR,
            89 * MINUTE,
            90 * MINUTE,
            47 * HOUR,
            48 * HOUR,
            13 * DAY,
            14 * DAY,
            59 * DAY,
            60 * DAY,
            729 * DAY,
            730 * DAY,
            20_000 * DAY,
        ]
        .map(|seconds| age(Duration::from_secs(seconds)));
        insta::assert_debug_snapshot!(printed, @r#"
        [
            "Less than a second ago",
            "1 second ago",
            "59 seconds ago",
            "About a minute ago",
            "About a minute ago",
            "2 minutes ago",
            "59 minutes ago",
            "About an hour ago",
            "About an hour ago",
            "2 hours ago",
            "47 hours ago",
            "2 days ago",
            "13 days ago",
            "2 weeks ago",
            "8 weeks ago",
            "2 months ago",
            "24 months ago",
            "2 years ago",
            "54 years ago",
        ]
        "#);
    }
}
