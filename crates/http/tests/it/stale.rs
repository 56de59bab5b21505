//! Idle connections that the server closes.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use socket2::SockRef;
use tokio::sync::Semaphore;
use windlass_http::SendError;

use crate::server::{RequestLog, ScriptedServer, ok, read_head, serve_hello, write};
use crate::support::{LONG, request, text, transport};

/// How the server handles the second request on its first connection.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Reset,
    BeginResponse,
}

/// Starts a server that responds to one request and fails the next on the same connection.
async fn server(then: Then, log: &RequestLog) -> ScriptedServer {
    let log = log.clone();
    ScriptedServer::start(move |mut stream, number| {
        let log = log.clone();
        async move {
            if number > 0 {
                return serve_hello(stream, log).await;
            }
            read_head(&mut stream).await;
            write(&mut stream, &ok("first")).await;
            log.push(&read_head(&mut stream).await);
            match then {
                Then::Close => {}
                Then::Reset => SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap(),
                Then::BeginResponse => write(&mut stream, "HTTP/1.1 200").await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_request_on_a_closed_connection_is_sent_again() {
    for then in [Then::Close, Then::Reset] {
        let log = RequestLog::default();
        let server = server(then, &log).await;
        let transport = transport();
        assert_eq!(text(&transport, &server.url()).await, "first");
        assert_eq!(text(&transport, &server.url()).await, "hello");
        assert_eq!(log.lines(), ["GET / HTTP/1.1", "GET / HTTP/1.1"]);
        assert_eq!(server.connections(), 2);
    }
}

/// RFC 9110 section 9.2.2: the server may have processed it.
#[tokio::test]
async fn a_post_is_not_sent_again() {
    let log = RequestLog::default();
    let server = server(Then::Close, &log).await;
    let transport = transport();
    assert_eq!(text(&transport, &server.url()).await, "first");
    let sent = transport.send(request(Method::POST, &server.url()), LONG);
    let error = sent.await.unwrap_err();
    assert!(matches!(error, SendError::Transport { .. }), "{error:?}");
    assert_eq!(log.lines(), ["POST / HTTP/1.1"]);
}

#[tokio::test]
async fn a_request_with_a_partial_response_is_not_sent_again() {
    let log = RequestLog::default();
    let server = server(Then::BeginResponse, &log).await;
    let transport = transport();
    assert_eq!(text(&transport, &server.url()).await, "first");
    let sent = transport.send(request(Method::GET, &server.url()), LONG);
    let error = sent.await.unwrap_err();
    assert!(matches!(error, SendError::Transport { .. }), "{error:?}");
    assert_eq!(log.lines(), ["GET / HTTP/1.1"]);
}

/// A request is not repeated without end to a server that closes every connection.
#[tokio::test]
async fn a_request_is_sent_again_once() {
    let gate = Arc::new(Semaphore::new(0));
    let (log, opened) = (RequestLog::default(), gate.clone());
    let heads = log.clone();
    let server = ScriptedServer::start(move |mut stream, _| {
        let (gate, log) = (gate.clone(), heads.clone());
        async move {
            read_head(&mut stream).await;
            // Both requests arrive before either is answered, so there are two connections.
            gate.acquire().await.unwrap().forget();
            write(&mut stream, &ok("first")).await;
            log.push(&read_head(&mut stream).await);
        }
    })
    .await;
    let (transport, url) = (transport(), server.url());
    let both = async { tokio::join!(text(&transport, &url), text(&transport, &url)) };
    let open = async {
        let two_connections = async {
            while server.connections() < 2 {
                tokio::task::yield_now().await;
            }
        };
        let connected = tokio::time::timeout(LONG, two_connections).await;
        connected.expect("both requests open a connection");
        opened.add_permits(2);
    };
    let (bodies, ()) = tokio::join!(both, open);
    assert_eq!(bodies, ("first".to_owned(), "first".to_owned()));

    let sent = transport.send(request(Method::GET, &url), LONG);
    let error = sent.await.unwrap_err();
    assert!(matches!(error, SendError::Transport { .. }), "{error:?}");
    assert_eq!(log.lines(), ["GET / HTTP/1.1", "GET / HTTP/1.1"]);
    assert_eq!(server.connections(), 2);
}
