//! TLS, and unix sockets.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use windlass::registry::Caller;
use windlass::transfer::Throttle;
use windlass::{Engine, EngineConfig, OpenMode, PullRequest};
use windlass_listen::{BindError, ServerTls};
use windlass_serve::{ListenAddress, ServeConfig};
use windlass_testing::Ca;

use crate::harness::{HttpResponse, TestServer, TestStore, image, runtime};

#[test]
fn a_unix_socket_is_for_its_owner() {
    let (store, image) = TestStore::with(image("a"), &["app:1"]);
    let path = store.directory.path().join("socket");
    let listen = ListenAddress::Unix(path.clone());
    // A socket that a crash left behind is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = listen.bind().unwrap();
    let taken = listen.bind().unwrap_err();
    assert!(matches!(taken, BindError::InUse { .. }), "{taken:?}");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let server = TestServer::on(listener, &store.root(), ServeConfig::default());
    let mut stream = UnixStream::connect(&path).unwrap();
    let request =
        b"GET /v2/app/manifests/1 HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    assert_eq!(HttpResponse::parse(&response).body, image.manifest);
    assert_eq!(server.log.lock().unwrap()[0].peer, "unix");
    server.stop();
    assert!(!path.exists());

    fs::write(&path, "something else").unwrap();
    assert!(listen.bind().is_err());
    assert_eq!(fs::read(&path).unwrap(), b"something else");
}

/// A client that trusts the authority pulls over TLS; a plain HTTP client receives an alert.
#[test]
fn images_are_pulled_over_tls() {
    let (store, image) = TestStore::with(image("a"), &["app:1"]);
    let ca = Ca::new();
    let identity = ca.server(&["127.0.0.1"]);
    let tls = ServerTls::new(identity.certificate.as_bytes(), identity.key.as_bytes()).unwrap();
    let config = ServeConfig {
        tls: Some(tls),
        ..ServeConfig::default()
    };
    let server = TestServer::start(&store.root(), config);
    assert_eq!(
        server
            .send("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .first(),
        Some(&0x15)
    );

    let mut config = EngineConfig::new(store.directory.path().join("other"));
    config.pull.registry.extra_roots.push(ca.pem().into());
    let purpose = "a test";
    let engine = Engine::open(config, OpenMode::Exclusive { purpose }, |_| {}).unwrap();
    let request = PullRequest {
        reference: format!("{}/app:1", server.address).parse().unwrap(),
        platform: None,
        artifacts: Vec::new(),
        caller: Caller::anonymous(),
        throttle: Throttle::unlimited(),
    };
    let pulled = runtime().block_on(async { engine.pull(request).await });
    assert_eq!(pulled.unwrap().digest, image.digest);
}
