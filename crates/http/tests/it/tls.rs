//! TLS: verification of servers and client certificates (T28).

use std::process::{Command, Stdio};
use std::sync::Arc;

use windlass_http::{
    ClientIdentity, ClientTls, ConnectionConfig, Secret, SendError, SendPhase, SetupError,
    Transport,
};

use crate::certificates::{
    Certificate, CertificateAuthority, authority_as_server, self_signed, stolen,
};
use crate::server::{RequestLog, ScriptedServer, serve_hello, wait_for_close, write};
use crate::support::{
    SHORT, StaticNames, connection, error_chain, get, read, text, trusting, without_times,
};

/// The error for a certificate with another name.
const WRONG_NAME: &str = "no secure connection: invalid peer certificate: certificate not valid for name \
    \"127.0.0.1\"; certificate is only valid for DnsName(\"another.test\")";

/// The error for a certificate that has expired.
const EXPIRED: &str = "no secure connection: invalid peer certificate: certificate expired: \
    verification time TIME (UNIX), but certificate is not valid after TIME (TIME seconds ago)";

/// Starts a server that responds with `hello`, with a certificate of `authority`.
async fn server(
    authority: &CertificateAuthority,
    certificate: Certificate,
    log: &RequestLog,
) -> ScriptedServer {
    let log = log.clone();
    let config = authority.server(certificate);
    ScriptedServer::tls(config, move |stream, _| serve_hello(stream, log.clone())).await
}

fn unverified() -> ConnectionConfig {
    ConnectionConfig {
        tls: ClientTls {
            skip_verify: true,
            ..ClientTls::default()
        },
        ..connection()
    }
}

#[tokio::test]
async fn an_additional_root_is_trusted() {
    let authority = CertificateAuthority::new();
    let server = server(&authority, Certificate::Good, &RequestLog::default()).await;
    let transport = Transport::new(&trusting(&authority.pem)).unwrap();
    assert_eq!(text(&transport, &server.secure_url()).await, "hello");

    let names = StaticNames::new(&[("registry.test", &["127.0.0.1"])]);
    let transport = Transport::with_resolver(&trusting(&authority.pem), names).unwrap();
    for name in ["registry.test", "Registry.Test."] {
        let url = format!("https://{name}:{}/", server.address.port());
        assert_eq!(text(&transport, &url).await, "hello");
    }
}

/// D1: no request is sent to a server that is not trusted.
#[tokio::test]
async fn an_invalid_certificate_is_rejected() {
    let (authority, another) = (CertificateAuthority::new(), CertificateAuthority::new());
    for (certificate, trusted, expected) in [
        (
            Certificate::Good,
            &another,
            "no secure connection: invalid peer certificate: UnknownIssuer",
        ),
        (Certificate::ForAnotherName, &authority, WRONG_NAME),
        (Certificate::Expired, &authority, EXPIRED),
    ] {
        let log = RequestLog::default();
        let server = server(&authority, certificate, &log).await;
        let transport = Transport::new(&trusting(&trusted.pem)).unwrap();
        let error = get(&transport, &server.secure_url()).await.unwrap_err();
        assert!(matches!(error, SendError::Tls { .. }), "{error:?}");
        assert_eq!(without_times(&error_chain(&error)), expected);
        assert_eq!(log.lines(), [""; 0]);
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_rejected() {
    let log = RequestLog::default();
    let heads = log.clone();
    let server = ScriptedServer::tls(self_signed(), move |stream, _| {
        serve_hello(stream, heads.clone())
    })
    .await;
    let transport = Transport::new(&trusting(&CertificateAuthority::new().pem)).unwrap();
    let error = get(&transport, &server.secure_url()).await.unwrap_err();
    assert!(matches!(error, SendError::Tls { .. }), "{error:?}");
    assert_eq!(log.lines(), [""; 0]);
}

/// The setup of Docker's guide: the server's certificate is itself the trusted authority. Its name and
/// validity period are verified all the same.
#[tokio::test]
async fn an_authority_may_be_the_server_itself() {
    for (certificate, expected) in [
        (Certificate::Good, None),
        (Certificate::ForAnotherName, Some(WRONG_NAME)),
        (Certificate::Expired, Some(EXPIRED)),
    ] {
        let (config, pem) = authority_as_server(certificate);
        let server = ScriptedServer::tls(config, |stream, _| {
            serve_hello(stream, RequestLog::default())
        })
        .await;
        let trusting_it = Transport::new(&trusting(&pem)).unwrap();
        let response = get(&trusting_it, &server.secure_url()).await;
        match (response, expected) {
            (Ok(response), None) => assert_eq!(read(response).await, "hello"),
            (Err(error), Some(expected)) => {
                assert_eq!(without_times(&error_chain(&error)), expected);
            }
            (response, _) => panic!("{response:?}"),
        }
        // Another authority does not make it trusted.
        let another = authority_as_server(certificate).1;
        let trusting_another = Transport::new(&trusting(&another)).unwrap();
        let error = get(&trusting_another, &server.secure_url()).await;
        assert!(matches!(error, Err(SendError::Tls { .. })), "{error:?}");
    }
}

/// `skip_verify` accepts any certificate; other transports of the process still verify.
#[tokio::test]
async fn without_verification_any_certificate_is_accepted() {
    let authority = CertificateAuthority::new();
    let transport = Transport::new(&unverified()).unwrap();
    let server = ScriptedServer::tls(self_signed(), |stream, _| {
        serve_hello(stream, RequestLog::default())
    })
    .await;
    assert_eq!(text(&transport, &server.secure_url()).await, "hello");
    for certificate in [Certificate::ForAnotherName, Certificate::Expired] {
        let server = self::server(&authority, certificate, &RequestLog::default()).await;
        assert_eq!(text(&transport, &server.secure_url()).await, "hello");
        let strict = Transport::new(&trusting(&authority.pem)).unwrap();
        let error = get(&strict, &server.secure_url()).await.unwrap_err();
        assert!(matches!(error, SendError::Tls { .. }), "{error:?}");
    }
}

/// Any certificate is accepted, but its key is still required.
#[tokio::test]
async fn without_verification_the_handshake_is_still_signed() {
    let identity = CertificateAuthority::new().server_identity(Certificate::Good);
    let log = RequestLog::default();
    let heads = log.clone();
    let server = ScriptedServer::tls(stolen(&identity), move |stream, _| {
        serve_hello(stream, heads.clone())
    })
    .await;
    let transport = Transport::new(&unverified()).unwrap();
    let error = get(&transport, &server.secure_url()).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "no secure connection: invalid peer certificate: BadSignature"
    );
    assert_eq!(log.lines(), [""; 0]);
}

/// D1: a server without TLS is detected, with and without verification, and gets no request.
#[tokio::test]
async fn a_plain_http_server_on_an_https_url() {
    for connection in [connection(), unverified()] {
        let server = ScriptedServer::start(|mut stream, _| async move {
            write(&mut stream, "HTTP/1.1 400 Bad Request\r\n\r\n").await;
            wait_for_close(stream).await;
        })
        .await;
        let transport = Transport::new(&connection).unwrap();
        let error = get(&transport, &server.secure_url()).await.unwrap_err();
        assert!(matches!(error, SendError::Tls { .. }), "{error:?}");
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn a_connection_closed_during_the_handshake_is_a_tls_error() {
    let server = ScriptedServer::start(|mut stream, _| async move {
        // Reads the client hello, so that closing the connection does not reset it.
        let mut hello = [0; 16 << 10];
        drop(tokio::io::AsyncReadExt::read(&mut stream, &mut hello).await);
    })
    .await;
    let transport = Transport::new(&unverified()).unwrap();
    let error = get(&transport, &server.secure_url()).await.unwrap_err();
    assert!(matches!(error, SendError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stalled_handshake_reaches_the_connect_timeout() {
    let server = ScriptedServer::start(|stream, _| wait_for_close(stream)).await;
    let transport = Transport::new(&ConnectionConfig {
        connect: SHORT,
        ..connection()
    })
    .unwrap();
    let error = get(&transport, &server.secure_url()).await.unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Timeout {
                waiting_for: SendPhase::Connection
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_client_certificate_is_sent_on_request() {
    let authority = CertificateAuthority::new();
    let config = Arc::new(authority.demanding_server());
    let server = ScriptedServer::tls((*config).clone(), |stream, _| {
        serve_hello(stream, RequestLog::default())
    })
    .await;
    let with = |identity| {
        let mut connection = trusting(&authority.pem);
        connection.tls.identity = identity;
        Transport::new(&connection).unwrap()
    };
    let mine = with(Some(authority.client_identity()));
    assert_eq!(text(&mine, &server.secure_url()).await, "hello");

    let anonymous = with(None);
    let error = get(&anonymous, &server.secure_url()).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "no secure connection: received fatal alert: CertificateRequired"
    );
    let untrusted = with(Some(CertificateAuthority::new().client_identity()));
    let error = get(&untrusted, &server.secure_url()).await.unwrap_err();
    assert!(matches!(error, SendError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_certificate_is_not_sent_unrequested() {
    let authority = CertificateAuthority::new();
    let server = server(&authority, Certificate::Good, &RequestLog::default()).await;
    let mut connection = trusting(&authority.pem);
    connection.tls.identity = Some(authority.client_identity());
    let transport = Transport::new(&connection).unwrap();
    assert_eq!(text(&transport, &server.secure_url()).await, "hello");
}

/// The system's roots are loaded once per process, so this runs the next test in a process without roots.
#[test]
fn a_machine_without_roots() {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "tls::on_a_machine_without_roots"])
        .env("SSL_CERT_FILE", "/dev/null")
        .env_remove("SSL_CERT_DIR")
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test]
#[ignore = "started by `a_machine_without_roots`"]
async fn on_a_machine_without_roots() {
    let authority = CertificateAuthority::new();
    let secure = server(&authority, Certificate::Good, &RequestLog::default()).await;
    let trusting = Transport::new(&trusting(&authority.pem)).unwrap();
    assert_eq!(text(&trusting, &secure.secure_url()).await, "hello");

    let transport = Transport::new(&connection()).unwrap();
    let plain = ScriptedServer::greeting(&RequestLog::default()).await;
    assert_eq!(text(&transport, &plain.url()).await, "hello");
    let error = get(&transport, &secure.secure_url()).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "no secure connection: this system has no trusted certificate authorities, \
         and none are configured"
    );
}

/// PEM files with Windows line endings, byte order marks and the comments that `openssl` adds.
#[tokio::test]
async fn a_root_is_read_from_any_pem_layout() {
    let (authority, other) = (CertificateAuthority::new(), CertificateAuthority::new());
    let server = server(&authority, Certificate::Good, &RequestLog::default()).await;
    let (mine, other) = (text_of(&authority.pem), text_of(&other.pem));
    for pem in [
        mine.replace('\n', "\r\n"),
        format!("\u{feff}{mine}{other}"),
        format!("subject=CN = other\n{other}\n\nsubject=CN = mine\n{mine}\n# end\n"),
        mine.trim_end().to_owned(),
    ] {
        let transport = Transport::new(&trusting(pem.as_bytes())).unwrap();
        assert_eq!(text(&transport, &server.secure_url()).await, "hello");
    }
}

fn text_of(pem: &[u8]) -> String {
    String::from_utf8(pem.to_vec()).unwrap()
}

#[test]
fn a_root_must_be_a_certificate() {
    let garbage = "-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n";
    let cut = "-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n";
    let good = CertificateAuthority::new().pem;
    for (pem, reason) in [
        (garbage, "invalid peer certificate: BadEncoding"),
        (cut, "it is not valid PEM"),
        ("", "there is no PEM certificate in it"),
        ("garbage", "there is no PEM certificate in it"),
    ] {
        let mut connection = connection();
        connection.tls.roots = vec![good.clone(), pem.as_bytes().to_vec()];
        let error = Transport::new(&connection).unwrap_err();
        let reason = reason.to_owned();
        assert_eq!(error, SetupError::Root { index: 1, reason });
    }
}

/// I7: an error about a key does not quote it.
#[test]
fn an_identity_must_be_a_certificate_with_its_key() {
    let (mine, other) = (
        CertificateAuthority::new().client_identity(),
        CertificateAuthority::new().client_identity(),
    );
    let key = |text: &str| ClientIdentity {
        key: Secret::new(text),
        ..mine.clone()
    };
    let no_key = "there is no unencrypted PEM private key in it";
    for (identity, reason) in [
        (key("-----BEGIN hunter2"), no_key),
        (
            key(
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\naHVudGVyMg==\n-----END ENCRYPTED PRIVATE KEY-----\n",
            ),
            no_key,
        ),
        (
            key(
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\naHVudGVyMg==\n-----END RSA PRIVATE KEY-----\n",
            ),
            no_key,
        ),
        (key(""), no_key),
        (
            key(other.key.expose()),
            "keys may not be consistent: KeyMismatch",
        ),
        (
            ClientIdentity {
                certificates: Vec::new(),
                ..mine.clone()
            },
            "there is no PEM certificate in it",
        ),
    ] {
        let mut connection = connection();
        connection.tls.identity = Some(identity);
        let error = Transport::new(&connection).unwrap_err();
        let reason = reason.to_owned();
        assert_eq!(error, SetupError::Identity { reason });
    }
}

#[test]
fn a_user_agent_must_be_a_valid_header_value() {
    let error = Transport::new(&ConnectionConfig {
        user_agent: "a\r\nb: c".to_owned(),
        ..connection()
    });
    assert_eq!(error.unwrap_err(), SetupError::UserAgent);
}
