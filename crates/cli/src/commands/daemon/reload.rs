//! SIGHUP: the configuration is read again, and counts in one step or not at all (EP-8, EP-9).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use windlass_daemon::Daemon;
use windlass_listen::ServerTls;

use super::logs::Logs;
use super::plan::{Live, Plan, Reading, daemon};
use crate::error::Error;

/// Reads the configuration again.
#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) daemon: Arc<Daemon>,
    pub(super) reading: Reading,
    pub(super) logs: Logs,
    /// The certificates in use.
    pub(super) tls: Option<ServerTls>,
    /// What is in effect; of what cannot be changed, what was when the daemon began.
    pub(super) plan: Plan,
}

impl Reloader {
    /// Returns where the store is.
    pub(super) fn root(&self) -> &Path {
        &self.plan.fixed.root
    }

    /// Returns how long requests may take to end.
    pub(super) fn drain(&self) -> Duration {
        self.plan.live.drain
    }

    /// Reads it. If anything is wrong with it, that is told, and all stays as it is.
    pub(super) fn reload(&mut self) {
        match self.read() {
            Ok(()) => tracing::info!("the configuration was read again"),
            Err(error) => {
                let error = error.report().message;
                tracing::error!(%error, "the configuration cannot be used: all stays as it is");
            }
        }
    }

    fn read(&mut self) -> Result<(), Error> {
        let plan = self.reading.plan()?;
        // All that can fail comes first, and the way to registries last of that.
        let files = self.plan.fixed.tls.as_ref();
        let tls = files
            .map(|files| files.read().map_err(daemon))
            .transpose()?;
        let engine = self.daemon.engine();
        let registry = plan.live.engine.pull.registry.clone();
        engine.reconfigure(registry).map_err(Error::Client)?;
        if let (Some(ours), Some(new)) = (&self.tls, &tls) {
            ours.replace(new);
        }
        self.apply(&plan.live);
        for finding in &plan.findings {
            tracing::warn!("{finding}");
        }
        let mut waiting = self.plan.fixed.changes(&plan.fixed);
        waiting.extend(self.plan.live.changes(&plan.live));
        if !waiting.is_empty() {
            let keys = waiting.join(", ");
            tracing::warn!(%keys, "some changes count when the daemon is started again");
        }
        let was = &self.plan.live.engine.pull;
        let (retry, split, keep) = (was.retry, was.split, was.keep);
        self.plan.live = plan.live;
        let now = &mut self.plan.live.engine.pull;
        (now.retry, now.split, now.keep) = (retry, split, keep);
        Ok(())
    }

    /// Changes what can be changed and cannot fail.
    fn apply(&self, live: &Live) {
        let engine = self.daemon.engine();
        engine.set_downloads(live.engine.pull.downloads);
        engine.set_unpacks(live.engine.pull.unpacks);
        engine.set_rate(live.engine.pull.rate);
        for registry in self.plan.live.engine.pull.registry_rates.keys() {
            if !live.engine.pull.registry_rates.contains_key(registry) {
                engine.set_registry_rate(registry, None);
            }
        }
        for (registry, rate) in &live.engine.pull.registry_rates {
            engine.set_registry_rate(registry, Some(*rate));
        }
        self.daemon.set_uploads(live.uploads);
        self.daemon.set_info(live.info.clone());
        self.logs.set_level(live.level);
    }
}
