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
use windlass_testing::Registry;

/// A generous limit: no wait in the tests takes this long unless the test has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(300);

/// The platform of most images in the tests, whatever machine they run on.
pub(crate) const PLATFORM: &str = "linux/amd64";

/// The command, with a store and a home directory of its own.
pub(crate) struct Windlass {
    directory: TempDir,
    /// Texts that differ from run to run, and their replacements in outputs.
    names: Vec<(String, String)>,
}

impl Windlass {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("home")).unwrap();
        let names = vec![(
            directory.path().to_str().unwrap().to_owned(),
            "[dir]".to_owned(),
        )];
        Self { directory, names }
    }

    /// Prepares the command for `registry`, whose address becomes `registry.test` in outputs.
    pub(crate) fn with(registry: &Registry) -> Self {
        let mut windlass = Self::new();
        windlass.mask(&registry.host(), "registry.test");
        windlass
    }

    /// Replaces `text` by `name` in outputs.
    pub(crate) fn mask(&mut self, text: &impl ToString, name: &str) {
        self.names.push((text.to_string(), name.to_owned()));
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
        let mut text = match output.status.code() {
            Some(code) => format!("exit: {code}\n"),
            None => format!("{}\n", output.status),
        };
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                text += "--- ";
                text += name;
                text += "\n";
                text += &self.comparable(bytes);
            }
        }
        text
    }

    /// Returns output with a fixed text in place of what differs from run to run: the texts given to [`Self::mask`],
    /// other digests, and times.
    pub(crate) fn comparable(&self, bytes: &[u8]) -> String {
        let mut text = String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
        for (actual, name) in &self.names {
            text = text.replace(actual, name);
        }
        let text = replace_behind(&text, "sha256:", char::is_alphanumeric, "[digest]");
        let text = replace_behind(&text, "/ingest/", char::is_alphanumeric, "[name]");
        let text = replace_before(&text, " years ago", "[age]");
        let text = replace_behind(&text, " in ", |c| c.is_ascii_digit() || c == '.', "[time]");
        replace_behind(&text, "\"duration_ms\":", |c| c.is_ascii_digit(), "0")
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

/// Replaces the characters of `kind` that follow each `marker`.
fn replace_behind(text: &str, marker: &str, kind: impl Fn(char) -> bool, by: &str) -> String {
    let mut parts = text.split(marker);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(&kind);
        result += marker;
        result += if rest.len() < part.len() { by } else { "" };
        result += rest;
    }
    result
}

/// Replaces each `marker` and the number before it.
fn replace_before(text: &str, marker: &str, by: &str) -> String {
    let parts: Vec<&str> = text.split(marker).collect();
    let (last, others) = parts.split_last().expect("a split has at least one part");
    let others = others
        .iter()
        .map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()));
    others.chain([*last]).collect::<Vec<_>>().join(by)
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
