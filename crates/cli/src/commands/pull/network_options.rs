//! Options for retries, timeouts and the download rate.

use std::time::Duration;

use windlass::EngineConfig;
use windlass::transfer::RateLimit;
use windlass_config::{parse_duration, parse_positive_duration};

/// Options for retries, timeouts and the download rate.
#[derive(Debug, clap::Args)]
pub(super) struct NetworkOptions {
    /// Number of retries of a request without progress [default: 4]
    #[arg(long, value_name = "N")]
    retry: Option<u32>,

    /// Delay before the first retry; it doubles with each one [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = parse_delay)]
    retry_delay: Option<Duration>,

    /// Time without progress before a connection is closed and retried [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    timeout: Option<Duration>,

    /// Maximum download rate per second, such as 2MB, 1.5MiB or 80Mbit [default: unlimited]
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    limit_rate: Option<RateLimit>,
}

impl NetworkOptions {
    /// Applies the options to the configuration of the engine.
    pub(super) fn apply(&self, engine: &mut EngineConfig) {
        if let Some(retry) = self.retry {
            engine.pull.retry.attempts = retry.saturating_add(1);
        }
        if let Some(delay) = self.retry_delay {
            engine.pull.retry.first_pause = delay;
            engine.pull.retry.longest_pause = engine.pull.retry.longest_pause.max(delay);
        }
        if let Some(timeout) = self.timeout {
            let timeouts = &mut engine.pull.registry.timeouts;
            timeouts.connect = timeouts.connect.min(timeout);
            (timeouts.response, timeouts.stall) = (timeout, timeout);
            timeouts.token = timeouts.token.min(timeout);
        }
        if let Some(rate) = self.limit_rate {
            engine.pull.rate = rate;
        }
    }

    /// Returns the limit of the download rate.
    pub(super) fn rate(&self) -> RateLimit {
        self.limit_rate.flatten()
    }

    /// Returns whether an option other than the rate is present.
    pub(super) fn has_retry_or_timeout(&self) -> bool {
        self.retry.is_some() || self.retry_delay.is_some() || self.timeout.is_some()
    }
}

fn parse_delay(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|problem| problem.to_string())
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    parse_positive_duration(text).map_err(|problem| problem.to_string())
}

fn parse_rate(text: &str) -> Result<RateLimit, String> {
    windlass_config::parse_rate(text).map_err(|problem| problem.to_string())
}
