//! TLS: verification (T28), client certificates, restrictions (T25, T26), and HTTP/2.

use std::net::Ipv4Addr;

use windlass_registry::{
    AuthError, Caller, Client, ClientError, ClientIdentity, ClientTls, Credentials, Endpoint,
    HostConfig, NextStep, RealmError, RedirectError, RegistryConfig, RegistryError, Secret,
};
use windlass_testing::{Ca, ImageBuilder, Registry, RegistryBuilder};

use crate::support::{
    app, basic, client, fetch, host, layer, mirrored, noise, read, session, upstream, without_times,
};

fn started(builder: RegistryBuilder) -> Registry {
    let registry = builder.start();
    registry.push(ImageBuilder::new(), "app:1");
    registry
}

fn trusting(ca: &Ca) -> RegistryConfig {
    RegistryConfig {
        extra_roots: vec![ca.pem().into()],
        ..RegistryConfig::default()
    }
}

fn identity(ca: &Ca) -> ClientIdentity {
    let identity = ca.client("windlass");
    ClientIdentity {
        certificates: identity.certificate.into_bytes(),
        key: Secret::new(identity.key),
    }
}

#[tokio::test]
async fn an_additional_root_is_trusted() {
    let ca = Ca::new();
    let registry = started(Registry::builder().tls(&ca));
    let repository = session(&client(trusting(&ca)), &registry, Credentials::Anonymous);
    fetch(&repository).await.unwrap();
    assert_eq!(registry.log(), ["GET /v2/app/manifests/1 200"]);
}

/// T28, D1: with an invalid certificate no request is sent, with or without TLS.
#[tokio::test]
async fn an_invalid_certificate_is_rejected() {
    let (ca, unknown) = (Ca::new(), Ca::new());
    for (certificate, expected) in [
        (
            unknown.server(&["127.0.0.1"]),
            "invalid peer certificate: UnknownIssuer",
        ),
        (
            windlass_testing::TlsIdentity::self_signed(&["127.0.0.1"]),
            "invalid peer certificate: UnknownIssuer",
        ),
        (
            ca.server(&["other.test"]),
            "invalid peer certificate: certificate not valid for name \"127.0.0.1\"; \
             certificate is only valid for DnsName(\"other.test\")",
        ),
        (
            ca.expired_server(&["127.0.0.1"]),
            "invalid peer certificate: certificate expired: verification time TIME (UNIX), but \
             certificate is not valid after TIME (TIME seconds ago)",
        ),
    ] {
        let registry = started(Registry::builder().tls_as(certificate));
        let client = client(trusting(&ca));
        let repository = session(&client, &registry, basic("me", "hunter2"));
        let error = fetch(&repository).await.unwrap_err();
        let RegistryError::Tls { source, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(without_times(&source.to_string()), expected);
        assert_eq!(error.next_step(), NextStep::NextEndpoint);
        assert_eq!(registry.log().len(), 0);
        assert_eq!(registry.plaintext_requests().len(), 0);
    }
}

/// EP-10: TLS settings apply to their host and port only.
#[tokio::test]
async fn certificates_are_configured_by_host_and_port() {
    let ca = Ca::new();
    let registry = started(Registry::builder().tls(&ca).require_client_certificate(&ca));
    let tls = |with_identity: bool| ClientTls {
        roots: vec![ca.pem().into()],
        identity: with_identity.then(|| identity(&ca)),
        skip_verify: false,
    };
    for (key, with_identity, trusted, accepted) in [
        (registry.host(), true, true, true),
        (registry.host(), false, true, false),
        ("127.0.0.1".to_owned(), true, false, false),
    ] {
        let config = RegistryConfig {
            certificates: [(key, tls(with_identity))].into(),
            ..RegistryConfig::default()
        };
        let repository = session(&client(config), &registry, Credentials::Anonymous);
        let outcome = fetch(&repository).await;
        assert_eq!(outcome.is_ok(), trusted && accepted, "{outcome:?}");
        if let Err(error) = outcome {
            let is_tls = matches!(error, RegistryError::Tls { .. });
            assert!(is_tls || accepted != trusted, "{error:?}");
        }
    }
    let shown = registry.requests();
    assert!(shown.len() == 1 && shown[0].has_client_certificate());
}

/// EP-7, EP-11: an insecure host may have any certificate, and still gets the client certificate.
#[tokio::test]
async fn an_insecure_host_may_have_any_certificate() {
    let ca = Ca::new();
    let certificate = windlass_testing::TlsIdentity::self_signed(&["other.test"]);
    let registry = started(
        Registry::builder()
            .tls_as(certificate)
            .require_client_certificate(&ca),
    );
    let tls = ClientTls {
        identity: Some(identity(&ca)),
        ..ClientTls::default()
    };
    for insecure in ["127.0.0.1", &registry.host(), "127.0.0.0/8"] {
        let config = RegistryConfig {
            insecure: vec![insecure.to_owned()],
            certificates: [(registry.host(), tls.clone())].into(),
            ..RegistryConfig::default()
        };
        let repository = session(&client(config), &registry, Credentials::Anonymous);
        fetch(&repository).await.unwrap();
    }
    assert!(registry.requests()[0].has_client_certificate());
}

/// `skip_verify` and certificates of a mirror apply to that mirror only.
#[tokio::test]
async fn a_mirror_has_its_own_certificates() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let server = started(Registry::builder().tls(&ca));
    let certificate = windlass_testing::TlsIdentity::self_signed(&["other.test"]);
    let mirror = Registry::builder()
        .tls_as(certificate)
        .request_client_certificate(&clients)
        .mirror_of_as("upstream.test", &server)
        .start();
    let configured = HostConfig {
        tls: ClientTls {
            identity: Some(identity(&clients)),
            skip_verify: true,
            ..ClientTls::default()
        },
        ..host(&mirror)
    };
    let config = mirrored(configured, &server);
    let endpoints = upstream(&config);
    let client = client(config);
    let caller = Caller::anonymous();
    let open = |place: usize| client.repository(endpoints[place].clone(), app(), &caller);
    fetch(&open(0)).await.unwrap();
    assert!(mirror.requests()[0].has_client_certificate());
    let error = fetch(&open(1)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Tls { .. }), "{error:?}");
}

/// D5, T26: the TLS settings of an endpoint do not apply to the target of a redirect: neither roots, nor
/// `skip_verify`, nor the client certificate.
#[tokio::test]
async fn a_redirect_target_gets_no_client_certificate() {
    let (ca, other) = (Ca::new(), Ca::new());
    let registry = started(Registry::builder().tls(&ca).request_client_certificate(&ca));
    let cdn = Registry::builder()
        .on(Ipv4Addr::new(127, 0, 0, 2))
        .tls(&other)
        .request_client_certificate(&ca)
        .start();
    let bytes = noise(100);
    let digest = registry.put_blob("app", bytes.clone());
    cdn.put_path("/data", bytes);
    let to_cdn = format!("{}/data", cdn.url());
    registry
        .blob(&digest)
        .redirect_to(&to_cdn)
        .times(2)
        .then_ok();
    let configured = HostConfig {
        tls: ClientTls {
            roots: vec![ca.pem().into(), other.pem().into()],
            identity: Some(identity(&ca)),
            skip_verify: true,
        },
        ..host(&registry)
    };
    for (roots, is_trusted) in [(vec![], false), (vec![other.pem().into()], true)] {
        let config = RegistryConfig {
            extra_roots: roots,
            ..mirrored(configured.clone(), &registry)
        };
        let endpoint = upstream(&config).swap_remove(0);
        let caller = Caller::anonymous();
        let repository = client(config).repository(endpoint, app(), &caller);
        let (_, _, error) = read(&repository, &layer(digest, 100), 0).await;
        assert_eq!(error.is_none(), is_trusted, "{error:?}");
    }
    assert!(
        registry
            .requests()
            .iter()
            .all(windlass_testing::RecordedRequest::has_client_certificate)
    );
    let requests = cdn.requests();
    assert!(requests.len() == 1 && !requests[0].has_client_certificate());
}

#[test]
fn a_root_must_be_a_certificate() {
    let garbage = "-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n";
    for (pem, reason) in [
        (garbage, "invalid peer certificate: BadEncoding"),
        ("", "there is no PEM certificate in it"),
        ("garbage", "there is no PEM certificate in it"),
    ] {
        let extra_roots = vec![pem.as_bytes().to_vec()];
        let error = Client::new(RegistryConfig {
            extra_roots,
            ..RegistryConfig::default()
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("certificate authority 0 cannot be used: {reason}")
        );
    }
}

/// FB-8: an invalid certificate of one host is reported when the host is used, and stops the pull.
#[tokio::test]
async fn a_hosts_own_root_must_be_a_certificate() {
    let registry = started(Registry::builder());
    let tls = ClientTls {
        roots: vec![b"garbage".to_vec()],
        ..ClientTls::default()
    };
    let config = RegistryConfig {
        certificates: [(registry.host(), tls)].into(),
        ..RegistryConfig::default()
    };
    let repository = session(&client(config), &registry, Credentials::Anonymous);
    let error = fetch(&repository).await.unwrap_err();
    let RegistryError::Setup { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(matches!(source, ClientError::Root { .. }), "{source:?}");
    assert_eq!(error.next_step(), NextStep::Stop);
}

/// T25: a registry with TLS cannot have the password sent without.
#[tokio::test]
async fn a_realm_without_tls_gets_no_request() {
    let (ca, tokens) = (Ca::new(), Registry::builder().bearer().start());
    let realm = format!("{}/token", tokens.url());
    let registry = started(Registry::builder().tls(&ca).bearer_at(&realm));
    let repository = session(&client(trusting(&ca)), &registry, basic("me", "hunter2"));
    let error = fetch(&repository).await.unwrap_err();
    let RegistryError::Auth {
        source: AuthError::Realm { source, .. },
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(source, RealmError::Downgrade);
    assert_eq!(registry.log(), ["GET /v2/app/manifests/1 401"]);
    assert_eq!(tokens.log().len(), 0);
}

/// D2: the certificate of the token server is verified as well.
#[tokio::test]
async fn a_token_server_with_a_bad_certificate_gets_no_password() {
    let ca = Ca::new();
    let tokens = Registry::builder()
        .tls_as(ca.server(&["other.test"]))
        .bearer()
        .account("me", "hunter2")
        .start();
    let realm = format!("{}/token", tokens.url());
    let registry = started(Registry::builder().bearer_at(&realm));
    let repository = session(&client(trusting(&ca)), &registry, basic("me", "hunter2"));
    let error = fetch(&repository).await.unwrap_err();
    assert!(matches!(error, RegistryError::Tls { .. }), "{error:?}");
    assert_eq!(error.context().origin.to_string(), tokens.url());
    assert_eq!(tokens.log().len(), 0);
}

/// T26: a redirect from https to http is not followed, even for a blob.
#[tokio::test]
async fn a_redirect_out_of_tls_is_not_followed() {
    let ca = Ca::new();
    let (registry, plain) = (started(Registry::builder().tls(&ca)), Registry::start());
    registry
        .manifest("1")
        .redirect_to(&format!("{}/v2/app/manifests/1", plain.url()))
        .then_ok();
    let repository = session(&client(trusting(&ca)), &registry, Credentials::Anonymous);
    let error = fetch(&repository).await.unwrap_err();
    let RegistryError::Redirect { source, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(source, RedirectError::Downgrade("http".to_owned()));
    assert_eq!(plain.log().len(), 0);
}

/// A registry behind a proxy that ends TLS redirects to `http` at its own host: the scheme and the port are kept.
#[tokio::test]
async fn a_redirect_to_plain_http_at_the_same_host_keeps_tls() {
    let ca = Ca::new();
    let registry = started(Registry::builder().tls(&ca));
    let without_tls = registry.url().replace("https", "http");
    registry
        .manifest("1")
        .redirect_to(&format!("{without_tls}/v2/app/manifests/1"))
        .then_ok();
    let repository = session(&client(trusting(&ca)), &registry, Credentials::Anonymous);
    fetch(&repository).await.unwrap();
}

/// EP-4: a server with TLS is detected at once on an http URL, so that the next endpoint is tried without a
/// wait.
#[tokio::test]
async fn plain_http_to_a_tls_server_leads_to_the_next_endpoint() {
    let ca = Ca::new();
    let registry = started(Registry::builder().tls(&ca));
    let client = client(trusting(&ca));
    let name: windlass_oci::Reference = registry.name("app").parse().unwrap();
    let found = Endpoint::of(name.repository(), client.config()).unwrap();
    let [plain, secure] = found.try_into().unwrap();
    let caller = Caller::anonymous();
    let open = |endpoint: &Endpoint| {
        client.repository(endpoint.clone(), name.repository().clone(), &caller)
    };
    let error = fetch(&open(&plain)).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::NotARegistry { .. }),
        "{error:?}"
    );
    assert_eq!(error.next_step(), NextStep::NextEndpoint);
    assert!(error.falls_back(&plain, &secure));
    fetch(&open(&secure)).await.unwrap();
}

/// FB-4: after a response with TLS, plain http on the same host is not tried; before, it is.
#[tokio::test]
async fn a_response_with_tls_forbids_plain_http() {
    let ca = Ca::new();
    let registry = started(Registry::builder().tls(&ca));
    let config = trusting(&ca);
    let secure = Endpoint::parse(registry.url()).unwrap();
    let plain = registry.url().replace("https://", "http://");
    let plain = Endpoint::parse(&plain).unwrap();
    let repository = client(config).repository(secure.clone(), app(), &Caller::anonymous());
    registry.reset_connections();
    let error = fetch(&repository).await.unwrap_err();
    assert!(error.falls_back(&secure, &plain), "{error:?}");
    registry.restore();
    fetch(&repository).await.unwrap();
    registry.reset_connections();
    let error = fetch(&repository).await.unwrap_err();
    assert!(!error.falls_back(&secure, &plain), "{error:?}");
}

/// HTTP/2 is used if the server offers it: this server supports nothing else.
#[tokio::test]
async fn http2_is_used_if_offered() {
    let ca = Ca::new();
    let registry = started(Registry::builder().tls(&ca).only_http2());
    let bytes = noise(3 << 20);
    let digest = registry.put_blob("app", bytes.clone());
    let repository = session(&client(trusting(&ca)), &registry, Credentials::Anonymous);
    fetch(&repository).await.unwrap();
    let (read, _, error) = read(&repository, &layer(digest, 3 << 20), 0).await;
    assert!(error.is_none(), "{error:?}");
    assert!(read == bytes);
    assert_eq!(registry.connections(), 1);
}
