//! Response bodies over plain HTTP/1.1: ends, size limits and stall timeouts.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use windlass_http::{BodyError, BodyTimeout};

use crate::server::{ScriptedServer, read_head, serve_hello, wait_for_close, write};
use crate::support::{LONG_STALL, SHORT, get, text, transport};

/// Starts a server that responds with `response` and closes the connection.
async fn responding_with(response: &'static str) -> ScriptedServer {
    ScriptedServer::start(move |mut stream, _| async move {
        read_head(&mut stream).await;
        write(&mut stream, response).await;
    })
    .await
}

#[tokio::test]
async fn bodies_of_every_framing() {
    for (response, length) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Some(5)),
        ("HTTP/1.1 200 OK\r\n\r\nhello", None),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n1\r\no\r\n0\r\nA: b\r\n\r\n",
            None,
        ),
        ("HTTP/1.0 200 OK\r\n\r\nhello", None),
    ] {
        let head = response;
        let server = responding_with(head).await;
        let response = get(&transport(), &server.url()).await.unwrap();
        assert_eq!(response.content_length(), length, "{head}");
        let body = response.into_body(LONG_STALL).read_to_end(5).await.unwrap();
        assert_eq!(body, "hello");
    }
}

/// T31.
#[tokio::test]
async fn a_body_that_is_cut_off() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let head = response;
        let server = responding_with(head).await;
        let response = get(&transport(), &server.url()).await.unwrap();
        let mut body = response.into_body(LONG_STALL);
        assert_eq!(body.next_chunk().await.unwrap().unwrap(), "hello");
        let error = body.next_chunk().await.unwrap_err();
        assert!(matches!(error, BodyError::Transport { .. }), "{error:?}");
    }
}

/// C12, E3: the limit applies with and without a content length.
#[tokio::test]
async fn a_body_beyond_its_limit() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\n\r\nhello",
    ] {
        let head = response;
        let server = responding_with(head).await;
        let response = get(&transport(), &server.url()).await.unwrap();
        let error = response
            .into_body(LONG_STALL)
            .read_to_end(4)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "larger than the limit of 4 bytes");

        let response = get(&transport(), &server.url()).await.unwrap();
        assert_eq!(response.into_body(LONG_STALL).read_prefix(4).await, "hell");
        let response = get(&transport(), &server.url()).await.unwrap();
        assert_eq!(response.into_body(LONG_STALL).read_prefix(9).await, "hello");
    }
}

/// T33: a stalled body fails, and its connection is not reused.
#[tokio::test]
async fn a_body_that_stalls() {
    let server = ScriptedServer::start(|mut stream, number| async move {
        if number > 0 {
            return serve_hello(stream, crate::server::RequestLog::default()).await;
        }
        read_head(&mut stream).await;
        write(
            &mut stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        )
        .await;
        wait_for_close(stream).await;
    })
    .await;
    let transport = transport();
    let response = get(&transport, &server.url()).await.unwrap();
    let mut body = response.into_body(BodyTimeout {
        stall: SHORT,
        floor: 1,
    });
    assert_eq!(body.next_chunk().await.unwrap().unwrap(), "hello");
    let error = body.next_chunk().await.unwrap_err();
    assert!(matches!(error, BodyError::Stalled), "{error:?}");
    drop(body);
    assert_eq!(text(&transport, &server.url()).await, "hello");
}

/// T33.
#[tokio::test]
async fn a_body_that_trickles() {
    let server = ScriptedServer::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        write(&mut stream, "HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let response = get(&transport(), &server.url()).await.unwrap();
    let limits = BodyTimeout {
        stall: SHORT,
        floor: 1 << 20,
    };
    let error = response.into_body(limits).read_to_end(u64::MAX).await;
    assert!(matches!(error, Err(BodyError::Stalled)), "{error:?}");
}

/// A large body arrives complete and in order.
#[tokio::test]
async fn a_large_body_arrives_complete() {
    const SIZE: usize = 64 << 20;
    let block: Bytes = (0..=u8::MAX)
        .cycle()
        .take(1 << 20)
        .collect::<Vec<_>>()
        .into();
    let sent = block.clone();
    let server = ScriptedServer::start(move |mut stream, _| {
        let block = sent.clone();
        async move {
            read_head(&mut stream).await;
            write(
                &mut stream,
                &format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"),
            )
            .await;
            for _ in 0..SIZE >> 20 {
                drop(stream.write_all(&block).await);
            }
        }
    })
    .await;
    let response = get(&transport(), &server.url()).await.unwrap();
    let mut body = response.into_body(LONG_STALL);
    let mut received = 0;
    while let Some(chunk) = body.next_chunk().await.unwrap() {
        for piece in chunk.chunk_by(|a, b| a < b) {
            assert_eq!(usize::from(piece[0]), received % 256);
            received += piece.len();
        }
    }
    assert_eq!(received, SIZE);
}
