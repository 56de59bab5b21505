//! A server as a child process, with its output in a file.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The time that a server gets until it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The interval at which the log and the state of a process are checked.
const START_POLL: Duration = Duration::from_millis(10);

/// A running server; killed on drop.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts `command` with its output in `log`.
    pub(super) fn start(command: &mut Command, log: PathBuf) -> io::Result<Self> {
        let out = File::create(&log)?;
        let child = command.stdout(out.try_clone()?).stderr(out).spawn()?;
        Ok(Self { child, log })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the output of the server so far.
    pub(super) fn log(&self) -> io::Result<String> {
        // The log may contain bytes from requests.
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// Waits until `find` finds the address in the log.
    pub(super) fn wait_until_listening<T>(
        &mut self,
        find: impl Fn(&str) -> Option<T>,
    ) -> io::Result<T> {
        let start = Instant::now();
        loop {
            // Checked before the log is read, so that the log is complete if the server has ended.
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

    /// Ends the server with SIGTERM, and waits for it up to `limit`.
    pub(super) fn terminate(&mut self, limit: Duration) {
        let start = Instant::now();
        // A child that has already ended is no error.
        let _ended = kill_process(Pid::from_child(&self.child), Signal::TERM);
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < limit {
            thread::sleep(START_POLL);
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // A child that has already ended is no error.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
