//! `[pull]` and `[partials]`: how pulls go about their work, and what is kept of a layer that was not finished.

use std::time::Duration;

use super::{Own, setting, time};
use crate::document::{Item, Table};
use crate::duration;
use crate::error::{ConfigError, Problem};
use crate::pull_settings::Pulling;
use crate::size::{self, Rate, SizeProblem};
use crate::source::Setting;

/// More connections than this to one host would be rude.
const MOST_CONNECTIONS: u64 = 64;
/// Less than this is more requests than bytes, in effect.
const LEAST_CHUNK: u64 = 64 << 10;
const MOST_CHUNK: u64 = 1 << 30;
/// What TOML can say.
const MOST_BYTES: u64 = i64::MAX.unsigned_abs();

const PULL_KEYS: [&str; 9] = [
    "chunk",
    "connections",
    "downloads",
    "limit-rate",
    "retry",
    "retry-delay",
    "split-from",
    "timeout",
    "unpacks",
];

/// Reads `[pull]` into `own`, in which the rest of the file is already: some of its keys have another name there.
pub(super) fn read(mut table: Table<'_>, own: &mut Own) -> Result<(), ConfigError> {
    if let Some(item) = table.take("downloads") {
        let downloads = setting(&item, item.number(0, 1000)?);
        say_once(&item, &mut own.downloads, downloads, "downloads")?;
    }
    if let Some(item) = table.take("unpacks") {
        own.pull.unpacks = Some(setting(&item, item.number(0, 1000)?));
    }
    if let Some(item) = table.take("connections") {
        own.pull.connections = Some(setting(&item, item.number(1, MOST_CONNECTIONS)?));
    }
    if let Some(item) = table.take("split-from") {
        own.pull.split_from = Some(setting(&item, size(&item)?));
    }
    if let Some(item) = table.take("chunk") {
        own.pull.chunk = Some(setting(&item, chunk(&item)?));
    }
    if let Some(item) = table.take("retry") {
        let attempts = setting(&item, item.number(1, 1000)?);
        say_once(&item, &mut own.attempts, attempts, "attempts")?;
    }
    if let Some(item) = table.take("retry-delay") {
        own.pull.retry_delay = Some(time(&item)?);
    }
    if let Some(item) = table.take("timeout") {
        let stall = time(&item)?;
        say_once(&item, &mut own.timeouts.stall, stall, "timeouts.stall")?;
    }
    if let Some(item) = table.take("limit-rate") {
        own.pull.limit_rate = Some(rate(&item)?);
    }
    table.refuse_rest(&PULL_KEYS)
}

/// Reads `[partials]`.
pub(super) fn read_partials(
    mut table: Table<'_>,
    pulling: &mut Pulling,
) -> Result<(), ConfigError> {
    if let Some(item) = table.take("max-age") {
        pulling.max_age = Some(setting(&item, age(&item)?));
    }
    if let Some(item) = table.take("max-size") {
        pulling.max_size = Some(setting(&item, size(&item)?));
    }
    table.refuse_rest(&["max-age", "max-size"])
}

/// Reads a `limit-rate`; 0 is no limit, as a number and as a text.
pub(super) fn rate(item: &Item<'_>) -> Result<Setting<Rate>, ConfigError> {
    let rate = match item.is_number() {
        true => Rate::of(item.number(0, MOST_BYTES)?),
        false => {
            let text = item.text();
            let text = text.map_err(|_| item.wrong_type("a rate such as \"10MB\""))?;
            size::parse_rate(text).map_err(|problem| item.error(Problem::Rate(problem)))?
        }
    };
    Ok(setting(item, rate))
}

fn say_once<T>(
    item: &Item<'_>,
    said: &mut Option<Setting<T>>,
    now: Setting<T>,
    other: &'static str,
) -> Result<(), ConfigError> {
    match said.replace(now) {
        None => Ok(()),
        Some(_) => Err(item.error(Problem::SaidTwice { other })),
    }
}

fn size(item: &Item<'_>) -> Result<u64, ConfigError> {
    if item.is_number() {
        return item.number(0, MOST_BYTES);
    }
    let text = item.text();
    let text = text.map_err(|_| item.wrong_type("a size such as \"8MiB\""))?;
    size::parse_size(text).map_err(|problem| item.error(Problem::Size(problem)))
}

fn chunk(item: &Item<'_>) -> Result<u64, ConfigError> {
    let chunk = size(item)?;
    let (least, most) = (LEAST_CHUNK, MOST_CHUNK);
    match (least..=most).contains(&chunk) {
        true => Ok(chunk),
        false => Err(item.error(Problem::Size(SizeProblem::Range { least, most }))),
    }
}

fn age(item: &Item<'_>) -> Result<Duration, ConfigError> {
    let age = duration::parse_duration(item.text()?);
    age.map_err(|problem| item.error(Problem::Duration(problem)))
}
