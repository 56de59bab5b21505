//! Debian's containerd as a child process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::process::ServerProcess;
use super::{command, run};

/// What the daemon logs when it answers.
const READY: &str = "containerd successfully booted";

/// A running containerd with all it has in a directory; killed on drop. Takes root.
#[derive(Debug)]
pub struct Containerd {
    _process: ServerProcess,
    socket: PathBuf,
}

impl Containerd {
    /// Starts a daemon with its state, content and socket in `dir`.
    ///
    /// # Errors
    /// When it is missing, or ends or stays silent instead of answering.
    pub fn start(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let socket = dir.join("socket");
        let config = dir.join("config.toml");
        fs::write(&config, configuration(dir, &socket))?;
        let mut daemon = command("containerd");
        daemon.arg("--config").arg(&config);
        let mut process = ServerProcess::start(&mut daemon, dir.join("log"))?;
        process.wait_until_listening(|log| log.contains(READY).then_some(()))?;
        Ok(Self {
            _process: process,
            socket,
        })
    }

    /// Pulls `reference` from where the `hosts.toml` in `hosts` says, and unpacks it; returns the digest that the
    /// name stands for then.
    ///
    /// # Errors
    /// When `ctr` fails, with what it said.
    pub fn pull(&self, reference: &str, hosts: &Path) -> io::Result<String> {
        // Copies of directories, which need nothing of the file system below.
        self.ctr(
            &["pull", "--snapshotter=native", "--hosts-dir"],
            &[hosts.as_ref(), reference.as_ref()],
        )?;
        self.digest(reference)
    }

    /// Pulls `reference` from where it says itself, over plain HTTP; returns as [`pull`](Self::pull) does.
    ///
    /// # Errors
    /// When `ctr` fails, with what it said.
    pub fn pull_plain(&self, reference: &str) -> io::Result<String> {
        self.ctr(
            &["pull", "--snapshotter=native", "--plain-http", reference],
            &[],
        )?;
        self.digest(reference)
    }

    fn digest(&self, reference: &str) -> io::Result<String> {
        let list = self.ctr(&["list", &format!("name=={reference}")], &[])?;
        let list = String::from_utf8_lossy(&list).into_owned();
        let mut words = list.split_whitespace();
        let digest = words.find(|word| word.starts_with("sha256:"));
        digest
            .map(str::to_owned)
            .ok_or_else(|| io::Error::other(list.clone()))
    }

    fn ctr(&self, arguments: &[&str], more: &[&std::ffi::OsStr]) -> io::Result<Vec<u8>> {
        let mut ctr = command("ctr");
        ctr.arg("--address").arg(&self.socket).arg("images");
        run(ctr.args(arguments).args(more))
    }
}

fn configuration(dir: &Path, socket: &Path) -> String {
    format!(
        r#"version = 2
root = "{dir}/root"
state = "{dir}/state"
temp = "{dir}/temp"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{socket}"
[debug]
address = "{dir}/debug"
level = "info"
"#,
        dir = dir.display(),
        socket = socket.display(),
    )
}
