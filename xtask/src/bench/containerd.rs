//! A containerd of our own: its state, root and socket in the run's file system.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use windlass_testing::real::{command, run};

/// How long the daemon may take to answer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The running daemon; ended on drop.
#[derive(Debug)]
pub(super) struct Containerd {
    child: Child,
    socket: PathBuf,
}

impl Containerd {
    /// Starts a daemon below `dir` with its defaults, save for what is not about images.
    pub(super) fn start(dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.join("containerd");
        fs::create_dir(&dir)?;
        let socket = dir.join("socket");
        let config = dir.join("config.toml");
        fs::write(&config, configuration(&dir, &socket))?;
        let log = File::create(dir.join("log"))?;
        let child = command("containerd")
            .arg("--config")
            .arg(&config)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut containerd = Self { child, socket };
        containerd.wait_until_answering()?;
        Ok(containerd)
    }

    /// The daemon's process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where clients find it.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    fn wait_until_answering(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        while run(command("ctr")
            .arg("--address")
            .arg(&self.socket)
            .arg("version"))
        .is_err()
        {
            if self.child.try_wait()?.is_some() || start.elapsed() > START_LIMIT {
                bail!("containerd does not answer");
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // Asked, it unmounts what it mounted.
        drop(run(command("kill").arg(self.pid().to_string())));
        drop(self.child.wait());
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
"#,
        dir = dir.display(),
        socket = socket.display(),
    )
}
