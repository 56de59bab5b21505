//! Selecting an image from an index by its platform, and the errors if none matches.

use windlass_oci::ImageId;
use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, PackedIndex};

use crate::support::World;

fn image(platform: &str) -> PackedImage {
    let name = platform.replace('/', "-");
    let layer = LayerBuilder::new().file(name, b"");
    ImageBuilder::new().platform(platform).layer(layer).pack()
}

/// The requested platform decides; the reference resolves to the digest of the index (MF-10).
#[tokio::test]
async fn the_image_for_the_platform_is_selected() {
    for docker in [false, true] {
        let world = World::new();
        let [one, two] = [image("linux/s390x"), image("linux/arm64/v8")];
        let index = IndexBuilder::new().image(&one).image(&two).attestation();
        let index = if docker { index.docker() } else { index };
        let index = world.registry.push_index(index, "app:1");

        let pulled = world.pull_for("app:1", "linux/s390x").await.unwrap();
        assert_eq!(pulled.image_id, ImageId::new(one.config_digest));
        let pulled = world.pull_for("app:1", "linux/arm64").await.unwrap();
        assert_eq!(pulled.image_id, ImageId::new(two.config_digest));

        assert_eq!(pulled.digest, index.digest);
        let stored = world.image("app:1");
        assert_eq!(
            (stored.id, stored.index),
            (pulled.image_id, Some(index.digest))
        );
    }
}

/// Without a requested platform, the image for this machine is selected.
#[tokio::test]
async fn this_machine_is_the_default() {
    let world = World::new();
    let for_host = ImageBuilder::new()
        .layer(LayerBuilder::new().file("host", b""))
        .pack();
    let index = IndexBuilder::new()
        .image(image("linux/s390x"))
        .image(&for_host);
    world.registry.push_index(index, "app:1");
    let pulled = world.pull("app:1").await.unwrap();
    assert_eq!(pulled.image_id, ImageId::new(for_host.config_digest));
}

/// A pull by the digest of an index pins the index, not the manifest in it.
#[tokio::test]
async fn an_index_can_be_pinned() {
    let world = World::new();
    let index = IndexBuilder::new().image(image("linux/s390x"));
    let index = world.registry.push_index(index, "app");
    let name = format!("app@{}", index.digest);
    let pulled = world.pull_for(&name, "linux/s390x").await.unwrap();
    assert_eq!(pulled.digest, index.digest);
    assert_eq!(world.image(&name).id, pulled.image_id);
}

/// MF-9: indexes may be nested. If the first one has no matching image, the next one is read.
#[tokio::test]
async fn nested_indexes_are_read() {
    let world = World::new();
    let expected = image("linux/s390x");
    let index = IndexBuilder::new()
        .index(IndexBuilder::new().image(image("linux/riscv64")))
        .index(IndexBuilder::new().index(IndexBuilder::new().image(&expected)));
    world.registry.push_index(index, "app:1");
    let pulled = world.pull_for("app:1", "linux/s390x").await.unwrap();
    assert_eq!(pulled.image_id, ImageId::new(expected.config_digest));
}

/// The error lists the platforms of the index, without attestations.
#[tokio::test]
async fn the_error_lists_the_available_platforms() {
    let world = World::new();
    let index = IndexBuilder::new()
        .image(image("linux/s390x"))
        .attestation()
        .image(image("linux/arm/v7"));
    world.registry.push_index(index, "app:1");
    let error = world.pull_for("app:1", "linux/riscv64").await.unwrap_err();
    assert_eq!(
        world.error_text(&error),
        "no matching manifest for linux/riscv64: the index has linux/s390x, linux/arm/v7"
    );
    assert_eq!(world.registry.log(), ["GET /v2/app/manifests/1 200"]);
    world.assert_store_empty();
}

/// The platform of a manifest without an index is checked in its config, before any layer is requested.
#[tokio::test]
async fn a_single_manifest_must_be_for_the_platform() {
    let world = World::new();
    world.registry.push(image("linux/s390x"), "app:1");
    let error = world.pull_for("app:1", "linux/arm64").await.unwrap_err();
    assert_eq!(
        world.error_text(&error),
        "no matching manifest for linux/arm64: the index has linux/s390x"
    );
    assert_eq!(world.blob_request_count(), 1, "only the config");
    world.assert_store_empty();
}

/// MF-11: without a requested platform, a manifest without an index is pulled whatever its platform is.
#[tokio::test]
async fn a_single_manifest_of_any_platform_is_pulled_by_default() {
    let world = World::new();
    world.registry.push(image("linux/s390x"), "app:1");
    let pulled = world.pull("app:1").await.unwrap();
    assert_eq!(pulled.platform.to_string(), "linux/s390x");
}

/// T21: nested indexes are read up to a limited depth.
#[tokio::test]
async fn the_depth_of_indexes_is_limited() {
    let world = World::new();
    let deep = |depth: usize| {
        let bottom: PackedIndex = IndexBuilder::new().image(image("linux/s390x")).into();
        (1..depth).fold(bottom, |index, _| IndexBuilder::new().index(index).into())
    };
    world.registry.push_index(deep(4), "app:4");
    world.registry.push_index(deep(5), "app:5");
    world.pull_for("app:4", "linux/s390x").await.unwrap();
    let error = world.pull_for("app:5", "linux/s390x").await.unwrap_err();
    assert_eq!(
        world.error_text(&error),
        "no image within 4 documents below the index"
    );
}

/// T21: the number of documents is limited, too.
#[tokio::test]
async fn the_number_of_indexes_is_limited() {
    let world = World::new();
    let without_match = (0..40).fold(IndexBuilder::new(), |index, number| {
        let arm = ImageBuilder::new()
            .platform("linux/arm/v7")
            .layer(LayerBuilder::new().file(number.to_string(), b""));
        index.index(IndexBuilder::new().image(arm))
    });
    world.registry.push_index(without_match, "app:1");
    let error = world.pull_for("app:1", "linux/s390x").await.unwrap_err();
    assert_eq!(
        world.error_text(&error),
        "no image within 16 documents below the index"
    );
    assert_eq!(world.registry.log().len(), 1 + 16);
}
