use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use windlass::{Engine, EngineConfig, OpenMode};
use windlass_daemon::DaemonInfo;

use super::*;

/// After this a test counts as stuck.
const DEADLINE: Duration = Duration::from_secs(60);

/// Serves on the control socket of an empty store; returns the directory of the store.
fn serve(limits: ControlLimits) -> TempDir {
    let directory = TempDir::new().unwrap();
    let access = OpenMode::Exclusive { purpose: "a test" };
    let config = EngineConfig::new(directory.path().join("store"));
    let engine = Engine::try_open(config, access).unwrap();
    let info = DaemonInfo {
        version: "0".to_owned(),
        root: String::new(),
        insecure_registries: Vec::new(),
        mirrors: Vec::new(),
        labels: Vec::new(),
    };
    let daemon = Arc::new(Daemon::new(Arc::new(engine), info).unwrap());
    let root = directory.path().join("store");
    tokio::spawn(listen_with(&root, daemon, limits).unwrap());
    directory
}

async fn connect(directory: &TempDir) -> UnixStream {
    let path = directory.path().join("store").join(SOCKET_NAME);
    UnixStream::connect(path).await.unwrap()
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

    let (mut reader, writer) = split(connect(&directory).await);
    writer.send(&Handshake::current()).await.unwrap();
    let handshake = reader.next::<Handshake>().await.unwrap();
    assert_eq!(handshake, Some(Handshake::current()));
    let end = timeout(DEADLINE, reader.next::<Response>()).await.unwrap();
    assert!(matches!(end, Ok(None)), "{end:?}");
}

#[tokio::test]
async fn a_connection_above_the_limit_gets_an_error() {
    let directory = serve(ControlLimits {
        connections: 1,
        ..ControlLimits::default()
    });
    let (mut first, writer) = split(connect(&directory).await);
    writer.send(&Handshake::current()).await.unwrap();
    first.next::<Handshake>().await.unwrap();

    let (mut second, _writer) = split(connect(&directory).await);
    let handshake = second.next::<Handshake>().await.unwrap();
    assert_eq!(handshake, Some(Handshake::current()));
    match second.next::<Response>().await.unwrap() {
        Some(Response::Failed { report }) => {
            assert_eq!(report.message, "the daemon has too many connections");
        }
        other => panic!("{other:?}"),
    }
}
