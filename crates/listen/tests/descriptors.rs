//! A process without free descriptors. The limit is that of the whole process, so this file has one test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::task::{self, yield_now};
use tokio::time::{sleep, timeout};
use windlass_listen::{
    ACCEPT_BACKOFF, AcceptedConnection, AcceptedStream, ConnectionLimit, Connections, Listener,
};

/// After this the test counts as stuck.
const DEADLINE: Duration = Duration::from_secs(60);

async fn greet(accepted: AcceptedConnection) {
    if let AcceptedStream::Tcp(mut stream) = accepted.stream {
        drop(stream.write_all(b"+").await);
    }
}

/// Opens files until no descriptor is left.
fn use_up_descriptors() -> Vec<File> {
    let limits = getrlimit(Resource::Nofile);
    let lowered = Rlimit {
        current: Some(256),
        ..limits
    };
    setrlimit(Resource::Nofile, lowered).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[tokio::test]
async fn a_connection_waits_until_a_descriptor_is_free() {
    let listener = Listener::bind_tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.tcp_address().unwrap();
    task::spawn(async move {
        let limit = ConnectionLimit::new(10, Bytes::new());
        let connections = Connections::default();
        let accepted = listener.accept_into(&connections, &limit, greet).await;
        accepted.unwrap();
    });
    yield_now().await;
    // The runtime has one thread: nothing is accepted before this test awaits.
    let mut client = TcpStream::connect(address).unwrap();
    client.set_nonblocking(true).unwrap();
    let files = use_up_descriptors();
    sleep(ACCEPT_BACKOFF * 3).await;
    let waiting = client.read(&mut [0]).unwrap_err();
    assert_eq!(waiting.kind(), std::io::ErrorKind::WouldBlock);

    drop(files);
    let greeted = async {
        let mut byte = [0];
        while client.read(&mut byte).is_err() {
            sleep(ACCEPT_BACKOFF / 10).await;
        }
        byte
    };
    assert_eq!(timeout(DEADLINE, greeted).await.unwrap(), *b"+");
}
