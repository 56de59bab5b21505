//! Helpers for the tests of registries: a windlass with files of its own, and its logins and failures.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use windlass_testing::real::{DockerRegistry, USER};

use crate::command::{Ran, Windlass};
use crate::fixture::Fixture;
use crate::shared_state::SharedState;

/// A windlass with a directory of its own, for a registry that has the small image as `hold/small:gzip`.
pub(crate) struct RegistryClient {
    pub(crate) windlass: Windlass,
    pub(crate) directory: PathBuf,
}

impl RegistryClient {
    pub(crate) fn new(shared: &SharedState, name: &str) -> Self {
        let directory = shared.directory(name);
        Self {
            windlass: Windlass::new(&directory),
            directory,
        }
    }

    /// Writes the user's `windlass.toml`.
    pub(crate) fn configure(&self, toml: &str) {
        let directory = self.directory.join(".config/windlass");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("windlass.toml"), toml).unwrap();
    }

    /// Logs in with the password on standard input.
    pub(crate) fn log_in(&self, host: &str, password: &str) -> Ran {
        self.log_in_as(USER, host, password)
    }

    /// The same as another user.
    pub(crate) fn log_in_as(&self, user: &str, host: &str, password: &str) -> Ran {
        let arguments = ["login", "--username", user, "--password-stdin", host];
        let mut command = self.windlass.command(&arguments);
        let command = command.stdin(Stdio::piped());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{password}").unwrap();
        drop(stdin);
        Ran::from(child.wait_with_output().unwrap())
    }

    /// Runs a command with which no image must be pulled, and returns its exit code and output with `registry.test` in
    /// place of `host`.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str], host: &str) -> String {
        let ran = self.windlass.run(arguments);
        assert_eq!(self.windlass.images(), [""; 0]);
        self.windlass.show(&ran, &[(host, "registry.test")])
    }
}

/// Pushes the small image.
pub(crate) fn fill(shared: &SharedState, registry: &DockerRegistry) {
    shared.push(registry, Fixture::Small, "hold/small");
}

/// Returns the reference of the small image.
pub(crate) fn named(registry: &DockerRegistry) -> String {
    format!("{}/hold/small:gzip", registry.address())
}
