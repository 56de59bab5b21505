//! Helpers for the tests of registries: a windlass with files of its own, and its logins and failures.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use windlass_testing::real::{DockerRegistry, PASSWORD, USER};

use crate::command::{Ran, Windlass};
use crate::fixture::Fixture;
use crate::shared_state::World;

/// A windlass with a directory of its own, for a registry that has the small image as `hold/small:gzip`.
pub(crate) struct RegistryClient {
    pub(crate) windlass: Windlass,
    pub(crate) directory: PathBuf,
}

impl RegistryClient {
    pub(crate) fn new(world: &World, name: &str) -> Self {
        let directory = world.directory(name);
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

    /// Runs a command that has to fail with `why` in its error, with no image pulled.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str], why: &str) {
        let ran = self.windlass.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
        assert!(ran.stderr.contains(why), "{why:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
        assert_eq!(self.windlass.images(), [""; 0]);
    }

    /// Runs a command that has to fail for lack of a login, whatever images are stored.
    #[track_caller]
    pub(crate) fn fails_again(&self, arguments: &[&str]) {
        let ran = self.windlass.run(arguments);
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(
            ran.stderr.contains("authentication required"),
            "{}",
            ran.stderr
        );
    }
}

/// Pushes the small image.
pub(crate) fn fill(world: &World, registry: &DockerRegistry) {
    world.push(registry, Fixture::Small, "hold/small");
}

/// Returns the reference of the small image.
pub(crate) fn named(registry: &DockerRegistry) -> String {
    format!("{}/hold/small:gzip", registry.address())
}
