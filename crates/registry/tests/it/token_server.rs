//! Token servers: which are allowed, and their responses (T25, T27).

use std::net::Ipv4Addr;

use windlass_registry::{
    AuthError, Credentials, NextStep, RealmError, RegistryError, Secret, TokenError,
};
use windlass_testing::{ImageBuilder, Registry};

use crate::support::{basic, fetch, open, open_as, open_with_short_timeouts, report};

fn push(registry: &Registry) {
    registry.push(ImageBuilder::new(), "app:1");
}

#[tokio::test]
async fn an_invalid_token_response_is_an_error() {
    let registry = Registry::builder().bearer().start();
    push(&registry);
    for (body, expected) in [
        ("", TokenError::NotJson),
        ("<html>", TokenError::NotJson),
        ("{}", TokenError::Missing),
        (r#"{"errors":[]}"#, TokenError::Missing),
        (r#"{"token":"a\r\nx-evil: 1"}"#, TokenError::Unusable),
        ("{\"token\":\"\\u0000\"}", TokenError::Unusable),
    ] {
        registry.token().body(body).then_ok();
        let error = fetch(&open(&registry)).await.unwrap_err();
        let RegistryError::Auth {
            source: AuthError::Token(found),
            ..
        } = error
        else {
            panic!("{body:?}: {error:?}")
        };
        assert_eq!(found, expected, "{body:?}");
    }
    assert!(!registry.received("x-evil"));
}

#[tokio::test]
async fn a_token_response_is_limited_in_size_and_time() {
    let registry = Registry::builder().bearer().start();
    push(&registry);
    registry.token().endless().then_ok();
    registry.token().body(vec![b' '; (1 << 20) + 1]).then_ok();
    for _ in 0..2 {
        let error = fetch(&open(&registry)).await.unwrap_err();
        assert!(
            matches!(
                error,
                RegistryError::TooLarge {
                    limit: 1_048_576,
                    ..
                }
            ),
            "{error:?}"
        );
    }
    registry.token().throttle(1).then_ok();
    let error = fetch(&open_with_short_timeouts(&registry))
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn a_token_without_a_lifetime_is_used() {
    let registry = Registry::builder()
        .bearer()
        .token_lifetime(std::time::Duration::ZERO)
        .start();
    push(&registry);
    registry
        .manifest("1")
        .before_auth()
        .status(401)
        .header(
            "www-authenticate",
            format!(
                r#"Bearer realm="{}/token",service="registry.test""#,
                registry.url()
            ),
        )
        .then()
        .status(200)
        .then_ok();
    fetch(&open(&registry)).await.unwrap();
}

#[tokio::test]
async fn a_busy_token_server_is_retried() {
    let registry = Registry::builder().bearer().start();
    push(&registry);
    registry
        .token()
        .status(429)
        .retry_after(7)
        .then()
        .status(503)
        .then_ok();
    let error = fetch(&open(&registry)).await.unwrap_err();
    let after = Some(std::time::Duration::from_secs(7));
    assert_eq!(error.next_step(), NextStep::Retry { after });
    assert_eq!(
        report(&error, &registry),
        "token for app from REGISTRY: too many requests, retry after 7 s"
    );
    let error = fetch(&open(&registry)).await.unwrap_err();
    assert_eq!(error.next_step(), NextStep::Retry { after: None });
}

#[tokio::test]
async fn a_forbidden_realm_gets_no_request() {
    for (realm, expected) in [
        (
            "https://169.254.169.254/token?key=hunter2",
            RealmError::InternalAddress,
        ),
        ("https://169.254.1.1/", RealmError::InternalAddress),
        ("http://auth.test/token", RealmError::PlainHttp),
        ("https://auth.test@evil.test/", RealmError::UserInfo),
        ("file:///etc/passwd", RealmError::NotAUrl),
    ] {
        let registry = Registry::builder().bearer_at(realm).start();
        push(&registry);
        let error = fetch(&open_as(&registry, basic("me", "hunter2")))
            .await
            .unwrap_err();
        let line = report(&error, &registry);
        assert!(!line.contains("hunter2"), "{line}");
        let RegistryError::Auth {
            source: AuthError::Realm { source, .. },
            ..
        } = error
        else {
            panic!("{realm}: {error:?}")
        };
        assert_eq!(source, expected, "{realm}");
    }
}

#[tokio::test]
async fn a_separate_token_server_gets_the_password() {
    let auth = Registry::builder()
        .on(Ipv4Addr::new(127, 0, 0, 2))
        .account("me", "hunter2")
        .start();
    let registry = Registry::builder()
        .bearer_at(&format!("{}/token", auth.url()))
        .start();
    push(&registry);
    // The registry does not accept tokens of the other server; this test only checks that it gets one.
    let error = fetch(&open_as(&registry, basic("me", "hunter2")))
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { .. }),
        "{error:?}"
    );
    assert!(auth.received("hunter2") && !registry.received("hunter2"));
    assert_eq!(registry.log().len(), 2);
}

#[tokio::test]
async fn a_redirect_of_a_token_request_carries_no_password() {
    let evil = Registry::builder().on(Ipv4Addr::new(127, 0, 0, 2)).start();
    let registry = Registry::builder()
        .bearer()
        .account("me", "hunter2")
        .start();
    push(&registry);
    let elsewhere = format!("{}/token", evil.url());
    registry.token().redirect_to(&elsewhere).then_ok();
    registry
        .token()
        .for_post()
        .redirect_to(&elsewhere)
        .then_ok();

    fetch(&open_as(&registry, basic("me", "hunter2")))
        .await
        .unwrap_err();
    assert_eq!(evil.log().len(), 1);
    let identity = Credentials::IdentityToken(Secret::new("hunter2"));
    let error = fetch(&open_as(&registry, identity)).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "token for app from REGISTRY: redirect refused: a redirect of a request that contains a secret"
    );
    assert_eq!(evil.log().len(), 1);
    assert!(!evil.received("hunter2") && !evil.received_authorization());
}
