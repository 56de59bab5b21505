//! Malformed and malicious requests.

use windlass_serve::{AllowedHosts, ServeConfig};

use crate::harness::{HttpResponse, TestServer, TestStore, image};

/// DNS rebinding: a web page whose name resolves to this server gets nothing.
#[test]
fn foreign_host_names_are_refused() {
    let (store, _) = TestStore::with(image("a"), &["app:1"]);
    let server = store.serve();
    let target = "/v2/app/manifests/1";
    for host in ["evil.test", "evil.test:7700", "localhost.evil.test", ""] {
        let response = server.request("GET", target, &[&format!("Host: {host}")]);
        assert_eq!(response.error(), (421, "DENIED".to_owned()), "{host}");
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]", "x.localhost:80"] {
        let response = server.request("GET", target, &[&format!("Host: {host}")]);
        assert_eq!(response.status, 200, "{host}");
    }
    let response = server.request(
        "GET",
        &format!("http://evil.test{target}"),
        &["Host: localhost"],
    );
    assert_eq!(response.error(), (421, "DENIED".to_owned()));
    let response = server.request(
        "GET",
        &format!("http://localhost{target}"),
        &["Host: localhost"],
    );
    assert_eq!(response.status, 200);
    let response = server.request("GET", target, &["Host: localhost", "Host: localhost"]);
    assert_eq!(response.status, 400);
    let response = HttpResponse::parse(&server.send(format!("GET {target} HTTP/1.0\r\n\r\n")));
    assert_eq!(response.status, 400);

    let config = |hosts| ServeConfig {
        hosts,
        ..ServeConfig::default()
    };
    for hosts in [
        AllowedHosts::Any,
        AllowedHosts::Only(vec!["evil.test".to_owned()]),
    ] {
        let server = TestServer::start(&store.root(), config(hosts));
        let response = server.request("GET", target, &["Host: evil.test:1"]);
        assert_eq!(response.status, 200);
        // Web pages of other origins get no access either.
        assert_eq!(response.field("access-control-allow-origin"), "");
        assert_eq!(response.field("x-content-type-options"), "nosniff");
    }
}

#[test]
fn invalid_paths_are_refused() {
    let (store, _) = TestStore::with(image("a"), &["app:1"]);
    let server = store.serve();
    for target in [
        "/v2/../v2/app/manifests/1",
        "/v2/app/../app/manifests/1",
        "/v2/./app/manifests/1",
        "/v2//app/manifests/1",
        "/v2/%61pp/manifests/1",
        "/v2/app%2fx/manifests/1",
        "/v2/app/manifests/%31",
        "/v2/%2e%2e/%2e%2e/etc/passwd/blobs/x",
        "/v2/app/blobs/../../../format",
        "/v2/app/blobs/sha256:..",
        "/v2/app\\x/manifests/1",
        "/etc/passwd",
        "/",
        "/v2/app/manifests/1/",
        "*",
        "/v2/app/blobs/sha512:00",
        "/v2/APP/manifests/1",
    ] {
        let response = server.get(target);
        assert!(
            matches!(response.status, 400 | 404),
            "{target}: {response:?}"
        );
        assert!(!response.code().is_empty());
    }
    let long = format!("/v2/{}/manifests/1", "a".repeat(5000));
    assert_eq!(server.get(&long).status, 414);
    let huge = format!("/v2/{}/manifests/1", "a".repeat(100_000));
    assert!(matches!(server.get(&huge).status, 414 | 431));
}

/// Large and malformed heads are refused, and the bytes after them are not parsed as a request.
#[test]
fn malformed_requests_are_refused() {
    let (store, image) = TestStore::with(image("a"), &["app:1"]);
    let server = store.serve();
    let host = "Host: localhost\r\n";
    let next = format!("GET /v2/app/manifests/1 HTTP/1.1\r\n{host}\r\n");
    let field = "A: b\r\n";
    let requests = [
        format!(
            "GET /v2/ HTTP/1.1\r\n{host}A: {}\r\n\r\n{next}",
            "b".repeat(20_000)
        ),
        format!(
            "GET /v2/ HTTP/1.1\r\n{host}{}\r\n{next}",
            field.repeat(2000)
        ),
        format!("GET /v2/ HTTP/1.1\r\n{host}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{next}"),
        format!("GET /v2/ HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n{next}"),
        format!("GET /v2/ HTTP/1.1\r\n{host}Transfer-Encoding: x\r\n\r\n{next}"),
        format!("GET /v2/ HTTP/1.1\r\n{host} folded: x\r\n\r\n{next}"),
        format!("GET /v2/ HTTP/1.1\r\n{host}A : b\r\n\r\n{next}"),
        format!("GET /v2/\0 HTTP/1.1\r\n{host}\r\n{next}"),
        format!("GET /v2/ HTTP/3.1\r\n{host}\r\n{next}"),
        format!("\u{1}\u{2}\u{3}\r\n\r\n{next}"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned(),
    ];
    for request in requests {
        let response = server.send(&request);
        let leaked = response
            .windows(image.manifest.len())
            .any(|bytes| bytes == &*image.manifest);
        assert!(!leaked, "{request:.80?}");
        assert!(
            response.is_empty() || response.starts_with(b"HTTP/1.1 4"),
            "{:?}",
            String::from_utf8_lossy(&response)
        );
    }
    // A body is skipped, or the connection is closed: the body is never parsed as a request.
    for framing in [
        format!("Content-Length: {}", next.len()),
        "Transfer-Encoding: chunked".to_owned(),
    ] {
        let body = match framing.starts_with("Transfer") {
            true => format!("{:x}\r\n{next}\r\n0\r\n\r\n", next.len()),
            false => next.clone(),
        };
        let close = format!("GET /v2/ HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        for method in ["GET", "POST"] {
            let response = server.send(format!(
                "{method} /v2/ HTTP/1.1\r\n{host}{framing}\r\n\r\n{body}{close}"
            ));
            let leaked = response
                .windows(image.manifest.len())
                .any(|bytes| bytes == &*image.manifest);
            assert!(!leaked, "{method} {framing}");
        }
    }
    assert_eq!(server.get("/v2/app/manifests/1").status, 200);
}

#[test]
fn random_bytes_do_not_stop_the_server() {
    let (store, _) = TestStore::with(image("a"), &["app:1"]);
    let server = store.serve();
    let mut random = windlass_testing::Random::new(7);
    let pieces: [&[u8]; 12] = [
        b"GET ",
        b"HEAD ",
        b"/v2/",
        b"app",
        b"/manifests/",
        b"/blobs/",
        b"sha256:",
        b"%",
        b"?ns=",
        b"\r\n",
        b"Host: localhost\r\n",
        b" HTTP/1.1\r\n",
    ];
    for _ in 0..200 {
        let mut request = Vec::new();
        for _ in 0..random.below(20) {
            let choice = usize::try_from(random.below(14)).unwrap();
            match pieces.get(choice) {
                Some(piece) => request.extend_from_slice(piece),
                None => request.extend(random.bytes(choice)),
            }
        }
        request.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
        let mut stream = server.connect();
        drop(std::io::Write::write_all(&mut stream, &request));
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut response = Vec::new();
        drop(std::io::Read::read_to_end(&mut stream, &mut response));
    }
    assert_eq!(server.get("/v2/app/manifests/1").status, 200);
}
