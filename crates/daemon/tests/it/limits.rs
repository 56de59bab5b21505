//! What clients on a unix socket may cost.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};
use windlass_daemon::{DaemonLimits, DaemonListener};

use crate::harness::TestDaemon;

/// A timeout that only a client runs into which does nothing.
const SHORT: Duration = Duration::from_millis(200);
/// After this a test counts as stuck.
const DEADLINE: Duration = Duration::from_secs(60);
const PING: &[u8] = b"GET /_ping HTTP/1.1\r\nhost: d\r\n\r\n";

/// Serves on a unix socket; returns its path.
fn serve(limits: DaemonLimits) -> (TestDaemon, PathBuf) {
    let daemon = TestDaemon::new();
    let path = daemon.directory.path().join("d.sock");
    daemon.serve(DaemonListener::unix(&path, None).unwrap(), limits);
    (daemon, path)
}

/// Sends a request; returns its status.
async fn ping(client: &mut UnixStream) -> std::io::Result<String> {
    client.write_all(PING).await?;
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\nOK") {
        response.push(client.read_u8().await?);
    }
    let response = String::from_utf8(response).unwrap();
    Ok(response[9..12].to_owned())
}

#[tokio::test]
async fn a_connection_above_the_limit_gets_503() {
    let limits = DaemonLimits {
        connections: 1,
        ..DaemonLimits::default()
    };
    let (_daemon, path) = serve(limits);
    let mut first = UnixStream::connect(&path).await.unwrap();
    assert_eq!(ping(&mut first).await.unwrap(), "200");
    let mut second = UnixStream::connect(&path).await.unwrap();
    let mut response = String::new();
    let read = second.read_to_string(&mut response);
    timeout(DEADLINE, read).await.unwrap().unwrap();
    insta::assert_snapshot!(response.replace('\r', ""), @r#"
    HTTP/1.1 503 Service Unavailable
    Content-Type: application/json
    Content-Length: 34
    Retry-After: 1
    Connection: close

    {"message":"too many connections"}
    "#);
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_keep_its_connection() {
    let limits = DaemonLimits {
        connections: 1,
        write_timeout: SHORT,
        ..DaemonLimits::default()
    };
    let (_daemon, path) = serve(limits);
    let mut stalled = UnixStream::connect(&path).await.unwrap();
    // Requests until neither direction takes any more.
    while timeout(SHORT, stalled.write_all(PING))
        .await
        .is_ok_and(|sent| sent.is_ok())
    {}
    let served = async {
        loop {
            let mut client = UnixStream::connect(&path).await.unwrap();
            if ping(&mut client).await.is_ok() {
                return;
            }
            sleep(SHORT / 10).await;
        }
    };
    timeout(DEADLINE, served).await.unwrap();
}

#[tokio::test]
async fn a_local_client_keeps_an_idle_connection() {
    let limits = DaemonLimits {
        idle_timeout: SHORT,
        write_timeout: SHORT,
        ..DaemonLimits::default()
    };
    let (_daemon, path) = serve(limits);
    let mut client = UnixStream::connect(&path).await.unwrap();
    for _ in 0..3 {
        assert_eq!(ping(&mut client).await.unwrap(), "200");
        sleep(SHORT * 3).await;
    }
}
