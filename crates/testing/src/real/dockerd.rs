//! Debian's `dockerd`, for comparison with the daemon under test.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::command;
use super::process::ServerProcess;

/// The time that it gets to end its `containerd`.
const END_LIMIT: Duration = Duration::from_secs(20);

/// A running `dockerd` without a network, with all its files in one directory; ended on drop.
///
/// Needs root. It starts its own `containerd`, which ends with it.
#[derive(Debug)]
pub struct Dockerd {
    process: ServerProcess,
    socket: PathBuf,
    /// A directory for sockets, whose paths have to be short.
    _run: TempDir,
}

impl Dockerd {
    /// Starts it with its log and content in `dir`.
    ///
    /// # Errors
    /// If the program is missing, ends, or does not listen in time, for example because this machine lacks a
    /// permission.
    pub fn start(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let run = tempfile::tempdir()?;
        let socket = run.path().join("d.sock");
        let mut dockerd = command("dockerd");
        // It would read proxies and settings from the environment.
        dockerd
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        dockerd.arg("--data-root").arg(dir.join("data"));
        dockerd.arg("--exec-root").arg(run.path().join("exec"));
        dockerd.arg("--pidfile").arg(run.path().join("pid"));
        dockerd
            .arg("--host")
            .arg(format!("unix://{}", socket.display()));
        // Without what containers would need, and with a storage driver that works on every file system.
        dockerd.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
        dockerd.arg("--storage-driver=vfs");
        // The machine's configuration is not used.
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

    /// Returns the path of its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.process.terminate(END_LIMIT);
    }
}
