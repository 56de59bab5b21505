//! How patient a pull is with registries, and how gentle.

use std::time::Duration;

use windlass::{EngineConfig, Rate};
use windlass_config::{parse_duration, parse_positive_duration, parse_rate};

/// How often, after what time, how fast.
#[derive(Debug, clap::Args)]
pub(super) struct NetworkOptions {
    /// Tries more when nothing came, for each request; 0 to try once [default: 4]
    #[arg(long, value_name = "N")]
    retry: Option<u32>,

    /// Time before the first further try; it doubles with each [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = delay)]
    retry_delay: Option<Duration>,

    /// Time without progress after which a connection is given up, and another one tried [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    timeout: Option<Duration>,

    /// Bytes a second at most, such as 2MB, 1.5MiB or 80Mbit [default: off]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    limit_rate: Option<Rate>,
}

impl NetworkOptions {
    /// Puts what was asked for into `engine`.
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

    /// Returns how fast bytes may come.
    pub(super) fn rate(&self) -> Rate {
        self.limit_rate.flatten()
    }

    /// Tells whether anything was asked for but the rate.
    pub(super) fn is_given(&self) -> bool {
        self.retry.is_some() || self.retry_delay.is_some() || self.timeout.is_some()
    }
}

fn delay(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|problem| problem.to_string())
}

fn time(text: &str) -> Result<Duration, String> {
    parse_positive_duration(text).map_err(|problem| problem.to_string())
}

fn rate(text: &str) -> Result<Rate, String> {
    parse_rate(text).map_err(|problem| problem.to_string())
}
