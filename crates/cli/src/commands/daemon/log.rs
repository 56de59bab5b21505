//! The log of the daemon, on standard error.

use std::{fmt, io};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatFields, Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, reload};
use windlass::text::escape;
use windlass_config::{LogFormat, LogLevel};

use crate::error::DaemonError;

/// The log. Its level can be changed.
#[derive(Clone, Debug)]
pub(super) struct DaemonLog(reload::Handle<Targets, Registry>);

impl DaemonLog {
    /// Starts to log events of `level` and above. `colors` applies to text.
    pub(super) fn start(
        level: LogLevel,
        format: LogFormat,
        colors: bool,
    ) -> Result<Self, DaemonError> {
        let (filter, handle) = reload::Layer::new(level_filter(level));
        let lines = match format {
            LogFormat::Text => text_layer(colors, io::stderr).boxed(),
            LogFormat::Json => json_layer().boxed(),
        };
        set_global_default(Registry::default().with(filter).with(lines))
            .map_err(|_| DaemonError::Log)?;
        Ok(Self(handle))
    }

    /// Changes the level.
    pub(super) fn set_level(&self, level: LogLevel) {
        // This fails only if the subscriber is gone, which lives as long as the process.
        drop(self.0.reload(level_filter(level)));
    }
}

/// Other crates log warnings and errors only, whatever the level.
fn level_filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("windlass", level)
}

fn json_layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(io::stderr)
}

fn text_layer<S, W>(colors: bool, writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .fmt_fields(fields())
        .with_target(false)
        .with_ansi(colors)
        .log_internal_errors(false)
        .with_writer(writer)
}

/// Writes fields as `name=value` after the message. Line breaks and control characters in them are escaped (R9).
fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let write = |writer: &mut Writer<'_>, field: &tracing::field::Field, value: &dyn fmt::Debug| {
        let value = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", escape(&value)),
            name => write!(writer, "{name}={}", escape(&value)),
        }
    };
    debug_fn(write).delimited(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// R9: remote text neither starts a line nor sets colours.
    #[test]
    fn remote_text_is_escaped() {
        let lines = Lines::default();
        let written = lines.clone();
        let log = Registry::default()
            .with(level_filter(LogLevel::Info))
            .with(text_layer(false, move || written.clone()));
        tracing::subscriber::with_default(log, || {
            let evil = "x\n2026 ERROR \x1b[31mfaked";
            tracing::info!(target: "windlass_daemon", path = %evil, "done {evil}");
            tracing::debug!(target: "windlass_daemon", "too much");
            tracing::info!(target: "h2", "too much");
            tracing::warn!(target: "h2", "odd");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.split_once("Z  ").unwrap().1.trim_start())
            .collect();
        let evil = r"x\n2026 ERROR \u{1b}[31mfaked";
        let expected = [
            format!("INFO done {evil} path={evil}"),
            "WARN odd".to_owned(),
        ];
        assert_eq!(lines, expected);
    }
}
