//! Bodies over plain HTTP/1.1: their ends, limits and pace.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use windlass_http::{BodyError, BodyTimeout};

use crate::server::{Server, greet, linger, read_head, say};
use crate::support::{PATIENT, SHORT, get, text, transport};

/// Says `first`, and then hangs up.
async fn saying(first: &'static str) -> Server {
    Server::start(move |mut stream, _| async move {
        read_head(&mut stream).await;
        say(&mut stream, first).await;
    })
    .await
}

#[tokio::test]
async fn bodies_of_every_framing() {
    for (said, length) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Some(5)),
        ("HTTP/1.1 200 OK\r\n\r\nhello", None),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n1\r\no\r\n0\r\nA: b\r\n\r\n",
            None,
        ),
        ("HTTP/1.0 200 OK\r\n\r\nhello", None),
    ] {
        let server = saying(said).await;
        let response = get(&transport(), &server.url()).await.unwrap();
        assert_eq!(response.content_length(), length, "{said}");
        let body = response.into_body(PATIENT).whole(5).await.unwrap();
        assert_eq!(body, "hello");
    }
}

/// T31.
#[tokio::test]
async fn a_body_that_is_cut_off() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let server = saying(said).await;
        let response = get(&transport(), &server.url()).await.unwrap();
        let mut body = response.into_body(PATIENT);
        assert_eq!(body.next_chunk().await.unwrap().unwrap(), "hello");
        let error = body.next_chunk().await.unwrap_err();
        assert!(matches!(error, BodyError::Transport { .. }), "{error:?}");
    }
}

/// C12, E3: announced or not, a body is read no further than its limit.
#[tokio::test]
async fn a_body_beyond_its_limit() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\n\r\nhello",
    ] {
        let server = saying(said).await;
        let response = get(&transport(), &server.url()).await.unwrap();
        let error = response.into_body(PATIENT).whole(4).await.unwrap_err();
        assert_eq!(error.to_string(), "larger than the limit of 4 bytes");

        let response = get(&transport(), &server.url()).await.unwrap();
        assert_eq!(response.into_body(PATIENT).beginning(4).await, "hell");
        let response = get(&transport(), &server.url()).await.unwrap();
        assert_eq!(response.into_body(PATIENT).beginning(9).await, "hello");
    }
}

/// T33: whoever stalls is given up, and no other request is given to him.
#[tokio::test]
async fn a_body_that_stalls() {
    let server = Server::start(|mut stream, number| async move {
        if number > 0 {
            return greet(stream, crate::server::Log::default()).await;
        }
        read_head(&mut stream).await;
        say(
            &mut stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        )
        .await;
        linger(stream).await;
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
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        say(&mut stream, "HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let response = get(&transport(), &server.url()).await.unwrap();
    let patience = BodyTimeout {
        stall: SHORT,
        floor: 1 << 20,
    };
    let error = response.into_body(patience).whole(u64::MAX).await;
    assert!(matches!(error, Err(BodyError::Stalled)), "{error:?}");
}

/// Bodies come in pieces that are worth their while, and in order.
#[tokio::test]
async fn a_large_body_comes_whole() {
    const SIZE: usize = 64 << 20;
    let block: Bytes = (0..=u8::MAX)
        .cycle()
        .take(1 << 20)
        .collect::<Vec<_>>()
        .into();
    let sent = block.clone();
    let server = Server::start(move |mut stream, _| {
        let block = sent.clone();
        async move {
            read_head(&mut stream).await;
            say(
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
    let mut body = response.into_body(PATIENT);
    let mut received = 0;
    while let Some(chunk) = body.next_chunk().await.unwrap() {
        for piece in chunk.chunk_by(|a, b| a < b) {
            assert_eq!(usize::from(piece[0]), received % 256);
            received += piece.len();
        }
    }
    assert_eq!(received, SIZE);
}
