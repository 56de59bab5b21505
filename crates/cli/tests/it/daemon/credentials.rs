//! Credentials as clients of the daemon send them.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use serde_json::json;
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use super::{Response, TestDaemon, assert_downloaded, read_response};
use crate::harness::{DEADLINE, PLATFORM, Windlass};

const PASSWORD: &str = "hunter2";

/// A registry that requires a password and has `app:1`.
fn registry() -> Registry {
    let registry = Registry::builder().basic("me", PASSWORD).writable().start();
    let layer = LayerBuilder::of_size(100);
    registry.push(ImageBuilder::new().platform(PLATFORM).layer(layer), "app:1");
    registry
}

fn post(daemon: &TestDaemon, path: &str, fields: &str, body: &str) -> Response {
    let mut stream = UnixStream::connect(&daemon.socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.0\r\n{fields}content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    read_response(&mut stream)
}

fn header(config: &serde_json::Value) -> String {
    let encoded = BASE64_URL_SAFE.encode(config.to_string());
    format!("x-registry-auth: {encoded}\r\n")
}

/// docker-java sends the address of Docker Hub by default, and no client is alike in the case of the keys.
#[test]
fn the_header_counts_for_the_registry_of_the_image() {
    let registry = registry();
    let other = Registry::builder().basic("me", PASSWORD).start();
    let path = format!(
        "/images/create?fromImage={}&tag=1&platform={PLATFORM}",
        registry.name("app")
    );
    for config in [
        json!({"username": "me", "password": PASSWORD}),
        json!({"username": "me", "password": PASSWORD, "serveraddress": "https://index.docker.io/v1/"}),
        json!({"Username": "me", "Password": PASSWORD, "ServerAddress": other.host()}),
        json!({"auth": "bWU6aHVudGVyMg=="}),
    ] {
        let windlass = Windlass::new();
        let daemon = TestDaemon::start(&windlass, &[]);
        let pulled = post(&daemon, &path, &header(&config), "");
        assert_downloaded(&pulled.body, &registry, "app:1");
    }
    assert_eq!(other.requests().len(), 0);
}

/// Clients before API 1.24 sent the credentials of a push in its body.
#[test]
fn a_push_may_have_credentials_in_its_body() {
    let registry = registry();
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let config = json!({"username": "me", "password": PASSWORD}).to_string();
    let name = registry.name("app");
    let pull = format!("/images/create?fromImage={name}&tag=1&platform={PLATFORM}");
    let encoded = header(&json!({"username": "me", "password": PASSWORD}));
    post(&daemon, &pull, &encoded, "");

    let push = format!("/images/{name}/push?tag=1");
    let pushed = post(&daemon, &push, "", &config);
    assert!(pushed.body.contains("aux"), "{}", pushed.body);
    let refused = post(&daemon, &push, "", "");
    assert!(refused.body.contains("errorDetail"), "{}", refused.body);
    let malformed = post(&daemon, &push, "", "password=x");
    assert_eq!(
        (malformed.status, malformed.json()),
        (
            400,
            json!({"message": "bad parameters and missing X-Registry-Auth: not an authentication config"})
        )
    );
    // A header counts, and the body then has no meaning.
    let both = post(&daemon, &push, "x-registry-auth: e30=\r\n", &config);
    assert!(both.body.contains("errorDetail"), "{}", both.body);
}

#[test]
fn a_login_needs_credentials() {
    let registry = registry();
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let log_in = |config: serde_json::Value| {
        let response = post(&daemon, "/auth", "", &config.to_string());
        (response.status, response.json())
    };
    let host = registry.host();
    let welcome = json!({"Status": "Login Succeeded", "IdentityToken": ""});
    assert_eq!(
        log_in(json!({"auth": "bWU6aHVudGVyMg==", "serveraddress": host})),
        (200, welcome)
    );
    let needed = "a login needs a user name and a password, or an identity token";
    for config in [
        json!({"serveraddress": host}),
        json!({"username": "me", "password": "", "serveraddress": host}),
        json!({"username": "", "password": "x", "serveraddress": host}),
    ] {
        assert_eq!(log_in(config), (400, json!({"message": needed})));
    }
}
