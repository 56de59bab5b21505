//! `windlass daemon`

mod error;
mod life;
mod listen;
mod logs;
mod plan;
mod reload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;
use windlass::{Access, Engine, Remote};
use windlass_config::{LogFormat, LogLevel};
use windlass_daemon::{Daemon, DaemonAddress, DaemonListener, Notifier};

use super::Ended;
use crate::context::{Context, warn};
use crate::environment;
use crate::error::Error;
use crate::signals::Signals;
use listen::Listening;
use logs::Logs;
use plan::{Plan, Reading, daemon};
use reload::Reloader;

pub(crate) use error::DaemonError;

/// Serve the image part of Docker's API
///
/// For docker, Compose, the SDKs and whatever speaks to a Docker daemon: images are pulled, pushed, listed, tagged,
/// removed, saved and loaded as there. Containers are not run.
///
/// Whoever may use the socket may change every image that others run: treat it as root's.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Without --host the socket is /run/windlass.sock for root, else $XDG_RUNTIME_DIR/windlass.sock; under
a service manager that made sockets (LISTEN_FDS), those. --data-root is the same as --root. What the
options say can stand in the configuration instead, in Docker's words; what stands in both is refused.

SIGHUP reads the configuration again. SIGTERM lets what runs end, a second one does not.

Examples:
  sudo windlass daemon --group windlass
  windlass daemon --validate --config-file ./daemon.json
  docker context create windlass --docker host=unix:///run/windlass.sock
  docker --context windlass pull alpine")]
pub(crate) struct Args {
    /// Where clients come in.
    #[arg(
        short = 'H',
        long = "host",
        value_name = "ADDRESS",
        help = "Where clients come in: unix:///PATH, tcp://IP:PORT or fd://; can be given several times"
    )]
    hosts: Vec<DaemonAddress>,

    /// Group that may use the socket beside its owner, by name or number [default: none]
    #[arg(short = 'G', long, value_name = "NAME")]
    group: Option<String>,

    /// Configuration in the form of Docker's daemon.json [default: /etc/windlass/daemon.json, if it is there]
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// Only say whether the configuration can be used
    #[arg(long)]
    validate: bool,

    /// Take clients from elsewhere by their certificates only, which is the one way that they are taken
    #[arg(long)]
    tlsverify: bool,

    /// Authorities of the clients' certificates, PEM
    #[arg(long, value_name = "FILE")]
    tlscacert: Option<PathBuf>,

    /// The daemon's certificate, PEM
    #[arg(long, value_name = "FILE")]
    tlscert: Option<PathBuf>,

    /// The key to it, PEM
    #[arg(long, value_name = "FILE")]
    tlskey: Option<PathBuf>,

    /// What is logged: error, warn, info, debug or trace [default: info]
    #[arg(short = 'l', long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,

    /// How it is logged: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// Where only the metrics are, over plain HTTP: IP:PORT [default: nowhere; /metrics is on the socket, too]
    #[arg(long, value_name = "ADDRESS")]
    metrics_addr: Option<SocketAddr>,

    /// How long requests may take to end when the daemon is stopped [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    shutdown_timeout: Option<u64>,

    /// Layers that download at a time, over all pulls; 0 for no limit [default: 3]
    #[arg(long, value_name = "N")]
    max_concurrent_downloads: Option<usize>,

    /// Blobs that a push sends at a time [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    max_concurrent_uploads: Option<usize>,

    /// Attempts without progress that a blob gets [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_download_attempts: Option<u32>,

    /// Mirror of Docker Hub to ask first; can be given several times
    #[arg(long = "registry-mirror", value_name = "URL")]
    registry_mirrors: Vec<String>,

    /// Word about this daemon, KEY=VALUE, for `docker info`; can be given several times
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
}

/// How long is waited at the end for what cannot be interrupted.
const LAST: Duration = Duration::from_secs(5);

impl Args {
    /// Serves until a signal comes.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<Ended, Error> {
        let reading = Reading::new(self, context);
        let plan = reading.plan()?;
        if self.validate {
            return validate(&plan, context);
        }
        let service = &context.environment.service;
        raise_descriptors();
        // Before anything else is opened.
        let listening = Listening::new(&plan.fixed, &context.environment)?;
        let colors = environment::colors() && !plan.fixed.raw;
        let logs = Logs::start(plan.live.level, plan.fixed.format, colors).map_err(daemon)?;
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let access = Access::Own {
            purpose: crate::hatch::PURPOSE.to_owned(),
        };
        let engine = Engine::try_open(plan.live.engine.clone(), &access).map_err(Error::Open)?;
        let served = Daemon::new(Arc::new(engine), plan.live.info.clone());
        let served = Arc::new(served.map_err(Error::Runtime)?);
        served.set_uploads(plan.live.uploads);
        let tls = listening.tls().cloned();
        let sockets = listening.sockets().map_err(daemon)?;
        introduce(&plan, &sockets);
        let notifier = Notifier::new(service.notify_socket.as_deref(), service.watchdog)
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "the service manager cannot be told how the daemon is");
                Notifier::default()
            });
        let reloader = Reloader {
            daemon: Arc::clone(&served),
            reading,
            logs,
            tls,
            plan,
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::Runtime)?;
        let lived = runtime.block_on(life::live(served, sockets, reloader, &notifier, &signals));
        runtime.shutdown_timeout(LAST);
        lived?;
        tracing::info!("stopped");
        Ok(Ended::Well)
    }
}

/// Looks at everything that is configured, and opens nothing.
fn validate(plan: &Plan, context: &mut Context<'_>) -> Result<Ended, Error> {
    for finding in &plan.findings {
        warn(finding);
    }
    if let Some(tls) = &plan.fixed.tls {
        tls.read().map_err(daemon)?;
    }
    let engine = plan.live.engine.clone();
    Remote::new(engine.pull.registry, engine.pull.retry).map_err(Error::Client)?;
    writeln!(context.out, "configuration OK")?;
    context.out.flush()?;
    Ok(Ended::Well)
}

/// Lets it have as many descriptors as the machine allows: each client is one, and the usual limit is older than all that
/// serve thousands.
fn raise_descriptors() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    // What it may not have, it does without.
    let _unchanged = setrlimit(Resource::Nofile, raised);
}

/// Says what the daemon is.
fn introduce(plan: &Plan, listeners: &[DaemonListener]) {
    for finding in &plan.findings {
        tracing::warn!("{finding}");
    }
    let version = &plan.live.info.version;
    let store = plan.fixed.root.display();
    tracing::info!(%version, %store, "windlass");
    for listener in listeners {
        tracing::info!(address = %listener, "listening");
    }
}
