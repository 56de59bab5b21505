//! Logging in: what is asked, and what is kept.

use windlass_registry::{AccessError, AuthError, LoggedIn, RegistryConfig, RegistryError, Secret};
use windlass_testing::Registry;

use crate::support::client;

async fn log_in(registry: &Registry, password: &str) -> Result<LoggedIn, RegistryError> {
    let client = client(RegistryConfig::default());
    let (host, password) = (registry.host(), Secret::new(password));
    let outcome = client.log_in(&host, "me", &password).await;
    outcome.map_err(|error| match error {
        AccessError::Registry(error) => error,
        AccessError::Endpoint(error) => panic!("{error}"),
    })
}

fn nothing_to_keep() -> LoggedIn {
    LoggedIn {
        identity_token: None,
    }
}

/// HT-7: Basic is tried out with the ping.
#[tokio::test]
async fn a_password_is_tried_out() {
    let registry = Registry::builder().basic("me", "hunter2").start();
    assert_eq!(
        log_in(&registry, "hunter2").await.unwrap(),
        nothing_to_keep()
    );
    assert_eq!(registry.log(), ["GET /v2/ 401", "GET /v2/ 200"]);
    let error = log_in(&registry, "wrong").await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { .. }),
        "{error:?}"
    );
}

/// HT-8: a token is asked for without a scope, and with the wish for one that lasts.
#[tokio::test]
async fn a_token_is_tried_out() {
    let registry = Registry::builder()
        .bearer()
        .account("me", "hunter2")
        .start();
    assert_eq!(
        log_in(&registry, "hunter2").await.unwrap(),
        nothing_to_keep()
    );
    let token = "/token?service=registry.test&offline_token=true&client_id=windlass&account=me";
    assert_eq!(
        registry.log(),
        [
            "GET /v2/ 401".to_owned(),
            format!("GET {token} 200"),
            "GET /v2/ 200".to_owned()
        ]
    );
    let error = log_in(&registry, "wrong").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("token from {}: authentication required", registry.url())
    );
}

/// HT-8: an identity token is to be kept instead of the password. (What the ping says to it is scripted:
/// this token server did not issue it.)
#[tokio::test]
async fn an_identity_token_is_handed_over() {
    let registry = Registry::builder()
        .bearer()
        .account("me", "hunter2")
        .start();
    let answer = r#"{"token":"abc","refresh_token":"for ever"}"#;
    registry.token().body(answer).then_ok();
    registry
        .ping()
        .unauthorized(&format!(
            r#"Bearer realm="{}/token",service="registry.test""#,
            registry.url()
        ))
        .then()
        .status(200)
        .then_ok();
    let logged_in = log_in(&registry, "hunter2").await.unwrap();
    let token = logged_in.identity_token.unwrap();
    assert_eq!(token.expose(), "for ever");
    assert_eq!(format!("{token:?}"), "[hidden]");
}

/// HT-8: a token server that knows only OAuth 2 is asked in its way.
#[tokio::test]
async fn a_password_is_granted_by_post_where_get_is_unknown() {
    for status in [404, 405] {
        let registry = Registry::builder()
            .bearer()
            .account("me", "hunter2")
            .start();
        registry.token().status(status).then_ok();
        log_in(&registry, "hunter2").await.unwrap();
        let post = &registry.requests()[2];
        assert_eq!(post.to_string(), "POST /token 200");
        assert_eq!(
            post.body,
            "grant_type=password&username=me&password=hunter2&client_id=windlass\
             &service=registry.test&access_type=offline"
        );
        assert_eq!(post.authorization(), None);
    }
}

#[tokio::test]
async fn an_open_registry_takes_everyone() {
    let registry = Registry::start();
    assert_eq!(log_in(&registry, "any").await.unwrap(), nothing_to_keep());
    assert!(!registry.received_authorization());
}

/// HT-4, HT-5: what is no registry is not logged in to.
#[tokio::test]
async fn what_is_no_registry_is_an_error() {
    let registry = Registry::start();
    registry
        .ping()
        .status(404)
        .page("text/plain", "?")
        .forever();
    let error = log_in(&registry, "hunter2").await.unwrap_err();
    assert!(
        matches!(error, RegistryError::NotARegistry { .. }),
        "{error:?}"
    );
    let registry = Registry::start();
    registry.ping().status(503).forever();
    let error = log_in(&registry, "hunter2").await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unavailable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_user_name_with_a_colon_is_not_sent() {
    let registry = Registry::builder().basic("me", "hunter2").start();
    let client = client(RegistryConfig::default());
    let (host, password) = (registry.host(), Secret::new("x"));
    let outcome = client.log_in(&host, "me:you", &password).await;
    let error = outcome.unwrap_err();
    assert!(
        matches!(
            error,
            AccessError::Registry(RegistryError::Auth {
                source: AuthError::Username,
                ..
            })
        ),
        "{error:?}"
    );
    assert!(!registry.received_authorization());
}

#[tokio::test]
async fn a_text_that_is_no_host_is_an_error() {
    let client = client(RegistryConfig::default());
    for registry in ["", "a b", "me@host", "host/path"] {
        let outcome = client.log_in(registry, "me", &Secret::new("x")).await;
        assert!(
            matches!(outcome, Err(AccessError::Endpoint(_))),
            "{registry}"
        );
    }
}
