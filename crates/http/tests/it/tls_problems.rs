//! An error of a TLS handshake names its reason.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use windlass_http::{ConnectionConfig, SendError, TlsProblem, Transport};

use crate::certificates::{Certificate, CertificateAuthority, self_signed};
use crate::server::{RequestLog, ScriptedServer, serve_hello, wait_for_close};
use crate::support::{connection, get, trusting};

/// The certificate of an authority with an RSA key of 1024 bits, which no library here creates.
const SHORT_AUTHORITY: &str = include_str!("short_key/authority.pem");
/// The certificate of a server, signed by that authority, and its key.
const SHORT_SERVER: (&str, &str) = (
    include_str!("short_key/server.pem"),
    include_str!("short_key/server.key"),
);

/// Returns the problem of a request to `url`, and its sentence for the user.
async fn problem(config: &ConnectionConfig, url: &str) -> (Option<TlsProblem>, String) {
    let transport = Transport::new(config).unwrap();
    match get(&transport, url).await.unwrap_err() {
        SendError::Tls { source } => (source.tls_problem(), source.to_string()),
        other => panic!("{other:?}"),
    }
}

async fn secure_server(config: ServerConfig) -> ScriptedServer {
    let log = RequestLog::default();
    ScriptedServer::tls(config, move |stream, _| serve_hello(stream, log.clone())).await
}

/// Starts a server that answers the first byte of a handshake with `answer`.
async fn answering(answer: &'static [u8]) -> ScriptedServer {
    ScriptedServer::start(move |mut stream, _| async move {
        stream.read_u8().await.unwrap();
        stream.write_all(answer).await.unwrap();
        // A server that closes with unread bytes would reset the connection.
        wait_for_close(&mut stream).await;
    })
    .await
}

fn server_config(certificates: &[&str], key: &str) -> ServerConfig {
    let chain = certificates
        .iter()
        .map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

/// Returns a server's certificate that is one of an authority and signed by another one, and the other one.
fn authority_of_authority() -> (ServerConfig, String) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, KeyPair::generate().unwrap())
    };
    let (root, root_key) = authority("root");
    let (server, key) = authority("server");
    let pem = root.self_signed(&root_key).unwrap().pem();
    let issuer = Issuer::new(root, root_key);
    let certificate = server.signed_by(&key, &issuer).unwrap().pem();
    (server_config(&[&certificate], &key.serialize_pem()), pem)
}

#[tokio::test]
async fn an_alert_of_the_server_is_explained() {
    const HANDSHAKE_FAILURE: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
    const PROTOCOL_VERSION: &[u8] = &[21, 3, 3, 0, 2, 2, 70];
    const INSUFFICIENT_SECURITY: &[u8] = &[21, 3, 3, 0, 2, 2, 71];
    const CERTIFICATE_REQUIRED: &[u8] = &[21, 3, 3, 0, 2, 2, 116];
    const INTERNAL_ERROR: &[u8] = &[21, 3, 3, 0, 2, 2, 80];
    let no_common = "the server offers none of the accepted cipher suites and signature algorithms";
    for (alert, expected, sentence) in [
        (
            HANDSHAKE_FAILURE,
            Some(TlsProblem::NoCommonAlgorithm),
            no_common,
        ),
        (
            INSUFFICIENT_SECURITY,
            Some(TlsProblem::NoCommonAlgorithm),
            no_common,
        ),
        (
            PROTOCOL_VERSION,
            Some(TlsProblem::OldVersion),
            "the server does not offer TLS 1.2 or 1.3",
        ),
        (
            CERTIFICATE_REQUIRED,
            Some(TlsProblem::ClientCertificate),
            "received fatal alert: CertificateRequired",
        ),
        (INTERNAL_ERROR, None, "received fatal alert: InternalError"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            Some(TlsProblem::NotTls),
            "received corrupt message of type InvalidContentType",
        ),
    ] {
        let server = answering(alert).await;
        assert_eq!(
            problem(&connection(), &server.secure_url()).await,
            (expected, sentence.to_owned())
        );
    }
}

#[tokio::test]
async fn a_rejected_certificate_is_explained() {
    let authority = CertificateAuthority::new();
    let server = secure_server(self_signed()).await;
    let (unknown, _) = problem(&trusting(&authority.pem), &server.secure_url()).await;
    assert_eq!(unknown, Some(TlsProblem::UnknownIssuer));

    let server = secure_server(authority.server(Certificate::Expired)).await;
    let (expired, _) = problem(&trusting(&authority.pem), &server.secure_url()).await;
    assert_eq!(expired, Some(TlsProblem::InvalidCertificate));

    let (config, root) = authority_of_authority();
    let server = secure_server(config).await;
    let (of_authority, sentence) = problem(&trusting(root.as_bytes()), &server.secure_url()).await;
    assert_eq!(of_authority, Some(TlsProblem::AuthorityCertificate));
    assert_eq!(sentence, TlsProblem::AuthorityCertificate.to_string());
}

/// The authority is found whether the server sends its certificate or not.
#[tokio::test]
async fn a_short_key_is_named() {
    let (certificate, key) = SHORT_SERVER;
    for chain in [&[certificate][..], &[certificate, SHORT_AUTHORITY]] {
        let server = secure_server(server_config(chain, key)).await;
        assert_eq!(
            problem(&trusting(SHORT_AUTHORITY.as_bytes()), &server.secure_url()).await,
            (
                Some(TlsProblem::ShortKey),
                "an RSA key in the server's certificates has less than 2048 bits".to_owned()
            )
        );
    }
}
