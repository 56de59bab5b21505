//! Debian's containerd as a child process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::ServerProcess;
use super::{command, run};

/// The daemon logs this when it is ready for requests.
const READY: &str = "containerd successfully booted";

/// The time that the daemon gets to unmount its snapshots and end.
const END_LIMIT: Duration = Duration::from_secs(20);

/// A running containerd whose root, state and socket are in one directory; ended on drop. Needs root.
#[derive(Debug)]
pub struct Containerd {
    process: ServerProcess,
    socket: PathBuf,
}

impl Containerd {
    /// Starts a daemon with its state, content and socket in `dir`, without the CRI plugin.
    ///
    /// # Errors
    /// If the program is missing, ends, or is not ready in time.
    pub fn start(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let socket = dir.join("socket");
        let config = dir.join("config.toml");
        fs::write(&config, configuration(dir, &socket))?;
        let mut daemon = command("containerd");
        daemon.arg("--config").arg(&config);
        let mut process = ServerProcess::start(&mut daemon, dir.join("log"))?;
        process.wait_until_listening(|log| log.contains(READY).then_some(()))?;
        Ok(Self { process, socket })
    }

    /// Returns the process ID of the daemon.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns the path of the socket that clients connect to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Pulls and unpacks `reference` from the hosts that the `hosts.toml` files below `hosts` configure; returns the
    /// digest that the name then refers to.
    ///
    /// # Errors
    /// If `ctr` fails, with its output.
    pub fn pull(&self, reference: &str, hosts: &Path) -> io::Result<String> {
        // The native snapshotter copies directories, so it works on every file system.
        self.ctr(
            &["pull", "--snapshotter=native", "--hosts-dir"],
            &[hosts.as_ref(), reference.as_ref()],
        )?;
        self.digest(reference)
    }

    /// Pulls `reference` over plain HTTP from the registry that it names; returns the digest, as
    /// [`pull`](Self::pull) does.
    ///
    /// # Errors
    /// If `ctr` fails, with its output.
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

impl Drop for Containerd {
    fn drop(&mut self) {
        self.process.terminate(END_LIMIT);
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
