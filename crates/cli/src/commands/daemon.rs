//! `windlass daemon`

mod config;
mod listeners;
mod log;
mod reload;
mod run_loop;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;
use windlass::registry::Remote;
use windlass::{Engine, OpenMode};
use windlass_config::{LogFormat, LogLevel};
use windlass_daemon::{Daemon, DaemonAddress, DaemonListener, Notifier};

use super::CommandOutcome;
use windlass_error_report::OperationError;

use crate::context::{Context, warn};
use crate::environment;
use crate::error::Error;
use crate::signals::Signals;
use config::{ConfigSource, DaemonConfig, daemon};
use listeners::ListenerPlan;
use log::DaemonLog;
use reload::Reloader;

/// Serve the image part of Docker's API
///
/// For docker, Compose, the SDKs and other clients of a Docker daemon: images are pulled, pushed, listed, tagged,
/// removed, saved and loaded as there. Containers are not run.
///
/// A user with access to the socket can replace every image that others run: treat it like root access.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Without --host the socket is /run/windlass.sock for root, else $XDG_RUNTIME_DIR/windlass.sock; under
a service manager that passes sockets (LISTEN_FDS), those. --data-root is the same as --root. The
options can be set in the configuration file instead, with Docker's keys; an option in both is an error.

SIGHUP reloads the configuration. SIGTERM waits for requests in progress, a second one does not.

Examples:
  sudo windlass daemon --group windlass
  windlass daemon --validate --config-file ./daemon.json
  docker context create windlass --docker host=unix:///run/windlass.sock
  docker --context windlass pull alpine")]
pub(crate) struct Args {
    /// The addresses to listen on.
    #[arg(
        short = 'H',
        long = "host",
        value_name = "ADDRESS",
        help = "Address to listen on: unix:///PATH, tcp://IP:PORT or fd://; can be given several times"
    )]
    hosts: Vec<DaemonAddress>,

    /// Group that may use the socket besides its owner, by name or number [default: none]
    #[arg(short = 'G', long, value_name = "NAME")]
    group: Option<String>,

    /// Configuration in the format of Docker's daemon.json [default: /etc/windlass/daemon.json, if it exists]
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// Check the configuration and exit
    #[arg(long)]
    validate: bool,

    /// Require client certificates on TCP addresses; this is always on
    #[arg(long)]
    tlsverify: bool,

    /// Certificate authorities of the clients, PEM
    #[arg(long, value_name = "FILE")]
    tlscacert: Option<PathBuf>,

    /// Certificate of the daemon, PEM
    #[arg(long, value_name = "FILE")]
    tlscert: Option<PathBuf>,

    /// Key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    tlskey: Option<PathBuf>,

    /// Log level: error, warn, info, debug or trace [default: info]
    #[arg(short = 'l', long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,

    /// Log format: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// Address that serves only the metrics, over plain HTTP: IP:PORT [default: none; /metrics is on every socket]
    #[arg(long, value_name = "ADDRESS")]
    metrics_addr: Option<SocketAddr>,

    /// How long requests in progress may take when the daemon is stopped [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    shutdown_timeout: Option<u64>,

    /// Layers that download at a time, over all pulls; 0 for no limit [default: 3]
    #[arg(long, value_name = "N")]
    max_concurrent_downloads: Option<usize>,

    /// Blobs that a push uploads at a time [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    max_concurrent_uploads: Option<usize>,

    /// Attempts without progress at a blob before it fails [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_download_attempts: Option<u32>,

    /// Mirror of Docker Hub to try first; can be given several times
    #[arg(long = "registry-mirror", value_name = "URL")]
    registry_mirrors: Vec<String>,

    /// Label of this daemon for `docker info`, KEY=VALUE; can be given several times
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
}

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
        raise_descriptors();
        // Inherited sockets are taken before anything else is opened.
        let listening = ListenerPlan::new(&config.fixed, &context.environment)?;
        let colors = environment::colors() && !config.fixed.raw;
        let logs = DaemonLog::start(config.reloadable.level, config.fixed.format, colors)
            .map_err(daemon)?;
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let mode = OpenMode::Exclusive {
            purpose: windlass_control::LOCK_PURPOSE,
        };
        let engine = Engine::try_open(config.reloadable.engine.clone(), mode)
            .map_err(OperationError::Open)?;
        let served = Daemon::new(Arc::new(engine), config.reloadable.info.clone());
        let served = Arc::new(served.map_err(Error::Runtime)?);
        served.set_uploads(config.reloadable.uploads);
        let tls = listening.tls().cloned();
        let sockets = listening.bind().map_err(daemon)?;
        log_start(&config, &sockets);
        let notifier = Notifier::new(service.notify_socket.as_deref(), service.watchdog)
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot notify the service manager");
                Notifier::default()
            });
        let reloader = Reloader {
            daemon: Arc::clone(&served),
            source,
            logs,
            tls,
            config,
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::Runtime)?;
        let lived = runtime.block_on(run_loop::run(
            served, sockets, reloader, &notifier, &signals,
        ));
        runtime.shutdown_timeout(THREAD_TIMEOUT);
        lived?;
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
        tls.read().map_err(daemon)?;
    }
    let engine = config.reloadable.engine.clone();
    Remote::new(engine.pull.registry, engine.pull.retry).map_err(OperationError::Client)?;
    writeln!(context.out, "configuration OK")?;
    context.out.flush()?;
    Ok(CommandOutcome::Success)
}

/// Raises the limit of open descriptors to the maximum: each client takes one, and the default is too low for thousands.
fn raise_descriptors() {
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
