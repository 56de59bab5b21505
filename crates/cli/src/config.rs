//! What a command works with: where the store is, how registries are reached, who the user is to them.

use std::fs;
use std::path::{Path, PathBuf};

use windlass::{EngineConfig, RegistryConfig};
use windlass_config::{ConfigError, DaemonJsonFile, Loaded, Places, Rate, WindlassFiles};
use windlass_credentials::{CredentialLocations, CredentialStore, HelperSettings};

use crate::environment::Environment;
use crate::error::Error;

/// The store's place for root, unless told otherwise.
const SYSTEM_ROOT: &str = "/var/lib/windlass";
/// The directory that has windlass's own configuration, in `/etc` and in the user's.
const OWN: &str = "windlass";
const OWN_FILE: &str = "windlass.toml";
const DAEMON_FILE: &str = "daemon.json";
const CERTS: &str = "certs.d";
/// What others call their directories for registries; the first that has something decides.
const OTHERS: [&str; 3] = ["containerd", "docker", "containers"];

/// How everything is to be done, and where that is said.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What the files say.
    pub(crate) loaded: Loaded,
    /// The same for the registry client, with the environment and the command line.
    pub(crate) registry: RegistryConfig,
}

impl Settings {
    /// Reads the configuration: `file` instead of windlass's usual ones if it is given. `insecure` is what the
    /// command line adds to the hosts that may be spoken to without TLS.
    pub(crate) fn load(
        file: Option<&Path>,
        insecure: &[String],
        environment: &Environment,
    ) -> Result<Self, Error> {
        let loaded = Loaded::load(&places(file, environment));
        Self::of(loaded, insecure, environment)
    }

    /// Reads the configuration of the daemon, which has a `daemon.json` of its own beside the usual files.
    pub(crate) fn load_for_daemon(
        file: Option<&Path>,
        daemon_json: Option<&Path>,
        insecure: &[String],
        environment: &Environment,
    ) -> Result<Self, Error> {
        let places = places(file, environment);
        let own = daemon_json.map(|path| DaemonJsonFile::Only(absolute(path)));
        let usual = (!environment.ignores_system_config).then(|| {
            let path = Path::new("/etc").join(OWN).join(DAEMON_FILE);
            DaemonJsonFile::Usual(path)
        });
        let loaded = match own.or(usual) {
            Some(daemon_json) => Loaded::load_for_daemon(&places, &daemon_json),
            None => Loaded::load(&places),
        };
        Self::of(loaded, insecure, environment)
    }

    fn of(
        loaded: Result<Loaded, ConfigError>,
        insecure: &[String],
        environment: &Environment,
    ) -> Result<Self, Error> {
        let loaded = loaded.map_err(|error| Error::Config(Box::new(error)))?;
        let mut registry = RegistryConfig {
            proxies: environment.proxies.clone(),
            extra_roots: extra_roots(environment)?,
            ..RegistryConfig::default()
        };
        loaded.apply(&mut registry);
        registry.insecure.extend_from_slice(insecure);
        Ok(Self { loaded, registry })
    }

    /// Returns how an engine with its store at `root` is to go about its work.
    pub(crate) fn engine(&self, root: PathBuf) -> EngineConfig {
        let configured = self.loaded.pull_settings();
        let mut engine = EngineConfig::new(root);
        let pull = &mut engine.pull;
        pull.registry = self.registry.clone();
        pull.registry_rates = configured.registry_rates;
        set(&mut pull.downloads, configured.downloads);
        set(&mut pull.unpacks, configured.unpacks);
        set(&mut pull.split.connections, configured.connections);
        set(&mut pull.split.from, configured.split_from);
        set(&mut pull.split.chunk, configured.chunk);
        set(&mut pull.retry.attempts, configured.retry);
        set(&mut pull.retry.first_pause, configured.retry_delay);
        set(&mut pull.rate, configured.limit_rate.map(Rate::limit));
        set(&mut pull.keep.max_age, configured.partials_max_age);
        set(&mut pull.keep.max_bytes, configured.partials_max_size);
        let policy = &mut pull.retry;
        policy.longest_pause = policy.longest_pause.max(policy.first_pause);
        engine
    }

    /// Returns the store's place: the one asked for, the configured one, or the default of this user.
    pub(crate) fn root(
        &self,
        asked: Option<&Path>,
        environment: &Environment,
    ) -> Result<PathBuf, Error> {
        // Only the daemon's own file has the latter.
        let configured = self.loaded.root.as_ref();
        let configured = configured.or(self.loaded.daemon.data_root.as_ref());
        let configured = configured.map(|root| &*root.value);
        match asked.or(configured) {
            Some(root) => Ok(root.to_owned()),
            None => default_root(environment).ok_or(Error::NoRoot),
        }
    }
}

fn set<T>(value: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *value = said;
    }
}

/// Returns the credentials of the user; see [`credential_places`].
pub(crate) fn keys(authfile: Option<&Path>, environment: &Environment) -> CredentialStore {
    let helpers = HelperSettings::new(environment.path.clone());
    CredentialStore::new(credential_places(authfile, environment), helpers)
}

/// Returns where credentials are looked for: in `authfile` before all other places if it is given.
pub(crate) fn credential_places(
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

/// Returns what is to be read: the user's own before the machine's, windlass's before others'.
fn places(file: Option<&Path>, environment: &Environment) -> Places {
    let system = (!environment.ignores_system_config).then(|| PathBuf::from("/etc"));
    let user = user_config(environment);
    // Windlass's own files are read the other way round: there a later one's keys win.
    let files = [&system, &user].into_iter().flatten();
    let files = files.map(|directory| directory.join(OWN).join(OWN_FILE));
    let own = [&user, &system].into_iter().flatten();
    let own = own.map(|directory| directory.join(OWN).join(CERTS));
    let users = user.iter().flat_map(|directory| {
        let others = OTHERS[1..].iter();
        others.map(|other| directory.join(other).join(CERTS))
    });
    let systems = system.iter().flat_map(|directory| {
        let others = OTHERS.iter();
        others.map(|other| directory.join(other).join(CERTS))
    });
    Places {
        windlass: match file {
            Some(file) => WindlassFiles::Only(absolute(file)),
            None => WindlassFiles::Usual(files.collect()),
        },
        certs_dirs: own.chain(users).chain(systems).collect(),
        daemon_json: system
            .as_ref()
            .map(|directory| directory.join("docker/daemon.json")),
    }
}

fn user_config(environment: &Environment) -> Option<PathBuf> {
    let config = environment.xdg_config_home.clone();
    config.or_else(|| Some(environment.home.as_ref()?.join(".config")))
}

/// What it names is relative to the file, not to where the command was called.
fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// Reads the certificates that the environment names.
///
/// The TLS library takes them in place of the system's, and goes on in silence where it cannot read them; to
/// read them here makes that an error that says what is wrong. The directories it reads alone, for they may
/// hold anything.
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
