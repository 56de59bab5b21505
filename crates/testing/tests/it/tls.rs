//! TLS of the registry, and the certificates of the test authority (T28).

use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use hyper::Version;
use tokio_rustls::rustls::{self, CertificateError};
use windlass_testing::{
    Ca, ImageBuilder, LayerBuilder, RecordedRequest, Registry, RegistryBuilder, TlsIdentity,
};

use crate::client::{begin, get};
use crate::https::{Client, Failure};

const PATH: &str = "/v2/app/manifests/1";

fn started(builder: RegistryBuilder) -> Registry {
    let registry = builder.start();
    registry.push(ImageBuilder::new(), "app:1");
    registry
}

#[tokio::test]
async fn every_name_of_the_registry_is_certified() {
    let ca = Ca::new();
    let here = Ipv4Addr::new(127, 0, 0, 3);
    let registry = started(Registry::builder().tls(&ca).on(here));
    assert!(registry.url().starts_with("https://127.0.0.3:"));
    for name in ["localhost", "127.0.0.1", "127.0.0.3", "reg.test"] {
        let client = Client::new(ca.pem(), name);
        let answer = client.get(registry.address(), PATH).await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
    }
    let requests = registry.requests();
    let names = requests.iter().map(|it| it.handshake.as_ref().unwrap());
    let names: Vec<_> = names.map(|it| it.server_name.as_deref()).collect();
    assert_eq!(names, [Some("localhost"), None, None, Some("reg.test")]);
    assert!(
        requests
            .iter()
            .all(|it| it.host.as_deref() == Some("reg.test"))
    );
    assert!(registry.plaintext_requests().is_empty());
}

#[tokio::test]
async fn the_http_version_is_negotiated() {
    let ca = Ca::new();
    let both = started(Registry::builder().tls(&ca));
    let one = started(Registry::builder().tls(&ca).only_http1());
    let two = started(Registry::builder().tls(&ca).only_http2());
    let version = async |registry: &Registry, client: Client| {
        let answer = client.get(registry.address(), PATH).await.unwrap();
        assert_eq!(answer.status(), 200);
        registry.requests().pop().unwrap().version
    };
    let client = || Client::new(ca.pem(), "reg.test");
    assert_eq!(version(&both, client().http2()).await, Version::HTTP_2);
    assert_eq!(version(&both, client()).await, Version::HTTP_11);
    assert_eq!(version(&one, client().http2()).await, Version::HTTP_11);
    assert_eq!(version(&two, client().http2()).await, Version::HTTP_2);
}

/// Scripts apply to HTTP/2 as well.
#[tokio::test]
async fn scripts_apply_to_http2() {
    let ca = Ca::new();
    let registry = Registry::builder().tls(&ca).start();
    let layer = LayerBuilder::of_size(300_000).pack();
    let digest = registry.push_layer(&layer, "app");
    let path = format!("/v2/app/blobs/{digest}");
    registry
        .blob(&digest)
        .status(429)
        .retry_after(2)
        .then()
        .cut_after(100_000)
        .then_ok();
    let client = Client::new(ca.pem(), "reg.test").http2();
    let refused = client.get(registry.address(), &path).await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (429, &"2".parse().unwrap())
    );
    assert!(client.get(registry.address(), &path).await.is_err());
    let whole = client.get(registry.address(), &path).await.unwrap();
    assert!(*whole.body() == layer.bytes);
}

/// A mistake in a script must not look like a fault of the tested code, also in a task of HTTP/2.
#[tokio::test]
#[should_panic(expected = "the registry panicked")]
async fn an_impossible_script_fails_the_test() {
    let ca = Ca::new();
    let registry = Registry::builder().tls(&ca).start();
    let digest = registry.put_blob("app", &b"short"[..]);
    registry.blob(&digest).corrupt(1 << 40).then_ok();
    let client = Client::new(ca.pem(), "reg.test").http2();
    let path = format!("/v2/app/blobs/{digest}");
    assert!(client.get(registry.address(), &path).await.is_err());
}

/// Returns why a client rejected the server's certificate.
fn certificate_error(error: &Failure) -> &'static str {
    let cause = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    let Some(rustls::Error::InvalidCertificate(reason)) =
        cause.and_then(|cause| cause.downcast_ref())
    else {
        panic!("{error}");
    };
    match reason {
        CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidForNameContext { .. } => "another name",
        CertificateError::UnknownIssuer => "unknown issuer",
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn bad_certificates_are_rejected() {
    let ca = Ca::new();
    let names = ["reg.test"];
    for (identity, expected) in [
        (ca.expired_server(&names), "expired"),
        (ca.server(&["another.test"]), "another name"),
        (TlsIdentity::self_signed(&names), "unknown issuer"),
        (Ca::new().server(&names), "unknown issuer"),
    ] {
        let registry = started(Registry::builder().tls_as(identity));
        let client = Client::new(ca.pem(), "reg.test");
        let error = client.get(registry.address(), PATH).await.unwrap_err();
        assert_eq!(certificate_error(&error), expected);
        assert_eq!(registry.log(), [""; 0]);
        assert_eq!(registry.connections(), 1);
    }
    let own = TlsIdentity::self_signed(&names);
    let registry = started(Registry::builder().tls_as(own.clone()));
    let trusting = Client::new(&own.certificate, "reg.test");
    let answer = trusting.get(registry.address(), PATH).await.unwrap();
    assert_eq!(answer.status(), 200, "one that is trusted itself is good");
}

#[tokio::test]
async fn a_client_certificate_is_requested_and_recorded() {
    let ca = Ca::new();
    let (trusted, untrusted) = (ca.client("me"), Ca::new().client("me"));
    let strict = started(Registry::builder().tls(&ca).require_client_certificate(&ca));
    let lenient = started(Registry::builder().tls(&ca).request_client_certificate(&ca));
    let anonymous = Client::new(ca.pem(), "reg.test");
    let known = Client::with(ca.pem(), "reg.test", Some(&trusted));
    let unknown = Client::with(ca.pem(), "reg.test", Some(&untrusted));
    assert!(anonymous.get(strict.address(), PATH).await.is_err());
    assert!(unknown.get(strict.address(), PATH).await.is_err());
    known.get(strict.address(), PATH).await.unwrap();
    anonymous.get(lenient.address(), PATH).await.unwrap();
    known.get(lenient.address(), PATH).await.unwrap();
    let shown = |registry: &Registry| -> Vec<_> {
        let requests = registry.requests();
        requests
            .iter()
            .map(RecordedRequest::has_client_certificate)
            .collect()
    };
    assert_eq!(shown(&strict), [true]);
    assert_eq!(shown(&lenient), [false, true]);
}

/// T28: a test can check that nothing was sent without TLS.
#[test]
fn plain_http_to_a_tls_port_is_recorded() {
    let registry = started(Registry::builder().tls(&Ca::new()));
    let answer = get(registry.address(), PATH, &["Authorization: Basic c2VjcmV0"]);
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.body,
        b"Client sent an HTTP request to an HTTPS server.\n"
    );
    assert_eq!(registry.plaintext_requests().len(), 1);
    assert_eq!(registry.log(), ["GET /v2/app/manifests/1 400"]);
    assert!(registry.received_authorization());
}

/// T28: a handshake that stalls; it continues when the registry is restored.
#[tokio::test]
async fn a_silent_registry_sends_no_handshake() {
    let ca = Ca::new();
    let registry = started(Registry::builder().tls(&ca));
    registry.stop_answering();
    let client = Client::new(ca.pem(), "reg.test");
    let response = client.get(registry.address(), PATH);
    tokio::pin!(response);
    let short = Duration::from_millis(100);
    let early = tokio::time::timeout(short, &mut response).await;
    assert!(early.is_err(), "the registry responded");
    registry.restore();
    assert_eq!(response.await.unwrap().status(), 200);
}

#[test]
fn without_tls_nothing_else_changes() {
    let registry = started(Registry::builder());
    let mut stream: TcpStream = begin(registry.address(), "GET", "/v2/", &[]);
    stream.read_to_end(&mut Vec::new()).unwrap();
    let request = registry.requests().pop().unwrap();
    assert_eq!(request.version, Version::HTTP_11);
    assert_eq!(request.host, Some(registry.host()));
    assert!(request.handshake.is_none());
}
