//! Access to content: the config before the layers, redirects to storage, TLS, tokens and rate limits.

use std::time::Duration;

use windlass_pull::PullerConfig;
use windlass_registry::{
    Caller, ClientIdentity, ClientTls, Credentials, RegistryHosts, Secret, StaticCredentials,
};
use windlass_testing::{Ca, ImageBuilder, LayerBuilder, PackedImage, Registry, Storage};

use crate::support::{World, config, host};

fn image() -> ImageBuilder {
    ImageBuilder::new()
        .layer(LayerBuilder::of_size(300_000))
        .layer(LayerBuilder::new().file("top", b"1"))
}

fn world(
    registry: Registry,
    configure: impl FnOnce(&mut RegistryHosts, &mut PullerConfig),
) -> World {
    World::with_mirrors(&[], registry, configure)
}

/// A caller with the password of the scripted registries.
fn authorized_caller(registry: &Registry) -> Caller {
    Caller::new(std::sync::Arc::new(StaticCredentials {
        host: registry.host(),
        credentials: Credentials::Basic {
            username: "bosun".to_owned(),
            password: Secret::new("heave-ho"),
        },
    }))
}

async fn pull_as(
    world: &World,
    caller: Caller,
) -> Result<windlass_pull::Pulled, windlass_pull::PullError> {
    let mut request = world.request("app:1");
    request.caller = caller;
    let (events, mut receiver) = windlass_pull::PullEvents::channel();
    let outcome = world.puller.pull(&request, &events).await;
    drop(events);
    while let Some(event) = receiver.next().await {
        let reported = serde_json::to_string(&event).expect("events are JSON");
        assert!(!reported.contains("heave-ho"), "I7: {reported}");
    }
    outcome
}

/// S2-2: the config comes before any layer.
#[tokio::test]
async fn the_config_is_fetched_first() {
    let world = World::new();
    let image = world.registry.push(image(), "app:1");
    world.pull("app:1").await.unwrap();
    let log = world.registry.log();
    assert!(log[1].contains(&image.config_digest.to_string()), "{log:?}");
}

/// S2-3, T15: a config that cannot be fetched fails the pull, and no layer is requested.
#[tokio::test]
async fn no_layer_is_requested_without_the_config() {
    let world = World::new();
    let image = world.registry.push(image(), "app:1");
    world
        .registry
        .blob(&image.config_digest)
        .corrupt(3)
        .forever();
    let error = world.pull_error("app:1").await;
    let config = image.config_digest;
    let (expected, _) = error.split_once(", got ").expect("the digests differ");
    assert_eq!(
        expected,
        format!("blob {config} of app at REGISTRY: expected {config}")
    );
    assert_eq!(
        world.blob_request_count(),
        world.registry.requested_ranges(&image.config_digest).len()
    );
    assert!(world.blob_request_count() <= 2);
    world.assert_store_empty();
}

fn redirected_to_storage(uses: u64) -> (World, Storage, PackedImage) {
    let storage = Storage::start();
    let registry = Registry::builder()
        .basic("bosun", "heave-ho")
        .redirect_blobs_to(&storage, uses)
        .start();
    let image = registry.push(image(), "app:1");
    let world = world(registry, |_, _| {});
    (world, storage, image)
}

/// T26, D5: no credentials are sent to storage that a registry redirects to.
#[tokio::test]
async fn storage_gets_no_credentials() {
    let (world, storage, _) = redirected_to_storage(1);
    pull_as(&world, authorized_caller(&world.registry))
        .await
        .unwrap();
    assert_eq!(storage.log().len(), 3);
    assert!(!storage.received_authorization() && !storage.received_cookie());
    assert!(!storage.received("heave-ho"));
}

/// T26, T31: if a presigned URL expires in the middle of a layer, a new one is requested, and the rest is fetched from
/// there.
#[tokio::test]
async fn an_expired_url_is_requested_again() {
    let (world, storage, image) = redirected_to_storage(1);
    let layer = image.layers[0].digest;
    storage
        .blob(&layer)
        .cut_after(100_000)
        .then()
        .status(403)
        .then_ok();

    pull_as(&world, authorized_caller(&world.registry))
        .await
        .unwrap();

    let requested = world.registry.requested_ranges(&layer);
    assert_eq!(requested, ["whole", "bytes=100000-", "bytes=100000-"]);
    assert!(!storage.received_authorization());
    world.assert_no_leftovers();
}

/// T28: a server without a trusted certificate gets no request, not even in plain text.
#[tokio::test]
async fn a_registry_without_a_trusted_certificate_gets_no_request() {
    let ca = Ca::new();
    let other = Ca::new();
    let registry = Registry::builder().tls(&ca).start();
    registry.push(image(), "app:1");
    let server = host(&registry);
    let world = world(registry, |hosts, config| {
        hosts.server = Some(server);
        config.registry.extra_roots = vec![other.pem().as_bytes().to_vec()];
    });
    world.pull_error("app:1").await;
    assert_eq!(world.registry.log(), [""; 0]);
    world.assert_store_empty();
}

/// EP-10, T26: a client certificate is used only for its host, and not for storage.
#[tokio::test]
async fn a_client_certificate_is_used_for_its_host_only() {
    let ca = Ca::new();
    let storage = Storage::with(Registry::builder().tls(&ca).request_client_certificate(&ca));
    let registry = Registry::builder()
        .tls(&ca)
        .require_client_certificate(&ca)
        .redirect_blobs_to(&storage, 1)
        .start();
    registry.push(image(), "app:1");
    let mate = ca.client("mate");
    let (server, name) = (host(&registry), registry.host());
    let world = world(registry, |hosts, config| {
        hosts.server = Some(server);
        config.registry.extra_roots = vec![ca.pem().as_bytes().to_vec()];
        let tls = ClientTls {
            identity: Some(ClientIdentity {
                certificates: mate.certificate.as_bytes().to_vec(),
                key: Secret::new(mate.key.clone()),
            }),
            ..ClientTls::default()
        };
        config.registry.certificates.insert(name, tls);
    });

    world.pull("app:1").await.unwrap();

    let certified = |registry: &Registry| {
        let requests = registry.requests();
        assert!(!requests.is_empty());
        requests
            .iter()
            .filter(|request| request.has_client_certificate())
            .count()
    };
    assert_eq!(certified(&world.registry), world.registry.requests().len());
    assert_eq!(certified(storage.server()), 0);
}

/// T35, HT-12: a token that expires during the transfer of layers is renewed once for all layers; a permanent rejection
/// ends the pull.
#[tokio::test]
async fn expired_tokens_are_renewed_once_for_all() {
    let registry = Registry::builder().bearer().start();
    let mut many = ImageBuilder::new();
    for number in 0..10 {
        many = many.layer(LayerBuilder::new().file(format!("f{number}"), b"1"));
    }
    let image = registry.push(many, "app:1");
    let world = world(registry, |_, _| {});
    expire_tokens_at_middle_layer(&world.registry, &image);
    world.pull("app:1").await.unwrap();
    let tokens = |log: Vec<String>| log.iter().filter(|line| line.contains("/token")).count();
    let requested = tokens(world.registry.log());
    assert!((2..=4).contains(&requested), "{requested}");

    let registry = Registry::builder().bearer().start();
    let image = registry.push(
        ImageBuilder::new().layer(LayerBuilder::of_size(1000)),
        "app:1",
    );
    let layer = image.layers[0].digest;
    let world = self::world(registry, |_, _| {});
    world
        .registry
        .blob(&layer)
        .unauthorized(r#"Bearer realm="http://127.0.0.1:1/""#)
        .forever();
    world.pull_error("app:1").await;
    assert!(world.registry.blob_requests(&layer).len() <= 3);
    world.assert_store_empty();
}

/// Lets all tokens expire before a layer in the middle is served.
fn expire_tokens_at_middle_layer(registry: &Registry, image: &PackedImage) {
    registry
        .blob(&image.layers[4].digest)
        .expire_token()
        .then_ok();
}

/// T34: a pause that is too long ends the pull at once, and the error contains its length.
#[tokio::test]
async fn a_pause_of_a_day_fails_the_pull() {
    let world = World::new();
    world.registry.push(image(), "app:1");
    world
        .registry
        .manifest("1")
        .status(429)
        .retry_after(86_400)
        .forever();
    let error = tokio::time::timeout(Duration::from_secs(20), world.pull_error("app:1")).await;
    let error = error.expect("the pull fails at once");
    assert_eq!(
        error,
        "app:1 at REGISTRY: too many requests, retry after 86400 s"
    );
    assert_eq!(world.registry.log().len(), 1);
}

/// T34: an invalid `Retry-After` is ignored.
#[tokio::test]
async fn an_invalid_pause_is_ignored() {
    for invalid in ["-5", "x", ""] {
        let world = World::new();
        world.registry.push(image(), "app:1");
        world
            .registry
            .manifest("1")
            .status(503)
            .retry_after(invalid)
            .then_ok();
        world.pull("app:1").await.unwrap();
        assert_eq!(config().retry.attempts, 3);
    }
}

/// T16, T17: of a HEAD response only the digest is trusted, and only until the document itself is
/// available.
#[tokio::test]
async fn wrong_head_responses_are_harmless() {
    let world = World::new();
    let old = world.registry.push(ImageBuilder::new(), "app:1");
    world.pull("app:1").await.unwrap();
    let new = world.registry.push(image(), "app:1");
    let head = || world.registry.manifest("1").for_head();

    head().size(10 << 30).then_ok();
    assert_eq!(world.pull("app:1").await.unwrap().digest, new.digest);
    // The digests of a config and of a layer, which are not manifests.
    for digest in [new.config_digest, new.layers[0].digest] {
        head().digest(digest).then_ok();
        world.pull_error("app:1").await;
        assert_eq!(world.image("app:1").manifest, new.digest);
    }
    head().digest("sha256:../../x").then_ok();
    assert_eq!(world.pull("app:1").await.unwrap().digest, new.digest);
    // A digest that was stored before is accepted: it cannot be distinguished from a tag that was moved back.
    head().digest(old.digest).then_ok();
    assert_eq!(world.pull("app:1").await.unwrap().digest, old.digest);
}
