//! The command under test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use windlass_testing::{OutputMasks, TreeSnapshot};

/// The command, its store, and its minimal environment.
pub(crate) struct Windlass {
    program: PathBuf,
    directory: PathBuf,
    user: Option<u32>,
}

/// The result of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    /// The exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Windlass {
    /// The built command, with the store and Docker's configuration below `directory`.
    pub(crate) fn new(directory: &Path) -> Self {
        let program = env!("CARGO_BIN_EXE_windlass").into();
        Self {
            program,
            directory: directory.to_owned(),
            user: None,
        }
    }

    /// Runs another copy of the command.
    pub(crate) fn with_program(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    /// Runs the command as another user, from a copy of `program` that this user can read.
    pub(crate) fn by(self, user: u32, program: PathBuf) -> Self {
        Self {
            program,
            user: Some(user),
            ..self
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.user {
            None => Command::new(&self.program),
            Some(user) => {
                let mut setpriv = Command::new("setpriv");
                setpriv
                    .arg(format!("--reuid={user}"))
                    .arg(format!("--regid={user}"));
                setpriv.arg("--clear-groups").arg(&self.program);
                setpriv
            }
        };
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command
            .env("HOME", &self.directory)
            .env("DOCKER_CONFIG", self.directory.join("docker"))
            .env("WINDLASS_NO_SYSTEM_CONFIG", "1");
        command
            .arg("--root")
            .arg(self.directory.join("store"))
            .args(arguments);
        command.stdin(Stdio::null()).current_dir("/");
        command
    }

    /// Starts the command.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the command, whatever its exit code.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs the command, which has to succeed.
    #[track_caller]
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "windlass {arguments:?}: {ran:#?}");
        ran
    }

    /// Returns the exit code and the output of a run as one text, with `[dir]` in place of the directory. Each pair of
    /// `masks` is another text that differs from run to run, and its replacement.
    pub(crate) fn show(&self, ran: &Ran, masks: &[(&str, &str)]) -> String {
        let mut replacements = OutputMasks::default();
        replacements.add(&self.directory.display(), "[dir]");
        for (text, name) in masks {
            replacements.add(text, name);
        }
        replacements.show_parts(ran.code, &ran.stdout, &ran.stderr)
    }

    /// Pulls an image, unpacks it, and returns a snapshot of the tree.
    #[track_caller]
    pub(crate) fn tree(&self, reference: &str) -> TreeSnapshot {
        self.succeeds(&["pull", reference]);
        self.unpacked(reference)
    }

    /// Unpacks a stored image, and returns a snapshot of the tree. The files stay: after many deletions ext4 creates
    /// new files slowly.
    #[track_caller]
    pub(crate) fn unpacked(&self, reference: &str) -> TreeSnapshot {
        let roots = (0..).map(|number| self.directory.join(format!("root-{number}")));
        let root = { roots }
            .find(|root| !root.exists())
            .expect("numbers do not end");
        self.succeeds(&["unpack", reference, root.to_str().unwrap()]);
        TreeSnapshot::of(&root).unwrap()
    }

    /// Returns the IDs of all visible images.
    #[track_caller]
    pub(crate) fn images(&self) -> Vec<String> {
        let images = self.succeeds(&["images", "--quiet"]);
        images.stdout.lines().map(str::to_owned).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}
