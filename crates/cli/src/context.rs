//! What every command is given: the way to the engine, and where its result goes.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use windlass::{Access, Engine, EngineConfig, Owner};

use crate::args::Global;
use crate::config;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::text::{harmless, shortened};

/// Waiting processes are shown what the owner does; an argument list may be long.
const PURPOSE_WIDTH: usize = 100;

/// The surroundings of a command.
pub(crate) struct Context<'a> {
    /// The environment variables that count.
    pub(crate) environment: Environment,
    /// Where the result goes: standard output.
    pub(crate) out: &'a mut dyn Write,
    root: Option<PathBuf>,
    insecure_registries: Vec<String>,
}

impl<'a> Context<'a> {
    /// Makes the context of a command that was called with `global`.
    pub(crate) fn new(global: Global, environment: Environment, out: &'a mut dyn Write) -> Self {
        Self {
            environment,
            out,
            root: global.root,
            insecure_registries: global.insecure_registry,
        }
    }

    /// Opens the engine to look at what is there.
    pub(crate) fn look(&self) -> Result<Engine, Error> {
        self.open(&Access::Look, |_| {})
    }

    /// Opens the engine to change what is there; `purpose` is the command, for those who wait meanwhile.
    pub(crate) fn own(
        &self,
        purpose: &str,
        configure: impl FnOnce(&mut EngineConfig),
    ) -> Result<Engine, Error> {
        let purpose = shortened(&harmless(purpose), PURPOSE_WIDTH).into_owned();
        self.open(&Access::Own { purpose }, configure)
    }

    /// Opens the engine to use what is there, beside others that do.
    pub(crate) fn share(&self) -> Result<Engine, Error> {
        self.open(&Access::Share, |_| {})
    }

    fn open(
        &self,
        access: &Access,
        configure: impl FnOnce(&mut EngineConfig),
    ) -> Result<Engine, Error> {
        let root = config::root(self.root.clone(), &self.environment)?;
        let registry = config::registry(self.insecure_registries.clone(), &self.environment)?;
        let mut engine = EngineConfig {
            registry,
            ..EngineConfig::new(root.clone())
        };
        configure(&mut engine);
        let mut has_told = false;
        let on_wait = |owner: &Owner| {
            if !std::mem::replace(&mut has_told, true) {
                note(&waiting(owner, &root));
            }
        };
        Engine::open(engine, access, on_wait).map_err(Error::Open)
    }
}

/// Tells people something beside the result.
pub(crate) fn note(text: &str) {
    // Standard error that is gone cannot be told so.
    drop(writeln!(io::stderr(), "{text}"));
}

fn waiting(owner: &Owner, root: &Path) -> String {
    let who = match (owner.pid, owner.what.as_str()) {
        (None, _) => "another process".to_owned(),
        (Some(pid), "") => format!("pid {pid}"),
        (Some(pid), what) => format!("pid {pid} ({what})"),
    };
    format!(
        "waiting for {} to finish with {}",
        harmless(&who),
        harmless(&root.to_string_lossy())
    )
}
