//! The docker CLI: Debian's, and a second one where it is installed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use windlass_testing::real::{self, USER};

use super::host::Host;
use crate::command::Ran;
use crate::shared_state::SharedState;

/// A docker CLI, and the daemon that it uses.
pub(crate) struct Docker {
    program: PathBuf,
    pub(crate) host: Host,
}

/// Runs the test with every docker CLI of this machine, each with a daemon of its own.
pub(crate) fn each(shared: &SharedState, name: &str, test: impl Fn(&Docker)) {
    each_of(|| Host::start(shared, name), test);
}

/// The same with daemons that `start` starts.
pub(crate) fn each_of(start: impl Fn() -> Host, test: impl Fn(&Docker)) {
    for program in real::find_all("docker") {
        let host = start();
        test(&Docker { program, host });
    }
}

impl Docker {
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        self.host.show(&mut command);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the CLI, whatever its exit code.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs the CLI with `input` on standard input.
    pub(crate) fn reads(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        drop(stdin);
        Ran::from(child.wait_with_output().unwrap())
    }

    /// Logs in as the test user of the registries.
    pub(crate) fn log_in(&self, host: &str, password: &str) -> Ran {
        let arguments = ["login", "--username", USER, "--password-stdin", host];
        self.reads(&arguments, password.as_bytes())
    }

    /// Runs the CLI, which has to succeed; returns its standard output.
    #[track_caller]
    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(
            ran.code,
            Some(0),
            "{} {arguments:?}: {ran:#?}",
            self.program.display()
        );
        ran.stdout
    }

    /// Runs the CLI, which has to fail with 1 and print all of `words` on standard error.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str], words: &[&str]) {
        let ran = self.run(arguments);
        assert_eq!(
            ran.code,
            Some(1),
            "{} {arguments:?}: {ran:#?}",
            self.program.display()
        );
        for words in words {
            assert!(
                ran.stderr.contains(words),
                "{} {arguments:?}: {words:?}: {ran:#?}",
                self.program.display()
            );
        }
    }
}
