//! The instruction `HEALTHCHECK`.

use serde::Serialize;
use windlass_oci::text::sanitize;

use super::dockerfile_syntax::json_list;
use super::problem::ChangeProblem;

/// A health check. Durations are in nanoseconds; 0 means the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `NONE`; `CMD` and the words of a command; or `CMD-SHELL` and a text for the shell.
    pub test: Vec<String>,
    /// The interval between checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: u64,
    /// The timeout of a check.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: u64,
    /// The time after the start in which failures do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: u64,
    /// The interval between checks in that time.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: u64,
    /// The number of consecutive failures after which the container is unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u64,
}

/// The minimum duration that Docker accepts.
const MIN_DURATION: u64 = 1_000_000;

impl Healthcheck {
    /// Parses the arguments of `HEALTHCHECK`.
    pub(super) fn parse(rest: &str) -> Result<Self, ChangeProblem> {
        let mut check = Self::default();
        let mut rest = rest;
        while rest.starts_with("--") {
            let (flag, rest_of_line) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            check.set_option(flag)?;
            rest = rest_of_line.trim_start();
        }
        let (word, rest_of_line) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let rest_of_line = rest_of_line.trim();
        let invalid = || ChangeProblem::Expected {
            what: "NONE alone, or [--interval=, --timeout=, --start-period=, --start-interval=, --retries=] CMD and a \
                   command",
            found: sanitize(rest),
        };
        match (&*word.to_ascii_uppercase(), rest_of_line) {
            ("NONE", "") if check == Self::default() => check.test.push("NONE".to_owned()),
            ("CMD", command) if !command.is_empty() => {
                check.test = match json_list(command)? {
                    Some(list) if list.is_empty() => return Err(invalid()),
                    Some(list) => [vec!["CMD".to_owned()], list].concat(),
                    None => ["CMD-SHELL", command].map(str::to_owned).to_vec(),
                };
            }
            _ => return Err(invalid()),
        }
        Ok(check)
    }

    fn set_option(&mut self, flag: &str) -> Result<(), ChangeProblem> {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let what = "a length of time, such as 30s or 1m30s";
        let (field, parsed, what) = match name {
            "--interval" => (&mut self.interval, duration(value), what),
            "--timeout" => (&mut self.timeout, duration(value), what),
            "--start-period" => (&mut self.start_period, duration(value), what),
            "--start-interval" => (&mut self.start_interval, duration(value), what),
            "--retries" => {
                let retries = value.parse::<u32>().ok().map(u64::from);
                (&mut self.retries, retries, "a number")
            }
            _ => {
                return Err(ChangeProblem::Expected {
                    what: "--interval=, --timeout=, --start-period=, --start-interval= or --retries=",
                    found: sanitize(flag),
                });
            }
        };
        *field = parsed.ok_or_else(|| ChangeProblem::Expected {
            what,
            found: sanitize(flag),
        })?;
        Ok(())
    }
}

/// Parses a duration as Go writes it, in nanoseconds: numbers with units, one after the other.
fn duration(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after_number) = rest.split_at(end);
        let unit = after_number.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after_unit) = after_number.split_at(unit.unwrap_or(after_number.len()));
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let digits = |text: &str| match text {
            "" => Some(0),
            text => text.parse::<u64>().ok(),
        };
        total = total.checked_add(digits(whole)?.checked_mul(unit)?)?;
        // Nanoseconds have no further significant digits.
        let fraction = &fraction[..fraction.len().min(12)];
        let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
        let part = u128::from(digits(fraction)?) * u128::from(unit) / scale;
        total = total.checked_add(u64::try_from(part).ok()?)?;
        rest = after_unit;
    }
    let fits = total >= MIN_DURATION && i64::try_from(total).is_ok();
    (!text.is_empty() && fits).then_some(total)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
