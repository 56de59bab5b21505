//! Manifests: exact bytes and digests.

use windlass_oci::{Digest, Manifest};
use windlass_registry::{Credentials, NextStep, RegistryConfig, RegistryError, TagOrDigest};
use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, Registry};

use crate::support::{client, fetch, open, report, session, tag};

fn image() -> PackedImage {
    ImageBuilder::new()
        .layer(LayerBuilder::new().file("hello", b"world"))
        .pack()
}

/// MF-1, HT-15, HT-16, HT-2: one request per manifest, over one connection, and no others.
#[tokio::test]
async fn an_open_registry_needs_one_request_per_manifest() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let repository = open(&registry);

    let by_tag = fetch(&repository).await.unwrap();
    let by_digest = repository
        .manifest(&TagOrDigest::from(image.digest))
        .await
        .unwrap()
        .into_manifest()
        .unwrap();

    assert_eq!(by_tag.bytes, image.manifest);
    assert_eq!(by_tag.digest, image.digest);
    let Manifest::Image(manifest) = by_tag.manifest else {
        panic!("{:?}", by_tag.manifest)
    };
    assert_eq!(
        *manifest.config.digest.to_string(),
        image.config_digest.to_string()
    );
    assert_eq!(by_digest.bytes, image.manifest);
    assert_eq!(
        registry.log(),
        [
            "GET /v2/app/manifests/1 200".to_owned(),
            format!("GET /v2/app/manifests/{} 200", image.digest)
        ]
    );
    let requests = registry.requests();
    assert_eq!(requests[0].connection, requests[1].connection);
    assert!(
        requests[0]
            .header("user-agent")
            .unwrap()
            .starts_with("windlass/")
    );
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
    assert!(!registry.received_authorization());
}

#[tokio::test]
async fn an_index_is_a_manifest_too() {
    let registry = Registry::start();
    let index = registry.push_index(IndexBuilder::new().image(image()), "app:1");
    let fetched = fetch(&open(&registry)).await.unwrap();
    assert_eq!(fetched.digest, index.digest);
    assert!(matches!(fetched.manifest, Manifest::Index(_)));
}

/// T17, MF-2, C6: a requested digest is verified whatever the registry announces.
#[tokio::test]
async fn a_requested_digest_is_always_verified() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let pin = TagOrDigest::from(image.digest);
    let other = ImageBuilder::new().layer(LayerBuilder::of_size(9)).pack();
    let send_other = |route: windlass_testing::RouteScript<'_>| {
        route.body(other.manifest.clone()).then_ok();
    };
    send_other(registry.manifest(image.digest));
    send_other(
        registry
            .manifest(image.digest)
            .without_header("docker-content-digest"),
    );
    let announced = other.digest.to_string();
    send_other(
        registry
            .manifest(image.digest)
            .header("docker-content-digest", &announced),
    );

    let repository = open(&registry);
    for _ in 0..3 {
        let error = repository.manifest(&pin).await.unwrap_err();
        let RegistryError::Digest { mismatch, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(
            (mismatch.expected, mismatch.found),
            (image.digest, other.digest)
        );
        assert_eq!(error.next_step(), NextStep::NextEndpoint);
    }
    assert_eq!(
        (repository.manifest(&pin).await.unwrap())
            .into_manifest()
            .unwrap()
            .bytes,
        image.manifest
    );
}

/// T17, MF-3: the manifest of a tag has to match the announced digest.
#[tokio::test]
async fn a_tag_is_compared_with_the_announced_digest() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let announced = Digest::sha256("something else");
    registry
        .manifest("1")
        .header("docker-content-digest", announced.to_string())
        .then_ok();
    let repository = open(&registry);
    let error = fetch(&repository).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        format!(
            "app:1 at REGISTRY: expected {announced}, got {}",
            image.digest
        )
    );
    registry
        .manifest("1")
        .without_header("docker-content-digest")
        .then_ok();
    assert_eq!(fetch(&repository).await.unwrap().digest, image.digest);
}

/// T19: an invalid digest header is an error; an unsupported algorithm is ignored.
#[tokio::test]
async fn the_announced_digest_must_be_a_digest() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let repository = open(&registry);
    let upper = image
        .digest
        .to_string()
        .to_uppercase()
        .replace("SHA256", "sha256");
    for header in [
        "sha256:../../../canary/f",
        "sha256:%2e%2e",
        "sha256",
        ":",
        "",
        &upper,
    ] {
        registry
            .manifest("1")
            .header("docker-content-digest", header)
            .then_ok();
        let error = fetch(&repository).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::DigestHeader { .. }),
            "{header}: {error:?}"
        );
    }
    registry
        .manifest("1")
        .header("docker-content-digest", "blake3:00")
        .then_ok();
    assert_eq!(fetch(&repository).await.unwrap().digest, image.digest);
}

/// T21, C12, HT-19: a manifest has at most 4 MiB, announced or not.
#[tokio::test]
async fn a_manifest_is_at_most_4_mib() {
    const LIMIT: usize = 4 << 20;
    let registry = Registry::start();
    registry.push(image(), "app:1");
    let repository = open(&registry);

    let padded = |size: usize| {
        let mut bytes = image().manifest.to_vec();
        bytes.resize(size, b' ');
        bytes
    };
    let no_digest = |route: windlass_testing::RouteScript<'_>| {
        route.without_header("docker-content-digest").then_ok();
    };
    no_digest(registry.manifest("1").body(padded(LIMIT)));
    assert_eq!(fetch(&repository).await.unwrap().bytes.len(), LIMIT);

    no_digest(registry.manifest("1").body(padded(LIMIT + 1)));
    no_digest(
        registry
            .manifest("1")
            .body(padded(LIMIT + 1))
            .without_header("content-length"),
    );
    no_digest(registry.manifest("1").endless());
    for _ in 0..3 {
        let error = fetch(&repository).await.unwrap_err();
        assert_eq!(
            report(&error, &registry),
            "app:1 at REGISTRY: larger than the limit of 4194304 bytes"
        );
    }
    let endless = registry.requests().pop().unwrap();
    assert!(
        endless.sent() < 16 << 20,
        "{} bytes were read",
        endless.sent()
    );
}

/// HT-14.
#[tokio::test]
async fn a_missing_manifest_is_reported_as_such() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    let client = client(RegistryConfig::default());
    let repository = session(&client, &registry, Credentials::Anonymous);
    let error = repository.manifest(&tag("2")).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:2 at REGISTRY: no such manifest"
    );
    assert_eq!(error.next_step(), NextStep::NextEndpoint);
    assert_eq!(
        registry.log().len(),
        1,
        "an error envelope needs no ping: {:?}",
        registry.log()
    );
}

/// HT-4, HT-5: a server that is not a registry is reported as such.
#[tokio::test]
async fn a_web_server_is_not_a_registry() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    let repository = open(&registry);
    let page = "<html>not here</html>";
    let nothing = |route: windlass_testing::RouteScript<'_>| {
        let route = route
            .status(404)
            .body(page)
            .header("content-type", "text/html");
        route
            .without_header("docker-distribution-api-version")
            .then_ok();
    };

    nothing(registry.manifest("1"));
    nothing(registry.ping());
    let error = fetch(&repository).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: this is not an OCI registry: /v2/ returns status 404"
    );

    registry
        .manifest("1")
        .body(page)
        .header("content-type", "text/html; charset=utf-8")
        .then_ok();
    let error = fetch(&repository).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: this is not an OCI registry: it returns a web page"
    );

    registry
        .manifest("1")
        .raw("SSH-2.0-OpenSSH_9.6\r\n")
        .then_ok();
    let error = fetch(&repository).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: this is not an OCI registry: its response is not HTTP"
    );
}

/// HT-4: a 404 without an error body from a registry that answers the ping is just a 404.
#[tokio::test]
async fn a_registry_without_error_bodies_is_a_registry() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    registry
        .manifest("1")
        .status(404)
        .body("")
        .without_header("docker-distribution-api-version")
        .then_ok();
    let error = fetch(&open(&registry)).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: no such manifest"
    );
    assert_eq!(
        registry.log(),
        ["GET /v2/app/manifests/1 404", "GET /v2/ 200"]
    );
}

/// T18: the digest matches, but the document is invalid. By digest, it is the same at every endpoint.
#[tokio::test]
async fn an_invalid_manifest_is_rejected() {
    let registry = Registry::start();
    let digest = registry.put_manifest("app", "application/vnd.oci.image.manifest.v1+json", "{}");
    registry.tag("app", "1", &digest);
    for (target, next) in [
        (tag("1"), NextStep::NextEndpoint),
        (TagOrDigest::from(digest), NextStep::Stop),
    ] {
        let error = open(&registry).manifest(&target).await.unwrap_err();
        assert!(matches!(error, RegistryError::Manifest { .. }), "{error:?}");
        assert_eq!(error.next_step(), next);
    }
}

/// HT-17: the media type has to match the content; without one the content decides.
#[tokio::test]
async fn the_type_and_the_content_have_to_agree() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let repository = open(&registry);
    for (content_type, agrees) in [
        (None, true),
        (Some("application/json"), true),
        (Some("application/vnd.oci.image.index.v1+json"), false),
        (
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            false,
        ),
    ] {
        match content_type {
            Some(text) => registry
                .manifest("1")
                .header("content-type", text)
                .then_ok(),
            None => registry
                .manifest("1")
                .without_header("content-type")
                .then_ok(),
        }
        match fetch(&repository).await {
            Ok(fetched) => assert!(agrees && fetched.digest == image.digest, "{content_type:?}"),
            Err(RegistryError::Manifest { .. }) => assert!(!agrees, "{content_type:?}"),
            Err(error) => panic!("{content_type:?}: {error:?}"),
        }
    }
}
