//! Manifests of Docker's schema 1: refused unless they are wanted, and then verified.

use windlass_oci::Digest;
use windlass_pull::{PullEvents, PullOutcome, PullerConfig};
use windlass_testing::{ImageBuilder, LayerBuilder, PackedSchema1, Schema1Builder, Schema1Flaw};

use crate::support::{World, config};

fn willing() -> PullerConfig {
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

fn pushed(world: &World, image: &Schema1Builder) -> PackedSchema1 {
    world.registry.push_schema1(image, "app:1")
}

/// MF-7: by default schema 1 is refused, the error names the setting, and no layer is requested.
#[tokio::test]
async fn schema1_is_refused_unless_it_is_wanted() {
    let world = World::new();
    pushed(&world, &two_layers());
    let refusal = world.refusal("app:1").await;
    assert!(refusal.contains("schema 1"), "{refusal}");
    assert!(refusal.contains("schema1 = true"), "{refusal}");
    assert_eq!(world.blob_request_count(), 0);
    world.assert_nothing_here();
}

/// S1-2..S1-6, MF-2: layers without the empty ones, a config made of the history, the payload's digest.
#[tokio::test]
async fn schema1_is_pulled_where_it_is_wanted() {
    let world = World::with(willing());
    let image = pushed(&world, &two_layers());

    let pulled = world.pull("app:1").await.unwrap();

    assert_eq!(pulled.outcome, PullOutcome::Downloaded);
    assert_eq!(pulled.digest, image.digest);
    let stored = world.image("app:1");
    assert_eq!(stored.index, Some(image.digest));
    let layers: Vec<Digest> = stored.layers.iter().map(|layer| layer.blob).collect();
    // Between them stands the empty layer of a step that changed no file.
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
    world.assert_nothing_unfinished();
}

/// ST-5, S1-7: a second pull is up to date, requests no layer, and finds the same image by its digest.
#[tokio::test]
async fn schema1_is_up_to_date_afterwards() {
    let world = World::with(willing());
    let image = pushed(&world, &two_layers());
    let first = world.pull("app:1").await.unwrap();
    let before = world.blob_request_count();

    let second = world.pull("app:1").await.unwrap();
    let third = world.pull(&format!("app@{}", image.digest)).await.unwrap();

    assert_eq!(world.blob_request_count(), before);
    assert_eq!(second.outcome, PullOutcome::UpToDate);
    assert_eq!([second.image_id, third.image_id], [first.image_id; 2]);
    assert_eq!(third.digest, image.digest);
}

/// S1-1, C2, C9, T18: a flawed signature, and a document for another name or tag, are refused before any
/// layer is requested.
#[tokio::test]
async fn a_schema1_manifest_with_a_contradiction_is_refused() {
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
        let world = World::with(willing());
        pushed(&world, &image);
        let refusal = world.refusal("app:1").await;
        assert_eq!(world.blob_request_count(), 0, "{refusal}");
        world.assert_nothing_here();
    }
}

/// MF-2, T17: by digest, another document is refused.
#[tokio::test]
async fn a_schema1_manifest_with_another_digest_is_refused() {
    let world = World::with(willing());
    let image = pushed(&world, &two_layers());
    let other = Schema1Builder::new("app", "1")
        .layer(LayerBuilder::new().file("evil", b"0"))
        .pack();
    let media_type = &other.media_type;
    world
        .registry
        .put_manifest_as("app", &image.digest, media_type, other.bytes.clone());
    let refusal = world.refusal(&format!("app@{}", image.digest)).await;
    assert!(refusal.contains("digest"), "{refusal}");
    world.assert_nothing_here();
}

/// T15: a layer that is not its digest fails, and leaves nothing.
#[tokio::test]
async fn a_wrong_layer_of_schema1_is_refused() {
    let world = World::with(willing());
    let image = pushed(&world, &two_layers());
    world
        .registry
        .blob(&image.layers[0].digest)
        .corrupt(5)
        .forever();
    world.refusal("app:1").await;
    world.assert_nothing_here();
}

/// A layer that is here by another image is not fetched again.
#[tokio::test]
async fn schema1_reuses_layers_that_are_here() {
    let world = World::with(willing());
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

/// A preview of schema 1 contains the cost, but not yet the image ID.
#[tokio::test]
async fn schema1_can_be_previewed() {
    let world = World::with(willing());
    let image = pushed(&world, &two_layers());
    let request = world.request("app:1");
    let preview = world
        .puller
        .preview(&request, &PullEvents::channel().0)
        .await
        .unwrap();
    assert_eq!((preview.image_id, preview.is_newer), (None, true));
    let bytes = image.layers[0].size + image.layers[2].size;
    assert_eq!(preview.missing_bytes, bytes);
    world.assert_nothing_here();

    world.pull("app:1").await.unwrap();
    let preview = world
        .puller
        .preview(&request, &PullEvents::channel().0)
        .await
        .unwrap();
    assert!(!preview.is_newer);
    assert_eq!(preview.missing_bytes, 0);
}
