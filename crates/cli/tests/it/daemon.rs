//! `windlass daemon`: start, connections, requests and shutdown.

mod clients;
mod control;
mod credentials;
mod events;
mod http;
mod inspect;
mod malformed;
mod many_clients;
mod parameters;
mod parity;
mod reload;
mod shutdown;
mod sockets;
mod startup;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use windlass_testing::Registry;

use crate::harness::{DEADLINE, PLATFORM, Windlass};

/// A running daemon, its log and its notifications to the service manager.
pub(crate) struct TestDaemon {
    child: Child,
    notifications: UnixDatagram,
    log: PathBuf,
    pub(crate) socket: PathBuf,
}

impl TestDaemon {
    /// Starts a daemon that listens on a socket in the sandbox, and waits until it is ready.
    fn start(windlass: &Windlass, args: &[&str]) -> Self {
        let host = format!("unix://{}", windlass.path("d.sock").display());
        let all = ["daemon", "--host", &host];
        Self::start_command(windlass, windlass.command(all.iter().chain(args)))
    }

    /// Starts a daemon with `command`, and waits until it is ready.
    fn start_command(windlass: &Windlass, mut command: Command) -> Self {
        let (notify, log) = (windlass.path("notify"), windlass.path("log"));
        drop(fs::remove_file(&notify));
        let notifications = UnixDatagram::bind(&notify).unwrap();
        notifications.set_read_timeout(Some(DEADLINE)).unwrap();
        let child = command
            .env("NOTIFY_SOCKET", &notify)
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let running = Self {
            child,
            notifications,
            log,
            socket: windlass.path("d.sock"),
        };
        running.wait_for_notification("READY=1");
        running
    }

    /// Waits for a notification to the service manager that has the line `expected`, and returns the whole message.
    fn wait_for_notification(&self, expected: &str) -> String {
        let mut buffer = [0; 1024];
        loop {
            let length = self.notifications.recv(&mut buffer);
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

    /// Sends SIGTERM and returns the exit status.
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

    /// Waits until the log contains `expected` at least `times` times.
    fn wait_for_log(&self, times: usize, expected: &str) {
        let until = Instant::now() + DEADLINE;
        while self.log().matches(expected).count() < times {
            assert!(Instant::now() < until, "{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns the lines of the log that contain `text`, without their time stamps.
    fn logged(&self, windlass: &Windlass, text: &str) -> String {
        logged(windlass, &self.log(), text)
    }

    /// Returns the number of open descriptors, after a ping.
    fn descriptors(&self) -> usize {
        assert_eq!(self.get("/_ping").body, "OK");
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    /// Waits until the daemon has at most this many open descriptors.
    fn wait_for_descriptors(&self, descriptors: usize) {
        let until = Instant::now() + DEADLINE;
        while self.descriptors() > descriptors {
            assert!(Instant::now() < until, "{}", self.descriptors());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns the peak resident memory so far, in KiB.
    fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    fn get(&self, path: &str) -> Response {
        request(&self.socket, "GET", path)
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A response of the daemon.
struct Response {
    status: u16,
    /// The body, unparsed.
    body: String,
}

impl Response {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Returns the lines of `log` that contain `text`, without their time stamps.
fn logged(windlass: &Windlass, log: &str, text: &str) -> String {
    let lines = log.lines().filter(|line| line.contains(text));
    let lines = lines.map(|line| line.split_once(' ').unwrap().1.trim_start());
    windlass.comparable(lines.collect::<Vec<_>>().join("\n").as_bytes())
}

/// Checks that the pull of `name` succeeded: its last message is the status.
#[track_caller]
fn assert_downloaded(body: &str, registry: &Registry, name: &str) {
    let status = format!("Status: Downloaded newer image for {}", registry.name(name));
    let last: serde_json::Value = serde_json::from_str(body.lines().last().unwrap()).unwrap();
    assert_eq!(last, serde_json::json!({ "status": status }), "{body}");
}

/// Sends the request for a pull; the response is still to be read.
fn start_pull(daemon: &TestDaemon, registry: &Registry, name: &str) -> UnixStream {
    let name = registry.name(name);
    let (name, tag) = name.rsplit_once(':').unwrap();
    let path = format!("/images/create?fromImage={name}&tag={tag}&platform={PLATFORM}");
    send_request(&daemon.socket, "POST", &path)
}

/// Reads until the text ends with `expected` or the stream ends; returns what was read.
fn read_until(stream: &mut UnixStream, expected: &str) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(expected.as_bytes()) && stream.read(&mut byte).unwrap() == 1 {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

/// Sends a request and reads the whole response.
fn request(socket: &Path, method: &str, path: &str) -> Response {
    let mut stream = send_request(socket, method, path);
    read_response(&mut stream)
}

/// Sends a request; the response is still to be read.
fn send_request(socket: &Path, method: &str, path: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // With HTTP/1.0 the body ends with the connection and is not chunked.
    write!(stream, "{method} {path} HTTP/1.0\r\nhost: d\r\n\r\n").unwrap();
    stream
}

fn read_response(stream: &mut impl std::io::Read) -> Response {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = body.to_owned();
    Response { status, body }
}
