//! Authentication with Basic and Bearer, and token renewal.

use windlass_registry::{Credentials, NextStep, RegistryConfig, RegistryError, Secret};
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use crate::support::{basic, client, fetch, layer, noise, open, open_as, read, report, session};

const TOKEN: &str = "GET /token?service=registry.test&scope=repository%3Aapp%3Apull 200";

fn push(registry: &Registry) {
    registry.push(
        ImageBuilder::new().layer(LayerBuilder::new().file("hello", b"world")),
        "app:1",
    );
}

/// HT-7, HT-9, HT-11: one challenge and one token, without a ping; the token is used for the whole session.
#[tokio::test]
async fn anonymous_bearer_costs_two_requests_once() {
    let registry = Registry::builder().bearer().start();
    push(&registry);
    let repository = open(&registry);
    for _ in 0..2 {
        fetch(&repository).await.unwrap();
    }
    assert_eq!(
        registry.log(),
        [
            "GET /v2/app/manifests/1 401",
            TOKEN,
            "GET /v2/app/manifests/1 200",
            "GET /v2/app/manifests/1 200"
        ]
    );
}

/// The next session of the same client remembers the challenge and fetches a token of its own (D13).
#[tokio::test]
async fn a_second_session_fetches_its_own_token_at_once() {
    let registry = Registry::builder().bearer().start();
    push(&registry);
    let client = client(RegistryConfig::default());
    for _ in 0..2 {
        fetch(&session(&client, &registry, Credentials::Anonymous))
            .await
            .unwrap();
    }
    assert_eq!(registry.log()[3..], [TOKEN, "GET /v2/app/manifests/1 200"]);
}

/// HT-8.
#[tokio::test]
async fn bearer_with_an_account() {
    let registry = Registry::builder()
        .bearer()
        .account("me", "hunter2")
        .start();
    push(&registry);
    fetch(&open_as(&registry, basic("me", "hunter2")))
        .await
        .unwrap();
    let requests = registry.requests();
    assert_eq!(
        requests[1].query.as_deref(),
        Some("service=registry.test&scope=repository%3Aapp%3Apull&account=me")
    );
    assert_eq!(requests[1].authorization(), Some("Basic bWU6aHVudGVyMg=="));
    assert!(
        requests[2]
            .authorization()
            .unwrap()
            .starts_with("Bearer opaque-")
    );
    assert_eq!(
        requests[0].authorization(),
        None,
        "no credentials are sent without a challenge"
    );
}

/// HT-8: an identity token is exchanged by POST.
#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let registry = Registry::builder()
        .bearer()
        .account("me", "refresh me")
        .start();
    push(&registry);
    let credentials = Credentials::IdentityToken(Secret::new("refresh me"));
    fetch(&open_as(&registry, credentials)).await.unwrap();
    let exchange = &registry.requests()[1];
    assert_eq!(exchange.to_string(), "POST /token 200");
    assert_eq!(
        exchange.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        exchange.body,
        "grant_type=refresh_token&refresh_token=refresh+me&client_id=windlass\
         &service=registry.test&scope=repository%3Aapp%3Apull"
    );
}

#[tokio::test]
async fn an_identity_token_that_is_rejected() {
    let registry = Registry::builder().bearer().account("me", "right").start();
    push(&registry);
    registry
        .token()
        .for_post()
        .status(400)
        .body(r#"{"error":"invalid_grant"}"#)
        .then_ok();
    let repository = open_as(&registry, Credentials::IdentityToken(Secret::new("wrong")));
    let error = fetch(&repository).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "token for app from REGISTRY: invalid_grant"
    );
}

/// HT-10: a registry token is sent unchanged, and never to a token server.
#[tokio::test]
async fn a_registry_token_is_sent_unchanged() {
    let registry = Registry::builder().bearer().start();
    push(&registry);
    let repository = open_as(&registry, Credentials::RegistryToken(Secret::new("mine")));
    let error = fetch(&repository).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { .. }),
        "{error:?}"
    );
    let sent: Vec<_> = registry
        .requests()
        .iter()
        .map(|it| it.authorization().map(str::to_owned))
        .collect();
    assert_eq!(sent, [None, Some("Bearer mine".to_owned())]);
}

/// HT-7.
#[tokio::test]
async fn basic_is_sent_after_a_challenge() {
    let registry = Registry::builder().basic("me", "hunter2").start();
    push(&registry);
    let client = client(RegistryConfig::default());
    for _ in 0..2 {
        fetch(&session(&client, &registry, basic("me", "hunter2")))
            .await
            .unwrap();
    }
    assert_eq!(
        registry.log(),
        [
            "GET /v2/app/manifests/1 401",
            "GET /v2/app/manifests/1 200",
            "GET /v2/app/manifests/1 200"
        ]
    );
}

/// Wrong credentials are sent once.
#[tokio::test]
async fn wrong_credentials_are_rejected() {
    for builder in [
        Registry::builder().basic("me", "right"),
        Registry::builder().bearer().account("me", "right"),
    ] {
        let registry = builder.start();
        push(&registry);
        let error = fetch(&open_as(&registry, basic("me", "wrong")))
            .await
            .unwrap_err();
        assert!(
            matches!(error, RegistryError::Unauthorized { .. }),
            "{error:?}"
        );
        assert_eq!(error.next_step(), NextStep::NextEndpoint);
        let message = report(&error, &registry);
        assert!(
            message.ends_with(" REGISTRY: authentication required"),
            "{message}"
        );
        assert_eq!(registry.log().len(), 2, "{:?}", registry.log());
    }
}

#[tokio::test]
async fn anonymous_where_an_account_is_needed() {
    let registry = Registry::builder().basic("me", "right").start();
    push(&registry);
    let error = fetch(&open(&registry)).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: authentication required"
    );
    assert_eq!(
        registry.log().len(),
        1,
        "without credentials there is no second request"
    );
}

/// HT-12, T35: a token that expires during a pull is renewed, also for a resumed blob.
#[tokio::test]
async fn an_expired_token_is_renewed() {
    let registry = Registry::builder().bearer().start();
    push(&registry);
    let digest = registry.put_blob("app", noise(1000));
    let repository = open(&registry);
    fetch(&repository).await.unwrap();
    registry.blob(&digest).expire_token().then_ok();
    let (bytes, start, error) = read(&repository, &layer(digest, 1000), 500).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((bytes.len(), start), (500, 500));
    let blob = format!("GET /v2/app/blobs/{digest}");
    assert_eq!(
        registry.log()[3..],
        [
            format!("{blob} 401"),
            TOKEN.to_owned(),
            format!("{blob} 206")
        ]
    );
}

/// T35: a permanent 401 is not retried without end.
#[tokio::test]
async fn a_permanent_rejection_after_a_success() {
    let registry = Registry::builder().bearer().start();
    push(&registry);
    let repository = open(&registry);
    fetch(&repository).await.unwrap();
    let before = registry.log().len();
    registry.manifest("1").expire_token().forever();
    let error = fetch(&repository).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { .. }),
        "{error:?}"
    );
    assert_eq!(registry.log().len() - before, 3, "{:?}", registry.log());
}

/// T35: one of several concurrent requests fetches the new token.
#[tokio::test]
async fn one_token_for_all_rejected_requests() {
    let registry = Registry::builder().bearer().start();
    push(&registry);
    let repository = open(&registry);
    fetch(&repository).await.unwrap();
    let before = registry
        .log()
        .iter()
        .filter(|line| line.contains("/token"))
        .count();

    registry.expire_tokens();
    let gate = registry.token().hold();
    let pulls: Vec<_> = (0..10)
        .map(|_| {
            let repository = repository.clone();
            tokio::spawn(async move { fetch(&repository).await.map(|it| it.digest) })
        })
        .collect();
    gate.reached(1).await;
    gate.open();
    for pull in pulls {
        pull.await.unwrap().unwrap();
    }
    let after = registry
        .log()
        .iter()
        .filter(|line| line.contains("/token"))
        .count();
    assert_eq!((before, after), (1, 2), "{:?}", registry.log());
}

/// HT-14: a token without the scope is reported as denied.
#[tokio::test]
async fn a_token_without_the_scope_is_denied() {
    let registry = Registry::builder().bearer().start();
    push(&registry);
    let challenge = format!(
        r#"Bearer realm="{}/token",service="registry.test",error="insufficient_scope""#,
        registry.url()
    );
    registry
        .manifest("1")
        .before_auth()
        .status(401)
        .header("www-authenticate", &challenge)
        .forever();
    let error = fetch(&open(&registry)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Denied { .. }), "{error:?}");
}

/// HT-14: a 401 without a challenge.
#[tokio::test]
async fn a_rejection_without_a_challenge() {
    let registry = Registry::start();
    push(&registry);
    registry.manifest("1").status(401).body("junk").then_ok();
    let error = fetch(&open_as(&registry, basic("me", "hunter2")))
        .await
        .unwrap_err();
    assert_eq!(report(&error, &registry), "app:1 at REGISTRY: junk");
    assert!(!registry.received("hunter2"));
}
