//! Debian's `dockerd`, which keeps images beside the daemon under test and is asked the same.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::command;
use super::process::ServerProcess;

/// How long it may take to end its own `containerd`.
const END_LIMIT: Duration = Duration::from_secs(20);

/// A running `dockerd` that has images and no network: its files are in a directory of its own; ended on drop.
///
/// Takes root. It starts a `containerd` of its own, which ends with it.
#[derive(Debug)]
pub struct Dockerd {
    process: ServerProcess,
    socket: PathBuf,
    /// Sockets in it have short paths, which they need.
    _run: TempDir,
}

impl Dockerd {
    /// Starts it with its log and content in `dir`.
    ///
    /// # Errors
    /// When it is missing, or ends or stays silent instead of listening: it may want more of a machine than this one
    /// lets it have.
    pub fn start(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let run = tempfile::tempdir()?;
        let socket = run.path().join("d.sock");
        let mut dockerd = command("dockerd");
        // It would take proxies and settings from the environment.
        dockerd
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        dockerd.arg("--data-root").arg(dir.join("data"));
        dockerd.arg("--exec-root").arg(run.path().join("exec"));
        dockerd.arg("--pidfile").arg(run.path().join("pid"));
        dockerd
            .arg("--host")
            .arg(format!("unix://{}", socket.display()));
        // What containers would need, and a way to keep layers that works on every file system.
        dockerd.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
        dockerd.arg("--storage-driver=vfs");
        // Files that the machine has for a daemon of its own are not for this one.
        let config = dir.join("daemon.json");
        fs::write(&config, "{}")?;
        dockerd.arg("--config-file").arg(config);
        let mut process = ServerProcess::start(&mut dockerd, dir.join("log"))?;
        process.wait_until_listening(|log| log.contains("API listen on").then_some(()))?;
        Ok(Self {
            process,
            socket,
            _run: run,
        })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.process.terminate(END_LIMIT);
    }
}
