//! Previews of pulls, and queries of registries without a pull.

use windlass_oci::{Digest, Platform};
use windlass_pull::{Preview, PullEvents, Remote};
use windlass_registry::Caller;
use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, Registry};

use crate::support::{World, config};

fn image(name: &str) -> ImageBuilder {
    ImageBuilder::new()
        .layer(LayerBuilder::new().file("base", b"0"))
        .layer(LayerBuilder::new().file(name, b"1"))
}

async fn preview(world: &World, name: &str) -> Preview {
    let request = world.request(name);
    world
        .puller
        .preview(&request, &PullEvents::channel().0)
        .await
        .expect("the preview succeeds")
}

/// Only documents are fetched, and nothing is stored.
#[tokio::test]
async fn a_preview_lists_missing_layers_and_changes_nothing() {
    let world = World::new();
    let image = world.registry.push(image("top"), "app:1");
    let preview = preview(&world, "app:1").await;
    assert!(preview.is_newer);
    assert_eq!(preview.current, None);
    assert_eq!(preview.digest, image.digest);
    let sizes: u64 = image.layers.iter().map(|layer| layer.size).sum();
    assert_eq!((preview.missing_bytes, preview.reused_bytes), (sizes, 0));
    assert_eq!(world.blob_request_count(), 1, "the config");
    world.assert_store_empty();
}

/// ST-5: after a pull the image is up to date, until the tag moves.
#[tokio::test]
async fn a_preview_reports_a_newer_image() {
    let world = World::new();
    world.registry.push(image("top"), "app:1");
    let pulled = world.pull("app:1").await.unwrap();
    let same = preview(&world, "app:1").await;
    assert!(!same.is_newer);
    assert_eq!(
        (same.current, same.missing_bytes),
        (Some(pulled.image_id), 0)
    );

    let new = world.registry.push(image("new"), "app:1");
    let newer = preview(&world, "app:1").await;
    assert!(newer.is_newer);
    assert_eq!(newer.current, Some(pulled.image_id));
    assert_eq!(newer.missing_bytes, new.layers[1].size);
    assert_eq!(world.image("app:1").id, pulled.image_id);
}

fn remote() -> Remote {
    let config = config();
    Remote::new(config.registry, config.retry).expect("the configuration is good")
}

/// MF-10: the digest of a reference takes one small request. For an index, it is the digest of the index.
#[tokio::test]
async fn a_digest_is_requested_by_head() {
    let registry = Registry::start();
    let index = registry.push_index(IndexBuilder::new().image(image("a")), "app:1");
    let reference = registry.name("app:1").parse().unwrap();
    let digest = remote()
        .digest(&reference, &Caller::anonymous())
        .await
        .unwrap();
    assert_eq!(digest, index.digest);
    assert_eq!(registry.log(), ["HEAD /v2/app/manifests/1 200"]);
}

/// The digest is computed if the registry does not send it.
#[tokio::test]
async fn a_missing_digest_header_is_replaced_by_the_computed_digest() {
    for registry in [
        Registry::builder().without_head().start(),
        Registry::builder().without_digests().start(),
    ] {
        let image = registry.push(image("a"), "app:1");
        let reference = registry.name("app:1").parse().unwrap();
        let digest = remote()
            .digest(&reference, &Caller::anonymous())
            .await
            .unwrap();
        assert_eq!(digest, image.digest);
    }
}

/// The exact bytes of the index, or of the manifest for one platform, are returned.
#[tokio::test]
async fn the_exact_bytes_of_a_manifest_are_returned() {
    let registry = Registry::start();
    let index = IndexBuilder::new()
        .image(image("a"))
        .image(image("b").platform("linux/s390x"));
    let index = registry.push_index(index, "app:1");
    let reference = registry.name("app:1").parse().unwrap();
    let remote = remote();
    let caller = Caller::anonymous();

    let found = remote.manifest(&reference, None, &caller).await.unwrap();
    assert_eq!((found.digest, &found.bytes), (index.digest, &index.bytes));
    let platform: Platform = "linux/s390x".parse().unwrap();
    let found = remote
        .manifest(&reference, Some(&platform), &caller)
        .await
        .unwrap();
    assert_eq!(Digest::sha256(&found.bytes), found.digest);
    assert_eq!(found.digest, index.images[1].digest);

    let single = registry.push(image("a"), "single:1");
    let reference = registry.name("single:1").parse().unwrap();
    remote
        .manifest(&reference, Some(&platform), &caller)
        .await
        .unwrap_err();
    let found = remote.manifest(&reference, None, &caller).await.unwrap();
    assert_eq!(found.digest, single.digest);
}
