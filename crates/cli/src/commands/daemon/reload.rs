//! SIGHUP: the configuration is read again and applied in one step, or not at all (EP-8, EP-9).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use windlass_daemon::Daemon;
use windlass_error_report::OperationError;
use windlass_listen::ServerTls;

use super::config::{ConfigSource, DaemonConfig, ReloadableConfig, TlsFiles};
use super::log::DaemonLog;
use crate::error::Error;

/// Reloads the configuration.
#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) daemon: Arc<Daemon>,
    pub(super) source: ConfigSource,
    pub(super) logs: DaemonLog,
    /// The certificates in use.
    pub(super) tls: Option<ServerTls>,
    /// The effective configuration: settings that cannot be reloaded have the values from the start.
    pub(super) config: DaemonConfig,
}

impl Reloader {
    /// Returns the root directory of the store.
    pub(super) fn root(&self) -> &Path {
        &self.config.fixed.root
    }

    /// Returns how long requests in progress may take at a shutdown.
    pub(super) fn drain(&self) -> Duration {
        self.config.reloadable.drain
    }

    /// Reloads. An error is logged, and the configuration stays as it is.
    pub(super) fn reload(&mut self) {
        match self.read() {
            Ok(()) => tracing::info!("reloaded the configuration"),
            Err(error) => {
                let error = error.report().message;
                tracing::error!(%error, "cannot use the new configuration: it stays as it was");
            }
        }
    }

    fn read(&mut self) -> Result<(), Error> {
        let config = self.source.read()?;
        // Steps that can fail come first, and the registry configuration, which applies at once, last of them.
        let files = self.config.fixed.tls.as_ref();
        let tls = files.map(TlsFiles::read).transpose()?;
        let engine = self.daemon.engine();
        let registry = config.reloadable.engine.pull.registry.clone();
        engine
            .reconfigure(registry)
            .map_err(OperationError::Client)?;
        if let (Some(ours), Some(new)) = (&self.tls, &tls) {
            ours.replace(new);
        }
        self.apply(&config.reloadable);
        for finding in &config.findings {
            tracing::warn!("{finding}");
        }
        let mut waiting = self.config.fixed.changes(&config.fixed);
        waiting.extend(self.config.reloadable.changes(&config.reloadable));
        if !waiting.is_empty() {
            let keys = waiting.join(", ");
            tracing::warn!(%keys, "some changes apply after a restart of the daemon");
        }
        let was = &self.config.reloadable.engine.pull;
        let (retry, split, retention) = (was.retry, was.split, was.retention);
        self.config.reloadable = config.reloadable;
        let now = &mut self.config.reloadable.engine.pull;
        (now.retry, now.split, now.retention) = (retry, split, retention);
        Ok(())
    }

    /// Applies the settings whose change cannot fail.
    fn apply(&self, reloadable: &ReloadableConfig) {
        let engine = self.daemon.engine();
        engine.set_downloads(reloadable.engine.pull.downloads);
        engine.set_unpacks(reloadable.engine.pull.unpacks);
        engine.set_rate(reloadable.engine.pull.rate);
        for registry in self.config.reloadable.engine.pull.registry_rates.keys() {
            if !reloadable.engine.pull.registry_rates.contains_key(registry) {
                engine.set_registry_rate(registry, None);
            }
        }
        for (registry, rate) in &reloadable.engine.pull.registry_rates {
            engine.set_registry_rate(registry, Some(*rate));
        }
        self.daemon.set_uploads(reloadable.uploads);
        self.daemon.set_info(reloadable.info.clone());
        self.logs.set_level(reloadable.level);
    }
}
