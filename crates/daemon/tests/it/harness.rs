//! A daemon over an empty store.

use std::sync::Arc;

use tempfile::TempDir;
use windlass::Engine;
use windlass_daemon::{Daemon, DaemonInfo, DaemonLimits, DaemonListener};

/// A daemon that serves until the test ends, and the directory of its store.
pub(crate) struct TestDaemon {
    pub(crate) daemon: Arc<Daemon>,
    pub(crate) directory: TempDir,
}

impl TestDaemon {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let engine = Engine::builder(directory.path().join("store"));
        let engine = Arc::new(engine.try_open().unwrap());
        let daemon = Arc::new(Daemon::new(engine, DaemonInfo::default()).unwrap());
        Self { daemon, directory }
    }

    pub(crate) fn serve(&self, listener: DaemonListener, limits: DaemonLimits) {
        let served = Arc::clone(&self.daemon).serve(vec![listener], limits);
        tokio::spawn(async move { served.await.unwrap() });
    }
}
