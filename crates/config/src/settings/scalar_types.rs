//! The types of settings that have a flag, a path, a number, a size, a time or a rate.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::definition::{ReadContext, ValueType};
use crate::duration::{self, shown_duration};
use crate::error::{ConfigError, ConfigProblem};
use crate::size::{self, SizeProblem, shown_rate, shown_size};
use crate::toml_document::TomlItem;

/// The largest integer that TOML has.
const MAX_INTEGER: u64 = i64::MAX.unsigned_abs();

/// `true` or `false`.
pub(crate) struct FlagType;

/// A path. A relative one starts at the directory of the file.
pub(crate) struct PathType;

/// An array of paths.
pub(crate) struct PathListType;

/// A whole number in a range.
pub(crate) struct CountType<N> {
    unit: &'static str,
    min: u64,
    max: u64,
    number: PhantomData<N>,
}

/// A number of bytes in a range.
pub(crate) struct SizeType {
    min: u64,
    max: u64,
}

/// A length of time.
pub(crate) struct TimeType {
    can_be_zero: bool,
}

/// A limit in bytes per second. `None` is no limit.
pub(crate) struct RateType;

impl ValueType for FlagType {
    type Value = bool;

    fn read(&self, item: TomlItem<'_>, _: &mut ReadContext<'_>) -> Result<bool, ConfigError> {
        item.flag()
    }

    fn to_json(&self, value: &bool) -> Value {
        json!(value)
    }

    fn syntax(&self) -> String {
        "true, false".to_owned()
    }
}

impl ValueType for PathType {
    type Value = PathBuf;

    fn read(
        &self,
        item: TomlItem<'_>,
        context: &mut ReadContext<'_>,
    ) -> Result<PathBuf, ConfigError> {
        item.path(context.base)
    }

    fn to_json(&self, value: &PathBuf) -> Value {
        json!(value.to_string_lossy())
    }

    fn syntax(&self) -> String {
        "path".to_owned()
    }
}

impl ValueType for PathListType {
    type Value = Vec<PathBuf>;

    fn read(
        &self,
        item: TomlItem<'_>,
        context: &mut ReadContext<'_>,
    ) -> Result<Vec<PathBuf>, ConfigError> {
        let elements = item.elements()?;
        elements
            .iter()
            .map(|element| element.path(context.base))
            .collect()
    }

    fn to_json(&self, value: &Vec<PathBuf>) -> Value {
        value.iter().map(|path| path.to_string_lossy()).collect()
    }

    fn syntax(&self) -> String {
        "array of paths".to_owned()
    }
}

impl<N> CountType<N> {
    /// Returns the type of numbers from `min` to `max`, which count `unit`, a plural.
    pub(crate) fn new(unit: &'static str, min: u64, max: u64) -> Self {
        Self {
            unit,
            min,
            max,
            number: PhantomData,
        }
    }
}

impl<N> ValueType for CountType<N>
where
    N: TryFrom<u64> + Serialize + Clone + fmt::Debug + PartialEq + 'static,
{
    type Value = N;

    fn read(&self, item: TomlItem<'_>, _: &mut ReadContext<'_>) -> Result<N, ConfigError> {
        let (min, max) = (self.min, self.max);
        let number = item.number(min, max)?;
        N::try_from(number).map_err(|_| item.error(ConfigProblem::Range { min, max }))
    }

    fn to_json(&self, value: &N) -> Value {
        json!(value)
    }

    fn syntax(&self) -> String {
        format!("{} to {} {}", self.min, self.max, self.unit)
    }
}

impl SizeType {
    /// Any number of bytes.
    pub(crate) const ANY: Self = Self {
        min: 0,
        max: u64::MAX,
    };

    /// Returns the type of sizes from `min` to `max` bytes.
    pub(crate) fn within(min: u64, max: u64) -> Self {
        Self { min, max }
    }
}

impl ValueType for SizeType {
    type Value = u64;

    fn read(&self, item: TomlItem<'_>, _: &mut ReadContext<'_>) -> Result<u64, ConfigError> {
        let size = read_size(&item)?;
        let (min, max) = (self.min, self.max);
        match (min..=max).contains(&size) {
            true => Ok(size),
            false => Err(item.error(ConfigProblem::Size(SizeProblem::Range { min, max }))),
        }
    }

    fn to_json(&self, value: &u64) -> Value {
        json!(value)
    }

    fn to_text(&self, value: &u64) -> String {
        shown_size(*value)
    }

    fn syntax(&self) -> String {
        match (self.min, self.max) {
            (0, u64::MAX) => "size".to_owned(),
            (min, max) => format!(
                "size, `\"{}\"` to `\"{}\"`",
                shown_size(min),
                shown_size(max)
            ),
        }
    }
}

fn read_size(item: &TomlItem<'_>) -> Result<u64, ConfigError> {
    if item.is_number() {
        return item.number(0, MAX_INTEGER);
    }
    let text = item.text();
    let text = text.map_err(|_| item.wrong_type("a size such as \"8MiB\""))?;
    size::parse_size(text).map_err(|problem| item.error(ConfigProblem::Size(problem)))
}

impl TimeType {
    /// Any length of time.
    pub(crate) const ANY: Self = Self { can_be_zero: true };
    /// A length of time that is not zero.
    pub(crate) const POSITIVE: Self = Self { can_be_zero: false };
}

impl ValueType for TimeType {
    type Value = Duration;

    fn read(&self, item: TomlItem<'_>, _: &mut ReadContext<'_>) -> Result<Duration, ConfigError> {
        let time = match self.can_be_zero {
            true => duration::parse_duration(item.text()?),
            false => duration::parse_positive_duration(item.text()?),
        };
        time.map_err(|problem| item.error(ConfigProblem::Duration(problem)))
    }

    fn to_json(&self, value: &Duration) -> Value {
        json!(value.as_secs_f64())
    }

    fn to_text(&self, value: &Duration) -> String {
        shown_duration(*value)
    }

    fn syntax(&self) -> String {
        match self.can_be_zero {
            true => "time, or `\"0\"`".to_owned(),
            false => "time".to_owned(),
        }
    }
}

impl ValueType for RateType {
    type Value = Option<NonZeroU64>;

    /// Reads a rate. 0 is no limit, as a number and as a text.
    fn read(
        &self,
        item: TomlItem<'_>,
        _: &mut ReadContext<'_>,
    ) -> Result<Option<NonZeroU64>, ConfigError> {
        if item.is_number() {
            return item.number(0, MAX_INTEGER).map(NonZeroU64::new);
        }
        let text = item.text();
        let text = text.map_err(|_| item.wrong_type("a rate such as \"10MB\""))?;
        size::parse_rate(text).map_err(|problem| item.error(ConfigProblem::Rate(problem)))
    }

    /// Returns the bytes per second, with 0 for no limit.
    fn to_json(&self, value: &Option<NonZeroU64>) -> Value {
        json!(value.map_or(0, NonZeroU64::get))
    }

    fn to_text(&self, value: &Option<NonZeroU64>) -> String {
        shown_rate(*value)
    }

    fn syntax(&self) -> String {
        "rate".to_owned()
    }
}
