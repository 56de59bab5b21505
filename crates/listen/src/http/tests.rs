use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use windlass_testing::Ca;

use super::*;

const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADER: Duration = Duration::from_secs(20);
const IDLE: Duration = Duration::from_secs(100);
const WRITE: Duration = Duration::from_secs(60);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
/// What fits between both ends before a write has to wait, in bytes.
const BUFFER: usize = 1024;

fn options(idle: Option<Duration>) -> HttpOptions {
    HttpOptions {
        timeouts: ConnectionTimeouts {
            handshake: HANDSHAKE,
            header: HEADER,
            idle,
            write: WRITE,
        },
        max_head_bytes: 0,
    }
}

/// Serves one connection; each response has `size` bytes, and takes `duration`.
fn serve(
    idle: Option<Duration>,
    size: usize,
    duration: Duration,
    shutdown: &Shutdown,
) -> (DuplexStream, JoinHandle<()>) {
    let (client, server) = duplex(BUFFER);
    let (options, shutdown) = (options(idle), shutdown.clone());
    let stream = WriteTimeout::new(server, options.timeouts.write);
    let serving = tokio::spawn(async move {
        let respond = |_: Request<Incoming>| async move {
            sleep(duration).await;
            Response::new(Full::new(Bytes::from(vec![b'x'; size])))
        };
        serve_stream(stream, ClosedWhen::ReadEnds, &options, &shutdown, respond).await;
    });
    (client, serving)
}

fn served(idle: Option<Duration>) -> (DuplexStream, JoinHandle<()>) {
    serve(idle, 2, Duration::ZERO, &Shutdown::default())
}

/// Reads one response whose body has 2 bytes.
async fn read_response(client: &mut DuplexStream) {
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\nxx") {
        response.push(client.read_u8().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_arrives_byte_by_byte_is_cut_off() {
    for idle in [None, Some(IDLE)] {
        let (mut client, serving) = served(idle);
        let begun = Instant::now();
        // 27 bytes in 27 seconds.
        for byte in REQUEST {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        serving.await.unwrap();
        assert!((HEADER..HEADER + Duration::from_secs(2)).contains(&begun.elapsed()));
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_head_has_its_own_timeout() {
    let (mut client, serving) = served(None);
    client.write_all(REQUEST).await.unwrap();
    read_response(&mut client).await;
    sleep(IDLE * 10).await;
    let begun = Instant::now();
    client.write_all(b"GET").await.unwrap();
    serving.await.unwrap();
    assert_eq!(begun.elapsed(), HEADER);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_or_kept_as_configured() {
    let (mut client, serving) = served(Some(IDLE));
    client.write_all(REQUEST).await.unwrap();
    read_response(&mut client).await;
    let begun = Instant::now();
    serving.await.unwrap();
    assert_eq!(begun.elapsed(), IDLE);

    let (mut client, serving) = served(None);
    for _ in 0..3 {
        sleep(IDLE * 10).await;
        client.write_all(REQUEST).await.unwrap();
        read_response(&mut client).await;
    }
    assert!(!serving.is_finished());
}

/// A request that takes longer than any timeout to answer is not a slow head.
#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_waited_for() {
    let (mut client, _serving) = serve(Some(IDLE), 2, IDLE * 10, &Shutdown::default());
    client.write_all(REQUEST).await.unwrap();
    read_response(&mut client).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_cut_off() {
    let (mut client, serving) = serve(None, BUFFER * 100, Duration::ZERO, &Shutdown::default());
    client.write_all(REQUEST).await.unwrap();
    let begun = Instant::now();
    serving.await.unwrap();
    assert_eq!(begun.elapsed(), WRITE);
}

/// Reads a response in parts, with pauses, until its body has `size` bytes or the connection ends. Returns the length of
/// its body.
async fn read_slowly(client: &mut DuplexStream, size: usize) -> usize {
    let (mut response, mut body) = (Vec::new(), 0);
    let mut buffer = vec![0; BUFFER];
    while body < size {
        sleep(WRITE / 2).await;
        let read = client.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        response.extend_from_slice(&buffer[..read]);
        let head = response.windows(4).position(|end| end == b"\r\n\r\n");
        body = head.map_or(0, |head| response.len() - head - 4);
    }
    body
}

/// The whole takes many times either timeout, and each write makes progress within one.
#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_served() {
    let size = BUFFER * 20;
    for idle in [None, Some(IDLE)] {
        let (mut client, serving) = serve(idle, size, Duration::ZERO, &Shutdown::default());
        client.write_all(REQUEST).await.unwrap();
        assert_eq!(read_slowly(&mut client, size).await, size, "{idle:?}");
        assert!(!serving.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn the_idle_timeout_begins_when_the_response_is_written() {
    let (mut client, serving) = serve(Some(IDLE), BUFFER, Duration::ZERO, &Shutdown::default());
    client.write_all(REQUEST).await.unwrap();
    sleep(WRITE / 2).await;
    // The head is read, and the body fits the buffer between both ends.
    client.read_exact(&mut [0; 100]).await.unwrap();
    let begun = Instant::now();
    serving.await.unwrap();
    assert_eq!(begun.elapsed(), IDLE);
}

/// A connection that the client or a shutdown closes after a response.
#[tokio::test(start_paused = true)]
async fn a_response_is_complete_before_its_connection_is_closed() {
    let size = BUFFER * 20;
    let (mut client, _serving) = serve(Some(IDLE), size, Duration::ZERO, &Shutdown::default());
    let last = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    client.write_all(last).await.unwrap();
    assert_eq!(read_slowly(&mut client, size).await, size);

    let shutdown = Shutdown::default();
    let (mut client, _serving) = serve(Some(IDLE), size, Duration::ZERO, &shutdown);
    client.write_all(REQUEST).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    shutdown.begin(IDLE * 100);
    assert_eq!(read_slowly(&mut client, size).await, size);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_idle_connections_and_finishes_requests() {
    let shutdown = Shutdown::default();
    let (mut idle, idle_serving) = serve(None, 2, Duration::ZERO, &shutdown);
    idle.write_all(REQUEST).await.unwrap();
    read_response(&mut idle).await;
    let (mut busy, busy_serving) = serve(None, 2, IDLE, &shutdown);
    let begun_request = Instant::now();
    busy.write_all(REQUEST).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    shutdown.begin(IDLE * 2);
    idle_serving.await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    read_response(&mut busy).await;
    busy_serving.await.unwrap();
    assert_eq!(begun_request.elapsed(), IDLE);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_the_handshake_is_cut_off() {
    let ca = Ca::new();
    let own = ca.server(&["127.0.0.1"]);
    let tls = ServerTls::new(own.certificate.as_bytes(), own.key.as_bytes()).unwrap();
    let (mut client, server) = duplex(BUFFER);
    // The beginning of a TLS record.
    client.write_all(&[0x16, 3, 1]).await.unwrap();
    let begun = Instant::now();
    let failed = handshake(server, &tls, HANDSHAKE).await.unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
    assert_eq!(begun.elapsed(), HANDSHAKE);
}

/// A body that never ends.
struct EndlessBody;

impl Body for EndlessBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_is_cut_at_the_deadline() {
    let connections = crate::Connections::default();
    let shutdown = connections.shutdown().clone();
    let (mut client, server) = duplex(BUFFER);
    let stopping = shutdown.clone();
    connections.spawn(async move {
        let respond = |_: Request<Incoming>| async { Response::new(EndlessBody) };
        serve_stream(
            server,
            ClosedWhen::ReadEnds,
            &options(None),
            &stopping,
            respond,
        )
        .await;
    });
    client.write_all(REQUEST).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    shutdown.begin(Duration::from_secs(30));
    // The first call counts.
    shutdown.begin(Duration::from_secs(3000));
    assert_eq!(connections.drain().await, 1);
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
    assert_eq!(connections.drain().await, 0);
}

#[test]
fn the_overload_response_is_complete() {
    let response = overload_response("application/json", b"{}");
    let expected = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
                    Retry-After: 1\r\nConnection: close\r\n\r\n{}";
    assert_eq!(response, expected);
}
