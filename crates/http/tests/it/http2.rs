//! HTTP/2, negotiated in TLS.

use bytes::Bytes;
use h2::server::{Connection as H2, SendResponse};
use h2::{Reason, SendStream};
use http::{HeaderMap, Method, Response, Version};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use windlass_http::{BodyError, BodyTimeout, SendError, SendPhase, Transport};

use crate::certificates::CertificateAuthority;
use crate::server::{RequestLog, ScriptedServer};
use crate::support::{LONG, LONG_STALL, SHORT, get, read, request, text, trusting};

type Session = H2<TlsStream<TcpStream>, Bytes>;
type Respond = SendResponse<Bytes>;

/// Starts a server; returns it with a transport that trusts it.
async fn serving<F>(
    serve: impl Fn(Session, usize) -> F + Clone + Send + Sync + 'static,
) -> (ScriptedServer, Transport)
where
    F: Future<Output = ()> + Send + 'static,
{
    let authority = CertificateAuthority::new();
    let server = ScriptedServer::tls(authority.h2_server(), move |stream, number| {
        let serve = serve.clone();
        async move {
            if let Ok(session) = h2::server::handshake(stream).await {
                serve(session, number).await;
            }
        }
    })
    .await;
    let transport = Transport::new(&trusting(&authority.pem)).unwrap();
    (server, transport)
}

fn begin(mut respond: Respond) -> SendStream<Bytes> {
    respond.send_response(Response::new(()), false).unwrap()
}

fn respond_hello(respond: Respond) {
    drop(begin(respond).send_data("hello".into(), true));
}

/// Responds to all requests with `hello`.
async fn greet_all(mut session: Session) {
    while let Some(Ok((_, respond))) = session.accept().await {
        respond_hello(respond);
    }
}

/// Keeps the connection open without responding.
async fn keep(mut session: Session) {
    let mut unanswered = Vec::new();
    while let Some(Ok(request)) = session.accept().await {
        unanswered.push(request);
    }
}

/// Responds with `data` repeatedly.
async fn repeating(mut session: Session, data: Bytes) {
    while let Some(Ok((_, respond))) = session.accept().await {
        let data = data.clone();
        tokio::spawn(async move {
            let mut stream = begin(respond);
            while stream.send_data(data.clone(), false).is_ok() {
                tokio::task::yield_now().await;
            }
        });
    }
}

/// Sends data as the flow-control window allows.
async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Option<()> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx))
            .await?
            .ok()?;
        let piece = data.split_to(room.min(data.len()));
        stream.send_data(piece, false).ok()?;
    }
    Some(())
}

/// HT-2.
#[tokio::test]
async fn requests_share_a_connection() {
    let log = RequestLog::default();
    let heads = log.clone();
    let (server, transport) = serving(move |mut session, _| {
        let log = heads.clone();
        async move {
            while let Some(Ok((request, respond))) = session.accept().await {
                log.push(&format!("{} {}", request.method(), request.uri()));
                assert_eq!(request.headers()["user-agent"], "test/1");
                assert_eq!(request.headers().len(), 1);
                respond_hello(respond);
            }
        }
    })
    .await;
    let url = format!("https://me:hunter2@{}/a", server.address);
    for _ in 0..5 {
        let response = get(&transport, &url).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(read(response).await, "hello");
    }
    assert_eq!(server.connections(), 1);
    let expected = format!("GET https://{}/a", server.address);
    assert_eq!(log.heads(), vec![expected; 5]);
}

/// The body is larger than all flow-control windows together.
#[tokio::test]
async fn a_large_body_arrives_complete() {
    const SIZE: usize = 64 << 20;
    let (server, transport) = serving(|mut session, _| async move {
        while let Some(Ok((_, respond))) = session.accept().await {
            tokio::spawn(async move {
                let mut stream = begin(respond);
                for _ in 0..SIZE >> 20 {
                    send(&mut stream, vec![7; 1 << 20].into()).await;
                }
                drop(stream.send_data(Bytes::new(), true));
            });
        }
    })
    .await;
    let response = get(&transport, &server.secure_url()).await.unwrap();
    let mut body = response.into_body(LONG_STALL);
    let mut received = 0;
    while let Some(chunk) = body.next_chunk().await.unwrap() {
        assert!(chunk.iter().all(|byte| *byte == 7));
        received += chunk.len();
    }
    assert_eq!(received, SIZE);
}

/// T31: a server that shuts down finishes the streams it has accepted.
#[tokio::test]
async fn a_graceful_shutdown_inside_a_body() {
    let (server, transport) = serving(|mut session, number| async move {
        if number > 0 {
            return greet_all(session).await;
        }
        let Some(Ok((_, respond))) = session.accept().await else {
            return;
        };
        let mut stream = begin(respond);
        session.graceful_shutdown();
        tokio::spawn(async move {
            send(&mut stream, "all ".into()).await;
            drop(stream.send_data("of it".into(), true));
        });
        greet_all(session).await;
    })
    .await;
    let url = server.secure_url();
    assert_eq!(text(&transport, &url).await, "all of it");
    assert_eq!(text(&transport, &url).await, "hello");
    assert_eq!(server.connections(), 2);
}

/// T31.
#[tokio::test]
async fn a_stream_that_fails_inside_a_body() {
    for abrupt in [true, false] {
        let (server, transport) = serving(move |mut session, _| async move {
            let Some(Ok((_, respond))) = session.accept().await else {
                return;
            };
            let mut stream = begin(respond);
            drop(stream.send_data("half".into(), false));
            if abrupt {
                session.abrupt_shutdown(Reason::INTERNAL_ERROR);
            } else {
                stream.send_reset(Reason::INTERNAL_ERROR);
            }
            keep(session).await;
        })
        .await;
        let response = get(&transport, &server.secure_url()).await;
        // The reset may overtake the data, and even the head.
        let error = match response {
            Ok(response) => response
                .into_body(LONG_STALL)
                .read_to_end(9)
                .await
                .unwrap_err(),
            Err(SendError::Transport { source }) => BodyError::Transport { source },
            Err(error) => panic!("{error:?}"),
        };
        assert!(matches!(error, BodyError::Transport { .. }), "{error:?}");
    }
}

/// RFC 9113 section 8.7: a refused request was not processed.
#[tokio::test]
async fn a_refused_request_is_sent_again_if_idempotent() {
    for (method, again) in [(Method::GET, true), (Method::POST, false)] {
        let (server, transport) = serving(|mut session, number| async move {
            if number > 0 {
                return greet_all(session).await;
            }
            if let Some(Ok((_, respond))) = session.accept().await {
                respond_hello(respond);
            }
            if let Some(Ok((_, mut respond))) = session.accept().await {
                respond.send_reset(Reason::REFUSED_STREAM);
            }
            greet_all(session).await;
        })
        .await;
        let url = server.secure_url();
        assert_eq!(text(&transport, &url).await, "hello");
        let sent = transport.send(request(method, &url), LONG).await;
        assert_eq!(sent.is_ok(), again, "{sent:?}");
    }
}

/// E1: the HTTP/2 library closes a connection that sends a flood of empty frames.
#[tokio::test]
async fn a_flood_of_empty_frames_ends_the_connection() {
    let (server, transport) = serving(|session, _| repeating(session, Bytes::new())).await;
    let response = get(&transport, &server.secure_url()).await.unwrap();
    let error = response
        .into_body(LONG_STALL)
        .read_to_end(9)
        .await
        .unwrap_err();
    assert!(matches!(error, BodyError::Transport { .. }), "{error:?}");
}

/// T33: frames with very little data are not progress.
#[tokio::test]
async fn a_flood_of_small_frames_is_a_stall() {
    let (server, transport) = serving(|session, _| repeating(session, "x".into())).await;
    let response = get(&transport, &server.secure_url()).await.unwrap();
    let body = response.into_body(BodyTimeout {
        stall: SHORT,
        floor: 1 << 30,
    });
    let error = body.read_to_end(u64::MAX).await.unwrap_err();
    assert!(matches!(error, BodyError::Stalled), "{error:?}");
}

/// T33: a connection with a request that timed out is not reused.
#[tokio::test]
async fn a_silent_connection_is_not_used_again() {
    let (server, transport) = serving(|mut session, number| async move {
        if number > 0 {
            return greet_all(session).await;
        }
        if let Some(Ok((_, respond))) = session.accept().await {
            respond_hello(respond);
        }
        keep(session).await;
    })
    .await;
    let url = server.secure_url();
    assert_eq!(text(&transport, &url).await, "hello");
    let sent = transport.send(request(Method::GET, &url), SHORT).await;
    let SendError::Timeout { waiting_for } = sent.unwrap_err() else {
        panic!("expected a timeout")
    };
    assert_eq!(waiting_for, SendPhase::Response);
    assert_eq!(text(&transport, &url).await, "hello");
    assert_eq!(server.connections(), 2);
}

/// C12: the number of headers is limited like their length.
#[tokio::test]
async fn a_head_that_is_too_large() {
    let (server, transport) = serving(|mut session, _| async move {
        while let Some(Ok((_, mut respond))) = session.accept().await {
            let mut headers = HeaderMap::new();
            for _ in 0..3000 {
                headers.append("x", "y".repeat(20).parse().unwrap());
            }
            let mut response = Response::new(());
            *response.headers_mut() = headers;
            drop(respond.send_response(response, true));
        }
    })
    .await;
    let error = get(&transport, &server.secure_url()).await.unwrap_err();
    assert!(matches!(error, SendError::Transport { .. }), "{error:?}");
}

/// Concurrent requests share one connection, once it exists.
#[tokio::test]
async fn concurrent_requests_share_a_connection() {
    let (server, transport) = serving(|session, _| greet_all(session)).await;
    let url = server.secure_url();
    assert_eq!(text(&transport, &url).await, "hello");
    let all = (0..20).map(|_| text(&transport, &url));
    let bodies = tokio::time::timeout(LONG, futures_util::future::join_all(all)).await;
    assert_eq!(bodies.unwrap(), vec!["hello"; 20]);
    assert_eq!(server.connections(), 1);
}
