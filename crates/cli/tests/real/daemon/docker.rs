//! The docker CLI: Debian's, and another one where there is one.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use windlass_testing::real;

use super::host::Host;
use crate::command::Ran;
use crate::world::World;

/// A docker CLI, and the daemon that it speaks to.
pub(crate) struct Docker {
    program: PathBuf,
    pub(crate) host: Host,
}

/// Has every docker CLI of this machine do the same, each with a daemon of its own.
pub(crate) fn each(world: &World, name: &str, test: impl Fn(&Docker)) {
    for program in real::find_all("docker") {
        let host = Host::start(world, name);
        test(&Docker { program, host });
    }
}

impl Docker {
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command
            .env("HOME", &self.host.directory)
            .env("DOCKER_CONFIG", self.host.directory.join("docker"))
            .env("DOCKER_HOST", self.host.url());
        command
            .args(arguments)
            .stdin(Stdio::null())
            .current_dir("/");
        command
    }

    /// Runs it, however it ends.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs it, which has to succeed; returns its standard output.
    #[track_caller]
    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(
            ran.code,
            Some(0),
            "{:?} {arguments:?}: {ran:#?}",
            self.program
        );
        ran.stdout
    }

    /// Runs it, which has to fail with 1 and say all of `words` on standard error.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str], words: &[&str]) {
        let ran = self.run(arguments);
        assert_eq!(
            ran.code,
            Some(1),
            "{:?} {arguments:?}: {ran:#?}",
            self.program
        );
        for words in words {
            assert!(ran.stderr.contains(words), "{words:?}: {ran:#?}");
        }
    }
}
