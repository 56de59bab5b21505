//! The image part of Docker's Engine API, over the windlass engine: what `docker`, Compose and the SDKs speak.
//!
//! This is translation: requests become calls of the [`Engine`], and what comes of them becomes documents, lines of
//! progress and Docker's words. What is to be said in words is in `words`, and what is asked in `api`; nothing else knows
//! either.
//!
//! # Invariants
//! - A client that is slow, dead or gone slows nothing: what is told to it is queued, within bounds, and its pull is
//!   left when the client leaves.
//! - Everything before the first byte of a stream fails with a status; everything behind it with a line in the stream.
//! - What blocks happens on threads that may: the thread that answers never waits for a disk.
//! - Transfers have a thread of their own: answers do not wait for them either.

mod answer;
mod api;
mod auth;
mod body;
mod deeds;
mod journal;
mod metrics;
mod notify;
mod request;
mod server;
mod socket;
mod stop;
mod stream;
mod tls;
mod words;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;
use windlass::Engine;

use crate::api::facts::FactsCache;
use crate::journal::Journal;
use crate::metrics::Metrics;

pub use notify::Notifier;
pub use server::Limits;
pub use socket::{
    Address, AddressError, BindError, Bound, Inherited, bind, bind_metrics, bind_tcp, find_group,
};
pub use stop::Stop;
pub use tls::{Tls, TlsError};

/// What the daemon says of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// The version of windlass.
    pub version: String,
    /// Where the store is.
    pub root: String,
    /// The registries that may be spoken to without TLS, as they are configured.
    pub insecure_registries: Vec<String>,
    /// Docker Hub's mirrors.
    pub mirrors: Vec<String>,
    /// Words about this daemon, `key=value`.
    pub labels: Vec<String>,
}

/// How many blobs a push sends at a time, as by Docker.
const UPLOADS: usize = 5;
/// How many requests at a time may last as long as a client or a registry likes, each on a thread that waits; further
/// ones wait for their turn. Far fewer than there may be such threads: what is quick always finds one.
const LASTING: usize = 128;

/// A daemon: an engine, and what is known beside it.
#[derive(Debug)]
pub struct Daemon {
    engine: Arc<Engine>,
    about: RwLock<Arc<About>>,
    /// Blobs that one push sends at a time.
    uploads: AtomicUsize,
    /// Turns of what lasts.
    lasting: Arc<Semaphore>,
    stop: Stop,
    journal: Journal,
    metrics: Metrics,
    facts: FactsCache,
    /// Where transfers run.
    hauls: Handle,
    /// Those that do.
    hauling: TaskTracker,
    /// Who is in.
    visits: TaskTracker,
    /// Ends that thread.
    _end: oneshot::Sender<()>,
}

impl Daemon {
    /// Makes a daemon over `engine`, and starts the thread that its transfers run on.
    pub fn new(engine: Arc<Engine>, about: About) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let hauls = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("hauls".to_owned())
            .spawn(move || {
                // Ends with the daemon: then the other end is dropped.
                drop(runtime.block_on(ended));
            })?;
        Ok(Self {
            engine,
            about: RwLock::new(Arc::new(about)),
            uploads: AtomicUsize::new(UPLOADS),
            lasting: Arc::new(Semaphore::new(LASTING)),
            stop: Stop::default(),
            journal: Journal::new(),
            metrics: Metrics::default(),
            facts: FactsCache::default(),
            hauls,
            hauling: TaskTracker::new(),
            visits: TaskTracker::new(),
            _end: end,
        })
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Does what somebody wants who has come in, by whichever way: it may end when the daemon stops, and is left when time is
    /// up.
    pub fn attend(&self, visit: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.visits.spawn(async move {
            tokio::select! {
                biased;
                () = stop.is_cut() => {}
                () = visit => {}
            }
        });
    }

    /// Returns what tells it to stop.
    pub fn stopper(&self) -> Stop {
        self.stop.clone()
    }

    /// From now on says this of itself.
    pub fn set_about(&self, about: About) {
        *self.about.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(about);
    }

    /// Changes how many blobs a push that begins sends at a time, from 1; `None` for as many as usual.
    pub fn set_uploads(&self, uploads: Option<usize>) {
        let uploads = uploads.unwrap_or(UPLOADS).max(1);
        self.uploads.store(uploads, Ordering::Relaxed);
    }

    pub(crate) fn about(&self) -> Arc<About> {
        Arc::clone(&self.about.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn uploads(&self) -> usize {
        self.uploads.load(Ordering::Relaxed)
    }

    /// Returns how many pulls run.
    pub fn pulls_running(&self) -> u64 {
        self.metrics.running()
    }
}
