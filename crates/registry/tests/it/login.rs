//! Logins: requests and results.

use windlass_registry::{
    AccessError, AuthError, Credentials, LoggedIn, RegistryConfig, RegistryError, Secret,
};
use windlass_testing::Registry;

use crate::support::client;

fn basic(password: &str) -> Credentials {
    Credentials::Basic {
        username: "me".to_owned(),
        password: Secret::new(password),
    }
}

async fn log_in(registry: &Registry, password: &str) -> Result<LoggedIn, RegistryError> {
    let client = client(RegistryConfig::default());
    let outcome = client.log_in(&registry.host(), &basic(password)).await;
    outcome.map_err(|error| match error {
        AccessError::Registry(error) => error,
        AccessError::Endpoint(error) => panic!("{error}"),
    })
}

fn nothing_to_store() -> LoggedIn {
    LoggedIn {
        identity_token: None,
    }
}

/// HT-7: Basic credentials are verified with the ping.
#[tokio::test]
async fn a_password_is_verified() {
    let registry = Registry::builder().basic("me", "hunter2").start();
    assert_eq!(
        log_in(&registry, "hunter2").await.unwrap(),
        nothing_to_store()
    );
    assert_eq!(registry.log(), ["GET /v2/ 401", "GET /v2/ 200"]);
    let error = log_in(&registry, "wrong").await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { .. }),
        "{error:?}"
    );
}

/// HT-8: a token is requested without a scope, and with a refresh token.
#[tokio::test]
async fn a_token_is_verified() {
    let registry = Registry::builder()
        .bearer()
        .account("me", "hunter2")
        .start();
    assert_eq!(
        log_in(&registry, "hunter2").await.unwrap(),
        nothing_to_store()
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

/// HT-8: an identity token is returned, to be stored instead of the password. (The ping is scripted, because
/// this token server did not issue the token.)
#[tokio::test]
async fn an_identity_token_is_returned() {
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

/// HT-8: a token server that supports only OAuth 2 gets a POST.
#[tokio::test]
async fn a_password_is_sent_by_post_if_get_is_not_supported() {
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
async fn an_open_registry_accepts_any_login() {
    let registry = Registry::start();
    assert_eq!(log_in(&registry, "any").await.unwrap(), nothing_to_store());
    assert!(!registry.received_authorization());
}

/// HT-4, HT-5: a login at a server that is not a registry fails.
#[tokio::test]
async fn a_server_that_is_not_a_registry_is_an_error() {
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
    let credentials = Credentials::Basic {
        username: "me:you".to_owned(),
        password: Secret::new("x"),
    };
    let outcome = client.log_in(&registry.host(), &credentials).await;
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
async fn an_invalid_host_is_an_error() {
    let client = client(RegistryConfig::default());
    for registry in ["", "a b", "me@host", "host/path"] {
        let outcome = client.log_in(registry, &basic("x")).await;
        assert!(
            matches!(outcome, Err(AccessError::Endpoint(_))),
            "{registry}"
        );
    }
}
