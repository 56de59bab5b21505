//! How pulls go about their work, as far as anybody says it.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::loaded::Loaded;
use crate::size::Rate;
use crate::source::Setting;

/// How pulls are to go about their work. What is `None` is not configured: who pulls has defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullSettings {
    /// Layers that download at a time, over all pulls; 0 for no limit (TM-7).
    pub downloads: Option<usize>,
    /// Layers that unpack at a time, over all pulls; 0 for as many as there are threads for.
    pub unpacks: Option<usize>,
    /// Connections for one large blob, at most; 1 for never more than one.
    pub connections: Option<usize>,
    /// What is missing of a blob must be at least so much for a second connection, in bytes.
    pub split_from: Option<u64>,
    /// What one of several connections asks for at a time, in bytes; from 64 KiB to 1 GiB.
    pub chunk: Option<u64>,
    /// Attempts without progress, from 1 (DM-10).
    pub retry: Option<u32>,
    /// The first pause between attempts, more than zero; each further one is twice as long.
    pub retry_delay: Option<Duration>,
    /// How long a connection may bring too little before it is given up, more than zero. [`Loaded::apply`] puts it
    /// into [`windlass_registry::Timeouts::stall`].
    pub timeout: Option<Duration>,
    /// How fast bytes may come, over all pulls.
    pub limit_rate: Option<Rate>,
    /// How long a partial blob is kept that does not grow; zero for not at all.
    pub partials_max_age: Option<Duration>,
    /// How much partial blobs may take up together, in bytes; 0 for nothing.
    pub partials_max_size: Option<u64>,
    /// How fast bytes may come from a registry, by its name, its mirrors included. Registries without a limit are
    /// not in it.
    pub registry_rates: BTreeMap<String, NonZeroU64>,
}

/// What `[pull]` and `[partials]` say, each with its place, except for what has a name elsewhere as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulling {
    pub(crate) unpacks: Option<Setting<u64>>,
    pub(crate) connections: Option<Setting<u64>>,
    pub(crate) split_from: Option<Setting<u64>>,
    pub(crate) chunk: Option<Setting<u64>>,
    pub(crate) retry_delay: Option<Setting<Duration>>,
    pub(crate) limit_rate: Option<Setting<Rate>>,
    pub(crate) max_age: Option<Setting<Duration>>,
    pub(crate) max_size: Option<Setting<u64>>,
}

impl Pulling {
    /// Returns these settings, and those of `weaker` where there is none.
    pub(crate) fn over(self, weaker: Self) -> Self {
        Self {
            unpacks: self.unpacks.or(weaker.unpacks),
            connections: self.connections.or(weaker.connections),
            split_from: self.split_from.or(weaker.split_from),
            chunk: self.chunk.or(weaker.chunk),
            retry_delay: self.retry_delay.or(weaker.retry_delay),
            limit_rate: self.limit_rate.or(weaker.limit_rate),
            max_age: self.max_age.or(weaker.max_age),
            max_size: self.max_size.or(weaker.max_size),
        }
    }
}

impl Loaded {
    /// Returns how pulls are to go about their work, as plain values.
    pub fn pull_settings(&self) -> PullSettings {
        let pull = &self.pull;
        let attempts = value(self.attempts.as_ref());
        let rates = self.registries.iter().filter_map(|(name, settings)| {
            let limit = settings.limit_rate.as_ref()?.value.limit()?;
            Some((name.clone(), limit))
        });
        PullSettings {
            downloads: count(self.downloads.as_ref()),
            unpacks: count(pull.unpacks.as_ref()),
            connections: count(pull.connections.as_ref()),
            split_from: value(pull.split_from.as_ref()),
            chunk: value(pull.chunk.as_ref()),
            retry: attempts.map(|attempts| u32::try_from(attempts).unwrap_or(u32::MAX)),
            retry_delay: value(pull.retry_delay.as_ref()),
            timeout: value(self.timeouts.stall.as_ref()),
            limit_rate: value(pull.limit_rate.as_ref()),
            partials_max_age: value(pull.max_age.as_ref()),
            partials_max_size: value(pull.max_size.as_ref()),
            registry_rates: rates.collect(),
        }
    }
}

fn value<T: Copy>(setting: Option<&Setting<T>>) -> Option<T> {
    setting.map(|setting| setting.value)
}

fn count(setting: Option<&Setting<u64>>) -> Option<usize> {
    value(setting).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}
