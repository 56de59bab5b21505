//! TLS: whom to believe (T28), what must not leave it (T25, T26), and HTTP/2.

use windlass_oci::Digest;
use windlass_registry::{
    AuthError, Client, Credentials, NextStep, RealmRefusal, RedirectError, RegistryConfig,
    RegistryError,
};
use windlass_testing::{Image, Registry};

use crate::support::{basic, client, fetch, layer, noise, read, session_at};
use crate::tls_front::{Certificate, Front};

fn registry() -> Registry {
    let registry = Registry::start();
    registry.push(Image::new(), "app:1");
    registry
}

#[tokio::test]
async fn an_extra_root_is_believed() {
    let registry = registry();
    let front = Front::before(&registry, Certificate::Good).await;
    let client = client(front.trusted());
    fetch(&session_at(&client, &front.url(), Credentials::Anonymous))
        .await
        .unwrap();
    assert_eq!(registry.log(), ["GET /v2/app/manifests/1 200"]);
}

/// T28, D1: a certificate that cannot be believed ends it, and nothing is tried without TLS.
#[tokio::test]
async fn a_bad_certificate_is_not_believed() {
    for (certificate, trusted, expected) in [
        (
            Certificate::Good,
            false,
            "invalid peer certificate: UnknownIssuer",
        ),
        (Certificate::ForAnotherName, true, "not valid for name"),
        (Certificate::Expired, true, "certificate expired"),
    ] {
        let registry = registry();
        let front = Front::before(&registry, certificate).await;
        let config = if trusted {
            front.trusted()
        } else {
            RegistryConfig::default()
        };
        let repository = session_at(&client(config), &front.url(), basic("me", "hunter2"));
        let error = fetch(&repository).await.unwrap_err();
        let RegistryError::Tls { source, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(source.to_string().contains(expected), "{source}");
        assert_eq!(error.next_step(), NextStep::NextEndpoint);
        assert_eq!(registry.log().len(), 0);
    }
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

/// T25: a registry behind TLS cannot have the password sent in the clear.
#[tokio::test]
async fn a_realm_without_tls_is_not_asked() {
    let registry = Registry::builder()
        .bearer()
        .account("me", "hunter2")
        .start();
    registry.push(Image::new(), "app:1");
    let front = Front::before(&registry, Certificate::Good).await;
    let repository = session_at(
        &client(front.trusted()),
        &front.url(),
        basic("me", "hunter2"),
    );
    let error = fetch(&repository).await.unwrap_err();
    let RegistryError::Auth {
        source: AuthError::Realm { source, .. },
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(source, RealmRefusal::Downgrade);
    assert_eq!(registry.log(), ["GET /v2/app/manifests/1 401"]);
}

/// D2: the token server's certificate is held to the same standard.
#[tokio::test]
async fn a_token_server_with_a_bad_certificate_gets_no_password() {
    let auth = Registry::builder()
        .bearer()
        .account("me", "hunter2")
        .start();
    let auth_front = Front::before(&auth, Certificate::ForAnotherName).await;
    let registry = Registry::builder()
        .bearer_at(&format!("{}/token", auth_front.url()))
        .start();
    registry.push(Image::new(), "app:1");
    let client = client(auth_front.trusted());
    let error = fetch(&session_at(&client, registry.url(), basic("me", "hunter2")))
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Tls { .. }), "{error:?}");
    assert_eq!(error.asked().origin.to_string(), auth_front.url());
    assert_eq!(auth.log().len(), 0);
}

/// T26: not even a blob is fetched in the clear after TLS.
#[tokio::test]
async fn a_redirect_out_of_tls_is_not_followed() {
    let registry = registry();
    let front = Front::before(&registry, Certificate::Good).await;
    registry
        .manifest("1")
        .redirect_to(&format!("{}/v2/app/manifests/1", registry.url()))
        .then_ok();
    let repository = session_at(
        &client(front.trusted()),
        &front.url(),
        Credentials::Anonymous,
    );
    let error = fetch(&repository).await.unwrap_err();
    let RegistryError::Redirect { source, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(source, RedirectError::Downgrade("http".to_owned()));
    assert_eq!(registry.log().len(), 1);
}

/// EP-4: what speaks TLS is not spoken to in the clear; it is told apart at once, so the next endpoint is
/// tried without a wait.
#[tokio::test]
async fn plain_http_to_a_tls_server_leads_to_the_next_endpoint() {
    let registry = registry();
    let front = Front::before(&registry, Certificate::Good).await;
    let url = front.url().replace("https://", "http://");
    let client = client(front.trusted());
    let error = fetch(&session_at(&client, &url, Credentials::Anonymous))
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::NotARegistry { .. }),
        "{error:?}"
    );
    assert_eq!(error.next_step(), NextStep::NextEndpoint);
}

/// Where TLS offers HTTP/2 it is spoken: this server knows nothing else.
#[tokio::test]
async fn http2_is_spoken_where_it_is_offered() {
    let image = Image::new().pack();
    let bytes = noise(3 << 20);
    let digest = Digest::sha256(&bytes);
    let front = Front::http2(vec![
        ("/v2/app/manifests/1".to_owned(), image.manifest.clone()),
        (format!("/v2/app/blobs/{digest}"), bytes.clone().into()),
    ])
    .await;
    let repository = session_at(
        &client(front.trusted()),
        &front.url(),
        Credentials::Anonymous,
    );
    assert_eq!(fetch(&repository).await.unwrap().digest, image.digest);
    let (read, _, error) = read(&repository, &layer(digest, 3 << 20), 0).await;
    assert!(error.is_none(), "{error:?}");
    assert!(read == bytes);
}
