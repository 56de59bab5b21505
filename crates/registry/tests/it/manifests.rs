//! Manifests: the exact bytes, held against every digest.

use windlass_oci::{Digest, Manifest};
use windlass_registry::{Credentials, NextStep, RegistryConfig, RegistryError, TagOrDigest};
use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, Registry};

use crate::support::{client, fetch, open, report, session, tag};

fn image() -> PackedImage {
    ImageBuilder::new()
        .layer(LayerBuilder::new().file("hello", b"world"))
        .pack()
}

/// MF-1, HT-15, HT-16, HT-2: one request, one connection, and nothing asked that is not needed.
#[tokio::test]
async fn an_open_registry_costs_one_request_a_manifest() {
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

/// T17, MF-2, C6: what is pinned is what is got.
#[tokio::test]
async fn a_pin_is_held_whatever_the_registry_says() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let pin = TagOrDigest::from(image.digest);
    let other = ImageBuilder::new().layer(LayerBuilder::of_size(9)).pack();
    let lie = |route: windlass_testing::RouteScript<'_>| {
        route.body(other.manifest.clone()).then_ok();
    };
    lie(registry.manifest(image.digest));
    lie(registry
        .manifest(image.digest)
        .without_header("docker-content-digest"));
    let honest = other.digest.to_string();
    lie(registry
        .manifest(image.digest)
        .header("docker-content-digest", &honest));

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

/// T17, MF-3: a tag's bytes must be the ones the registry says they are.
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

/// T19: a header that is no digest is an error; one by an algorithm not known here says nothing.
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

/// T21, C12, HT-19: a manifest may be 4 MiB and no byte more, announced or not.
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
        "{} bytes were taken",
        endless.sent()
    );
}

/// HT-14.
#[tokio::test]
async fn what_is_not_there_is_told_apart() {
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

/// HT-4, HT-5: a server that is not a registry is said to be none.
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
        "app:1 at REGISTRY: this is not an OCI registry: /v2/ answers with status 404"
    );

    registry
        .manifest("1")
        .body(page)
        .header("content-type", "text/html; charset=utf-8")
        .then_ok();
    let error = fetch(&repository).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: this is not an OCI registry: it answers with a web page"
    );

    registry
        .manifest("1")
        .raw("SSH-2.0-OpenSSH_9.6\r\n")
        .then_ok();
    let error = fetch(&repository).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: this is not an OCI registry: its answer is not HTTP"
    );
}

/// HT-4: a 404 without an envelope from what answers the ping like a registry is just a 404.
#[tokio::test]
async fn a_laconic_registry_is_a_registry() {
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

/// T18: the digest is right, the document is not. Who asked by digest gets the same everywhere.
#[tokio::test]
async fn a_manifest_that_cannot_be_used_is_refused() {
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

/// HT-17: what it is, is said by type and content together; no type at all leaves it to the content.
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
