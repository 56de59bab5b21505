//! A sandbox for the command: a store, a home directory, an empty environment, and comparable outputs.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tempfile::TempDir;
use windlass_testing::{OutputMasks, Registry};

/// A generous limit: no wait in the tests takes this long unless the test has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(300);

/// The platform of most images in the tests, whatever machine they run on.
pub(crate) const PLATFORM: &str = "linux/amd64";

/// The command, with a store and a home directory of its own.
pub(crate) struct Windlass {
    directory: TempDir,
    masks: OutputMasks,
}

impl Windlass {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("home")).unwrap();
        let mut masks = OutputMasks::default();
        masks.add(&directory.path().display(), "[dir]");
        Self { directory, masks }
    }

    /// Prepares the command for `registry`, whose address becomes `registry.test` in outputs.
    pub(crate) fn with(registry: &Registry) -> Self {
        let mut windlass = Self::new();
        windlass.mask(&registry.host(), "registry.test");
        windlass
    }

    /// Replaces `text` by `name` in outputs.
    pub(crate) fn mask(&mut self, text: &impl ToString, name: &str) {
        self.masks.add(text, name);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("store")
    }

    /// The command, ready to run: a store and a home directory of its own, no other environment variables, and none of
    /// this machine's configuration.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command
            .args(args)
            .env_clear()
            .env("TZ", "UTC")
            .env("HOME", self.path("home"))
            .env("WINDLASS_ROOT", self.root())
            .env("WINDLASS_NO_SYSTEM_CONFIG", "1")
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// The same command as the last arguments of another one.
    pub(crate) fn through<'a>(
        &self,
        runner: impl IntoIterator<Item = &'a str>,
        args: impl IntoIterator<Item = &'a str>,
    ) -> Command {
        let inner = self.command(args);
        let mut runner = runner.into_iter();
        let mut command = Command::new(runner.next().expect("a runner has a name"));
        command
            .args(runner)
            .arg(inner.get_program())
            .args(inner.get_args());
        for (name, value) in inner.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the command and returns its exit code and output as text.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        self.show(&self.command(args).output().unwrap())
    }

    /// Runs the command, which has to succeed, and returns its standard output.
    pub(crate) fn stdout<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{}", self.show(&output));
        self.comparable(&output.stdout)
    }

    /// Pulls `name`, which has to succeed.
    pub(crate) fn pull(&self, name: &str) {
        self.stdout(["pull", "-q", "--platform", PLATFORM, name]);
    }

    /// Writes credentials for `registry` where `docker login` writes them.
    pub(crate) fn log_in(&self, registry: &Registry, username: &str, password: &str) {
        let auth = BASE64_STANDARD.encode(format!("{username}:{password}"));
        self.configure_docker(
            &serde_json::json!({ "auths": { registry.host(): { "auth": auth } } }),
        );
    }

    /// Writes Docker's `config.json`.
    pub(crate) fn configure_docker(&self, config: &serde_json::Value) {
        let directory = self.path("home/.docker");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("config.json"), config.to_string()).unwrap();
    }

    /// Writes the user's `windlass.toml`.
    pub(crate) fn configure(&self, toml: &str) {
        let directory = self.path("home/.config/windlass");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("windlass.toml"), toml).unwrap();
    }

    /// Writes a program into the directory `bin`, for a `PATH`.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let directory = self.path("bin");
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        directory
    }

    /// Returns the exit code and output of a run as text.
    pub(crate) fn show(&self, output: &Output) -> String {
        self.masks.show(output)
    }

    /// Returns output with a fixed text in place of what differs from run to run; see [`OutputMasks`].
    pub(crate) fn comparable(&self, bytes: &[u8]) -> String {
        self.masks
            .apply(std::str::from_utf8(bytes).expect("output is UTF-8"))
    }

    /// Returns every path in the sandbox outside of the store.
    pub(crate) fn outside_the_store(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        walk(self.directory.path(), &self.root(), &mut paths);
        for path in &mut paths {
            *path = path.strip_prefix(self.directory.path()).unwrap().to_owned();
        }
        paths.sort();
        paths
    }
}

/// Runs `command` with `input` on its standard input.
pub(crate) fn output_with_input(mut command: Command, input: impl AsRef<[u8]>) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The command may exit before it has read all of its input.
    let _unread = child.stdin.take().unwrap().write_all(input.as_ref());
    child.wait_with_output().unwrap()
}

/// Returns the standard error of a run.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn walk(directory: &Path, skipped: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path == skipped {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            walk(&path, skipped, paths);
        }
        paths.push(path);
    }
}
