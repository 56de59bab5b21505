//! The configuration and the credentials of the user, as the command `windlass` finds them.
//!
//! This is the only module that reads environment variables: `HOME`, the `XDG_*` directories, `PATH` and those of
//! Docker and podman. Without the features `user-config` and `user-credentials` it is not compiled.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::builder::EngineBuilder;

#[cfg(test)]
mod tests;

/// Returns the value of a variable in the environment of this process.
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment of the user, behind a feature"
)]
fn process_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The variables of a user. An empty variable counts as missing.
struct Variables<F>(F);

impl<F: Fn(&str) -> Option<OsString>> Variables<F> {
    fn get(&self, name: &str) -> Option<OsString> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// Returns the directory in a variable, if that is an absolute path.
    fn directory(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.get(name)?);
        path.is_absolute().then_some(path)
    }
}

#[cfg(feature = "user-config")]
impl EngineBuilder {
    /// Applies the registry configuration of the system and the user: `windlass/windlass.toml` and the `certs.d`
    /// directories of windlass, containerd, Docker and podman, below `/etc` and the user's configuration directory, and
    /// Docker's `daemon.json`. The configuration directory is `XDG_CONFIG_HOME`, or else `.config` in `HOME`.
    ///
    /// # Errors
    /// If a file exists and is not valid.
    pub fn user_config(self) -> Result<Self, windlass_config::ConfigError> {
        self.with_config_files(&Variables(process_variable), std::path::Path::new("/etc"))
    }

    /// Applies the configuration of the user with these variables, and of the system in the directory `system`.
    fn with_config_files(
        self,
        variables: &Variables<impl Fn(&str) -> Option<OsString>>,
        system: &std::path::Path,
    ) -> Result<Self, windlass_config::ConfigError> {
        let home = || Some(variables.directory("HOME")?.join(".config"));
        let user = variables.directory("XDG_CONFIG_HOME").or_else(home);
        let paths = windlass_config::ConfigPaths::usual(user.as_deref(), Some(system));
        let configuration = windlass_config::Configuration::load(&paths)?;
        Ok(self.configure(|config| configuration.apply(&mut config.pull)))
    }
}

#[cfg(feature = "user-credentials")]
impl EngineBuilder {
    /// Uses the credentials that `docker login`, `podman login` and `windlass login` have stored, with the user's
    /// credential helpers. The files are read when a registry requires credentials.
    ///
    /// The files are those in `REGISTRY_AUTH_FILE`, `DOCKER_CONFIG`, `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME` and `HOME`;
    /// the content of `DOCKER_AUTH_CONFIG` counts as well. Helpers are found in `PATH`.
    pub fn user_credentials(self) -> Self {
        self.with_credential_files(&Variables(process_variable))
    }

    /// Uses the credentials of the user with these variables.
    fn with_credential_files(
        self,
        variables: &Variables<impl Fn(&str) -> Option<OsString>>,
    ) -> Self {
        use windlass_credentials::{CredentialLocations, CredentialStore, HelperSettings};
        use windlass_registry::{Caller, Secret};

        let text = variables.get("DOCKER_AUTH_CONFIG");
        let locations = CredentialLocations {
            explicit: variables.get("REGISTRY_AUTH_FILE").map(PathBuf::from),
            text: text.map(|text| Secret::new(text.to_string_lossy())),
            docker: variables.get("DOCKER_CONFIG").map(PathBuf::from),
            runtime: variables.directory("XDG_RUNTIME_DIR"),
            config: variables.directory("XDG_CONFIG_HOME"),
            home: variables.directory("HOME"),
        };
        let helpers = HelperSettings::new(variables.get("PATH").unwrap_or_default());
        let store = CredentialStore::new(locations, helpers);
        self.caller(Caller::new(std::sync::Arc::new(store)))
    }
}
