//! Manifests of Docker's schema 1: rejected unless they are enabled, and then verified.

use windlass_oci::Digest;
use windlass_pull::{PullEvents, PullOutcome, PullerConfig};
use windlass_testing::{ImageBuilder, LayerBuilder, PackedSchema1, Schema1Builder, Schema1Flaw};

use crate::support::{World, config};

fn schema1_enabled() -> PullerConfig {
    let mut config = config();
    config.registry.schema1 = true;
    config
}

fn two_layers() -> Schema1Builder {
    Schema1Builder::new("app", "1")
        .layer(LayerBuilder::new().file("base", b"0"))
        .empty_step("ENV a=b")
        .layer(LayerBuilder::new().file("top", b"1"))
}

fn push(world: &World, image: &Schema1Builder) -> PackedSchema1 {
    world.registry.push_schema1(image, "app:1")
}

/// MF-7: by default schema 1 is rejected, the error names the setting, and no layer is requested.
#[tokio::test]
async fn schema1_is_rejected_unless_it_is_enabled() {
    let world = World::new();
    push(&world, &two_layers());
    let error = world.pull_error("app:1").await;
    assert_eq!(
        error,
        "app:1 at REGISTRY: unusable manifest: the manifest is of Docker's schema 1: push the image again, or allow \
         such manifests with `schema1 = true`"
    );
    assert_eq!(world.blob_request_count(), 0);
    world.assert_store_empty();
}

/// S1-2..S1-6, MF-2: empty layers are left out, the config is made from the history, and the digest is that of the
/// payload.
#[tokio::test]
async fn schema1_is_pulled_if_it_is_enabled() {
    let world = World::with(schema1_enabled());
    let image = push(&world, &two_layers());

    let pulled = world.pull("app:1").await.unwrap();

    assert_eq!(pulled.outcome, PullOutcome::Downloaded);
    assert_eq!(pulled.digest, image.digest);
    let stored = world.image("app:1");
    assert_eq!(stored.index, Some(image.digest));
    let layers: Vec<Digest> = stored.layers.iter().map(|layer| layer.blob).collect();
    // The layer between them is empty, because its step changed no file.
    assert_eq!(layers, [image.layers[0].digest, image.layers[2].digest]);
    let payload = world.store.read_blob(&image.digest).unwrap();
    assert_eq!(Digest::sha256(&payload), image.digest);
    let config = world.store.read_blob(stored.id.digest()).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    let history = config["history"].as_array().unwrap();
    let empty: Vec<bool> = history
        .iter()
        .map(|step| step["empty_layer"] == true)
        .collect();
    assert_eq!(empty, [false, true, false]);
    world.assert_no_leftovers();
}

/// ST-5, S1-7: a second pull is up to date, requests no layer, and finds the same image by its digest.
#[tokio::test]
async fn schema1_is_up_to_date_afterwards() {
    let world = World::with(schema1_enabled());
    let image = push(&world, &two_layers());
    let first = world.pull("app:1").await.unwrap();
    let before = world.blob_request_count();

    let second = world.pull("app:1").await.unwrap();
    let third = world.pull(&format!("app@{}", image.digest)).await.unwrap();

    assert_eq!(world.blob_request_count(), before);
    assert_eq!(second.outcome, PullOutcome::UpToDate);
    assert_eq!([second.image_id, third.image_id], [first.image_id; 2]);
    assert_eq!(third.digest, image.digest);
}

/// S1-1, C2, C9, T18: an invalid signature, and a manifest for another name or tag, are rejected before any layer is
/// requested.
#[tokio::test]
async fn an_invalid_schema1_manifest_is_rejected() {
    let flawed = [
        Schema1Flaw::Unsigned,
        Schema1Flaw::WrongSignature,
        Schema1Flaw::OtherKey,
        Schema1Flaw::Tampered,
        Schema1Flaw::UnsignedLayers,
        Schema1Flaw::LayersInTail,
        Schema1Flaw::NoAlgorithm,
    ];
    let mut images: Vec<Schema1Builder> = flawed
        .into_iter()
        .map(|flaw| two_layers().flaw(flaw))
        .collect();
    images.push(Schema1Builder::new("other", "1").layer(LayerBuilder::new().file("a", b"0")));
    images.push(Schema1Builder::new("app", "2").layer(LayerBuilder::new().file("a", b"0")));
    for image in images {
        let world = World::with(schema1_enabled());
        push(&world, &image);
        let error = world.pull_error("app:1").await;
        assert_eq!(world.blob_request_count(), 0, "{error}");
        world.assert_store_empty();
    }
}

/// MF-2, T17: a manifest with another digest than the requested one is rejected.
#[tokio::test]
async fn a_schema1_manifest_with_another_digest_is_rejected() {
    let world = World::with(schema1_enabled());
    let image = push(&world, &two_layers());
    let other = Schema1Builder::new("app", "1")
        .layer(LayerBuilder::new().file("evil", b"0"))
        .pack();
    let media_type = &other.media_type;
    world
        .registry
        .put_manifest_as("app", &image.digest, media_type, other.bytes.clone());
    let error = world.pull_error(&format!("app@{}", image.digest)).await;
    assert_eq!(
        error,
        format!(
            "the manifest of Docker's schema 1: the manifest's digest is {}, not {}",
            other.digest, image.digest
        )
    );
    world.assert_store_empty();
}

/// T15: a layer that does not match its digest fails the pull, and nothing is stored.
#[tokio::test]
async fn a_wrong_layer_of_schema1_is_rejected() {
    let world = World::with(schema1_enabled());
    let image = push(&world, &two_layers());
    world
        .registry
        .blob(&image.layers[0].digest)
        .corrupt(5)
        .forever();
    world.pull_error("app:1").await;
    world.assert_store_empty();
}

/// A stored layer of another image is not fetched again.
#[tokio::test]
async fn schema1_reuses_stored_layers() {
    let world = World::with(schema1_enabled());
    let base = LayerBuilder::new().file("base", b"0").pack();
    world
        .registry
        .push(ImageBuilder::new().layer(&base), "modern:1");
    world.pull("modern:1").await.unwrap();
    let image = Schema1Builder::new("app", "1")
        .layer(&base)
        .layer(LayerBuilder::new().file("top", b"1"));
    world.registry.push_schema1(&image, "app:1");
    let before = world.registry.requested_ranges(&base.digest).len();
    let pulled = world.pull("app:1").await.unwrap();
    assert_eq!(world.registry.requested_ranges(&base.digest).len(), before);
    assert_eq!(pulled.reused_bytes, base.size);
}

/// A preview of schema 1 contains the bytes to download, but no image ID.
#[tokio::test]
async fn schema1_can_be_previewed() {
    let world = World::with(schema1_enabled());
    let image = push(&world, &two_layers());
    let request = world.request("app:1");
    let preview = world
        .puller
        .preview(&request, &PullEvents::channel().0)
        .await
        .unwrap();
    assert_eq!((preview.image_id, preview.is_newer), (None, true));
    let bytes = image.layers[0].size + image.layers[2].size;
    assert_eq!(preview.missing_bytes, bytes);
    world.assert_store_empty();

    world.pull("app:1").await.unwrap();
    let preview = world
        .puller
        .preview(&request, &PullEvents::channel().0)
        .await
        .unwrap();
    assert!(!preview.is_newer);
    assert_eq!(preview.missing_bytes, 0);
}
