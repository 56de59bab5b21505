//! Redirects: limits, targets and headers (T26).

use std::net::Ipv4Addr;

use windlass_registry::{NextStep, RegistryError};
use windlass_testing::{ImageBuilder, Registry};

use crate::support::{basic, fetch, layer, noise, open, open_as, read, report};

const PRESIGNED: &str = "/data?signature=hunter3";

fn cdn() -> Registry {
    Registry::builder().on(Ipv4Addr::new(127, 0, 0, 2)).start()
}

/// D5, R8, HT-13: a CDN gets the range, and no authorization.
#[tokio::test]
async fn a_blob_from_a_cdn_is_fetched_without_authorization() {
    let (registry, cdn) = (Registry::builder().basic("me", "hunter2").start(), cdn());
    let bytes = noise(1000);
    let digest = registry.put_blob("app", bytes.clone());
    cdn.put_path(PRESIGNED, bytes.clone());
    for status in [301, 302, 303, 307, 308] {
        let target = format!("{}{PRESIGNED}", cdn.url());
        registry
            .blob(&digest)
            .status(status)
            .header("location", &target)
            .then_ok();
        let repository = open_as(&registry, basic("me", "hunter2"));
        let (read, start, error) = read(&repository, &layer(digest, 1000), 400).await;
        assert!(error.is_none(), "{status}: {error:?}");
        assert_eq!((read == bytes[400..], start), (true, 400), "{status}");
    }
    assert!(registry.received("hunter2"));
    assert!(!cdn.received_authorization() && !cdn.received("hunter2"));
    let requests = cdn.requests();
    assert_eq!(requests.len(), 5);
    assert!(
        requests
            .iter()
            .all(|it| it.range() == Some("bytes=400-") && it.header("referer").is_none())
    );
}

/// R8: another port is another origin.
#[tokio::test]
async fn another_port_gets_no_authorization() {
    let (registry, other) = (
        Registry::builder().basic("me", "hunter2").start(),
        Registry::start(),
    );
    let bytes = noise(10);
    let digest = registry.put_blob("app", bytes.clone());
    other.put_path("/data", bytes);
    registry
        .blob(&digest)
        .redirect_to(&format!("{}/data", other.url()))
        .then_ok();
    let repository = open_as(&registry, basic("me", "hunter2"));
    let (_, _, error) = read(&repository, &layer(digest, 10), 0).await;
    assert!(error.is_none(), "{error:?}");
    assert!(!other.received_authorization());
}

/// Redirects within the same origin keep the authorization, including relative ones.
#[tokio::test]
async fn the_same_origin_keeps_the_authorization() {
    let registry = Registry::builder().basic("me", "hunter2").start();
    let image = registry.push(ImageBuilder::new(), "app:1");
    let by_digest = format!("/v2/app/manifests/{}", image.digest);
    registry.manifest("1").redirect_to(&by_digest).then_ok();
    fetch(&open_as(&registry, basic("me", "hunter2")))
        .await
        .unwrap();
    let last = registry.requests().pop().unwrap();
    assert_eq!(last.to_string(), format!("GET {by_digest} 200"));
    assert!(last.authorization().is_some());
}

/// After a redirect to another origin the authorization is not sent again.
#[tokio::test]
async fn a_detour_loses_the_authorization() {
    let (registry, detour) = (Registry::builder().basic("me", "hunter2").start(), cdn());
    let digest = registry.put_blob("app", noise(10));
    registry.put_path("/data", noise(10));
    registry
        .blob(&digest)
        .redirect_to(&format!("{}/there", detour.url()))
        .then_ok();
    detour
        .path("/there")
        .redirect_to(&format!("{}/data", registry.url()))
        .then_ok();
    let repository = open_as(&registry, basic("me", "hunter2"));
    let (_, _, error) = read(&repository, &layer(digest, 10), 0).await;
    assert!(error.is_none(), "{error:?}");
    let last = registry.requests().pop().unwrap();
    assert_eq!(
        (last.to_string().as_str(), last.authorization()),
        ("GET /data 200", None)
    );
}

/// T26, D3: challenges of a CDN are not answered.
#[tokio::test]
async fn a_cdn_that_challenges_gets_nothing() {
    let (registry, cdn) = (Registry::builder().basic("me", "hunter2").start(), cdn());
    let digest = registry.put_blob("app", noise(10));
    let target = format!("{}{PRESIGNED}", cdn.url());
    let realm = format!(r#"Bearer realm="{}/token",service="x""#, cdn.url());
    cdn.path("/data")
        .status(401)
        .header("www-authenticate", &realm)
        .then_ok();
    cdn.path("/data")
        .status(401)
        .header("www-authenticate", "Basic realm=x")
        .then_ok();
    cdn.path("/data").status(403).then().status(404).then_ok();
    for status in [401, 401, 403, 404] {
        registry.blob(&digest).redirect_to(&target).then_ok();
        let repository = open_as(&registry, basic("me", "hunter2"));
        let error = repository.blob(&layer(digest, 10), 0).await.unwrap_err();
        assert_eq!(
            report(&error, &registry),
            format!(
                "blob {digest} of app at REGISTRY: the storage at {} responded with status {status}",
                cdn.url()
            )
        );
        assert_eq!(error.next_step(), NextStep::Retry { after: None });
    }
    assert_eq!(cdn.log().len(), 4, "{:?}", cdn.log());
    assert!(!cdn.received_authorization());
}

/// T26, HT-13: at most five redirects.
#[tokio::test]
async fn a_loop_ends_after_five_redirects() {
    let registry = Registry::start();
    registry.push(ImageBuilder::new(), "app:1");
    registry
        .manifest("1")
        .redirect_to("/v2/app/manifests/1")
        .forever();
    let error = fetch(&open(&registry)).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: redirect refused: more than 5 redirects"
    );
    assert_eq!(registry.log().len(), 6);
}

/// T26.
#[tokio::test]
async fn redirects_that_are_not_followed() {
    let registry = Registry::start();
    registry.push(ImageBuilder::new(), "app:1");
    let repository = open(&registry);
    let long = format!("/{}", "x".repeat(20 << 10));
    for (location, expected) in [
        (
            "http://me:hunter2@127.0.0.1/",
            "a redirect to a URL with credentials in it",
        ),
        (
            "http://169.254.169.254/latest",
            "a redirect to a loopback or link-local address",
        ),
        ("file:///etc/passwd", "a redirect without a usable Location"),
        ("http://", "a redirect without a usable Location"),
        (&long, "a redirect without a usable Location"),
    ] {
        registry.manifest("1").redirect_to(location).then_ok();
        let error = fetch(&repository).await.unwrap_err();
        let expected = format!("app:1 at REGISTRY: redirect refused: {expected}");
        assert_eq!(report(&error, &registry), expected);
    }
    registry.manifest("1").status(302).then_ok();
    let error = fetch(&repository).await.unwrap_err();
    assert!(matches!(error, RegistryError::Redirect { .. }), "{error:?}");

    // A header of a megabyte exceeds the limit of HTTP.
    let huge = format!("/{}", "x".repeat(1 << 20));
    registry.manifest("1").redirect_to(&huge).then_ok();
    fetch(&repository).await.unwrap_err();
}
