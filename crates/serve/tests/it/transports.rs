//! What a server is reached by: TLS, and sockets in the file system.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use windlass::{Access, Caller, Engine, EngineConfig, PullRequest, Throttle};
use windlass_serve::{Listen, Listener, ServeConfig, Tls, TlsError};
use windlass_testing::Ca;

use crate::harness::{Said, Serving, Stored, image, runtime};

#[test]
fn a_socket_in_the_file_system_is_for_its_owner() {
    let (stored, image) = Stored::with(image("a"), &["app:1"]);
    let path = stored.directory.path().join("socket");
    let listen = Listen::Unix(path.clone());
    // One that a crash left behind is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = Listener::bind(&listen).unwrap();
    let taken = Listener::bind(&listen).unwrap_err();
    assert_eq!(taken.source.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let serving = Serving::on(listener, &stored.root(), ServeConfig::default());
    let mut stream = UnixStream::connect(&path).unwrap();
    let request =
        b"GET /v2/app/manifests/1 HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert_eq!(Said::parse(&said).body, image.manifest);
    assert_eq!(serving.answered.lock().unwrap()[0].peer, "unix");
    serving.stop();
    assert!(!path.exists());

    fs::write(&path, "something else").unwrap();
    assert!(Listener::bind(&listen).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"something else");
}

/// A client that trusts the authority pulls over TLS; whoever speaks plain HTTP gets nothing.
#[test]
fn it_speaks_tls() {
    let (stored, image) = Stored::with(image("a"), &["app:1"]);
    let ca = Ca::new();
    let identity = ca.server(&["127.0.0.1"]);
    let tls = Tls::new(identity.certificate.as_bytes(), identity.key.as_bytes()).unwrap();
    let config = ServeConfig {
        tls: Some(tls),
        ..ServeConfig::default()
    };
    let serving = Serving::start(&stored.root(), config);
    assert_eq!(
        serving
            .send("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .first(),
        Some(&0x15)
    );

    let mut config = EngineConfig::new(stored.directory.path().join("other"));
    config.pull.registry.extra_roots.push(ca.pem().into());
    let purpose = "a test".to_owned();
    let engine = Engine::open(config, &Access::Own { purpose }, |_| {}).unwrap();
    let request = PullRequest {
        reference: format!("{}/app:1", serving.address).parse().unwrap(),
        platform: None,
        caller: Caller::anonymous(),
        throttle: Throttle::unlimited(),
    };
    let pulled = runtime().block_on(async { engine.pull(request).await });
    assert_eq!(pulled.unwrap().digest, image.digest);
}

#[test]
fn what_is_no_identity_is_refused() {
    let ca = Ca::new();
    let [one, other] = [ca.server(&["a.test"]), ca.server(&["b.test"])];
    let refused = |certificate: &str, key: &str| {
        Tls::new(certificate.as_bytes(), key.as_bytes()).unwrap_err()
    };
    assert!(matches!(refused("", &one.key), TlsError::Certificate));
    assert!(matches!(refused(&one.key, &one.key), TlsError::Certificate));
    assert!(matches!(refused(&one.certificate, "x"), TlsError::Key));
    assert!(matches!(
        refused(&one.certificate, &other.key),
        TlsError::Unusable(_)
    ));
}
