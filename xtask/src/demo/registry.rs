//! The registry of the demo: `windlass serve`, in the background.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// A running server; ended on drop.
pub(super) struct ServeProcess {
    child: Child,
    /// Its address, `127.0.0.1:41233`.
    pub(super) host: String,
}

impl ServeProcess {
    /// Starts `command`, and waits until it prints its address.
    pub(super) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.context("starting windlass serve")?;
        let mut url = String::new();
        let stdout = child
            .stdout
            .take()
            .context("the standard output is a pipe")?;
        BufReader::new(stdout)
            .read_line(&mut url)
            .context("reading the address of windlass serve")?;
        let mut serving = Self {
            child,
            host: String::new(),
        };
        let host = url.trim().strip_prefix("http://");
        let host = host.context("windlass serve printed no address")?;
        host.clone_into(&mut serving.host);
        Ok(serving)
    }

    /// Ends the server with SIGTERM, as a service manager does.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("ending the registry")?;
        let status = self.child.wait().context("waiting for the registry")?;
        ensure!(status.success(), "windlass serve: {status}");
        Ok(())
    }
}

impl Drop for ServeProcess {
    fn drop(&mut self) {
        // A child that has already ended is no error.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
