use std::io::{PipeWriter, Write as _};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use windlass::Engine;
use windlass_daemon::DaemonInfo;

use super::*;
use crate::MAX_RESPONSE_BYTES;

/// The maximum time that a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(60);
/// The number of transfers that the daemon runs at a time.
const LOADS: usize = 128;

/// Serves on the control socket of an empty store; returns the directory of the store.
fn serve(limits: ControlLimits) -> TempDir {
    serve_with_daemon(limits).0
}

fn serve_with_daemon(limits: ControlLimits) -> (TempDir, Arc<Daemon>) {
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("store");
    let engine = Arc::new(Engine::builder(&root).try_open().unwrap());
    let daemon = Arc::new(Daemon::new(engine, DaemonInfo::default()).unwrap());
    tokio::spawn(listen_with(&root, Arc::clone(&daemon), limits).unwrap());
    (directory, daemon)
}

async fn connect(directory: &TempDir) -> UnixStream {
    let path = directory.path().join("store").join(SOCKET_NAME);
    UnixStream::connect(path).await.unwrap()
}

/// Connects and exchanges handshakes.
async fn greet(directory: &TempDir) -> (MessageReader, MessageWriter) {
    let (mut reader, writer) = split(connect(directory).await, MAX_RESPONSE_BYTES);
    writer.send(&Handshake::current()).await.unwrap();
    let handshake = reader.next::<Handshake>().await.unwrap();
    assert_eq!(handshake, Some(Handshake::current()));
    (reader, writer)
}

/// Returns the error of the next response.
async fn error_of(reader: &mut MessageReader) -> String {
    match timeout(DEADLINE, reader.next::<Response>()).await.unwrap() {
        Ok(Some(Response::Failed { report })) => report.message,
        other => panic!("{other:?}"),
    }
}

/// Returns all that is received until the daemon closes the connection.
async fn read_to_end(mut stream: UnixStream) -> String {
    let mut received = String::new();
    let read = stream.read_to_string(&mut received);
    timeout(DEADLINE, read).await.unwrap().unwrap();
    received
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_disconnected() {
    let directory = serve(ControlLimits {
        request_timeout: Duration::from_millis(100),
        ..ControlLimits::default()
    });
    assert_eq!(read_to_end(connect(&directory).await).await, "");

    let (mut reader, _writer) = greet(&directory).await;
    let end = timeout(DEADLINE, reader.next::<Response>()).await.unwrap();
    assert!(matches!(end, Ok(None)), "{end:?}");
}

#[tokio::test]
async fn a_connection_above_the_limit_gets_an_error() {
    let directory = serve(ControlLimits {
        connections: 1,
        ..ControlLimits::default()
    });
    let _first = greet(&directory).await;
    let (mut second, _writer) = greet(&directory).await;
    let error = error_of(&mut second).await;
    assert_eq!(error, "the daemon has too many connections");
}

/// A connection of which no request has come does not delay the end of the daemon.
#[tokio::test]
async fn a_shutdown_ends_connections_without_a_request() {
    let (directory, daemon) = serve_with_daemon(ControlLimits::default());
    let silent = connect(&directory).await;
    let (mut greeted, _writer) = greet(&directory).await;
    daemon.shutdown().begin(DEADLINE * 10);
    assert_eq!(read_to_end(silent).await, "");
    let end = timeout(DEADLINE, greeted.next::<Response>()).await;
    assert!(matches!(end, Ok(Ok(None))), "{end:?}");
}

#[tokio::test]
async fn a_request_without_end_is_rejected_at_the_limit() {
    let directory = serve(ControlLimits::default());
    let mut stream = connect(&directory).await;
    let sending = async {
        let part = vec![b'['; 1 << 20];
        let mut sent = 0;
        while stream.write_all(&part).await.is_ok() {
            sent += part.len();
            assert!(sent <= 4 << 20);
        }
    };
    timeout(DEADLINE, sending).await.unwrap();
}

/// The path of the copy would be empty, and so relative to the directory of the daemon.
#[tokio::test]
async fn a_copy_from_files_takes_a_descriptor() {
    let directory = serve(ControlLimits::default());
    let (mut reader, writer) = greet(&directory).await;
    let request = serde_json::json!({
        "request": "transfer",
        "transfer": "copy",
        "source": { "source": "files", "name": null },
        "name": "app:1",
        "choice": "all",
        "action": "copying oci:layout",
    });
    writer.send(&request).await.unwrap();
    assert_eq!(
        error_of(&mut reader).await,
        "copying oci:layout: cannot read the file of the request: the request has no descriptor"
    );
}

/// Starts to load an archive from a pipe, of which one byte has come. Returns the end of the command and that of the pipe.
async fn start_load(directory: &TempDir) -> ((MessageReader, MessageWriter), PipeWriter) {
    let (reader, writer) = greet(directory).await;
    let (file, mut pipe) = io::pipe().unwrap();
    pipe.write_all(b"x").unwrap();
    let request = serde_json::json!({
        "request": "transfer",
        "transfer": "load",
        "options": { "choice": "all", "name": null },
        "action": "loading",
    });
    writer.send_with(&request, Some(file.into())).await.unwrap();
    ((reader, writer), pipe)
}

/// Each load that waits for a pipe occupies a thread, and other requests need threads, too.
#[tokio::test]
async fn the_number_of_loads_at_a_time_is_limited() {
    let directory = serve(ControlLimits::default());
    let mut loads = Vec::new();
    for _ in 0..LOADS {
        let ((mut reader, writer), pipe) = start_load(&directory).await;
        let event = timeout(DEADLINE, reader.next::<Response>()).await.unwrap();
        assert!(
            matches!(event, Ok(Some(Response::CopyEvent { .. }))),
            "{event:?}"
        );
        loads.push((reader, writer, pipe));
    }
    let ((mut reader, _writer), _pipe) = start_load(&directory).await;
    let event = timeout(Duration::from_millis(300), reader.next::<Response>()).await;
    assert!(event.is_err(), "{event:?}");
    loads.pop();
    let event = timeout(DEADLINE, reader.next::<Response>()).await.unwrap();
    assert!(
        matches!(event, Ok(Some(Response::CopyEvent { .. }))),
        "{event:?}"
    );
}

/// A command may be suspended while the daemon waits for its credentials, and so do others that share a transfer.
#[tokio::test(start_paused = true)]
async fn a_command_that_sends_no_credentials_fails_the_lookup() {
    let (queries, mut received) = mpsc::channel(1);
    let provider = ForwardedCredentials(queries);
    let scope = CredentialScope {
        host: "r.test".to_owned(),
        repository: "app".to_owned(),
    };
    let begun = tokio::time::Instant::now();
    let error = provider.credentials(&scope).await.unwrap_err();
    assert_eq!(error.to_string(), "the command sends no credentials");
    assert_eq!(begun.elapsed(), CREDENTIAL_TIMEOUT);
    assert!(received.recv().await.is_some());
}
