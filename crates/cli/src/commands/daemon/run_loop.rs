//! The run loop of the daemon: signals, reloads and the watchdog.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task;
use tokio::time::{self, Interval};
use windlass_daemon::{Daemon, DaemonLimits, DaemonListener, Notifier};

use super::reload::Reloader;
use crate::error::Error;
use crate::signals::Signals;

/// The time that the shutdown may take after the drain, for pulls to save their progress.
const MARGIN: Duration = Duration::from_secs(30);

/// Serves until a signal arrives and the requests in progress have ended.
pub(super) async fn run(
    daemon: Arc<Daemon>,
    listeners: Vec<DaemonListener>,
    reloader: Reloader,
    notifier: &Notifier,
    signals: &Signals,
) -> Result<(), Error> {
    // Without a handler, SIGHUP ends the process.
    let mut hangups = signal(SignalKind::hangup()).map_err(Error::Runtime)?;
    // Commands use this daemon through the control socket (docs/decisions/0014).
    let control =
        windlass_control::listen(reloader.root(), Arc::clone(&daemon)).map_err(Error::Runtime)?;
    task::spawn(control);
    let shutdown = daemon.shutdown().clone();
    let mut served = task::spawn(Arc::clone(&daemon).serve(listeners, DaemonLimits::default()));
    let mut reloader = Some(reloader);
    let mut watchdog = notifier.watchdog().map(time::interval);
    let mut is_stopping = false;
    tracing::info!("ready");
    notifier.ready("accepting requests");
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
                notifier.ready("accepting requests");
            }
            () = next_watchdog_report(&mut watchdog) => notifier.alive(),
        }
    }
}

/// Reloads the configuration on a thread that may block.
async fn reload(reloader: Option<Reloader>) -> Option<Reloader> {
    let mut reloader = reloader?;
    let done = task::spawn_blocking(move || {
        reloader.reload();
        reloader
    });
    match done.await {
        Ok(reloader) => Some(reloader),
        Err(error) => {
            tracing::error!(%error, "reloading failed because of a bug: further reloads are ignored");
            None
        }
    }
}

/// Waits until the next report to the watchdog; for ever if there is no watchdog.
async fn next_watchdog_report(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}
