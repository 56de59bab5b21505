//! The values of the keys `log-level` and `log-format`.

use std::fmt;
use std::str::FromStr;

/// The lowest severity of messages that are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// Problems that the daemon can continue with.
    Warn,
    /// Operations.
    Info,
    /// Requests, and details of operations.
    Debug,
    /// Everything.
    Trace,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The error that a text is none of the accepted words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct WordError {
    pub(crate) expected: &'static str,
}

impl FromStr for LogLevel {
    type Err = WordError;

    /// Parses Docker's words. windlass has no level for two of them, `fatal` and `panic`.
    fn from_str(text: &str) -> Result<Self, WordError> {
        Ok(match text {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" | "fatal" | "panic" => Self::Error,
            _ => {
                let expected = "`trace`, `debug`, `info`, `warn`, `error` or `fatal`";
                return Err(WordError { expected });
            }
        })
    }
}

impl FromStr for LogFormat {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(WordError {
                expected: "`text` or `json`",
            }),
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}
