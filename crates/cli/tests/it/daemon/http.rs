//! HTTP as clients really send it.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage, Registry};

use super::{Response, TestDaemon, assert_downloaded, read_response, read_until};
use crate::harness::{DEADLINE, PLATFORM, Windlass};

fn image() -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(100_000))
        .pack()
}

fn connect(daemon: &TestDaemon) -> UnixStream {
    let stream = UnixStream::connect(&daemon.socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends `request`, and returns the response. HTTP/1.0 ends the body with the connection.
fn send(daemon: &TestDaemon, request: &str) -> Response {
    let mut stream = connect(daemon);
    stream.write_all(request.as_bytes()).unwrap();
    read_response(&mut stream)
}

/// `printf … | socat - UNIX-CONNECT:d.sock`
#[test]
fn a_client_may_close_its_writing_end_before_the_response() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    for _ in 0..20 {
        let mut stream = connect(&daemon);
        stream
            .write_all(b"GET /images/json HTTP/1.1\r\nhost: d\r\n\r\n")
            .unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_response(&mut stream).body, "[]\n");
    }

    // A pull takes longer, and its response is streamed.
    let mut stream = super::start_pull(&daemon, &registry, "app:1");
    stream.shutdown(Shutdown::Write).unwrap();
    assert_downloaded(&read_response(&mut stream).body, &registry, "app:1");
}

/// The client writes much more than the socket buffers before it reads.
#[test]
fn a_request_may_be_refused_while_its_body_is_sent() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let body = vec![b'x'; 8 << 20];
    for (path, status) in [
        ("/images/load?platform=%7B", 400),
        ("/build", 501),
        ("/images/create?fromSrc=-&repo=UPPER", 400),
        ("/nope", 404),
    ] {
        let mut stream = connect(&daemon);
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: d\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        let response = read_response(&mut stream);
        assert_eq!(response.status, status, "{path}");
        assert!(response.json()["message"].is_string(), "{path}");
    }
}

#[test]
fn a_request_may_have_many_headers() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let fields = "x-trace: 1\r\n".repeat(900);
    let response = send(&daemon, &format!("GET /_ping HTTP/1.0\r\n{fields}\r\n"));
    assert_eq!((response.status, &*response.body), (200, "OK"));
}

#[test]
fn a_query_may_be_unencoded() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    for filters in [
        r#"{"dangling":["true"]}"#,
        r#"{"label":["a<b>|c\\d^e`f#g"]}"#,
        r#"{"label":["é"]}"#,
    ] {
        let request = format!("GET /images/json?filters={filters} HTTP/1.0\r\n\r\n");
        let response = send(&daemon, &request);
        assert_eq!((response.status, &*response.body), (200, "[]\n"));
    }
    // What is malformed after all gets a reason.
    let response = send(&daemon, "GET /images/json?filters={\"<\"} HTTP/1.0\r\n\r\n");
    assert_eq!(response.status, 400);
    assert!(response.json()["message"].is_string());
}

/// The second request on a connection is encoded, too.
#[test]
fn a_connection_may_be_reused_with_unencoded_queries() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let mut stream = connect(&daemon);
    for _ in 0..3 {
        stream
            .write_all(
                b"GET /images/json?filters={\"dangling\":[\"true\"]} HTTP/1.1\r\nhost: d\r\n\r\n",
            )
            .unwrap();
        let head = read_until(&mut stream, "\r\n\r\n");
        assert_eq!(head.lines().next(), Some("HTTP/1.1 200 OK"));
        assert_eq!(read_until(&mut stream, "]\n"), "[]\n");
    }
}

/// As in Docker, the parameters in the body come before those of the query.
#[test]
fn parameters_may_be_in_the_body() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let post = |path: &str, form: &str| {
        let length = form.len();
        let head = format!(
            "POST {path} HTTP/1.0\r\ncontent-type: application/x-www-form-urlencoded; charset=utf-8\r\n\
             content-length: {length}\r\n\r\n"
        );
        send(&daemon, &(head + form))
    };
    let name = registry.name("app");
    let pulled = post(
        "/images/create?tag=2",
        &format!("fromImage={name}&tag=1&platform={PLATFORM}"),
    );
    assert_downloaded(&pulled.body, &registry, "app:1");
    let tagged = post(&format!("/images/{name}:1/tag"), "repo=other&tag=%333");
    assert_eq!((tagged.status, &*tagged.body), (201, ""));
    assert_eq!(daemon.get("/images/other:33/json").status, 200);

    // curl sends this type by default; the body of a load is an archive all the same.
    let loaded = post("/images/load", "no archive");
    assert_eq!(loaded.status, 200);
    let refused: serde_json::Value = loaded.json();
    assert!(refused["error"].is_string(), "{refused}");
}
