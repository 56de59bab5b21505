//! A test user with a home directory and a directory of helpers.

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, fcntl_setfl, mkfifoat, open};
use windlass_credentials::{
    CredentialLocations, CredentialStore, HelperSettings, LoginCredentials, LoginSecret,
};
use windlass_registry::{CredentialScope, Credentials, Secret};

/// The directories of the user. They are removed on drop.
pub(crate) struct User {
    directory: tempfile::TempDir,
}

/// A fifo. It detects whether processes that have it open for writing are alive.
pub(crate) struct Fifo {
    file: File,
}

impl User {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("bin")).unwrap();
        fs::create_dir(directory.path().join("home")).unwrap();
        Self { directory }
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.directory.path().join("home").join(name)
    }

    /// Creates a file in the home directory.
    pub(crate) fn file(&self, name: &str, content: &str) {
        let path = self.home(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Creates Docker's `config.json`.
    pub(crate) fn docker(&self, content: &str) {
        self.file(".docker/config.json", content);
    }

    /// Reads Docker's `config.json`.
    pub(crate) fn docker_now(&self) -> serde_json::Value {
        let text = fs::read(self.home(".docker/config.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// Creates the helper `name` from a shell script, in which `$D` is the directory of helpers.
    pub(crate) fn helper(&self, name: &str, script: &str) {
        let program = self.bin(&format!("docker-credential-{name}"));
        let bin = self.bin("");
        let script = format!(
            "#!/bin/sh\nPATH=/usr/bin:/bin\nD='{}'\n{script}\n",
            bin.display()
        );
        // Written by another program: a file cannot be executed while this process, or a child that another test
        // forks at the same time, has it open for writing.
        let mut shell = Command::new("/bin/sh")
            .args(["-c", r#"cat > "$0" && chmod 755 "$0""#])
            .arg(&program)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = shell.stdin.take().unwrap();
        stdin.write_all(script.as_bytes()).unwrap();
        drop(stdin);
        assert!(shell.wait().unwrap().success());
    }

    /// Returns a path in the directory of helpers.
    pub(crate) fn bin(&self, name: &str) -> PathBuf {
        self.directory.path().join("bin").join(name)
    }

    /// Creates a fifo in the directory of helpers.
    pub(crate) fn fifo(&self, name: &str) -> Fifo {
        let path = self.bin(name);
        let mode = Mode::RUSR | Mode::WUSR;
        mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        // Does not block until a process opens it for writing.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(open(&path, flags, Mode::empty()).unwrap());
        Fifo { file }
    }

    pub(crate) fn locations(&self) -> CredentialLocations {
        CredentialLocations {
            home: Some(self.home("")),
            ..CredentialLocations::default()
        }
    }

    pub(crate) fn helpers(&self) -> HelperSettings {
        HelperSettings::new(self.bin(""))
    }

    pub(crate) fn store(&self) -> CredentialStore {
        CredentialStore::new(self.locations(), self.helpers())
    }

    /// Returns a store whose helpers are killed after 300 ms.
    pub(crate) fn short_timeout_store(&self) -> CredentialStore {
        let helpers = HelperSettings {
            limit: Duration::from_millis(300),
            ..self.helpers()
        };
        CredentialStore::new(self.locations(), helpers)
    }
}

impl Fifo {
    /// Reads until no process has the fifo open for writing.
    pub(crate) fn read_to_end(mut self) -> String {
        fcntl_setfl(&self.file, OFlags::empty()).unwrap();
        let mut text = String::new();
        self.file.read_to_string(&mut text).unwrap();
        text
    }

    /// Waits until a process writes a byte.
    pub(crate) fn wait_for_a_byte(&mut self) {
        let mut fds = [rustix::event::PollFd::new(
            &self.file,
            rustix::event::PollFlags::IN,
        )];
        let timeout = rustix::event::Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        };
        let ready = rustix::event::poll(&mut fds, Some(&timeout)).unwrap();
        assert_eq!(ready, 1, "no byte was written within 60 s");
        self.file.read_exact(&mut [0]).unwrap();
    }
}

/// Returns the scope of `name`, which is `host` or `host/repository`.
pub(crate) fn scope(name: &str) -> CredentialScope {
    let (host, repository) = name.split_once('/').unwrap_or((name, ""));
    CredentialScope {
        host: host.to_owned(),
        repository: repository.to_owned(),
    }
}

pub(crate) fn basic(username: &str, password: &str) -> Credentials {
    login(username, password).credentials()
}

pub(crate) fn login(username: &str, password: &str) -> LoginCredentials {
    LoginCredentials {
        username: username.to_owned(),
        secret: LoginSecret::Password(Secret::new(password)),
    }
}

/// Renders an error and its causes as the command line does, with the paths of the user as `~` and `$D`.
pub(crate) fn chain(user: &User, error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let replace = |text: String, path: &Path, by: &str| text.replace(path.to_str().unwrap(), by);
    let text = replace(text, &user.home(""), "~/");
    replace(text, &user.bin(""), "$D/")
}
