//! Connections above the limit, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use windlass_listen::{
    AcceptedConnection, AcceptedStream, ConnectionLimit, Connections, Listener, ServerTls,
    UnixSocketOptions,
};
use windlass_testing::Ca;

/// After this a test counts as stuck.
const DEADLINE: Duration = Duration::from_secs(60);
const OVERLOAD: &str = "come back later";

/// Sends a byte, and keeps the connection until the client closes it.
async fn greet(accepted: AcceptedConnection) {
    match accepted.stream {
        AcceptedStream::Tcp(mut stream) => {
            drop(stream.write_all(b"+").await);
            drop(stream.read(&mut [0]).await);
        }
        AcceptedStream::Unix(mut stream) => {
            drop(stream.write_all(b"+").await);
            drop(stream.read(&mut [0]).await);
        }
    }
}

/// Accepts one connection at a time.
fn start(listener: Listener) -> (Connections, tokio::task::JoinHandle<()>) {
    let connections = Connections::default();
    let limit = ConnectionLimit::new(1, Bytes::from_static(OVERLOAD.as_bytes()));
    let accepting = connections.clone();
    let task = tokio::spawn(async move {
        let accepted = listener.accept_into(&accepting, &limit, greet).await;
        accepted.unwrap();
    });
    (connections, task)
}

fn tcp_listener() -> (Listener, SocketAddr) {
    let listener = Listener::bind_tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.tcp_address().unwrap();
    (listener, address)
}

/// Connects, sends a request, and returns all that comes until the server closes or `count` bytes have come.
async fn receive(address: SocketAddr, count: u64) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"request").await.unwrap();
    stream.flush().await.unwrap();
    let mut received = String::new();
    let mut limited = (&mut stream).take(count);
    let read = timeout(DEADLINE, limited.read_to_string(&mut received)).await;
    // A connection that is refused without a response may be reset.
    drop(read.unwrap());
    (stream, received)
}

#[tokio::test]
async fn a_connection_above_the_limit_is_refused_until_another_ends() {
    let (listener, address) = tcp_listener();
    let (_connections, _task) = start(listener);
    let mut first = TcpStream::connect(address).await.unwrap();
    assert_eq!(first.read_u8().await.unwrap(), b'+');
    let (_, received) = receive(address, OVERLOAD.len() as u64).await;
    assert_eq!(received, OVERLOAD);
    drop(first);
    let served = async {
        loop {
            let (stream, received) = receive(address, 1).await;
            if received == "+" {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(DEADLINE, served).await.unwrap();
}

#[tokio::test]
async fn a_tls_connection_above_the_limit_is_closed() {
    let ca = Ca::new();
    let own = ca.server(&["127.0.0.1"]);
    let tls = ServerTls::new(own.certificate.as_bytes(), own.key.as_bytes()).unwrap();
    let (listener, address) = tcp_listener();
    let (_connections, _task) = start(listener.with_tls(tls));
    let mut first = TcpStream::connect(address).await.unwrap();
    assert_eq!(first.read_u8().await.unwrap(), b'+');
    let (_, received) = receive(address, 100).await;
    assert_eq!(received, "");
}

#[tokio::test]
async fn a_shutdown_closes_the_socket_and_waits_for_its_connections() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let options = UnixSocketOptions {
        mode: 0o600,
        group: None,
        prepare_directory: false,
    };
    let listener = Listener::bind_unix(&path, &options).unwrap();
    assert_eq!(listener.to_string(), format!("unix://{}", path.display()));
    let (connections, task) = start(listener);
    let mut client = UnixStream::connect(&path).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'+');
    connections.shutdown().begin(DEADLINE);
    task.await.unwrap();
    assert!(!path.exists());
    assert!(UnixStream::connect(&path).await.is_err());
    drop(client);
    assert_eq!(connections.drain().await, 0);
}

/// The task of a listener may accept a connection while the shutdown begins, and add it when all others have ended.
#[tokio::test]
async fn a_connection_that_comes_after_the_drain_is_cut() {
    let connections = Connections::default();
    connections.shutdown().begin(DEADLINE);
    assert_eq!(connections.drain().await, 0);
    connections.spawn(std::future::pending());
    let drained = timeout(DEADLINE, connections.drain());
    assert_eq!(drained.await, Ok(0));
}
