//! A `windlass daemon` and its socket, for clients to connect to.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use windlass_testing::real::SocketRequest;

use crate::command::Windlass;
use crate::registry_client::RegistryClient;
use crate::shared_state::SharedState;

/// The deadline of the daemon to start, and to stop.
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// A running daemon with a store and a socket of its own; it is stopped on drop.
pub(crate) struct Host {
    daemon: Child,
    pub(crate) windlass: Windlass,
    pub(crate) directory: PathBuf,
    socket: PathBuf,
    /// The directory of the socket: the path of a socket has to be short.
    _run: TempDir,
}

impl Host {
    pub(crate) fn start(shared: &SharedState, name: &str) -> Self {
        Self::configured(shared, name, |_| ())
    }

    /// Starts the daemon with the files that `configure` writes.
    pub(crate) fn configured(
        shared: &SharedState,
        name: &str,
        configure: impl FnOnce(&RegistryClient),
    ) -> Self {
        let client = RegistryClient::new(shared, name);
        configure(&client);
        let run = tempfile::tempdir().unwrap();
        let socket = run.path().join("w.sock");
        let host = format!("unix://{}", socket.display());
        let log = File::create(client.directory.join("daemon.log")).unwrap();
        let mut command = client.windlass.command(&["daemon", "-H", &host]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut host = Self {
            daemon: command.spawn().unwrap(),
            windlass: client.windlass,
            directory: client.directory,
            socket,
            _run: run,
        };
        host.wait_until_listening();
        host
    }

    /// The path of the socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The socket as the value of `DOCKER_HOST`.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Removes an image through the daemon.
    pub(crate) fn removes(&self, name: &str) {
        let request = SocketRequest::new("DELETE", &format!("/images/{name}"));
        let answer = request.send(&self.socket).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Points a client at the daemon, with no other configuration of this machine.
    pub(crate) fn show(&self, client: &mut Command) {
        client.env_clear().env("PATH", "/usr/bin:/bin");
        client
            .env("HOME", &self.directory)
            .env("DOCKER_CONFIG", self.directory.join("docker"))
            .env("DOCKER_HOST", self.url())
            .current_dir("/");
    }

    fn wait_until_listening(&mut self) {
        let start = Instant::now();
        while UnixStream::connect(&self.socket).is_err() {
            let has_ended = self.daemon.try_wait().unwrap().is_some();
            assert!(
                !has_ended && start.elapsed() < TIMEOUT,
                "the daemon does not listen: {}",
                self.log()
            );
            thread::sleep(POLL);
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("daemon.log")).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let start = Instant::now();
        // The daemon may have ended already.
        let _gone = kill_process(Pid::from_child(&self.daemon), Signal::TERM);
        while matches!(self.daemon.try_wait(), Ok(None)) && start.elapsed() < TIMEOUT {
            thread::sleep(POLL);
        }
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}
