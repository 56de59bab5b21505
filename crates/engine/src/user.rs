//! The configuration and the credentials of the user, as the command `windlass` finds them.
//!
//! This is the only module that reads environment variables: `HOME`, the `XDG_*` directories, `PATH` and those of
//! Docker and podman. Without the features `user-config` and `user-credentials` it is not compiled.

#![expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment of the user, behind a feature"
)]

use std::env;
use std::path::PathBuf;

use crate::EngineBuilder;

/// Returns the path in an environment variable, if that is absolute.
fn path(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os(variable)?);
    path.is_absolute().then_some(path)
}

#[cfg(feature = "user-config")]
impl EngineBuilder {
    /// Applies the registry configuration of the system and the user: `windlass/windlass.toml` and the `certs.d`
    /// directories of windlass, containerd, Docker and podman, below `/etc` and the user's configuration directory, and
    /// Docker's `daemon.json`.
    ///
    /// # Errors
    /// If a file exists and is not valid.
    pub fn user_config(self) -> Result<Self, windlass_config::ConfigError> {
        let user = path("XDG_CONFIG_HOME").or_else(|| Some(path("HOME")?.join(".config")));
        let system = PathBuf::from("/etc");
        let directories = || user.iter().chain([&system]);
        let certs_dirs = ["windlass", "containerd", "docker", "containers"];
        let paths = windlass_config::ConfigPaths {
            // Later files override earlier ones.
            windlass: windlass_config::WindlassFiles::Usual(
                { [&system].into_iter().chain(user.iter()) }
                    .map(|directory| directory.join("windlass/windlass.toml"))
                    .collect(),
            ),
            certs_dirs: certs_dirs
                .iter()
                .flat_map(|name| directories().map(move |directory| directory.join(name)))
                .map(|directory| directory.join("certs.d"))
                .collect(),
            daemon_json: Some(system.join("docker/daemon.json")),
        };
        let configuration = windlass_config::Configuration::load(&paths)?;
        Ok(self.configure(|config| configuration.apply(&mut config.pull)))
    }
}

#[cfg(feature = "user-credentials")]
impl EngineBuilder {
    /// Uses the credentials that `docker login`, `podman login` and `windlass login` have stored, with the user's
    /// credential helpers. The files are read when a registry requires credentials.
    pub fn user_credentials(self) -> Self {
        use windlass_credentials::{CredentialLocations, CredentialStore, HelperSettings};
        use windlass_registry::{Caller, Secret};

        let locations = CredentialLocations {
            explicit: env::var_os("REGISTRY_AUTH_FILE").map(PathBuf::from),
            text: env::var("DOCKER_AUTH_CONFIG").ok().map(Secret::new),
            docker: env::var_os("DOCKER_CONFIG").map(PathBuf::from),
            runtime: path("XDG_RUNTIME_DIR"),
            config: path("XDG_CONFIG_HOME"),
            home: path("HOME"),
        };
        let helpers = HelperSettings::new(env::var_os("PATH").unwrap_or_default());
        let store = CredentialStore::new(locations, helpers);
        self.caller(Caller::new(std::sync::Arc::new(store)))
    }
}
