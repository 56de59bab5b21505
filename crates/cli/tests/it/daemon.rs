//! `windlass daemon`: how it begins, how it is reached, and how it ends.

mod beginning;
mod beside;
mod clients;
mod control;
mod crowd;
mod ending;
mod odd;
mod reload;
mod sockets;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use windlass_testing::Registry;

use crate::harness::{PLATFORM, Windlass};

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

    /// Waits until the log says it so many times.
    fn logs(&self, times: usize, expected: &str) {
        let until = Instant::now() + TOO_LONG;
        while self.log().matches(expected).count() < times {
            assert!(Instant::now() < until, "{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// How many descriptors it has open, once it answers.
    fn descriptors(&self) -> usize {
        assert_eq!(self.get("/_ping").body, "OK");
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    /// Waits until it has no more descriptors open than this.
    fn settles_at(&self, descriptors: usize) {
        let until = Instant::now() + TOO_LONG;
        while self.descriptors() > descriptors {
            assert!(Instant::now() < until, "{}", self.descriptors());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The most memory that it took so far, in KiB.
    fn most_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
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

/// Asks for a pull, whose answer is still to come.
fn begin_pull(daemon: &Running, registry: &Registry, name: &str) -> UnixStream {
    let name = registry.name(name);
    let (name, tag) = name.rsplit_once(':').unwrap();
    let path = format!("/images/create?fromImage={name}&tag={tag}&platform={PLATFORM}");
    begin(&daemon.socket, "POST", &path)
}

/// Reads until it says so, or is over; returns what came.
fn read_until(stream: &mut UnixStream, expected: &str) -> String {
    let mut told = Vec::new();
    let mut byte = [0];
    while !told.ends_with(expected.as_bytes()) && stream.read(&mut byte).unwrap() == 1 {
        told.push(byte[0]);
    }
    String::from_utf8(told).unwrap()
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
