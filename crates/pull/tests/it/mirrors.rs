//! Mirrors: used first, never trusted, and replaced by the next endpoint when they fail.

use windlass_pull::{PullEvent, PullEvents, PullOutcome, PullRequest, Setback};
use windlass_registry::HostCapabilities;
use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage, Registry};

use crate::support::{World, host, status};

fn image() -> ImageBuilder {
    ImageBuilder::new()
        .layer(LayerBuilder::of_size(100_000))
        .layer(LayerBuilder::new().file("top", b"1"))
}

/// A registry with an image, and a mirror of it.
fn registry_and_mirror() -> (Registry, Registry, PackedImage) {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let mirror = Registry::builder().mirror_of(&registry).start();
    (registry, mirror, image)
}

fn with_mirror(mirror: &Registry, registry: Registry) -> World {
    World::with_mirrors(&[mirror], registry, |_, _| {})
}

/// The setbacks in `events`: the endpoint, and whether another endpoint was tried next.
fn setbacks(events: &[PullEvent]) -> Vec<(String, bool)> {
    let setback = |event: &PullEvent| match event {
        PullEvent::Setback(Setback {
            endpoint, after, ..
        }) => Some((endpoint.to_string(), after.is_none())),
        _ => None,
    };
    events.iter().filter_map(setback).collect()
}

/// EP-2, FB-1: a mirror of any registry is used first, is sent the registry's name, and is enough.
#[tokio::test]
async fn a_mirror_is_used_first_and_is_enough() {
    let (registry, mirror, image) = registry_and_mirror();
    let world = with_mirror(&mirror, registry);

    let pulled = world.pull("app:1").await.unwrap();

    assert_eq!(world.registry.log(), [""; 0]);
    assert_eq!(pulled.endpoint.to_string(), mirror.url());
    assert_eq!(pulled.digest, image.digest);
    assert_eq!(mirror.log().len(), 4);
    let namespaces = mirror.requests();
    let namespaces = namespaces.iter().map(|request| request.parameter("ns"));
    let expected = Some(world.registry.host());
    assert!(
        namespaces
            .into_iter()
            .all(|namespace| namespace == expected)
    );
}

/// FB-9, FB-13, T29: after any failure of a mirror the registry is used, and the setback is reported.
#[tokio::test]
async fn any_failure_of_a_mirror_falls_back_to_the_registry() {
    type Break = fn(&Registry);
    let failures: [(&str, Break); 9] = [
        ("404", |mirror| mirror.every().status(404).forever()),
        ("403", |mirror| mirror.every().status(403).forever()),
        ("401", |mirror| mirror.every().status(401).forever()),
        ("429", |mirror| mirror.every().status(429).forever()),
        ("500", |mirror| mirror.every().status(500).forever()),
        ("a web page", |mirror| mirror.every().html().forever()),
        ("reset connections", Registry::reset_connections),
        ("refused connections", Registry::stop_listening),
        ("not HTTP", |mirror| {
            mirror.every().raw("SSH-2.0-x\r\n").forever();
        }),
    ];
    for (failure, break_it) in failures {
        let (registry, mirror, _) = registry_and_mirror();
        break_it(&mirror);
        let world = with_mirror(&mirror, registry);

        let (pulled, events) = world.pull_with_events("app:1").await;

        let pulled = pulled.unwrap_or_else(|error| panic!("{failure}: {error}"));
        assert_eq!(
            pulled.endpoint.to_string(),
            world.registry.url(),
            "{failure}"
        );
        let expected = [(mirror.url().to_owned(), true)];
        assert_eq!(
            setbacks(&events),
            expected,
            "{failure}: once per pull, not once per blob"
        );
        assert_eq!(mirror.log().len().min(2), mirror.log().len(), "{failure}");
    }
}

/// FB-13: a mirror that has the manifest, but neither the config nor the layers.
#[tokio::test]
async fn missing_blobs_of_a_mirror_are_fetched_from_the_registry() {
    let (registry, mirror, image) = registry_and_mirror();
    mirror.every_blob().status(404).forever();
    let world = with_mirror(&mirror, registry);
    world.pull("app:1").await.unwrap();
    assert!(
        world
            .registry
            .log()
            .iter()
            .all(|line| line.contains("/blobs/"))
    );
    assert_eq!(world.registry.log().len(), 3);
    assert_eq!(
        world.image("app:1").id.to_string(),
        image.config_digest.to_string()
    );
}

/// T29: after one wrong blob the mirror is not used for any other, in this pull and the next.
#[tokio::test]
async fn a_mirror_with_wrong_bytes_is_used_once() {
    let (registry, mirror, image) = registry_and_mirror();
    let layer = image.layers[0].digest;
    mirror.blob(&layer).corrupt(50_000).forever();
    let world = with_mirror(&mirror, registry);

    let pulled = world.pull("app:1").await.unwrap();

    assert_eq!(pulled.outcome, PullOutcome::Downloaded);
    assert_eq!(mirror.requested_ranges(&layer), ["whole"]);
    assert_eq!(world.registry.requested_ranges(&layer), ["whole"]);
    world.assert_no_leftovers();

    let before = mirror.log().len();
    world.registry.push(
        ImageBuilder::new().layer(LayerBuilder::of_size(5000)),
        "other:1",
    );
    world.pull("other:1").await.unwrap();
    assert_eq!(mirror.log().len(), before);
}

/// T29, MF-2: content with another digest than the requested one is rejected.
#[tokio::test]
async fn a_mirror_cannot_replace_pinned_content() {
    let (registry, mirror, image) = registry_and_mirror();
    mirror
        .manifest(image.digest)
        .body(r#"{"schemaVersion":2}"#)
        .without_digest()
        .forever();
    let world = with_mirror(&mirror, registry);
    let pulled = world.pull(&format!("app@{}", image.digest)).await.unwrap();
    assert_eq!(pulled.digest, image.digest);
    assert_eq!(pulled.endpoint.to_string(), world.registry.url());
}

/// T31, T29: the bytes of a mirror are kept, and the rest is fetched from the registry.
#[tokio::test]
async fn the_registry_continues_the_download_of_a_mirror() {
    let (registry, mirror, image) = registry_and_mirror();
    let layer = image.layers[0].digest;
    mirror
        .blob(&layer)
        .cut_after(60_000)
        .then()
        .status(404)
        .forever();
    let world = with_mirror(&mirror, registry);

    let (pulled, events) = world.pull_with_events("app:1").await;

    pulled.unwrap();
    assert_eq!(mirror.requested_ranges(&layer), ["whole", "bytes=60000-"]);
    assert_eq!(world.registry.requested_ranges(&layer), ["bytes=60000-"]);
    let requested = events.iter().filter_map(|event| status(event, &layer));
    let requested = requested.filter(|status| format!("{status:?}").starts_with("Connecting"));
    assert_eq!(requested.count(), 3);
}

/// A mirror without `resolve` resolves no tags, but delivers content by digest.
#[tokio::test]
async fn a_mirror_without_resolve_gets_no_tag_requests() {
    let (registry, mirror, image) = registry_and_mirror();
    let world = World::with_mirrors(&[&mirror], registry, |hosts, _| {
        hosts.mirrors[0].capabilities.resolve = false;
    });

    let pulled = world.pull("app:1").await.unwrap();

    assert_eq!(world.registry.log(), ["HEAD /v2/app/manifests/1 200"]);
    assert!(mirror.log()[0].contains(&format!("/v2/app/manifests/{}", image.digest)));
    assert_eq!(pulled.endpoint.to_string(), world.registry.url());
    assert_eq!(mirror.log().len(), 4);
}

/// A mirror without `pull` only resolves tags.
#[tokio::test]
async fn a_mirror_without_pull_gets_no_content_requests() {
    let (registry, mirror, _) = registry_and_mirror();
    let world = World::with_mirrors(&[&mirror], registry, |hosts, _| {
        hosts.mirrors[0].capabilities.pull = false;
    });
    let pulled = world.pull("app:1").await.unwrap();
    assert_eq!(pulled.endpoint.to_string(), mirror.url());
    assert_eq!(mirror.log().len(), 1);
    assert!(mirror.log()[0].starts_with("HEAD "));
    assert_eq!(world.registry.log().len(), 4);
}

/// FB-8: a pull without any usable endpoint fails with an error that names the registry.
#[tokio::test]
async fn no_endpoint_is_an_error() {
    let (registry, mirror, _) = registry_and_mirror();
    let name = registry.host();
    let world = World::with_mirrors(&[&mirror], registry, |hosts, _| {
        let cannot_resolve = HostCapabilities {
            resolve: false,
            pull: true,
        };
        hosts.mirrors[0].capabilities = cannot_resolve;
        let mut server = host(&mirror);
        server.capabilities = cannot_resolve;
        hosts.server = Some(server);
    });
    let error = world.pull_error("app:1").await;
    assert_eq!(
        error,
        format!("no endpoint of {name} is configured to resolve tags")
    );
}

/// FB-6: the error of the registry is reported, with the errors of the mirrors.
#[tokio::test]
async fn the_registrys_error_is_reported_with_those_of_the_mirrors() {
    let (registry, mirror, _) = registry_and_mirror();
    mirror.every().status(500).forever();
    let world = with_mirror(&mirror, registry);
    let error = world.pull("app:missing").await.unwrap_err();
    assert_eq!(
        world.error_text(&error),
        "app:missing at REGISTRY: no such manifest"
    );
    let windlass_pull::PullError::Registry(error) = error else {
        panic!("{error:?}");
    };
    let others: Vec<String> = error.others.iter().map(ToString::to_string).collect();
    let expected = format!("app:missing at {}: unavailable: status 500", mirror.url());
    assert_eq!(others, [expected]);
}

/// FB-5: a pull that is cancelled while a mirror does not respond tries no other endpoint.
#[tokio::test]
async fn a_cancelled_pull_tries_no_other_endpoint() {
    let (registry, mirror, _) = registry_and_mirror();
    let gate = mirror.manifest("1").hold();
    let world = std::sync::Arc::new(with_mirror(&mirror, registry));
    let running = world.start("app:1");
    let arrived = tokio::task::spawn_blocking(move || {
        gate.wait_for(1);
        gate
    });
    let gate = arrived.await.unwrap();
    running.cancel().await;
    gate.open();
    world.puller.idle().await;
    assert_eq!(world.registry.log(), [""; 0]);
}

/// EP-8, EP-9: the configuration of registries is replaced as a whole or not at all, and running pulls keep theirs.
#[tokio::test]
async fn the_configuration_is_replaced_as_a_whole() {
    let (registry, mirror, image) = registry_and_mirror();
    let world = std::sync::Arc::new(with_mirror(&mirror, registry));
    let gate = mirror.blob(&image.layers[0].digest).hold_after(1000);
    let running = world.start("app:1");
    let arrived = tokio::task::spawn_blocking(move || {
        gate.wait_for(1);
        gate
    });
    let gate = arrived.await.unwrap();

    let invalid = windlass_registry::RegistryConfig {
        extra_roots: vec![b"no certificate".to_vec()],
        ..crate::support::config().registry
    };
    world.puller.reconfigure(invalid).unwrap_err();
    world
        .puller
        .reconfigure(crate::support::config().registry)
        .unwrap();
    gate.open();
    let pulled = running.outcome().await.unwrap();
    assert_eq!(pulled.endpoint.to_string(), mirror.url());

    world.registry.push(ImageBuilder::new(), "app:2");
    let pulled = world.pull("app:2").await.unwrap();
    assert_eq!(pulled.endpoint.to_string(), world.registry.url());
}

/// D13: two callers never share a token; the pulls of one do.
#[tokio::test]
async fn a_caller_requests_one_token() {
    let registry = Registry::builder().bearer().start();
    registry.push(image(), "app:1");
    registry.push(ImageBuilder::new(), "app:2");
    let world = World::with_mirrors(&[], registry, |_, _| {});
    let first = world.request("app:1");
    let second = PullRequest {
        reference: world.request("app:2").reference,
        ..first.clone()
    };
    let tokens = || {
        let requests = world.registry.requests();
        requests
            .iter()
            .filter(|request| request.path.starts_with("/token"))
            .count()
    };
    for request in [&first, &second] {
        world
            .puller
            .pull(request, &PullEvents::channel().0)
            .await
            .unwrap();
    }
    assert_eq!(tokens(), 1);
    world.pull("app:1").await.unwrap();
    assert_eq!(tokens(), 2);
}
