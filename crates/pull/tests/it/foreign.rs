//! Foreign layers, which are fetched from URLs in the manifest (S2-9, T22).

use serde_json::Value;
use windlass_oci::Digest;
use windlass_testing::{ImageBuilder, LayerBuilder, PackedLayer, Registry, Storage};

use crate::support::{World, missing_layer};

const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// Pushes an image whose only layer is at `urls`, and not at the registry.
fn push(registry: &Registry, layer: &PackedLayer, media_type: &str, urls: &[String]) {
    let mut image = ImageBuilder::new().layer(layer).pack();
    let mut manifest: Value = serde_json::from_slice(&image.manifest).expect("a manifest is JSON");
    manifest["layers"][0]["mediaType"] = media_type.into();
    manifest["layers"][0]["urls"] = urls.to_vec().into();
    image.manifest = manifest.to_string().into();
    image.digest = Digest::sha256(&image.manifest);
    registry.push(image, "app:1");
    registry.remove_blob(&layer.digest);
}

fn world(allowed: &[&Storage]) -> World {
    let allowed = allowed
        .iter()
        .map(|storage| storage.url().to_owned())
        .collect();
    World::with_mirrors(&[], Registry::start(), |hosts, _| {
        hosts.foreign_hosts = allowed;
    })
}

fn layer() -> PackedLayer {
    LayerBuilder::of_size(10_000).pack()
}

/// S2-9, D3: from an allowed host, after the registry, without credentials.
#[tokio::test]
async fn a_foreign_layer_is_fetched_from_an_allowed_host() {
    let (storage, layer) = (Storage::start(), layer());
    let world = world(&[&storage]);
    let url = storage.put("/layers/one", layer.bytes.clone());
    push(&world.registry, &layer, FOREIGN, &[url]);

    world.pull("app:1").await.unwrap();

    assert_eq!(world.registry.requested_ranges(&layer.digest), ["whole"]);
    assert_eq!(storage.log().len(), 1);
    assert!(!storage.received_authorization() && !storage.received_cookie());
}

/// T22: by default no host is allowed, and the response of the registry is the error.
#[tokio::test]
async fn a_foreign_layer_is_not_fetched_by_default() {
    let (storage, layer) = (Storage::start(), layer());
    let world = World::new();
    let url = storage.put("/layers/one", layer.bytes.clone());
    push(&world.registry, &layer, FOREIGN, &[url]);
    let error = world.pull_error("app:1").await;
    assert_eq!(error, missing_layer("app", &layer.digest));
    assert_eq!(storage.log(), [""; 0]);
}

/// T22: the URLs of a layer that is not foreign are ignored.
#[tokio::test]
async fn urls_of_an_ordinary_layer_are_ignored() {
    let (storage, layer) = (Storage::start(), layer());
    let world = world(&[&storage]);
    let url = storage.put("/layers/one", layer.bytes.clone());
    let ordinary = "application/vnd.oci.image.layer.v1.tar+gzip";
    push(&world.registry, &layer, ordinary, &[url]);
    world.pull_error("app:1").await;
    assert_eq!(storage.log(), [""; 0]);
}

/// T22: invalid and forbidden URLs are skipped; wrong bytes are rejected.
#[tokio::test]
async fn foreign_urls_are_tried_in_turn() {
    let (storage, layer) = (Storage::start(), layer());
    let world = world(&[&storage]);
    let wrong = vec![0; layer.bytes.len()];
    let urls = [
        "file:///etc/passwd".to_owned(),
        "http://169.254.169.254/latest".to_owned(),
        "ftp://evil.test/layer".to_owned(),
        "https://evil.test/layer".to_owned(),
        storage.url().to_owned() + "/not-there",
        storage.put("/layers/wrong", wrong.clone()),
        storage.put("/layers/right", layer.bytes.clone()),
    ];
    storage
        .file("/not-there")
        .unauthorized(r#"Bearer realm="http://127.0.0.1:1/""#)
        .forever();
    push(&world.registry, &layer, FOREIGN, &urls);
    let outcome = world.pull("app:1").await;
    assert!(!storage.received_authorization());
    assert_ne!(Digest::sha256(&wrong), layer.digest);
    outcome.unwrap();
}
