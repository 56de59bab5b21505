//! Storage beside registries: presigned URLs and foreign layers (T22, T26).

use std::net::Ipv4Addr;

use windlass_testing::{LayerBuilder, Registry, Storage};

use crate::client::{Response, get, request};

/// Sends a GET for a URL of `storage`.
fn fetch(storage: &Storage, url: &str, headers: &[&str]) -> Response {
    let path = url.strip_prefix(storage.url()).unwrap();
    get(storage.address(), path, headers)
}

#[test]
fn a_presigned_url_is_valid_for_its_uses() {
    let storage = Storage::start();
    let url = storage.put_signed("/bucket/x", &b"0123456789"[..], 2);
    let part = fetch(&storage, &url, &["Range: bytes=4-"]);
    assert_eq!((part.status, &*part.body), (206, &b"456789"[..]));
    assert_eq!(fetch(&storage, &url, &[]).status, 200);
    assert_eq!(fetch(&storage, &url, &[]).status, 403);
    let another = storage.sign("/bucket/x", 9);
    assert_eq!(fetch(&storage, &another, &[]).status, 200);
    storage.expire_signatures();
    assert_eq!(fetch(&storage, &another, &[]).status, 403);
    let bare = format!("{}/bucket/x", storage.url());
    assert_eq!(fetch(&storage, &bare, &[]).status, 403);
    let forged = format!("{bare}?X-Amz-Signature=0");
    assert_eq!(fetch(&storage, &forged, &[]).status, 403);
    assert_eq!(
        storage.log()[..2],
        ["GET /bucket/x 206", "GET /bucket/x 200"]
    );
}

#[test]
fn a_registry_redirects_to_the_storage() {
    let storage = Storage::with(Registry::builder().on(Ipv4Addr::new(127, 0, 0, 2)));
    let registry = Registry::builder()
        .basic("me", "secret")
        .redirect_blobs_to(&storage, 1)
        .start();
    let layer = LayerBuilder::of_size(1000).pack();
    let digest = registry.push_layer(&layer, "app");
    let path = format!("/v2/app/blobs/{digest}");
    assert_eq!(get(registry.address(), &path, &[]).status, 401);
    let login = ["Authorization: Basic bWU6c2VjcmV0"];
    let location = || {
        let answer = get(registry.address(), &path, &login);
        assert_eq!(answer.status, 307);
        answer.header("location").unwrap().to_owned()
    };
    let (first, second) = (location(), location());
    assert_ne!(first, second, "each time another URL");
    let rest = fetch(&storage, &first, &["Range: bytes=500-"]);
    assert!(rest.status == 206 && rest.body == layer.bytes[500..]);
    assert_eq!(fetch(&storage, &first, &[]).status, 403);
    storage.blob(&digest).status(503).then_ok();
    assert_eq!(fetch(&storage, &second, &[]).status, 503);
    assert_eq!(fetch(&storage, &second, &[]).body, layer.bytes);
    assert!(!storage.received_authorization() && !storage.received_cookie());
    let elsewhere = ["Cookie: session=1", login[0]];
    fetch(&storage, &second, &elsewhere);
    assert!(
        storage.received_authorization() && storage.received_cookie() && storage.received("secret")
    );
    let absent = format!("/v2/app/blobs/sha256:{}", "0".repeat(64));
    assert_eq!(get(registry.address(), &absent, &login).status, 404);
}

#[test]
fn a_signature_is_for_one_method() {
    let storage = Storage::start();
    let registry = Registry::builder().redirect_blobs_to(&storage, 5).start();
    let digest = registry.push_layer(LayerBuilder::of_size(10), "app");
    let path = format!("/v2/app/blobs/{digest}");
    let head = request(registry.address(), "HEAD", &path, &[]);
    let location = head.header("location").unwrap().to_owned();
    assert_eq!(fetch(&storage, &location, &[]).status, 403);
    let path = location.strip_prefix(storage.url()).unwrap();
    assert_eq!(request(storage.address(), "HEAD", path, &[]).status, 200);
}

/// T22: the server of a foreign layer that requests credentials.
#[test]
fn a_file_may_require_credentials() {
    let storage = Storage::start();
    let url = storage.put("/foreign/layer", &b"layer"[..]);
    let challenge = "Bearer realm=\"https://evil.test/token\"";
    storage
        .file("/foreign/layer")
        .unauthorized(challenge)
        .then_ok();
    let challenged = fetch(&storage, &url, &[]);
    assert_eq!(challenged.status, 401);
    assert_eq!(challenged.header("www-authenticate"), Some(challenge));
    assert_eq!(fetch(&storage, &url, &[]).body, b"layer");
    storage.server().stop_listening();
    assert!(std::net::TcpStream::connect(storage.address()).is_err());
}
