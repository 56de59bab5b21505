//! What a server is reached by: TLS, and sockets in the file system.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use windlass::{
    Access, Caller, Engine, EngineConfig, Events, HostConfig, Origin, PullRequest, RegistryConfig,
    RegistryHosts, Throttle,
};
use windlass_serve::{Listen, Listener, ServeConfig, Tls, TlsError};
use windlass_testing::Ca;

use crate::harness::{Said, Serving, Stored, image};

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
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let serving = Serving::on(listener, &stored.root(), ServeConfig::default());
    let mut stream = UnixStream::connect(&path).unwrap();
    let request = b"GET /v2/app/manifests/1 HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n";
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
