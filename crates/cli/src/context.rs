//! What every command is given: the way to the engine and to registries, and where its result goes.

use std::cell::OnceCell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use windlass::{Access, Engine, EngineConfig, Remote, StoreOwner};
use windlass_credentials::CredentialStore;
use windlass_report::OperationError;

use crate::args::Global;
use crate::backend::Backend;
use crate::config::{self, CommandSettings};
use crate::environment::Environment;
use crate::error::Error;
use crate::output::text::truncated;
use crate::stdin::Stdin;
use windlass::text::escape;
use windlass_control::{ControlClient, ImageHold};

/// Waiting processes are shown what the owner does; an argument list may be long.
const PURPOSE_WIDTH: usize = 100;

/// How often, and for how long each time, a daemon is waited for that owns the store and does not answer yet.
const LOOKS: usize = 40;
const LOOK: Duration = Duration::from_millis(50);

/// The surroundings of a command.
pub(crate) struct Context<'a> {
    /// The environment variables that count.
    pub(crate) environment: Environment,
    /// Where the result goes: standard output.
    pub(crate) out: &'a mut dyn Write,
    global: Global,
    settings: OnceCell<CommandSettings>,
    /// Keeps a daemon from removing what this command reads.
    holding: OnceCell<ImageHold>,
}

impl<'a> Context<'a> {
    /// Makes the context of a command that was called with `global`.
    pub(crate) fn new(global: Global, environment: Environment, out: &'a mut dyn Write) -> Self {
        Self {
            environment,
            out,
            global,
            settings: OnceCell::new(),
            holding: OnceCell::new(),
        }
    }

    /// Opens the engine to look at what is there.
    pub(crate) fn look(&self) -> Result<Engine, Error> {
        self.open(&Access::Look, |_| {}, || {})
    }

    /// Opens the engine to change what is there; `purpose` is the command, for those who wait meanwhile.
    pub(crate) fn own(
        &self,
        purpose: &str,
        configure: impl FnOnce(&mut EngineConfig),
    ) -> Result<Engine, Error> {
        let purpose = truncated(&escape(purpose), PURPOSE_WIDTH).into_owned();
        self.open(&Access::Own { purpose }, configure, || {})
    }

    /// Returns who changes what is there with what comes from `stdin`.
    ///
    /// Who writes to that may need the store, too, as in `windlass export app | windlass import -`, and has it for as
    /// long as it writes. So the store is not taken before something comes, and if it is in use then, all that comes is
    /// taken in before it is waited for.
    pub(crate) fn backend_with_stdin(
        &self,
        stdin: &mut Stdin,
        purpose: &str,
    ) -> Result<Backend, Error> {
        Stdin::wait();
        if let Some(daemon) = self.daemon()? {
            return Ok(Backend::Daemon(daemon));
        }
        let purpose = truncated(&escape(purpose), PURPOSE_WIDTH).into_owned();
        let engine = self.open(&Access::Own { purpose }, |_| {}, || stdin.take_in());
        engine.map(Box::new).map(Backend::Local)
    }

    /// Returns who changes what is there: the daemon that owns the store, or else an engine that does.
    pub(crate) fn backend(
        &self,
        purpose: &str,
        configure: impl FnOnce(&mut EngineConfig),
    ) -> Result<Backend, Error> {
        match self.daemon()? {
            Some(daemon) => Ok(Backend::Daemon(daemon)),
            None => self
                .own(purpose, configure)
                .map(Box::new)
                .map(Backend::Local),
        }
    }

    /// Opens the engine to use what is there, beside others that do. A daemon that owns the store keeps all of it
    /// meanwhile.
    pub(crate) fn share(&self) -> Result<Engine, Error> {
        if let Some(daemon) = self.daemon()? {
            let held = daemon.hold()?;
            self.holding.get_or_init(|| held);
            return self.look();
        }
        self.open(&Access::Share, |_| {}, || {})
    }

    /// Returns the daemon that owns the store, if one does. One that is about to open its hatch is waited for a little.
    fn daemon(&self) -> Result<Option<ControlClient>, Error> {
        let root = self.root()?;
        for _ in 0..LOOKS {
            let found = ControlClient::find(&root);
            if found.is_some() || !ControlClient::is_expected(&root) {
                return Ok(found);
            }
            thread::sleep(LOOK);
        }
        Ok(None)
    }

    /// Returns the way to registries without any store.
    pub(crate) fn remote(&self) -> Result<Remote, Error> {
        let settings = self.settings()?;
        let pull = settings.engine(PathBuf::new()).pull;
        Remote::new(pull.registry, pull.retry).map_err(|error| OperationError::Client(error).into())
    }

    /// Returns the credentials of the user, in `authfile` before all other places if it is given.
    pub(crate) fn keys(&self, authfile: Option<&Path>) -> CredentialStore {
        config::keys(authfile, &self.environment)
    }

    /// Returns the configuration, which is read when it is first asked for.
    pub(crate) fn settings(&self) -> Result<&CommandSettings, Error> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let file = self.global.config.as_deref();
        let insecure = &self.global.insecure_registry;
        let settings = CommandSettings::load(file, insecure, &self.environment)?;
        Ok(self.settings.get_or_init(|| settings))
    }

    /// Returns where the store is, or would be.
    pub(crate) fn root(&self) -> Result<PathBuf, Error> {
        let asked = self.global.root.as_deref();
        self.settings()?.root(asked, &self.environment)
    }

    /// Returns what every command was given.
    pub(crate) fn global(&self) -> &Global {
        &self.global
    }

    fn open(
        &self,
        access: &Access,
        configure: impl FnOnce(&mut EngineConfig),
        mut meanwhile: impl FnMut(),
    ) -> Result<Engine, Error> {
        let root = self.root()?;
        let settings = self.settings()?;
        let mut engine = settings.engine(root.clone());
        configure(&mut engine);
        let mut has_told = false;
        let on_wait = |owner: &StoreOwner| {
            if !std::mem::replace(&mut has_told, true) {
                note(&waiting(owner, &root));
            }
            meanwhile();
        };
        Engine::open(engine, access, on_wait).map_err(|error| OperationError::Open(error).into())
    }
}

/// Tells people something beside the result.
pub(crate) fn note(text: &str) {
    // Standard error that is gone cannot be told so.
    drop(writeln!(io::stderr(), "{text}"));
}

/// Tells people something that they should not overlook. What is in it that comes from elsewhere is harmless.
pub(crate) fn warn(text: &str) {
    note(&format!("warning: {text}"));
}

fn waiting(owner: &StoreOwner, root: &Path) -> String {
    let who = match (owner.pid, owner.what.as_str()) {
        (None, _) => "another process".to_owned(),
        (Some(pid), "") => format!("pid {pid}"),
        (Some(pid), what) => format!("pid {pid} ({what})"),
    };
    format!(
        "waiting for {} to finish with {}",
        escape(&who),
        escape(&root.to_string_lossy())
    )
}
