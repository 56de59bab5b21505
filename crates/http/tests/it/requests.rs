//! Requests and response heads over plain HTTP/1.1.

use std::time::Duration;

use http::{Method, StatusCode, Version};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use windlass_http::{ConnectFailure, SendError, SendPhase, Transport};

use crate::server::{
    RequestLog, ScriptedServer, ok, read_head, serve_hello, wait_for_close, write,
};
use crate::support::{
    LONG, LONG_STALL, SHORT, StaticNames, connection, error_chain, get, read, request, text,
    transport,
};

/// HT-2, HT-15.
#[tokio::test]
async fn requests_share_a_connection() {
    let log = RequestLog::default();
    let server = ScriptedServer::greeting(&log).await;
    let transport = transport();
    for _ in 0..5 {
        assert_eq!(text(&transport, &server.url()).await, "hello");
    }
    assert_eq!(server.connections(), 1);
    let host = server.address;
    let expected = format!("GET / HTTP/1.1\r\nuser-agent: test/1\r\nhost: {host}\r\n\r\n");
    assert_eq!(log.heads(), vec![expected; 5]);
}

#[test]
fn works_on_a_multi_threaded_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = ScriptedServer::greeting(&RequestLog::default()).await;
        assert_eq!(text(&transport(), &server.url()).await, "hello");
    });
}

#[tokio::test]
async fn headers_of_the_caller_are_sent_unchanged() {
    let log = RequestLog::default();
    let server = ScriptedServer::greeting(&log).await;
    let mut request = request(Method::GET, &format!("{}v2/?a=b", server.url()));
    for (name, value) in [("user-agent", "mine"), ("accept-encoding", "identity")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    transport().send(request, LONG).await.unwrap();
    let host = server.address;
    let expected = format!(
        "GET /v2/?a=b HTTP/1.1\r\nuser-agent: mine\r\naccept-encoding: identity\r\nhost: {host}\r\n\r\n"
    );
    assert_eq!(log.heads(), [expected]);
}

/// I7: credentials in a URL are not sent.
#[tokio::test]
async fn userinfo_is_removed() {
    let log = RequestLog::default();
    let server = ScriptedServer::greeting(&log).await;
    let url = format!("http://me:hunter2@{}/", server.address);
    assert_eq!(text(&transport(), &url).await, "hello");
    let host = server.address;
    let expected = format!("GET / HTTP/1.1\r\nuser-agent: test/1\r\nhost: {host}\r\n\r\n");
    assert_eq!(log.heads(), [expected]);
}

/// Redirects, challenges and errors are left to the caller.
#[tokio::test]
async fn any_status_is_a_response() {
    for (status, header) in [
        (302, "Location: http://elsewhere.test/"),
        (401, "WWW-Authenticate: Basic"),
        (407, "Proxy-Authenticate: Basic"),
        (500, "Content-Type: text/plain"),
    ] {
        let server = ScriptedServer::start(move |mut stream, _| async move {
            read_head(&mut stream).await;
            let head = format!("HTTP/1.1 {status} -\r\n{header}\r\nContent-Length: 2\r\n\r\nno");
            write(&mut stream, &head).await;
        })
        .await;
        let response = get(&transport(), &server.url()).await.unwrap();
        assert_eq!(response.status(), StatusCode::from_u16(status).unwrap());
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(response.content_length(), Some(2));
        let (name, value) = header.split_once(": ").unwrap();
        assert_eq!(response.headers()[name], value);
        assert_eq!(read(response).await, "no");
    }
}

#[tokio::test]
async fn a_response_to_head_has_no_body() {
    let server = ScriptedServer::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await;
    })
    .await;
    let request = request(Method::HEAD, &server.url());
    let response = transport().send(request, LONG).await.unwrap();
    assert_eq!(response.headers()["content-length"], "9");
    assert_eq!(response.content_length(), Some(0));
    let body = response.into_body(LONG_STALL).read_to_end(0).await.unwrap();
    assert_eq!(body, "");
}

#[tokio::test]
async fn nothing_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = get(&transport(), &url).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "nothing is listening there: Connection refused (os error 111)"
    );
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let transport = Transport::with_resolver(&connection(), StaticNames::new(&[])).unwrap();
    let error = get(&transport, "http://registry.test/").await.unwrap_err();
    let SendError::Connect { failure, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*failure, ConnectFailure::NoSuchHost);
    assert_eq!(
        error_chain(&error),
        "no such host: Name or service not known"
    );
}

/// The system resolves `localhost` without name servers.
#[tokio::test]
async fn the_system_resolves_names() {
    let server = ScriptedServer::greeting(&RequestLog::default()).await;
    let url = format!("http://localhost:{}/", server.address.port());
    assert_eq!(text(&transport(), &url).await, "hello");
}

#[tokio::test]
async fn a_request_needs_an_http_url_with_a_host() {
    for url in ["/v2/", "ftp://registry.test/", "registry.test:443"] {
        let error = get(&transport(), url).await.unwrap_err();
        assert!(matches!(error, SendError::Uri), "{url}: {error:?}");
    }
}

/// E6.
#[tokio::test]
async fn a_response_that_is_not_http() {
    for response in ["SSH-2.0-OpenSSH_9.2p1\r\n", "HTTP/1.1 abc\r\n\r\n"] {
        let server = ScriptedServer::start(move |mut stream, _| async move {
            read_head(&mut stream).await;
            write(&mut stream, response).await;
        })
        .await;
        let error = get(&transport(), &server.url()).await.unwrap_err();
        assert!(matches!(error, SendError::NotHttp { .. }), "{error:?}");
    }
}

/// T31: a reset before the head, on a new connection.
#[tokio::test]
async fn a_reset_before_the_head() {
    let server = ScriptedServer::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    })
    .await;
    let error = get(&transport(), &server.url()).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "the connection failed: Connection reset by peer (os error 104)"
    );
    assert_eq!(server.connections(), 1);
}

/// T33: a request without a response times out, and its connection is not reused.
#[tokio::test]
async fn a_response_that_does_not_arrive() {
    let server = ScriptedServer::start(|mut stream, number| async move {
        if number == 1 {
            return serve_hello(stream, RequestLog::default()).await;
        }
        read_head(&mut stream).await;
        write(&mut stream, &ok("first")).await;
        wait_for_close(stream).await;
    })
    .await;
    let transport = transport();
    assert_eq!(text(&transport, &server.url()).await, "first");
    let sent = transport.send(request(Method::GET, &server.url()), SHORT);
    let error = sent.await.unwrap_err();
    let SendError::Timeout { waiting_for } = error else {
        panic!("{error:?}")
    };
    assert_eq!(waiting_for, SendPhase::Response);
    assert_eq!(server.connections(), 1);
    assert_eq!(text(&transport, &server.url()).await, "hello");
}

/// T33: a head that arrives byte by byte times out as well.
#[tokio::test]
async fn a_slow_head_that_never_ends() {
    let server = ScriptedServer::start(|mut stream, number| async move {
        read_head(&mut stream).await;
        write(&mut stream, &ok("first")).await;
        read_head(&mut stream).await;
        write(&mut stream, "HTTP/1.1 200 OK\r\nSlow: ").await;
        assert_eq!(number, 0);
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let transport = transport();
    assert_eq!(text(&transport, &server.url()).await, "first");
    let sent = transport.send(request(Method::GET, &server.url()), SHORT);
    let error = sent.await.unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Timeout {
                waiting_for: SendPhase::Response
            }
        ),
        "{error:?}"
    );
}

/// C12: a head is limited, whether one header or the number of headers is without end.
#[tokio::test]
async fn a_head_that_never_ends() {
    for piece in ["x".repeat(4096), format!("x: {}\r\n", "x".repeat(60))] {
        let server = ScriptedServer::start(move |mut stream, _| {
            let piece = piece.clone();
            async move {
                read_head(&mut stream).await;
                write(&mut stream, "HTTP/1.1 200 OK\r\nx: y").await;
                while stream.write_all(piece.as_bytes()).await.is_ok() {}
            }
        })
        .await;
        let error = get(&transport(), &server.url()).await.unwrap_err();
        assert!(matches!(error, SendError::HeadTooLarge), "{error:?}");
    }
}
