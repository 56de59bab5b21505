//! From elsewhere, only with certificates on both sides.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use windlass::{Access, Engine, EngineConfig};
use windlass_daemon::{Daemon, DaemonInfo, DaemonLimits, DaemonListener};
use windlass_listen::ServerTls;
use windlass_testing::{Ca, TlsIdentity};

const HERE: &str = "127.0.0.1";
const QUESTION: &[u8] = b"GET /_ping HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n";

struct Server {
    daemon: Arc<Daemon>,
    address: SocketAddr,
    tls: ServerTls,
    _store: TempDir,
}

fn tls(ca: &Ca) -> ServerTls {
    let own = ca.server(&[HERE]);
    let (certificate, key) = (own.certificate.as_bytes(), own.key.as_bytes());
    ServerTls::with_client_authentication(ca.pem().as_bytes(), certificate, key).unwrap()
}

/// A daemon that takes the clients of `ca`.
fn serve(ca: &Ca) -> Server {
    let store = TempDir::new().unwrap();
    let access = Access::Own {
        purpose: "a test".to_owned(),
    };
    let engine = EngineConfig::new(store.path().join("store"));
    let engine = Engine::try_open(engine, &access).unwrap();
    let info = DaemonInfo {
        version: "0".to_owned(),
        root: String::new(),
        insecure_registries: Vec::new(),
        mirrors: Vec::new(),
        labels: Vec::new(),
    };
    let daemon = Arc::new(Daemon::new(Arc::new(engine), info).unwrap());
    let tls = tls(ca);
    let socket = DaemonListener::tcp((std::net::Ipv4Addr::LOCALHOST, 0).into(), &tls).unwrap();
    let address = socket.tcp_address().unwrap();
    let served = Arc::clone(&daemon).serve(vec![socket], DaemonLimits::default());
    tokio::spawn(async move { served.await.unwrap() });
    Server {
        daemon,
        address,
        tls,
        _store: store,
    }
}

impl Server {
    /// Asks as `identity`, and returns what came.
    async fn ask(&self, trusted: &Ca, identity: Option<&TlsIdentity>) -> io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(trusted.pem()));
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                let chain = certificates(&identity.certificate);
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(HERE).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await?;
        stream.write_all(QUESTION).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes());
    found.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn only_those_come_in_whose_certificate_is_of_the_right_authority() {
    let ca = Ca::new();
    let server = serve(&ca);
    let welcome = server.ask(&ca, Some(&ca.client("me"))).await.unwrap();
    assert!(welcome.starts_with("HTTP/1.1 200 OK\r\n"), "{welcome}");
    assert!(welcome.ends_with("\r\n\r\nOK"), "{welcome}");

    // Nothing but an alert comes back.
    assert!(server.ask(&ca, None).await.is_err());
    let stranger = Ca::new().client("me");
    assert!(server.ask(&ca, Some(&stranger)).await.is_err());
    // A certificate for servers is none for clients.
    assert!(server.ask(&ca, Some(&ca.server(&[HERE]))).await.is_err());

    // Nor is plain HTTP answered.
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(QUESTION).await.unwrap();
    let mut answer = Vec::new();
    // The rest of the question may have been dropped with the connection.
    drop(plain.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn certificates_can_be_replaced_and_a_handshake_does_not_keep_the_daemon() {
    let (old, new) = (Ca::new(), Ca::new());
    let server = serve(&old);
    server.tls.replace(&tls(&new));
    assert!(server.ask(&new, Some(&new.client("me"))).await.is_ok());
    assert!(server.ask(&old, Some(&old.client("me"))).await.is_err());

    // One who says nothing is not waited for.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    // The next one is let in behind it.
    assert!(server.ask(&new, Some(&new.client("me"))).await.is_ok());
    server.daemon.shutdown().begin(Duration::from_secs(600));
    assert_eq!(silent.read(&mut [0]).await.unwrap_or_default(), 0);
}
