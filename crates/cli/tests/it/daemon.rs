//! `windlass daemon`: how it begins, how it is reached, and how it ends.

mod beginning;
mod ending;
mod reload;
mod sockets;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::Windlass;

/// Longer than anything takes here: whoever waits so long has failed.
const TOO_LONG: Duration = Duration::from_secs(120);

/// A daemon that runs, and tells how it is.
pub(crate) struct Running {
    child: Child,
    told: UnixDatagram,
    log: PathBuf,
    pub(crate) socket: PathBuf,
}

impl Running {
    /// Starts one with a socket in the sandbox, and waits until it answers.
    fn start(windlass: &Windlass, args: &[&str]) -> Self {
        let host = format!("unix://{}", windlass.path("d.sock").display());
        let all = ["daemon", "--host", &host];
        Self::of(windlass, windlass.command(all.iter().chain(args)))
    }

    /// Starts a daemon in some other way, and waits until it answers.
    fn of(windlass: &Windlass, mut command: Command) -> Self {
        let (notify, log) = (windlass.path("notify"), windlass.path("log"));
        drop(fs::remove_file(&notify));
        let told = UnixDatagram::bind(&notify).unwrap();
        told.set_read_timeout(Some(TOO_LONG)).unwrap();
        let child = command
            .env("NOTIFY_SOCKET", &notify)
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let running = Self {
            child,
            told,
            log,
            socket: windlass.path("d.sock"),
        };
        running.hear("READY=1");
        running
    }

    /// Waits until it tells the service manager so, and returns all that it says with it.
    fn hear(&self, expected: &str) -> String {
        let mut buffer = [0; 1024];
        loop {
            let length = self.told.recv(&mut buffer);
            let length = length.unwrap_or_else(|error| panic!("{error}: {}", self.log()));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.lines().any(|line| line == expected) {
                return text;
            }
        }
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it to stop, and returns how it ended.
    fn stop(mut self) -> ExitStatus {
        self.send(Signal::TERM);
        self.child.wait().unwrap()
    }

    fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn get(&self, path: &str) -> Answer {
        ask(&self.socket, "GET", path)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An answer of the daemon's.
struct Answer {
    status: u16,
    /// What follows the head, as it came.
    body: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Puts a question, and waits for the whole answer.
fn ask(socket: &Path, method: &str, path: &str) -> Answer {
    let mut stream = begin(socket, method, path);
    read(&mut stream)
}

/// Puts a question, whose answer is still to come.
fn begin(socket: &Path, method: &str, path: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(TOO_LONG)).unwrap();
    // An old client: the answer ends with the connection, and comes in no chunks.
    write!(stream, "{method} {path} HTTP/1.0\r\nhost: d\r\n\r\n").unwrap();
    stream
}

fn read(stream: &mut impl std::io::Read) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = body.to_owned();
    Answer { status, body }
}
