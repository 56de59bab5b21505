//! The image part of Docker's Engine API over the windlass engine, for `docker`, Compose and the SDKs.
//!
//! The handlers in `api` convert requests to calls of the [`Engine`], and `render` converts events, results and errors to
//! JSON documents and messages in Docker's wording.
//!
//! # Invariants
//! - A slow or disconnected client delays no other client: its messages are in a bounded queue, a write that makes no
//!   progress ends its connection, and a pull is cancelled when its last client disconnects.
//! - A failure before the first byte of a streamed response has a status; a later one is a message in the stream.
//! - The thread of the server never blocks: disk access runs on threads that may.
//! - Transfers run on a thread of their own, so that they do not delay responses.
//!
//! Sockets, connection limits, timeouts and the drain are those of `windlass-listen`.

mod address;
mod api;
mod auth;
mod body;
mod event_log;
mod image_events;
mod listener;
mod metrics;
mod notify;
mod operations;
mod render;
mod request;
mod response;
mod server;
mod stream;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;
use windlass::Engine;
use windlass_listen::{Connections, Shutdown};

use crate::api::image_details::ImageDetailsCache;
use crate::event_log::EventLog;
use crate::metrics::Metrics;

pub use address::{DaemonAddress, DaemonAddressError};
pub use listener::DaemonListener;
pub use notify::Notifier;
pub use server::DaemonLimits;

/// The version and configuration that the daemon reports to clients. All fields are empty by default.
#[derive(Clone, Debug, Default)]
pub struct DaemonInfo {
    /// The version of windlass.
    pub version: String,
    /// The path of the store.
    pub root: String,
    /// The configured insecure registries: hosts and address ranges.
    pub insecure_registries: Vec<String>,
    /// The mirrors of Docker Hub.
    pub mirrors: Vec<String>,
    /// The configured labels, `key=value`.
    pub labels: Vec<String>,
}

/// The default number of concurrent uploads of a push, as in Docker.
const UPLOADS: usize = 5;
/// The maximum number of requests that block a thread while they wait for a client or a registry. Further ones wait. The
/// runtime has more blocking threads than this, so that short requests are not delayed.
const LONG_RUNNING: usize = 128;

/// A daemon: an engine and the state of its API.
#[derive(Debug)]
pub struct Daemon {
    engine: Arc<Engine>,
    info: RwLock<Arc<DaemonInfo>>,
    /// The number of concurrent uploads of a push.
    uploads: AtomicUsize,
    /// Limits the requests that block a thread for a long time.
    long_running: Arc<Semaphore>,
    events: EventLog,
    metrics: Metrics,
    details: ImageDetailsCache,
    /// The runtime of the thread that transfers run on.
    transfer_runtime: Handle,
    /// The transfers that run there.
    transfers: TaskTracker,
    connections: Connections,
    /// Stops the thread of the transfers when the daemon is dropped.
    _end: oneshot::Sender<()>,
}

impl Daemon {
    /// Creates a daemon over `engine`, and starts the thread that its transfers run on.
    pub fn new(engine: Arc<Engine>, info: DaemonInfo) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let transfer_runtime = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("transfers".to_owned())
            .spawn(move || {
                // An error means that the daemon, and with it the sender, was dropped.
                drop(runtime.block_on(ended));
            })?;
        Ok(Self {
            engine,
            info: RwLock::new(Arc::new(info)),
            uploads: AtomicUsize::new(UPLOADS),
            long_running: Arc::new(Semaphore::new(LONG_RUNNING)),
            events: EventLog::new(),
            metrics: Metrics::default(),
            details: ImageDetailsCache::default(),
            transfer_runtime,
            transfers: TaskTracker::new(),
            connections: Connections::default(),
            _end: end,
        })
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Returns the open connections. The drain at the end of [`Daemon::serve`] covers every connection among them, those
    /// of other listeners too.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Returns the signal that stops the daemon.
    pub fn shutdown(&self) -> &Shutdown {
        self.connections.shutdown()
    }

    /// Replaces what the daemon reports about itself.
    pub fn set_info(&self, info: DaemonInfo) {
        *self.info.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(info);
    }

    /// Sets the number of concurrent uploads of pushes that start afterwards, at least 1; `None` for the default.
    pub fn set_uploads(&self, uploads: Option<usize>) {
        let uploads = uploads.unwrap_or(UPLOADS).max(1);
        self.uploads.store(uploads, Ordering::Relaxed);
    }

    pub(crate) fn info(&self) -> Arc<DaemonInfo> {
        Arc::clone(&self.info.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn uploads(&self) -> usize {
        self.uploads.load(Ordering::Relaxed)
    }

    /// Returns how many pulls run.
    pub fn pulls_running(&self) -> u64 {
        self.metrics.pulls_running()
    }
}
