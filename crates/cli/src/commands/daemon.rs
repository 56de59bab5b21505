//! `windlass daemon`

mod args;
mod config;
mod listeners;
mod log;
mod reload;
mod run_loop;

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;
use windlass::registry::Remote;
use windlass::{Engine, OpenMode};
use windlass_daemon::{Daemon, DaemonListener, Notifier};
use windlass_error_report::OperationError;

use super::CommandOutcome;
use crate::context::Context;
use crate::environment;
use crate::error::Error;
use crate::output::message::warn;
use crate::signals::Signals;
use config::{ConfigSource, DaemonConfig};
use listeners::ListenerPlan;
use log::DaemonLog;
use reload::Reloader;

pub(crate) use args::Args;

/// How long to wait at the end for threads that cannot be interrupted.
const THREAD_TIMEOUT: Duration = Duration::from_secs(5);

impl Args {
    /// Serves until a signal arrives.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let source = ConfigSource::new(self, context);
        let config = source.read()?;
        if self.validate {
            return validate(&config, context);
        }
        let service = &context.environment.service;
        raise_descriptor_limit();
        // Inherited sockets are taken before anything else is opened.
        let plan = ListenerPlan::new(&config.fixed, &context.environment)?;
        let colors = environment::colors() && !config.fixed.raw;
        let logs = DaemonLog::start(config.reloadable.level, config.fixed.format, colors)?;
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let mode = OpenMode::Exclusive {
            purpose: windlass_control::LOCK_PURPOSE,
        };
        let engine = Engine::try_open(config.reloadable.engine.clone(), mode)
            .map_err(OperationError::Open)?;
        let daemon = Daemon::new(Arc::new(engine), config.reloadable.info.clone());
        let daemon = Arc::new(daemon.map_err(Error::Runtime)?);
        daemon.set_uploads(config.reloadable.uploads);
        let tls = plan.tls().cloned();
        let sockets = plan.bind()?;
        log_start(&config, &sockets);
        let notifier = Notifier::new(service.notify_socket.as_deref(), service.watchdog)
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot notify the service manager");
                Notifier::default()
            });
        let reloader = Reloader {
            daemon: Arc::clone(&daemon),
            source,
            logs,
            tls,
            config,
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::Runtime)?;
        let result = runtime.block_on(run_loop::run(
            daemon, sockets, reloader, &notifier, &signals,
        ));
        runtime.shutdown_timeout(THREAD_TIMEOUT);
        result?;
        tracing::info!("stopped");
        Ok(CommandOutcome::Success)
    }
}

/// Checks the configuration without opening the store or a socket.
fn validate(config: &DaemonConfig, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
    for finding in &config.findings {
        warn(finding);
    }
    if let Some(tls) = &config.fixed.tls {
        tls.read()?;
    }
    let engine = config.reloadable.engine.clone();
    Remote::new(engine.pull.registry, engine.pull.retry).map_err(OperationError::Client)?;
    writeln!(context.out, "configuration OK")?;
    context.out.flush()?;
    Ok(CommandOutcome::Success)
}

/// Raises the limit of open descriptors to the maximum: each client takes one, and the default is too low for thousands.
fn raise_descriptor_limit() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    // Without the permission, the limit stays as it is.
    let _unchanged = setrlimit(Resource::Nofile, raised);
}

/// Logs the version, the store and the listeners.
fn log_start(config: &DaemonConfig, listeners: &[DaemonListener]) {
    for finding in &config.findings {
        tracing::warn!("{finding}");
    }
    let version = &config.reloadable.info.version;
    let store = config.fixed.root.display();
    tracing::info!(%version, %store, "windlass");
    for listener in listeners {
        tracing::info!(address = %listener, "listening");
    }
}
