//! Requests that no honest client sends.

use windlass_serve::{Hosts, ServeConfig};

use crate::harness::{Said, Serving, Stored, image};

/// A page in a browser that has its own name lead here learns nothing.
#[test]
fn a_name_of_others_is_refused() {
    let (stored, _) = Stored::with(image("a"), &["app:1"]);
    let serving = stored.serve();
    let target = "/v2/app/manifests/1";
    for host in ["evil.test", "evil.test:7700", "localhost.evil.test", ""] {
        let said = serving.ask("GET", target, &[&format!("Host: {host}")]);
        assert_eq!(said.error(), (421, "DENIED".to_owned()), "{host}");
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]", "x.localhost:80"] {
        let said = serving.ask("GET", target, &[&format!("Host: {host}")]);
        assert_eq!(said.status, 200, "{host}");
    }
    let said = serving.ask(
        "GET",
        &format!("http://evil.test{target}"),
        &["Host: localhost"],
    );
    assert_eq!(said.error(), (421, "DENIED".to_owned()));
    let said = serving.ask(
        "GET",
        &format!("http://localhost{target}"),
        &["Host: localhost"],
    );
    assert_eq!(said.status, 200);
    let said = serving.ask("GET", target, &["Host: localhost", "Host: localhost"]);
    assert_eq!(said.status, 400);
    let said = Said::parse(&serving.send(format!("GET {target} HTTP/1.0\r\n\r\n")));
    assert_eq!(said.status, 400);

    let config = |hosts| ServeConfig {
        hosts,
        ..ServeConfig::default()
    };
    for hosts in [Hosts::Any, Hosts::Only(vec!["evil.test".to_owned()])] {
        let serving = Serving::start(&stored.root(), config(hosts));
        let said = serving.ask("GET", target, &["Host: evil.test:1"]);
        assert_eq!(said.status, 200);
        // Nor is anything for pages of others.
        assert_eq!(said.field("access-control-allow-origin"), "");
        assert_eq!(said.field("x-content-type-options"), "nosniff");
    }
}

#[test]
fn paths_that_are_none_are_refused() {
    let (stored, _) = Stored::with(image("a"), &["app:1"]);
    let serving = stored.serve();
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
        let said = serving.get(target);
        assert!(matches!(said.status, 400 | 404), "{target}: {said:?}");
        assert!(!said.code().is_empty());
    }
    let long = format!("/v2/{}/manifests/1", "a".repeat(5000));
    assert_eq!(serving.get(&long).status, 414);
    let huge = format!("/v2/{}/manifests/1", "a".repeat(100_000));
    assert!(matches!(serving.get(&huge).status, 414 | 431));
}

/// Heads that are too large or malformed are refused by HTTP itself, and whatever stands behind is not read as a
/// request.
#[test]
fn what_is_no_request_gets_no_answer_to_one() {
    let (stored, image) = Stored::with(image("a"), &["app:1"]);
    let serving = stored.serve();
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
            field.repeat(1000)
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
        let said = serving.send(&request);
        let leaked = said
            .windows(image.manifest.len())
            .any(|bytes| bytes == &*image.manifest);
        assert!(!leaked, "{request:.80?}");
        assert!(
            said.is_empty() || said.starts_with(b"HTTP/1.1 4"),
            "{:?}",
            String::from_utf8_lossy(&said)
        );
    }
    // A body that is not read ends the connection, or is skipped: it is never taken for a request.
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
            let said = serving.send(format!(
                "{method} /v2/ HTTP/1.1\r\n{host}{framing}\r\n\r\n{body}{close}"
            ));
            let leaked = said
                .windows(image.manifest.len())
                .any(|bytes| bytes == &*image.manifest);
            assert!(!leaked, "{method} {framing}");
        }
    }
    assert_eq!(serving.get("/v2/app/manifests/1").status, 200);
}

/// No bytes bring it down.
#[test]
fn noise_does_no_harm() {
    let (stored, _) = Stored::with(image("a"), &["app:1"]);
    let serving = stored.serve();
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
        let mut stream = serving.connect();
        drop(std::io::Write::write_all(&mut stream, &request));
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut said = Vec::new();
        drop(std::io::Read::read_to_end(&mut stream, &mut said));
    }
    assert_eq!(serving.get("/v2/app/manifests/1").status, 200);
}
