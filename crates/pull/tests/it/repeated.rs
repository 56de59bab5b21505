//! Pulls of images that are stored completely or in part: the same tag, a moved tag, a digest, another name.

use windlass_pull::PullOutcome;
use windlass_testing::{BlobCompression, ImageBuilder, IndexBuilder, LayerBuilder};

use crate::support::World;

fn two_layers() -> ImageBuilder {
    ImageBuilder::new()
        .layer(LayerBuilder::new().file("base", b"0"))
        .layer(LayerBuilder::new().file("top", b"1"))
}

/// MF-3, ST-1, ST-2, ST-5, S2-1: the second pull requests the digest of the tag, and nothing else.
#[tokio::test]
async fn the_second_pull_requests_one_digest() {
    let world = World::new();
    let image = world.registry.push(two_layers(), "app:1");
    let first = world.pull("app:1").await.unwrap();
    let before = world.registry.log().len();

    let second = world.pull("app:1").await.unwrap();

    assert_eq!(world.log_since(before), ["HEAD /v2/app/manifests/1 200"]);
    assert_eq!(second.outcome, PullOutcome::UpToDate);
    assert_eq!(second.image_id, first.image_id);
    assert_eq!((second.downloaded_bytes, second.unpacked_bytes), (0, 0));
    let sizes = image.layers.iter().map(|layer| layer.size);
    assert_eq!(second.reused_bytes, sizes.sum::<u64>());
}

/// The same with an index, whose manifest is stored.
#[tokio::test]
async fn the_second_pull_of_an_index_requests_its_digest() {
    let world = World::new();
    world
        .registry
        .push_index(IndexBuilder::new().image(two_layers()), "app:1");
    world.pull("app:1").await.unwrap();
    let before = world.registry.log().len();
    let second = world.pull("app:1").await.unwrap();
    assert_eq!(world.log_since(before), ["HEAD /v2/app/manifests/1 200"]);
    assert_eq!(second.outcome, PullOutcome::UpToDate);
}

/// ST-3, ST-5, DM-1: after a tag has moved, only the missing layers are fetched.
#[tokio::test]
async fn a_moved_tag_fetches_the_missing_layers() {
    let world = World::new();
    let old = world.registry.push(two_layers(), "app:1");
    world.pull("app:1").await.unwrap();
    let newer = two_layers().layer(LayerBuilder::new().file("new", b"2"));
    let new = world.registry.push(newer, "app:1");
    let before = world.registry.log().len();

    let pulled = world.pull("app:1").await.unwrap();

    assert_eq!(pulled.outcome, PullOutcome::Downloaded);
    assert_eq!(
        world.log_since(before),
        [
            "HEAD /v2/app/manifests/1 200".to_owned(),
            format!("GET /v2/app/manifests/{} 200", new.digest),
            format!("GET /v2/app/blobs/{} 200", new.config_digest),
            format!("GET /v2/app/blobs/{} 200", new.layers[2].digest),
        ]
    );
    assert_eq!(world.image("app:1").id, pulled.image_id);
    assert_eq!(world.image(&format!("app@{}", old.digest)).tags, []);
}

/// ST-3: a pull by digest stores a digest reference and no tag. The registry still has to confirm that this
/// caller has access (D13).
#[tokio::test]
async fn a_pull_by_digest_stores_no_tag() {
    let world = World::new();
    let image = world.registry.push(two_layers(), "app:1");
    let name = format!("app@{}", image.digest);

    let pulled = world.pull(&name).await.unwrap();
    assert_eq!(pulled.digest, image.digest);
    assert_eq!(world.image(&name).tags, []);

    let before = world.registry.log().len();
    let again = world.pull(&name).await.unwrap();
    assert_eq!(again.outcome, PullOutcome::UpToDate);
    let expected = format!("HEAD /v2/app/manifests/{} 200", image.digest);
    assert_eq!(world.log_since(before), [expected]);
}

/// With a tag and a digest, the digest selects the image, whatever the registry's tag refers to, and the tag is applied.
#[tokio::test]
async fn a_tag_beside_a_digest_is_applied() {
    let world = World::new();
    let image = world.registry.push(two_layers(), "app:1");
    world.registry.push(ImageBuilder::new(), "app:2");

    let name = format!("app:2@{}", image.digest);
    let pulled = world.pull(&name).await.unwrap();

    assert_eq!(pulled.digest, image.digest);
    assert_eq!(pulled.outcome, PullOutcome::Downloaded);
    assert_eq!(world.image("app:2").id, pulled.image_id);
}

/// ST-6: a pull of a stored image by another name requests only the manifest.
#[tokio::test]
async fn another_name_of_an_image_fetches_no_blob() {
    let world = World::new();
    let image = world.registry.push(two_layers(), "app:1");
    world.registry.push(&image, "other:2");
    world.pull("app:1").await.unwrap();
    let before = world.registry.log().len();
    let pulled = world.pull("other:2").await.unwrap();
    assert_eq!(pulled.outcome, PullOutcome::Downloaded);
    assert_eq!(world.log_since(before), ["GET /v2/other/manifests/2 200"]);
}

/// MD-6: a layer is identified by its tar. Another blob of the same tar is not fetched.
#[tokio::test]
async fn another_blob_of_a_stored_layer_is_not_fetched() {
    let world = World::new();
    let layer = LayerBuilder::new().file("f", b"1");
    let gzip = layer.clone().compressed(BlobCompression::Gzip).pack();
    let zstd = layer.compressed(BlobCompression::Zstd).pack();
    world
        .registry
        .push(ImageBuilder::new().layer(&gzip), "app:1");
    world
        .registry
        .push(ImageBuilder::new().layer(&zstd), "app:2");
    world.pull("app:1").await.unwrap();

    let pulled = world.pull("app:2").await.unwrap();

    assert_eq!(world.registry.requested_ranges(&zstd.digest), [""; 0]);
    assert_eq!(pulled.reused_bytes, zstd.size);
}

/// A document that is damaged on the disk is fetched again, and replaced (IM-2).
#[tokio::test]
async fn a_pull_replaces_a_damaged_config() {
    let world = World::new();
    let image = world.registry.push(two_layers(), "app:1");
    world.pull("app:1").await.unwrap();
    let path = world.store.path().unwrap().join("blobs");
    let hex = image.config_digest.to_string().replace("sha256:", "");
    std::fs::write(path.join("sha256").join(&hex), b"{}").unwrap();
    assert!(world.store.read_blob(&image.config_digest).is_err());

    world.pull("app:1").await.unwrap();

    let config = world.store.read_blob(&image.config_digest).unwrap();
    assert_eq!(config, image.config);
}

/// C7, D13: a registry that returns the digest of stored content of another repository has to deliver the content.
#[tokio::test]
async fn a_digest_alone_proves_nothing() {
    let world = World::new();
    let private = world.registry.push(two_layers(), "private:1");
    world.registry.push(ImageBuilder::new(), "evil:1");
    world.pull("private:1").await.unwrap();
    world.pull("evil:1").await.unwrap();
    let route = world.registry.manifest("1").for_head();
    route.digest(private.digest).times(2).then_ok();

    let error = world.pull_error("evil:1").await;

    let expected = format!("evil@{} at REGISTRY: no such manifest", private.digest);
    assert_eq!(error, expected);
}
