//! Malformed and unusual requests: each gets its status and message, and none harms the daemon.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::{TestDaemon, request};
use crate::harness::{DEADLINE, Windlass};

/// Sends these bytes, and returns everything that comes back.
fn raw(daemon: &TestDaemon, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(&daemon.socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // The write fails if the daemon disconnects early; its response can be read all the same.
    drop(stream.write_all(bytes));
    let mut response = Vec::new();
    drop(stream.read_to_end(&mut response));
    String::from_utf8_lossy(&response).into_owned()
}

#[test]
fn unusual_paths_and_queries() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let deep = format!("/images/json?filters={}", "%7B%22a%22:".repeat(3000));
    let long = format!("/images/{}/json", "a".repeat(60_000));
    let cases = [
        (400, "GET", "/images/%ff/json"),
        (400, "GET", "/images/%00/json"),
        (400, "GET", "/images/../json"),
        (400, "GET", "/images/..%2f..%2fetc/json"),
        (400, "GET", "/images/a%0ab/json"),
        (400, "GET", "/images//json"),
        (400, "GET", &long),
        (404, "GET", "/../../etc/passwd"),
        (404, "GET", "/%"),
        (404, "GET", "/%zz"),
        (404, "GET", "/"),
        (404, "OPTIONS", "*"),
        (404, "BREW", "/_ping"),
        (404, "get", "/_ping"),
        (404, "PUT", "/images/json"),
        (404, "TRACE", "/images/json"),
        (400, "GET", "/v0/images/json"),
        (400, "GET", "/v1/images/json"),
        (400, "GET", "/v99999/images/json"),
        (400, "GET", "/v1.99999999/images/json"),
        (404, "GET", "/v/images/json"),
        (404, "GET", "/v../images/json"),
        (404, "GET", "/v1.51"),
        (200, "GET", "/v1.51.9/images/json"),
        (400, "GET", "/images/json?filters=%7B"),
        (400, "GET", "/images/json?filters=%ff%fe"),
        (
            400,
            "GET",
            "/images/json?filters=%7B%22until%22:[%2299999999999999999h%22]%7D",
        ),
        (400, "GET", &deep),
        (400, "GET", "/images/x/json?platform=%7B"),
        (400, "GET", "/events?since=99999999999999999999"),
        (400, "GET", "/distribution//json"),
        (400, "POST", "/images/create?fromImage=a&tag=%00"),
        (
            400,
            "POST",
            "/images/create?fromSrc=http://me:secret@127.0.0.1:1/x",
        ),
        (400, "POST", "/images/x/tag?repo=.."),
        (400, "POST", "/images/prune?filters=x"),
        (400, "POST", "/auth"),
    ];
    for (status, method, path) in cases {
        let response = request(&daemon.socket, method, path);
        let path = &path[..path.len().min(80)];
        assert_eq!(
            response.status, status,
            "{method} {path}: {}",
            response.body
        );
        if status != 200 {
            assert!(response.json()["message"].is_string(), "{method} {path}");
        }
    }
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

/// The response to a HEAD request has no body, and ends even if that of GET would not.
#[test]
fn head_requests_have_no_body() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let some = [
        "_ping",
        "version",
        "info",
        "system/df",
        "events",
        "images/json",
        "images/get?names=x",
        "images/x/json",
    ];
    for path in some.iter().chain(&[
        "images/x/get",
        "containers/json",
        "metrics",
        "nope",
        "images/create",
    ]) {
        let response = request(&daemon.socket, "HEAD", &format!("/{path}"));
        assert!(matches!(response.status, 200 | 404), "{path}");
        assert_eq!(response.body, "", "{path}");
    }
}

#[test]
fn malformed_heads_and_bodies() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let head = |fields: &str| {
        format!("POST /auth HTTP/1.1\r\nhost: d\r\nconnection: close\r\n{fields}\r\n")
    };
    let create = |auth: &str| {
        let fields = format!("content-length: 0\r\nx-registry-auth: {auth}\r\n");
        head(&fields).replace("/auth", "/images/create?fromImage=127.0.0.1:1/a&tag=1")
    };
    let million = (1 << 20) + 1;
    let large = head(&format!("content-length: {million}\r\n")) + &"x".repeat(million);
    let cases = [
        (
            "431",
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)),
        ),
        (
            "431",
            format!("GET / HTTP/1.1\r\na: {}", "b".repeat(1 << 20)),
        ),
        (
            "431",
            format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(2000)),
        ),
        ("400", "\x16\x03\x01\0\r\n\r\n".to_owned()),
        ("400", "GET  HTTP/1.1\r\n\r\n".to_owned()),
        ("400", large),
        ("400", head("content-length: -1\r\n")),
        (
            "400",
            head("content-length: 3\r\ncontent-length: 2\r\n") + "{}",
        ),
        (
            "400",
            head("transfer-encoding: chunked\r\n") + "zz\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "400",
            head("transfer-encoding: chunked\r\n") + "ffffffffffffffffff\r\nabc",
        ),
        (
            "400",
            head("content-length: 100000\r\n") + &"[".repeat(100_000),
        ),
        // Nothing listens at this address. A malformed credentials header alone is no error.
        ("500", create("!!!")),
        ("500", create(&"A".repeat(64 << 10))),
        ("500", create(&"A".repeat(100 << 10))),
        ("500", create(&"W1tb".repeat(10_000))),
    ];
    for (status, request) in cases {
        let response = raw(&daemon, request.as_bytes());
        let answered = response.strip_prefix("HTTP/1.1 ").unwrap_or_default();
        assert!(
            answered.starts_with(status),
            "{} => {response}",
            &request[..request.len().min(60)]
        );
    }
    let ping = "GET /_ping HTTP/1.1\r\nhost: d\r\n\r\n".repeat(50);
    let last = "GET /images/json HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n";
    let response = raw(&daemon, (ping + last).as_bytes());
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 51);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

/// A connection may end after any byte of a request; the daemon stays usable.
#[test]
fn connections_may_end_after_any_byte() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let before = daemon.descriptors();
    let whole = b"POST /images/load HTTP/1.1\r\nhost: d\r\ncontent-length: 8\r\n\r\nabcdefgh";
    for length in 0..whole.len() {
        let mut stream = UnixStream::connect(&daemon.socket).unwrap();
        stream.write_all(&whole[..length]).unwrap();
        if length % 2 == 0 {
            stream.shutdown(Shutdown::Write).unwrap();
            drop(stream.read_to_end(&mut Vec::new()));
        }
    }
    assert_eq!(daemon.get("/images/json").body, "[]\n");
    daemon.wait_for_descriptors(before);
}
