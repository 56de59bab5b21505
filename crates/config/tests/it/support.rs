//! Configuration files in a temporary directory.

use std::error::Error;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use windlass_config::{ConfigOverview, ConfigPaths, Configuration, WindlassFiles};
use windlass_pull::PullerConfig;

/// A root certificate of an authority with the name ca.test.
pub(crate) const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUUAdpIBKaem/3U5R5G6rdsWtKj5UwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHY2EudGVzdDAgFw0yNjExMjQwMjA1MzZaGA8yMTI2MTAzMTAy
MDUzNlowEjEQMA4GA1UEAwwHY2EudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABAEI4XD7FIwBNZvYSrHVPOT34vBaZYc/ZYo1VCUWIVO0o9YyhiL9t0BO0WwD
UkPgI+5vzt7zYrNyX9yneHGNuDajUzBRMB0GA1UdDgQWBBQ1e9JRDNrVbg3fLRz0
A41HEtlACTAfBgNVHSMEGDAWgBQ1e9JRDNrVbg3fLRz0A41HEtlACTAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIFt6pu6r0iH5J8MEy8ain7s/7CMH
A7lr40LxPstO7qGnAiEAoaxtqlb9CNW1aZur0P73VkTbi9+Nvn7ekWQ4ok87+0Q=
-----END CERTIFICATE-----
";
/// A text in the form of a private key.
pub(crate) const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";

/// A directory with `system.toml`, `user.toml`, `daemon.json`, and `first` and `second` as `certs.d`.
pub(crate) struct Files(TempDir);

impl Files {
    /// Writes the files, given as names and contents.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let files_of = Self(tempfile::tempdir().unwrap());
        for (name, content) in files {
            files_of.write(name, content);
        }
        files_of
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn paths(&self) -> ConfigPaths {
        ConfigPaths {
            windlass: WindlassFiles::Usual(vec![self.path("system.toml"), self.path("user.toml")]),
            certs_dirs: vec![self.path("first"), self.path("second")],
            daemon_json: Some(self.path("daemon.json")),
        }
    }

    /// Loads the configuration. An error is returned as a command prints it.
    pub(crate) fn load(&self) -> Result<Configuration, String> {
        Configuration::load(&self.paths()).map_err(|error| self.message(&error))
    }

    /// Returns an error and its causes, with paths relative to the directory.
    pub(crate) fn message(&self, error: &dyn Error) -> String {
        message(error, self.0.path())
    }

    /// Returns why a registry cannot be used.
    pub(crate) fn registry_error(&self, loaded: &Configuration, registry: &str) -> String {
        self.message(loaded.registry(registry).unwrap_err())
    }

    /// Returns the findings, with paths relative to the directory.
    pub(crate) fn findings(&self, loaded: &Configuration) -> Vec<String> {
        let directory = format!("{}/", self.0.path().display());
        let findings = loaded.findings.iter();
        findings
            .map(|finding| finding.to_string().replace(&directory, ""))
            .collect()
    }
}

/// Returns an error and its causes, with paths relative to `base`.
pub(crate) fn message(error: &dyn Error, base: &Path) -> String {
    let chain = iter::successors(Some(error), |&error| error.source());
    let chain: Vec<String> = chain.map(ToString::to_string).collect();
    chain
        .join(": ")
        .replace(&format!("{}/", base.display()), "")
}

/// Returns the engine's configuration with the defaults and this configuration.
pub(crate) fn applied(loaded: &Configuration) -> PullerConfig {
    let mut config = PullerConfig::default();
    loaded.apply(&mut config);
    config
}

/// Returns the overview of a configuration that is applied to the defaults.
pub(crate) fn overview(loaded: &Configuration) -> ConfigOverview {
    loaded.overview(&applied(loaded))
}

/// Returns the addresses of the configured hosts of a registry.
pub(crate) fn hosts(loaded: &Configuration, registry: &str) -> Vec<String> {
    let settings = loaded.registry(registry).unwrap();
    let hosts = settings.mirrors.iter().chain(&settings.server);
    hosts.map(|host| host.value.url.to_string()).collect()
}
