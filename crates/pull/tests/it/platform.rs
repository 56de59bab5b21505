//! The choice of an image from an index, and the errors when no image matches.

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
async fn the_platform_chooses() {
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
        let held = world.image("app:1");
        assert_eq!((held.id, held.index), (pulled.image_id, Some(index.digest)));
    }
}

/// Without a word it is this machine's platform.
#[tokio::test]
async fn this_machine_is_the_default() {
    let world = World::new();
    let ours = ImageBuilder::new()
        .layer(LayerBuilder::new().file("ours", b""))
        .pack();
    let index = IndexBuilder::new().image(image("linux/s390x")).image(&ours);
    world.registry.push_index(index, "app:1");
    let pulled = world.pull("app:1").await.unwrap();
    assert_eq!(pulled.image_id, ImageId::new(ours.config_digest));
}

/// A pull by the index' digest pins the index, not the manifest in it.
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

/// MF-9: An index may lie in an index. Where the first leads nowhere, the next is looked into.
#[tokio::test]
async fn nested_indexes_are_looked_into() {
    let world = World::new();
    let wanted = image("linux/s390x");
    let index = IndexBuilder::new()
        .index(IndexBuilder::new().image(image("linux/riscv64")))
        .index(IndexBuilder::new().index(IndexBuilder::new().image(&wanted)));
    world.registry.push_index(index, "app:1");
    let pulled = world.pull_for("app:1", "linux/s390x").await.unwrap();
    assert_eq!(pulled.image_id, ImageId::new(wanted.config_digest));
}

/// What there is instead is listed, without attestations.
#[tokio::test]
async fn no_match_lists_what_there_is() {
    let world = World::new();
    let index = IndexBuilder::new()
        .image(image("linux/s390x"))
        .attestation()
        .image(image("linux/arm/v7"));
    world.registry.push_index(index, "app:1");
    let error = world.pull_for("app:1", "linux/riscv64").await.unwrap_err();
    assert_eq!(
        world.shown(&error),
        "no matching manifest for linux/riscv64: the index has linux/s390x, linux/arm/v7"
    );
    assert_eq!(world.registry.log(), ["GET /v2/app/manifests/1 200"]);
    world.assert_nothing_here();
}

/// A manifest that no index led to is held against the platform by its config, before any layer.
#[tokio::test]
async fn a_lone_manifest_must_be_for_the_platform() {
    let world = World::new();
    world.registry.push(image("linux/s390x"), "app:1");
    let error = world.pull_for("app:1", "linux/arm64").await.unwrap_err();
    assert!(
        world
            .shown(&error)
            .starts_with("no matching manifest for linux/arm64"),
        "{error}"
    );
    assert!(world.shown(&error).contains("linux/s390x"), "{error}");
    assert_eq!(world.blob_request_count(), 1, "only the config");
    world.assert_nothing_here();
}

/// MF-11: without a requested platform, a lone manifest of any platform is pulled.
#[tokio::test]
async fn a_lone_manifest_of_any_platform_is_pulled_by_default() {
    let world = World::new();
    world.registry.push(image("linux/s390x"), "app:1");
    let pulled = world.pull("app:1").await.unwrap();
    assert_eq!(pulled.platform.to_string(), "linux/s390x");
}

/// T21: nested indexes are followed only to a limited depth.
#[tokio::test]
async fn indexes_do_not_lie_too_deep() {
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
        world.shown(&error),
        "no image within 4 documents below the index"
    );
}

/// T21: nor from one index to the next.
#[tokio::test]
async fn not_every_index_is_looked_into() {
    let world = World::new();
    let fruitless = (0..40).fold(IndexBuilder::new(), |index, number| {
        let arm = ImageBuilder::new()
            .platform("linux/arm/v7")
            .layer(LayerBuilder::new().file(number.to_string(), b""));
        index.index(IndexBuilder::new().image(arm))
    });
    world.registry.push_index(fruitless, "app:1");
    let error = world.pull_for("app:1", "linux/s390x").await.unwrap_err();
    assert_eq!(
        world.shown(&error),
        "no image within 16 documents below the index"
    );
    assert_eq!(world.registry.log().len(), 1 + 16);
}
