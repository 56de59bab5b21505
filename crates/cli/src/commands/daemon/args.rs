//! The options of `windlass daemon`.

use std::net::SocketAddr;
use std::path::PathBuf;

use windlass::registry::HostConfig;
use windlass_config::{LogFormat, LogLevel, UrlProblem, registry_mirror};
use windlass_daemon::DaemonAddress;

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
    pub(super) hosts: Vec<DaemonAddress>,

    /// Group that may use the socket besides its owner, by name or number [default: none]
    #[arg(short = 'G', long, value_name = "NAME")]
    pub(super) group: Option<String>,

    /// Configuration in the format of Docker's daemon.json [default: /etc/windlass/daemon.json, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(super) config_file: Option<PathBuf>,

    /// Check the configuration and exit
    #[arg(long)]
    pub(super) validate: bool,

    /// Require client certificates on TCP addresses; this is always on
    #[arg(long)]
    pub(super) tlsverify: bool,

    /// Certificate authorities of the clients, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) tlscacert: Option<PathBuf>,

    /// Certificate of the daemon, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) tlscert: Option<PathBuf>,

    /// Key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) tlskey: Option<PathBuf>,

    /// Log level: error, warn, info, debug or trace [default: info]
    #[arg(short = 'l', long, value_name = "LEVEL")]
    pub(super) log_level: Option<LogLevel>,

    /// Log format: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,

    /// Address that serves only the metrics, over plain HTTP: IP:PORT [default: none; /metrics is on every socket]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) metrics_addr: Option<SocketAddr>,

    /// How long requests in progress may take when the daemon is stopped [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub(super) shutdown_timeout: Option<u64>,

    /// Layers that download at a time, over all pulls; 0 for no limit [default: 3]
    #[arg(long, value_name = "N")]
    pub(super) max_concurrent_downloads: Option<usize>,

    /// Blobs that a push uploads at a time [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub(super) max_concurrent_uploads: Option<usize>,

    /// Attempts without progress at a blob before it fails [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_download_attempts: Option<u32>,

    /// Mirror of Docker Hub to try first; can be given several times
    #[arg(long = "registry-mirror", value_name = "URL", value_parser = mirror)]
    pub(super) registry_mirrors: Vec<HostConfig>,

    /// Label of this daemon for `docker info`, KEY=VALUE; can be given several times
    #[arg(long = "label", value_name = "LABEL")]
    pub(super) labels: Vec<String>,
}

fn mirror(text: &str) -> Result<HostConfig, UrlProblem> {
    registry_mirror(text).map(HostConfig::new)
}
