//! Opens an engine with defaults.

use std::path::PathBuf;

use windlass_registry::Caller;
use windlass_store::{OpenMode, WhenBusy};

use crate::engine::{Engine, EngineConfig, OpenError};

/// Opens an [`Engine`]: from [`Engine::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder opens nothing before `open`"]
pub struct EngineBuilder {
    config: EngineConfig,
    purpose: String,
    read_only: bool,
    caller: Caller,
}

impl Engine {
    /// Returns a builder for the store in the directory `root`, which is created if it is missing.
    ///
    /// The defaults: the store is opened for changes, three layers download and four unpack at a time, requests are
    /// anonymous, and no configuration file is read.
    pub fn builder(root: impl Into<PathBuf>) -> EngineBuilder {
        EngineBuilder {
            config: EngineConfig::new(root.into()),
            purpose: "a program that uses windlass".to_owned(),
            read_only: false,
            caller: Caller::anonymous(),
        }
    }
}

impl EngineBuilder {
    /// Describes the use of the store. Processes that wait for the store display it, such as
    /// `windlass pull alpine`.
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = purpose.into();
        self
    }

    /// Opens an existing store for reading, concurrently with other readers. Pulls fail.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Sets the credentials of pulls that are requested by a reference.
    pub fn caller(mut self, caller: Caller) -> Self {
        self.caller = caller;
        self
    }

    /// Changes the configuration.
    pub fn configure(mut self, change: impl FnOnce(&mut EngineConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Opens the store. Blocks while another process uses the store in a way that excludes this one.
    pub fn open(self) -> Result<Engine, OpenError> {
        self.open_when_busy(WhenBusy::Wait)
    }

    /// Opens the store, and fails if another process uses it in a way that excludes this one.
    pub fn try_open(self) -> Result<Engine, OpenError> {
        self.open_when_busy(WhenBusy::Fail)
    }

    fn open_when_busy(self, when_busy: WhenBusy) -> Result<Engine, OpenError> {
        let mode = match self.read_only {
            true => OpenMode::Shared,
            false => OpenMode::Exclusive {
                purpose: &self.purpose,
            },
        };
        let engine = Engine::open_unless(self.config, mode, |_| when_busy)?;
        Ok(engine.with_caller(self.caller))
    }
}
