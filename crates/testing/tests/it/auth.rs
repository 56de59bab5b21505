//! Authorization: Basic, Bearer, and the token endpoint.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use windlass_testing::{ImageBuilder, Registry};

use crate::client::{get, request};

fn basic(account: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(account))
}

/// Requests a token for pulling `app`.
fn token(registry: &Registry, headers: &[&str]) -> String {
    let path = "/token?service=registry.test&scope=repository:app:pull";
    let answer = get(registry.address(), path, headers);
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    format!("Authorization: Bearer {token}")
}

fn status(registry: &Registry, headers: &[&str]) -> u16 {
    get(registry.address(), "/v2/app/manifests/1", headers).status
}

#[test]
fn basic_requires_the_account() {
    let registry = Registry::builder().basic("me", "secret").start();
    registry.push(ImageBuilder::new(), "app:1");
    let ping = get(registry.address(), "/v2/", &[]);
    assert_eq!(ping.status, 401);
    assert_eq!(
        ping.header("www-authenticate"),
        Some("Basic realm=\"registry.test\"")
    );
    assert!(!registry.received_authorization());
    assert_eq!(status(&registry, &[&basic("me:wrong")]), 401);
    assert!(!registry.received("secret"));
    assert_eq!(status(&registry, &[&basic("me:secret")]), 200);
    assert!(registry.received_authorization());
    assert!(registry.received("secret"), "also within Basic credentials");
}

#[test]
fn bearer_requires_a_token() {
    let registry = Registry::builder().bearer().start();
    registry.push(ImageBuilder::new(), "app:1");
    let challenge = get(registry.address(), "/v2/app/manifests/1", &[]);
    let realm = format!("Bearer realm=\"{}/token\"", registry.url());
    let expected = format!("{realm},service=\"registry.test\",scope=\"repository:app:pull\"");
    assert_eq!(challenge.status, 401);
    assert_eq!(challenge.header("www-authenticate"), Some(&*expected));
    let token = token(&registry, &[]);
    assert_eq!(status(&registry, &[&token]), 200);
    assert_eq!(status(&registry, &["Authorization: Bearer invented"]), 401);
}

#[test]
fn a_token_is_valid_for_its_scope() {
    let registry = Registry::builder().bearer().start();
    registry.push(ImageBuilder::new(), "app:1");
    registry.push(ImageBuilder::new(), "other:1");
    let token = token(&registry, &[]);
    let other = get(registry.address(), "/v2/other/manifests/1", &[&token]);
    assert_eq!(other.status, 401);
    let challenge = other.header("www-authenticate").unwrap();
    let realm = format!("Bearer realm=\"{}/token\"", registry.url());
    let expected = format!(
        "{realm},service=\"registry.test\",scope=\"repository:other:pull\",error=\"insufficient_scope\""
    );
    assert_eq!(challenge, expected);
    assert_eq!(get(registry.address(), "/v2/", &[&token]).status, 200);
}

#[test]
fn with_an_account_tokens_require_it() {
    let registry = Registry::builder().bearer().account("me", "secret").start();
    registry.push(ImageBuilder::new(), "app:1");
    let path = "/token?service=registry.test&scope=repository:app:pull";
    assert_eq!(get(registry.address(), path, &[]).status, 401);
    assert_eq!(
        get(registry.address(), path, &[&basic("me:wrong")]).status,
        401
    );
    let token = token(&registry, &[&basic("me:secret")]);
    assert_eq!(status(&registry, &[&token]), 200);
    let elsewhere = "/token?service=other&scope=repository:app:pull";
    let answer = get(registry.address(), elsewhere, &[&basic("me:secret")]);
    assert_eq!(answer.status, 400);
}

#[test]
fn an_identity_token_is_posted() {
    let registry = Registry::builder()
        .bearer()
        .account("<token>", "identity")
        .start();
    let post = |body: &str| {
        let length = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        // The body follows the last header, so nothing may come after it.
        request(
            registry.address(),
            "POST",
            "/token",
            &["Connection: close", &length],
        )
        .status
    };
    let form = "grant_type=refresh_token&service=registry.test&scope=repository%3Aapp%3Apull";
    assert_eq!(post(&format!("{form}&refresh_token=wrong")), 401);
    assert_eq!(post(&format!("{form}&refresh_token=identity")), 200);
}

#[test]
fn faults_apply_to_authorized_requests() {
    let registry = Registry::builder().bearer().start();
    registry.push(ImageBuilder::new(), "app:1");
    registry.manifest("1").status(500).then_ok();
    assert_eq!(status(&registry, &[]), 401);
    let token = token(&registry, &[]);
    assert_eq!(status(&registry, &[&token]), 500);
    assert_eq!(status(&registry, &[&token]), 200);
    registry.manifest("1").before_auth().status(500).then_ok();
    assert_eq!(status(&registry, &[]), 500);
}

/// T35.
#[test]
fn a_token_expires_by_script_and_by_time() {
    let registry = Registry::builder().bearer().start();
    registry.push(ImageBuilder::new(), "app:1");
    registry.manifest("1").expire_token().then_ok();
    let first = token(&registry, &[]);
    let answer = get(registry.address(), "/v2/app/manifests/1", &[&first]);
    assert_eq!(answer.status, 401);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.ends_with(",error=\"invalid_token\""),
        "{challenge}"
    );
    assert_eq!(status(&registry, &[&first]), 401);
    let second = token(&registry, &[]);
    assert_ne!(first, second);
    assert_eq!(status(&registry, &[&second]), 200);
    registry.expire_tokens();
    assert_eq!(status(&registry, &[&second]), 401);

    let hurried = Registry::builder()
        .bearer()
        .token_lifetime(Duration::ZERO)
        .start();
    hurried.push(ImageBuilder::new(), "app:1");
    let token = token(&hurried, &[]);
    assert_eq!(status(&hurried, &[&token]), 401);
}

#[test]
fn a_challenge_may_name_any_realm() {
    let registry = Registry::builder()
        .bearer_at("https://169.254.169.254/")
        .start();
    let ping = get(registry.address(), "/v2/", &[]);
    assert_eq!(
        ping.header("www-authenticate"),
        Some("Bearer realm=\"https://169.254.169.254/\",service=\"registry.test\"")
    );
}
