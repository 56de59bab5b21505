//! What tests of registries share: a windlass with files of its own, and what to do with it.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use windlass_testing::real::{DockerRegistry, PASSWORD, USER};

use crate::command::{Ran, Windlass};
use crate::fixture::Fixture;
use crate::world::World;

/// A windlass of its own, and a registry with the small image as `hold/small:gzip`.
pub(crate) struct Door {
    pub(crate) windlass: Windlass,
    pub(crate) directory: PathBuf,
}

impl Door {
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

    /// Logs in with the password from standard input.
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

    /// Runs what has to fail, saying `why`, with nothing pulled.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str], why: &str) {
        let ran = self.windlass.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
        assert!(ran.stderr.contains(why), "{why:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
        assert_eq!(self.windlass.images(), [""; 0]);
    }

    /// As before the login, with an image that is there.
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

/// The small image, as it is called there.
pub(crate) fn named(registry: &DockerRegistry) -> String {
    format!("{}/hold/small:gzip", registry.address())
}
