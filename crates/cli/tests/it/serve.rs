//! `windlass serve`: start, output and shutdown. The tests of its responses are in the crate `serve`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use windlass_testing::{Ca, ImageBuilder, LayerBuilder, Registry};

use crate::harness::{PLATFORM, Windlass};

/// A running `windlass serve`.
struct Serving {
    child: Child,
    /// The first line of its output.
    first: String,
}

impl Serving {
    fn start(windlass: &Windlass, args: &[&str]) -> Self {
        let args = ["serve"].iter().chain(args);
        let mut child = windlass
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut first).unwrap();
        child.stdout = Some(stdout.into_inner());
        let first = first.trim().to_owned();
        Self { child, first }
    }

    fn host(&self) -> &str {
        self.first.rsplit_once('/').unwrap().1
    }

    fn end(self, signal: Signal) -> std::process::Output {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait_with_output().unwrap()
    }
}

/// A store with one image that has these `names`.
fn stored(names: &[&str]) -> Windlass {
    let registry = Registry::start();
    let layer = LayerBuilder::new().file("motd", "ahoy");
    registry.push(ImageBuilder::new().platform(PLATFORM).layer(layer), "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    windlass.pull(&name);
    for other in names {
        windlass.stdout(["tag", &name, other]);
    }
    windlass.stdout(["rmi", &name]);
    windlass
}

#[test]
fn stored_images_can_be_pulled_from_it() {
    let mut windlass = stored(&["alpine:3"]);
    let serving = Serving::start(&windlass, &["--listen", "127.0.0.1:0"]);
    let host = serving.host().to_owned();
    assert_eq!(serving.first, format!("http://{host}"));
    let other = Windlass::new();
    for name in ["docker.io/library/alpine:3", "alpine:3"] {
        other.pull(&format!("{host}/{name}"));
    }
    assert_eq!(
        other.stdout(["images", "-q"]),
        windlass.stdout(["images", "-q"])
    );
    assert_eq!(other.stdout(["tags", &format!("{host}/alpine")]), "3\n");
    // Other commands may change the store meanwhile.
    windlass.stdout(["tag", "alpine:3", "ghcr.io/x/y:1"]);
    other.pull(&format!("{host}/ghcr.io/x/y:1"));

    windlass.mask(&host, "<host>");
    // Service managers send SIGTERM.
    let output = serving.end(Signal::TERM);
    insta::assert_snapshot!(windlass.show(&output), @r"
    exit: 0
    --- stderr
    Serving the images in [dir]/store, read-only; ^C stops
      windlass pull <host>/docker.io/library/alpine:3
    ");
}

#[test]
fn an_interrupt_stops_the_server_and_requests_are_logged() {
    let mut windlass = stored(&["alpine:3"]);
    let serving = Serving::start(&windlass, &["--listen", "localhost:0", "-v"]);
    let host = serving.host().to_owned();
    let mut stream = TcpStream::connect(&host).unwrap();
    let request = format!(
        "GET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\nHEAD /v2/?x=y HTTP/1.1\r\nHost: {host}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    let port = stream.local_addr().unwrap();
    windlass.mask(&host, "<host>");
    windlass.mask(&port, "<peer>");
    let output = serving.end(Signal::INT);
    let shown = windlass.show(&output);
    let shown: Vec<_> = shown
        .lines()
        .map(|line| line.split(" 0.").next().unwrap())
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    exit: 130
    --- stderr
    Serving the images in [dir]/store, read-only; ^C stops
      windlass pull <host>/docker.io/library/alpine:3
    <peer> GET /v2/ 200 2
    <peer> HEAD /v2/?x=y 200 0
    ");
}

#[test]
fn the_json_has_the_urls() {
    let windlass = stored(&[]);
    let socket = windlass.path("socket");
    let by_socket = format!("unix:{}", socket.display());
    let args = [
        "--json", "-v", "--listen", "[::1]:0", "--listen", &by_socket,
    ];
    let serving = Serving::start(&windlass, &args);
    let first: Value = serde_json::from_str(&serving.first).unwrap();
    assert_eq!(first["status"], "serving");
    let urls: Vec<String> = serde_json::from_value(first["urls"].clone()).unwrap();
    assert!(urls[0].starts_with("http://[::1]:"), "{urls:?}");
    assert_eq!(urls[1], by_socket);
    let mut stream = UnixStream::connect(&socket).unwrap();
    let request = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    let output = serving.end(Signal::TERM);
    assert!(output.status.success());
    let line: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(
        (&line["peer"], &line["status"], &line["bytes"]),
        (&"unix".into(), &200.into(), &2.into())
    );
    assert!(!socket.exists());
}

#[test]
fn it_serves_tls_with_the_given_certificate() {
    let windlass = stored(&["alpine:3"]);
    let ca = Ca::new();
    let identity = ca.server(&["127.0.0.1"]);
    fs::write(windlass.path("tls.crt"), &identity.certificate).unwrap();
    fs::write(windlass.path("tls.key"), &identity.key).unwrap();
    let tls = [
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        "tls.crt",
        "--tls-key",
        "tls.key",
    ];
    let serving = Serving::start(&windlass, &tls);
    assert!(
        serving.first.starts_with("https://127.0.0.1:"),
        "{}",
        serving.first
    );
    let other = Windlass::new();
    fs::write(other.path("ca.crt"), ca.pem()).unwrap();
    let name = format!("{}/alpine:3", serving.host());
    let args = ["pull", "-q", "--platform", PLATFORM, &name];
    let pulled = other
        .command(args)
        .env("SSL_CERT_FILE", "ca.crt")
        .output()
        .unwrap();
    assert!(pulled.status.success(), "{}", other.show(&pulled));
    serving.end(Signal::TERM);

    let swapped = ["serve", "--tls-cert", "tls.key", "--tls-key", "tls.crt"];
    insta::assert_snapshot!(windlass.run(swapped), @r"
    exit: 1
    --- stderr
    error: using tls.key and tls.crt for TLS: certificate: the file has no certificate in PEM form
    ");
    let missing = ["serve", "--tls-cert", "no.crt", "--tls-key", "tls.key"];
    insta::assert_snapshot!(windlass.run(missing), @r"
    exit: 1
    --- stderr
    error: reading no.crt: No such file or directory (os error 2)
    ");
}

/// Every client that connects may pull everything, so addresses that other machines reach have to be allowed.
#[test]
fn remote_addresses_require_a_flag() {
    let windlass = Windlass::new();
    insta::assert_snapshot!(windlass.run(["serve", "--listen", "0.0.0.0:0"]), @r"
    exit: 2
    --- stderr
    error: other machines can reach 0.0.0.0:0, and every client that connects may pull every image; use --allow-remote to allow that
    ");
    let args = ["--listen", "0.0.0.0:0", "--allow-remote"];
    let serving = Serving::start(&windlass, &args);
    assert!(
        serving.first.starts_with("http://0.0.0.0:"),
        "{}",
        serving.first
    );
    serving.end(Signal::TERM);
}

#[test]
fn unusable_addresses_are_refused() {
    let mut windlass = Windlass::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    windlass.mask(&address, "<address>");
    insta::assert_snapshot!(windlass.run(["serve", "--listen", &address]), @r"
    exit: 1
    --- stderr
    error: cannot listen on <address>: Address already in use (os error 98)
    hint: choose another address, for example --listen 127.0.0.1:0
    ");
    insta::assert_snapshot!(windlass.run(["serve", "--listen", "7700"]), @r"
    exit: 2
    --- stderr
    error: invalid value '7700' for '--listen <WHERE>': expected ADDRESS:PORT or unix:PATH, such as 127.0.0.1:7700

    For more information, try '--help'.
    ");
    let output = windlass
        .command(["serve", "--tls-cert", "x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
