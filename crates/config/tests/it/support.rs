//! Files in a directory of their own.

use std::error::Error;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use windlass_config::{Loaded, Places, WindlassFiles};

/// A certificate, of an authority called ca.test.
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
/// The form of a key.
pub(crate) const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";

/// A directory with `system.toml`, `user.toml`, `daemon.json`, and `first` and `second` as `certs.d`.
pub(crate) struct Files(TempDir);

impl Files {
    /// Makes the files, by their names.
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

    pub(crate) fn places(&self) -> Places {
        Places {
            windlass: WindlassFiles::Usual(vec![self.path("system.toml"), self.path("user.toml")]),
            certs_dirs: vec![self.path("first"), self.path("second")],
            daemon_json: Some(self.path("daemon.json")),
        }
    }

    /// Loads them; an error is told as commands tell it.
    pub(crate) fn load(&self) -> Result<Loaded, String> {
        Loaded::load(&self.places()).map_err(|error| self.told(&error))
    }

    /// Returns an error and its causes, with paths relative to the directory.
    pub(crate) fn told(&self, error: &dyn Error) -> String {
        told(error, self.0.path())
    }

    /// Returns why a registry cannot be asked.
    pub(crate) fn why_not(&self, loaded: &Loaded, registry: &str) -> String {
        self.told(loaded.registry(registry).unwrap_err())
    }

    /// Returns the findings, with paths relative to the directory.
    pub(crate) fn findings(&self, loaded: &Loaded) -> Vec<String> {
        let there = format!("{}/", self.0.path().display());
        let findings = loaded.findings.iter();
        findings
            .map(|finding| finding.to_string().replace(&there, ""))
            .collect()
    }
}

/// Returns an error and its causes, with paths relative to `base`.
pub(crate) fn told(error: &dyn Error, base: &Path) -> String {
    let chain = iter::successors(Some(error), |&error| error.source());
    let chain: Vec<String> = chain.map(ToString::to_string).collect();
    chain
        .join(": ")
        .replace(&format!("{}/", base.display()), "")
}

/// Returns the addresses of the hosts that answer for a registry.
pub(crate) fn hosts(loaded: &Loaded, registry: &str) -> Vec<String> {
    let settings = loaded.registry(registry).unwrap();
    let hosts = settings.mirrors.iter().chain(&settings.server);
    hosts.map(|host| host.value.url.to_string()).collect()
}
