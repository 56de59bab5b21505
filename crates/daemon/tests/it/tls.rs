//! Clients from the network: TLS with certificates on both sides.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use windlass_daemon::{DaemonLimits, DaemonListener};
use windlass_listen::ServerTls;
use windlass_testing::{Ca, TlsIdentity};

use crate::harness::TestDaemon;

const HOST: &str = "127.0.0.1";
const REQUEST: &[u8] = b"GET /_ping HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n";

struct TlsServer {
    daemon: TestDaemon,
    address: SocketAddr,
    tls: ServerTls,
}

fn tls(ca: &Ca) -> ServerTls {
    let own = ca.server(&[HOST]);
    let (certificate, key) = (own.certificate.as_bytes(), own.key.as_bytes());
    ServerTls::with_client_authentication(ca.pem().as_bytes(), certificate, key).unwrap()
}

/// A daemon that accepts the clients of `ca`.
fn serve(ca: &Ca) -> TlsServer {
    let daemon = TestDaemon::new();
    let tls = tls(ca);
    let listener = DaemonListener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &tls).unwrap();
    let address = listener.tcp_address().unwrap();
    daemon.serve(listener, DaemonLimits::default());
    TlsServer {
        daemon,
        address,
        tls,
    }
}

impl TlsServer {
    /// Sends a request as `identity`, and returns the response.
    async fn request(&self, trusted: &Ca, identity: Option<&TlsIdentity>) -> io::Result<String> {
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
        let name = ServerName::try_from(HOST).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await?;
        stream.write_all(REQUEST).await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        Ok(response)
    }
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes());
    found.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn only_certificates_of_the_authority_are_accepted() {
    let ca = Ca::new();
    let server = serve(&ca);
    let response = server.request(&ca, Some(&ca.client("me"))).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nOK"), "{response}");

    // The server sends an alert only.
    assert!(server.request(&ca, None).await.is_err());
    let other = Ca::new().client("me");
    assert!(server.request(&ca, Some(&other)).await.is_err());
    // A server certificate does not authenticate a client.
    assert!(
        server
            .request(&ca, Some(&ca.server(&[HOST])))
            .await
            .is_err()
    );

    // Plain HTTP gets no response.
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(REQUEST).await.unwrap();
    let mut response = Vec::new();
    // The server may have closed the connection before the request was sent.
    drop(plain.read_to_end(&mut response).await);
    assert!(!response.starts_with(b"HTTP"), "{response:?}");
}

#[tokio::test]
async fn certificates_are_replaced_and_a_shutdown_abandons_handshakes() {
    let (old, new) = (Ca::new(), Ca::new());
    let server = serve(&old);
    server.tls.replace(&tls(&new));
    assert!(server.request(&new, Some(&new.client("me"))).await.is_ok());
    assert!(server.request(&old, Some(&old.client("me"))).await.is_err());

    // A client that sends nothing does not delay the shutdown.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    // The next client is accepted meanwhile.
    assert!(server.request(&new, Some(&new.client("me"))).await.is_ok());
    server
        .daemon
        .daemon
        .shutdown()
        .begin(Duration::from_secs(600));
    assert_eq!(silent.read(&mut [0]).await.unwrap_or_default(), 0);
}
