//! Mirrors, and registries that fail as a whole (T29).

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use crate::client::{Response, begin, get, request};

fn status(registry: &Registry, path: &str) -> u16 {
    get(registry.address(), path, &[]).status
}

#[test]
fn a_mirror_serves_another_by_its_name() {
    let (first, second) = (Registry::start(), Registry::start());
    let mirror = Registry::builder()
        .mirror_of(&first)
        .mirror_of_as("docker.io", &second)
        .start();
    let old = first.push(
        ImageBuilder::new().layer(LayerBuilder::of_size(10)),
        "app:1",
    );
    let new = second.push(
        ImageBuilder::new().layer(LayerBuilder::of_size(11)),
        "app:1",
    );
    let manifest = |query: &str| {
        get(
            mirror.address(),
            &format!("/v2/app/manifests/1{query}"),
            &[],
        )
    };
    let host = first.host();
    assert_eq!(manifest(&format!("?ns={host}")).body, old.manifest);
    let encoded = host.replace(':', "%3A");
    assert_eq!(manifest(&format!("?ns={encoded}")).body, old.manifest);
    assert_eq!(manifest("?ns=docker.io").body, new.manifest);
    assert_eq!(manifest("?ns=elsewhere").status, 404);
    assert_eq!(manifest("").status, 404);
    let names: Vec<_> = mirror
        .requests()
        .iter()
        .map(|it| it.parameter("ns"))
        .collect();
    let expected = [&*host, &host, "docker.io", "elsewhere"].map(|it| Some(it.to_owned()));
    assert_eq!(names[..4], expected);
    assert_eq!(names[4], None);
    assert_eq!(first.log(), [""; 0]);
}

#[test]
fn two_registries_may_have_the_same_content() {
    let one = Registry::start();
    let other = Registry::builder()
        .share_content_with(&one)
        .basic("me", "secret")
        .start();
    let image = one.push(ImageBuilder::new(), "app:1");
    other.tag("app", "2", &image.digest);
    assert_eq!(status(&one, "/v2/app/manifests/2"), 200);
    assert_eq!(
        status(&other, "/v2/app/manifests/1"),
        401,
        "the authorization is separate"
    );
}

#[test]
fn the_api_may_have_a_prefix() {
    let registry = Registry::builder()
        .base_path("/some/prefix")
        .tags_per_page(1)
        .start();
    let image = registry.push(ImageBuilder::new(), "library/x:1");
    registry.tag("library/x", "2", &image.digest);
    assert_eq!(
        registry.base_url(),
        format!("{}/some/prefix", registry.url())
    );
    assert_eq!(status(&registry, "/some/prefix/v2/"), 200);
    assert_eq!(
        status(&registry, "/some/prefix/v2/library/x/manifests/1"),
        200
    );
    assert_eq!(status(&registry, "/v2/library/x/manifests/1"), 404);
    assert_eq!(status(&registry, "/v2/"), 404);
    let blob = registry.blob_url("library/x", &image.config_digest);
    assert_eq!(
        status(&registry, blob.strip_prefix(registry.url()).unwrap()),
        200
    );
    let tags = get(
        registry.address(),
        "/some/prefix/v2/library/x/tags/list",
        &[],
    );
    let next = "</some/prefix/v2/library/x/tags/list?last=1&n=1>; rel=\"next\"";
    assert_eq!(tags.header("link"), Some(next));
}

#[test]
fn the_api_may_have_another_path() {
    let registry = Registry::builder().override_path("/some/prefix").start();
    registry.push(ImageBuilder::new(), "library/x:1");
    assert_eq!(status(&registry, "/some/prefix/library/x/manifests/1"), 200);
    assert_eq!(
        status(&registry, "/some/prefix/v2/library/x/manifests/1"),
        404
    );
    assert_eq!(
        registry.base_url(),
        format!("{}/some/prefix", registry.url())
    );
}

#[test]
fn everything_can_fail_at_once() {
    let registry = Registry::builder().bearer().start();
    registry.push(ImageBuilder::new(), "app:1");
    registry.manifest("1").before_auth().status(418).then_ok();
    registry
        .every()
        .status(503)
        .retry_after("x")
        .times(4)
        .then_ok();
    for (method, path) in [
        ("GET", "/v2/"),
        ("HEAD", "/v2/app/manifests/1"),
        ("GET", "/v2/app/manifests/1"),
        ("GET", "/token"),
    ] {
        let answer = request(registry.address(), method, path, &[]);
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("x"))
        );
    }
    assert_eq!(
        status(&registry, "/v2/app/manifests/1"),
        418,
        "the script of the manifest"
    );
    assert_eq!(
        status(&registry, "/v2/app/manifests/1"),
        401,
        "the normal response"
    );
}

#[test]
fn all_blobs_and_all_manifests_can_be_wrong() {
    let registry = Registry::start();
    let image = registry.push(
        ImageBuilder::new().layer(LayerBuilder::of_size(10)),
        "app:1",
    );
    registry.every_blob().corrupt(0).forever();
    registry.every_manifest().status(500).forever();
    for (digest, bytes) in [
        (image.config_digest, &image.config),
        (image.layers[0].digest, &image.layers[0].bytes),
    ] {
        let mut wrong = bytes.to_vec();
        wrong[0] ^= 1;
        let path = format!("/v2/app/blobs/{digest}");
        assert!(get(registry.address(), &path, &[]).body == wrong);
    }
    assert_eq!(status(&registry, "/v2/app/manifests/1"), 500);
    assert_eq!(status(&registry, "/v2/"), 200);
    registry.clear_scripts_and_restore();
    assert_eq!(status(&registry, "/v2/app/manifests/1"), 200);
}

#[test]
fn all_responses_can_be_an_html_page() {
    let registry = Registry::start();
    registry.push(ImageBuilder::new(), "app:1");
    registry.every().html().forever();
    for path in ["/v2/", "/v2/app/manifests/1", "/v2/app/blobs/x"] {
        let Response { status, body, .. } = &get(registry.address(), path, &[]);
        assert_eq!(*status, 200);
        assert!(body.starts_with(b"<!DOCTYPE html>"));
    }
    let answer = get(registry.address(), "/v2/app/manifests/1", &[]);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(answer.header("docker-content-digest"), None);
}

/// A registry can stop and start again repeatedly, with the same port.
#[test]
fn a_stopped_registry_refuses_connections_and_keeps_its_port() {
    let registry = Registry::start();
    let gate = registry.ping().hold();
    let open = begin(registry.address(), "GET", "/v2/", &[]);
    gate.wait_for(1);
    for _ in 0..3 {
        registry.stop_listening();
        let refused = TcpStream::connect(registry.address()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let taken = std::net::TcpListener::bind(registry.address()).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        registry.restore();
        assert_eq!(status(&registry, "/v2/"), 200);
    }
    let reset = std::io::Read::read_to_end(&mut { open }, &mut Vec::new());
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(registry.connections(), 4);
}

/// Open connections are reset even if the registry is restored before they react.
#[test]
fn a_reset_is_not_missed() {
    let registry = Registry::start();
    let gate = registry.ping().hold();
    let mut open = begin(registry.address(), "GET", "/v2/", &[]);
    gate.wait_for(1);
    registry.reset_connections();
    registry.restore();
    gate.open();
    let reset = std::io::Read::read_to_end(&mut open, &mut Vec::new());
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// T34: any value of `Retry-After`.
#[test]
fn retry_after_may_be_anything() {
    let registry = Registry::start();
    let ping = registry
        .ping()
        .status(429)
        .retry_after_date(UNIX_EPOCH + Duration::from_secs(784_111_777));
    let ping = ping
        .then()
        .status(503)
        .retry_after(-5)
        .then()
        .status(429)
        .retry_after(86400);
    ping.then().status(429).then_ok();
    let answers: Vec<_> = (0..4)
        .map(|_| {
            let answer = get(registry.address(), "/v2/", &[]);
            (
                answer.status,
                answer.header("retry-after").map(str::to_owned),
            )
        })
        .collect();
    let expected = [
        (429, Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned())),
        (503, Some("-5".to_owned())),
        (429, Some("86400".to_owned())),
        (429, None),
    ];
    assert_eq!(answers, expected);
    assert_eq!(get(registry.address(), "/v2/", &[]).json(), json!({}));
}
