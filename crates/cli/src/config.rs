//! Chooses the configuration, the directory of the store, and the locations of credentials.

use std::fs;
use std::path::{Path, PathBuf};

use windlass::registry::RegistryConfig;
use windlass::{EngineConfig, PullerConfig};
use windlass_config::{ConfigError, ConfigPaths, Configuration, DaemonJsonFile, WindlassFiles};
use windlass_credentials::{CredentialLocations, CredentialStore, HelperSettings};

use crate::environment::Environment;
use crate::error::Error;

/// The default directory of the store for root.
const SYSTEM_ROOT: &str = "/var/lib/windlass";
/// The `daemon.json` of windlass's own daemon.
const DAEMON_JSON: &str = "/etc/windlass/daemon.json";

/// The configuration of a command.
#[derive(Debug)]
pub(crate) struct CommandSettings {
    /// The configuration in files.
    pub(crate) configuration: Configuration,
    /// The configuration of the engine, from files, the environment and the command line.
    pub(crate) pull: PullerConfig,
}

impl CommandSettings {
    /// Reads the configuration. `file` replaces the usual `windlass.toml` files. `insecure` are the registries of
    /// `--insecure-registry`.
    pub(crate) fn load(
        file: Option<&Path>,
        insecure: &[String],
        environment: &Environment,
    ) -> Result<Self, Error> {
        let configuration = Configuration::load(&config_paths(file, environment));
        Self::new(configuration, insecure, environment)
    }

    /// Reads the configuration of the daemon, which has a `daemon.json` of its own in addition to the usual files.
    pub(crate) fn load_for_daemon(
        file: Option<&Path>,
        daemon_json: Option<&Path>,
        insecure: &[String],
        environment: &Environment,
    ) -> Result<Self, Error> {
        let paths = config_paths(file, environment);
        let given = daemon_json.map(|path| DaemonJsonFile::Only(absolute(path)));
        let usual =
            (!environment.ignores_system_config).then(|| DaemonJsonFile::Usual(DAEMON_JSON.into()));
        let configuration = match given.or(usual) {
            Some(daemon_json) => Configuration::load_for_daemon(&paths, &daemon_json),
            None => Configuration::load(&paths),
        };
        Self::new(configuration, insecure, environment)
    }

    fn new(
        configuration: Result<Configuration, ConfigError>,
        insecure: &[String],
        environment: &Environment,
    ) -> Result<Self, Error> {
        let configuration = configuration.map_err(|error| Error::Config(Box::new(error)))?;
        let mut pull = PullerConfig {
            registry: RegistryConfig {
                proxies: environment.proxies.clone(),
                extra_roots: extra_roots(environment)?,
                ..RegistryConfig::default()
            },
            ..PullerConfig::default()
        };
        configuration.apply(&mut pull);
        pull.registry.insecure.extend_from_slice(insecure);
        Ok(Self {
            configuration,
            pull,
        })
    }

    /// Returns the configuration of an engine with its store at `root`.
    pub(crate) fn engine(&self, root: PathBuf) -> EngineConfig {
        let mut engine = EngineConfig::new(root);
        engine.pull = PullerConfig {
            ownership: engine.pull.ownership,
            ..self.pull.clone()
        };
        engine
    }

    /// Returns the directory of the store: the one of the command line, or else the configured one, or else the default.
    pub(crate) fn root(
        &self,
        given: Option<&Path>,
        environment: &Environment,
    ) -> Result<PathBuf, Error> {
        let configuration = &self.configuration;
        let configured = configuration.settings.root.as_ref();
        // Only the daemon's own file can have this one.
        let configured = configured.or(configuration.daemon.data_root.as_ref());
        let configured = configured.map(|root| &*root.value);
        match given.or(configured) {
            Some(root) => Ok(root.to_owned()),
            None => default_root(environment).ok_or(Error::NoRoot),
        }
    }
}

/// Returns the credentials of the user, from the files of [`credential_locations`].
pub(crate) fn credentials(authfile: Option<&Path>, environment: &Environment) -> CredentialStore {
    let helpers = HelperSettings::new(environment.path.clone());
    CredentialStore::new(credential_locations(authfile, environment), helpers)
}

/// Returns the locations of credentials. `authfile` is the first one if it is given.
pub(crate) fn credential_locations(
    authfile: Option<&Path>,
    environment: &Environment,
) -> CredentialLocations {
    let explicit = authfile.or(environment.registry_auth_file.as_deref());
    CredentialLocations {
        explicit: explicit.map(Path::to_owned),
        text: environment.docker_auth_config.clone(),
        docker: environment.docker_config.clone(),
        runtime: environment.xdg_runtime_dir.clone(),
        config: environment.xdg_config_home.clone(),
        home: environment.home.clone(),
    }
}

fn default_root(environment: &Environment) -> Option<PathBuf> {
    if environment.is_root {
        return Some(SYSTEM_ROOT.into());
    }
    let data = environment.xdg_data_home.clone();
    let data = data.or_else(|| Some(environment.home.as_ref()?.join(".local/share")));
    data.map(|data| data.join("windlass"))
}

/// Returns the files and directories to read. `file` replaces the `windlass.toml` files.
fn config_paths(file: Option<&Path>, environment: &Environment) -> ConfigPaths {
    let system = (!environment.ignores_system_config).then(|| Path::new("/etc"));
    let usual = ConfigPaths::usual(user_config(environment).as_deref(), system);
    match file {
        Some(file) => ConfigPaths {
            windlass: WindlassFiles::Only(absolute(file)),
            ..usual
        },
        None => usual,
    }
}

fn user_config(environment: &Environment) -> Option<PathBuf> {
    let config = environment.xdg_config_home.clone();
    config.or_else(|| Some(environment.home.as_ref()?.join(".config")))
}

/// Returns the absolute path of a file. Relative paths in a configuration file start at the directory of the file, which
/// needs an absolute path for that.
fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// Reads the root certificates in `SSL_CERT_FILE`, and checks that the directories in `SSL_CERT_DIR` can be read.
///
/// The TLS library uses them instead of the system's, and ignores those that it cannot read. Here this is an error with a
/// message. The files in the directories are left to the library, because not all of them have to be certificates.
fn extra_roots(environment: &Environment) -> Result<Vec<Vec<u8>>, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Certificates { path, source }
    };
    for directory in &environment.ssl_cert_dirs {
        fs::read_dir(directory).map_err(failed(directory))?;
    }
    let roots = environment.ssl_cert_file.iter();
    roots
        .map(|path| fs::read(path).map_err(failed(path)))
        .collect()
}

#[cfg(test)]
mod tests;
