//! A server of other people's as a child process, with what it says in a file.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to say where it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How often the log is looked at until then, and whether a server has ended.
const START_POLL: Duration = Duration::from_millis(10);

/// A running server; killed on drop.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts `command`, which writes to `log` from now on.
    pub(super) fn start(command: &mut Command, log: PathBuf) -> io::Result<Self> {
        let out = File::create(&log)?;
        let child = command.stdout(out.try_clone()?).stderr(out).spawn()?;
        Ok(Self { child, log })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what the server has said so far.
    pub(super) fn log(&self) -> io::Result<String> {
        // Servers may repeat what they are sent.
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// Waits until `find` finds in the log where the server listens.
    pub(super) fn wait_until_listening<T>(
        &mut self,
        find: impl Fn(&str) -> Option<T>,
    ) -> io::Result<T> {
        let start = Instant::now();
        loop {
            // Asked before the log is read, so that a server's last words are in it.
            let ended = self.child.try_wait()?.is_some();
            let log = self.log()?;
            if let Some(found) = find(&log) {
                return Ok(found);
            }
            if ended || start.elapsed() > START_LIMIT {
                let message = format!("the server does not listen:\n{log}");
                return Err(io::Error::other(message));
            }
            thread::sleep(START_POLL);
        }
    }

    /// Asks the server to end, and waits until it has, or for `limit`.
    pub(super) fn terminate(&mut self, limit: Duration) {
        let start = Instant::now();
        // Nothing to be done about a child that is already gone.
        let _gone = kill_process(Pid::from_child(&self.child), Signal::TERM);
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < limit {
            thread::sleep(START_POLL);
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Nothing to be done about a child that is already gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
