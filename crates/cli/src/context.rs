//! The context of a command: its configuration, engine, credentials and output.

use std::cell::OnceCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use windlass::registry::Remote;
use windlass::store::StoreOwner;
use windlass::text::{escape, truncate};
use windlass::{Engine, EngineConfig, OpenMode};
use windlass_control::{ControlClient, ImageHold};
use windlass_credentials::CredentialStore;
use windlass_error_report::OperationError;

use crate::backend::Backend;
use crate::config::{self, CommandSettings};
use crate::environment::Environment;
use crate::error::Error;
use crate::global_args::GlobalArgs;
use crate::output::message::note;
use crate::stdin::Stdin;

/// The largest number of characters of the purpose that waiting processes display.
const PURPOSE_WIDTH: usize = 100;

/// How often a command tries to connect to a daemon that owns the store and is starting.
const DAEMON_POLLS: usize = 40;
/// The time between two of these attempts.
const DAEMON_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The context of a command.
pub(crate) struct Context<'a> {
    /// The environment variables.
    pub(crate) environment: Environment,
    /// Standard output, for the result.
    pub(crate) out: &'a mut dyn Write,
    global: GlobalArgs,
    settings: OnceCell<CommandSettings>,
    /// Keeps the daemon from removing images that this command reads.
    image_hold: OnceCell<ImageHold>,
}

impl<'a> Context<'a> {
    /// Creates the context of a command.
    pub(crate) fn new(
        global: GlobalArgs,
        environment: Environment,
        out: &'a mut dyn Write,
    ) -> Self {
        Self {
            environment,
            out,
            global,
            settings: OnceCell::new(),
            image_hold: OnceCell::new(),
        }
    }

    /// Opens the engine to read the store, without its lock.
    pub(crate) fn open_unlocked(&self) -> Result<Engine, Error> {
        self.open(OpenMode::Unlocked, |_| {}, || {})
    }

    /// Opens the engine to change the store, with an exclusive lock. Processes that wait for the lock display `purpose`,
    /// the command.
    pub(crate) fn open_exclusive(
        &self,
        purpose: &str,
        configure: impl FnOnce(&mut EngineConfig),
    ) -> Result<Engine, Error> {
        let purpose = truncate(&escape(purpose), PURPOSE_WIDTH).into_owned();
        self.open(OpenMode::Exclusive { purpose: &purpose }, configure, || {})
    }

    /// Returns the backend that changes the store with data of `stdin`.
    ///
    /// The process at the other end of the pipe may use the store itself, as in
    /// `windlass export app | windlass import -`, and keeps it open until all data is written. To avoid a deadlock, the
    /// store is opened after the first data has arrived, and standard input is buffered while the store is in use.
    pub(crate) fn backend_with_stdin(
        &self,
        stdin: &mut Stdin,
        purpose: &str,
    ) -> Result<Backend, Error> {
        Stdin::wait();
        if let Some(daemon) = self.daemon()? {
            return Ok(Backend::Daemon(daemon));
        }
        let purpose = truncate(&escape(purpose), PURPOSE_WIDTH).into_owned();
        let engine = self.open(
            OpenMode::Exclusive { purpose: &purpose },
            |_| {},
            || stdin.buffer(),
        );
        engine.map(Box::new).map(Backend::Local)
    }

    /// Returns the backend that changes the store: the daemon that owns it, or an engine in this process.
    pub(crate) fn backend(
        &self,
        purpose: &str,
        configure: impl FnOnce(&mut EngineConfig),
    ) -> Result<Backend, Error> {
        match self.daemon()? {
            Some(daemon) => Ok(Backend::Daemon(daemon)),
            None => self
                .open_exclusive(purpose, configure)
                .map(Box::new)
                .map(Backend::Local),
        }
    }

    /// Opens the engine to read images with a shared lock: no process removes an image meanwhile, and neither does a
    /// daemon that owns the store.
    pub(crate) fn open_shared(&self) -> Result<Engine, Error> {
        if let Some(daemon) = self.daemon()? {
            let hold = daemon.hold()?;
            self.image_hold.get_or_init(|| hold);
            return self.open_unlocked();
        }
        self.open(OpenMode::Shared, |_| {}, || {})
    }

    /// Returns a client of the daemon that owns the store, if there is one. Waits up to two seconds for a daemon that is
    /// starting.
    fn daemon(&self) -> Result<Option<ControlClient>, Error> {
        let root = self.root()?;
        for _ in 0..DAEMON_POLLS {
            let found = ControlClient::find(&root);
            if found.is_some() || !ControlClient::is_expected(&root) {
                return Ok(found);
            }
            thread::sleep(DAEMON_POLL_INTERVAL);
        }
        Ok(None)
    }

    /// Returns a client of registries, for commands without a store.
    pub(crate) fn remote(&self) -> Result<Remote, Error> {
        let settings = self.settings()?;
        let pull = settings.engine(PathBuf::new()).pull;
        Remote::new(pull.registry, pull.retry).map_err(|error| OperationError::Client(error).into())
    }

    /// Returns the credentials of the user. Those in `authfile` have priority.
    pub(crate) fn credentials(&self, authfile: Option<&Path>) -> CredentialStore {
        config::credentials(authfile, &self.environment)
    }

    /// Returns the configuration. The first call reads it.
    pub(crate) fn settings(&self) -> Result<&CommandSettings, Error> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let file = self.global.config.as_deref();
        let insecure = &self.global.insecure_registry;
        let settings = CommandSettings::load(file, insecure, &self.environment)?;
        Ok(self.settings.get_or_init(|| settings))
    }

    /// Returns the root directory of the store, which may not exist.
    pub(crate) fn root(&self) -> Result<PathBuf, Error> {
        let root = self.global.root.as_deref();
        self.settings()?.root(root, &self.environment)
    }

    /// Returns the global options.
    pub(crate) fn global(&self) -> &GlobalArgs {
        &self.global
    }

    fn open(
        &self,
        mode: OpenMode<'_>,
        configure: impl FnOnce(&mut EngineConfig),
        mut meanwhile: impl FnMut(),
    ) -> Result<Engine, Error> {
        let root = self.root()?;
        let settings = self.settings()?;
        let mut engine = settings.engine(root.clone());
        configure(&mut engine);
        let mut is_reported = false;
        let on_wait = |owner: &StoreOwner| {
            if !std::mem::replace(&mut is_reported, true) {
                note(&waiting_message(owner, &root));
            }
            meanwhile();
        };
        Engine::open(engine, mode, on_wait).map_err(|error| OperationError::Open(error).into())
    }
}

fn waiting_message(owner: &StoreOwner, root: &Path) -> String {
    let process = match (owner.pid, owner.purpose.as_str()) {
        (None, _) => "another process".to_owned(),
        (Some(pid), "") => format!("pid {pid}"),
        (Some(pid), what) => format!("pid {pid} ({what})"),
    };
    format!(
        "waiting for {} to finish with {}",
        escape(&process),
        escape(&root.to_string_lossy())
    )
}
