//! A daemon over an empty store.

use std::sync::Arc;

use tempfile::TempDir;
use windlass::{Engine, EngineConfig, OpenMode};
use windlass_daemon::{Daemon, DaemonInfo, DaemonLimits, DaemonListener};

/// A daemon that serves until the test ends, and the directory of its store.
pub(crate) struct TestDaemon {
    pub(crate) daemon: Arc<Daemon>,
    pub(crate) directory: TempDir,
}

impl TestDaemon {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let mode = OpenMode::Exclusive { purpose: "a test" };
        let config = EngineConfig::new(directory.path().join("store"));
        let engine = Engine::try_open(config, mode).unwrap();
        let info = DaemonInfo {
            version: "0".to_owned(),
            root: String::new(),
            insecure_registries: Vec::new(),
            mirrors: Vec::new(),
            labels: Vec::new(),
        };
        let daemon = Arc::new(Daemon::new(Arc::new(engine), info).unwrap());
        Self { daemon, directory }
    }

    pub(crate) fn serve(&self, listener: DaemonListener, limits: DaemonLimits) {
        let served = Arc::clone(&self.daemon).serve(vec![listener], limits);
        tokio::spawn(async move { served.await.unwrap() });
    }
}
