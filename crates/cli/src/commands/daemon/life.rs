//! The daemon from when it is ready until it has ended.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task;
use tokio::time::{self, Interval};
use windlass_daemon::{Daemon, DaemonLimits, DaemonListener, Notifier};

use super::reload::Reloader;
use crate::error::Error;
use crate::hatch;
use crate::signals::Signals;

/// What ending takes beside waiting for requests: pulls write down how far they came.
const MARGIN: Duration = Duration::from_secs(30);

/// Serves until a signal comes, and what runs has ended or was left.
pub(super) async fn live(
    daemon: Arc<Daemon>,
    listeners: Vec<DaemonListener>,
    reloader: Reloader,
    notifier: &Notifier,
    signals: &Signals,
) -> Result<(), Error> {
    // From here on it does not end the process.
    let mut hangups = signal(SignalKind::hangup()).map_err(Error::Runtime)?;
    // The commands' way in (docs/decisions/0014).
    let hatch = hatch::open(reloader.root(), Arc::clone(&daemon)).map_err(Error::Runtime)?;
    task::spawn(hatch);
    let shutdown = daemon.shutdown().clone();
    let mut served = task::spawn(Arc::clone(&daemon).serve(listeners, DaemonLimits::default()));
    let mut reloader = Some(reloader);
    let mut pulse = notifier.watchdog().map(time::interval);
    let mut is_stopping = false;
    tracing::info!("ready");
    notifier.ready("answers");
    loop {
        tokio::select! {
            ended = &mut served => {
                let ended = ended.map_err(io::Error::other).and_then(|ended| ended);
                return ended.map_err(Error::Runtime);
            }
            signal = signals.first(), if !is_stopping => {
                is_stopping = true;
                let drain = reloader.as_ref().map_or(Duration::ZERO, Reloader::drain);
                tracing::info!(?signal, pulls = daemon.pulls_running(), seconds = drain.as_secs(), "stopping");
                notifier.stopping(drain + MARGIN);
                shutdown.begin(drain);
            }
            _ = hangups.recv(), if !is_stopping => {
                notifier.reloading();
                reloader = reload(reloader).await;
                notifier.ready("answers");
            }
            () = beat(&mut pulse) => notifier.alive(),
        }
    }
}

/// Reads the configuration again, on a thread that may wait for the disk.
async fn reload(reloader: Option<Reloader>) -> Option<Reloader> {
    let mut reloader = reloader?;
    let done = task::spawn_blocking(move || {
        reloader.reload();
        reloader
    });
    match done.await {
        Ok(reloader) => Some(reloader),
        Err(error) => {
            tracing::error!(%error, "reloading failed by a defect: the configuration is not read again");
            None
        }
    }
}

/// Waits until the service manager is to be told that all is well; for ever if it does not want to know.
async fn beat(pulse: &mut Option<Interval>) {
    match pulse {
        Some(pulse) => drop(pulse.tick().await),
        None => std::future::pending().await,
    }
}
