//! Bytes that do not match their descriptor never become visible, and do not affect the next pull.

use windlass_oci::{DiffId, Digest};
use windlass_testing::{
    BlobCompression, ImageBuilder, IndexBuilder, LayerBuilder, PackedLayer, Registry,
};

use crate::support::World;

/// Checks that the first pull fails with an error that contains `expected`, and that the second one succeeds.
async fn assert_only_first_fails(world: &World, name: &str, expected: &str) {
    let error = world.pull_error(name).await;
    assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    world.assert_store_empty();
    let second = world.pull(name).await;
    second.expect("the second pull succeeds");
    assert_eq!(world.images().len(), 1);
    world.assert_no_leftovers();
}

/// T15: one bit of a layer is wrong. The digest mismatch is reported, not the resulting error of gzip.
#[tokio::test]
async fn a_layer_of_other_bytes_fails_by_its_digest() {
    for at in [0, 5, 1_000, 200_000] {
        let world = World::new();
        let image = ImageBuilder::new()
            .layer(LayerBuilder::of_size(300_000))
            .layer(LayerBuilder::new().file("a", b"1"));
        let image = world.registry.push(image, "app:1");
        let layer = image.layers[0].digest;
        world.registry.blob(&layer).corrupt(at).then_ok();
        let expected = format!("layer {layer}: the bytes received for {layer} have the digest ");
        assert_only_first_fails(&world, "app:1", &expected).await;
        assert_eq!(
            world.registry.requested_ranges(&layer),
            ["whole"; 2],
            "{at}"
        );
    }
}

/// T15: an uncompressed tar has no checksum.
#[tokio::test]
async fn a_plain_layer_of_other_bytes_fails_by_its_digest() {
    let world = World::new();
    let layer = LayerBuilder::of_size(300_000).compressed(BlobCompression::Plain);
    let image = world
        .registry
        .push(ImageBuilder::new().layer(layer), "app:1");
    let layer = image.layers[0].digest;
    world.registry.blob(&layer).corrupt(200_000).then_ok();
    let expected = format!("layer {layer}: the bytes received for {layer} have the digest ");
    assert_only_first_fails(&world, "app:1", &expected).await;
}

/// T15: a wrong config.
#[tokio::test]
async fn a_config_of_other_bytes_fails_by_its_digest() {
    let world = World::new();
    let image = ImageBuilder::new().layer(LayerBuilder::new().file("a", b"1"));
    let image = world.registry.push(image, "app:1");
    world
        .registry
        .blob(&image.config_digest)
        .corrupt(9)
        .then_ok();
    let expected = format!("expected {}, got sha256:", image.config_digest);
    assert_only_first_fails(&world, "app:1", &expected).await;
}

/// T15, T17: a wrong manifest, requested by tag (with the announced digest) and by digest.
#[tokio::test]
async fn a_manifest_of_other_bytes_fails_by_its_digest() {
    let world = World::new();
    let image = world.registry.push(ImageBuilder::new(), "app:1");
    world.registry.manifest("1").corrupt(9).then_ok();
    let expected = format!("expected {}, got sha256:", image.digest);
    assert_only_first_fails(&world, "app:1", &expected).await;

    let world = World::new();
    let image = world.registry.push(ImageBuilder::new(), "app");
    world.registry.manifest(image.digest).corrupt(9).then_ok();
    let name = format!("app@{}", image.digest);
    assert_only_first_fails(&world, &name, &expected).await;
}

/// T15: a wrong manifest in an index.
#[tokio::test]
async fn a_manifest_of_an_index_of_other_bytes_fails_by_its_digest() {
    let world = World::new();
    let image = ImageBuilder::new()
        .layer(LayerBuilder::new().file("a", b"1"))
        .pack();
    let index = IndexBuilder::new().image(&image);
    world.registry.push_index(index, "app:1");
    world.registry.manifest(image.digest).corrupt(9).then_ok();
    let expected = format!("expected {}, got sha256:", image.digest);
    assert_only_first_fails(&world, "app:1", &expected).await;
}

/// T17: a pinned digest is verified, whatever digest the registry declares.
#[tokio::test]
async fn a_pinned_digest_is_verified() {
    let pinned = ImageBuilder::new()
        .layer(LayerBuilder::new().file("a", b"1"))
        .pack();
    let other = ImageBuilder::new()
        .layer(LayerBuilder::new().file("b", b"2"))
        .pack();
    let headers: [fn(&Registry, &Digest, &Digest, bytes::Bytes); 3] = [
        |registry, pin, _, body| registry.manifest(pin).body(body).forever(),
        |registry, pin, other, body| {
            let header = other.to_string();
            let answer = registry.manifest(pin).body(body);
            answer.header("docker-content-digest", header).forever();
        },
        |registry, pin, _, body| {
            let answer = registry.manifest(pin).body(body);
            answer.without_header("docker-content-digest").forever();
        },
    ];
    for script in headers {
        let world = World::new();
        world.registry.push(&pinned, "app");
        world.registry.push(&other, "app:1");
        script(
            &world.registry,
            &pinned.digest,
            &other.digest,
            other.manifest.clone(),
        );
        let error = world.pull_error(&format!("app:1@{}", pinned.digest)).await;
        let expected = format!("expected {}, got {}", pinned.digest, other.digest);
        assert!(error.ends_with(&expected), "{error}");
        world.assert_store_empty();
    }
}

/// T16: a body that is longer than its descriptor, with and without a content length.
#[tokio::test]
async fn a_layer_that_is_too_long_fails() {
    for chunked in [false, true] {
        let world = World::new();
        let mut layer = LayerBuilder::of_size(300_000).pack();
        layer.size -= 1;
        world
            .registry
            .push(ImageBuilder::new().layer(&layer), "app:1");
        let answer = world.registry.blob(&layer.digest);
        if chunked {
            answer.without_header("content-length").forever();
        } else {
            drop(answer);
        }
        let error = world.pull_error("app:1").await;
        let expected = format!("more than the expected {} bytes", layer.size);
        assert!(error.contains(&expected), "{error}");
        world.assert_store_empty();
    }
}

/// T16: a body without an end is read only up to the expected size.
#[tokio::test]
async fn a_layer_without_an_end_fails() {
    let world = World::new();
    let image = ImageBuilder::new().layer(LayerBuilder::of_size(300_000));
    let image = world.registry.push(image, "app:1");
    let layer = &image.layers[0];
    world.registry.blob(&layer.digest).endless().then_ok();
    let expected = format!("more than the expected {} bytes", layer.size);
    assert_only_first_fails(&world, "app:1", &expected).await;
}

/// T16: a body that is too short. It may have been interrupted, so it is retried like other failures.
#[tokio::test]
async fn a_layer_that_is_too_short_fails() {
    for chunked in [false, true] {
        let world = World::new();
        let mut layer = LayerBuilder::of_size(300_000).pack();
        layer.size += 1;
        world
            .registry
            .push(ImageBuilder::new().layer(&layer), "app:1");
        let answer = world.registry.blob(&layer.digest);
        if chunked {
            answer.without_header("content-length").forever();
        } else {
            drop(answer);
        }
        let error = world.pull_error("app:1").await;
        let (found, expected) = (layer.size - 1, layer.size);
        let expected = format!("{found} bytes where {expected} were expected");
        assert!(error.ends_with(&expected), "{error}");
        world.assert_store_empty();
    }
}

/// T20, S2-6: the diff ID of the tar is not the one in the config.
#[tokio::test]
async fn a_layer_of_another_diff_id_fails() {
    let world = World::new();
    let mut layer = LayerBuilder::new().file("a", b"1").pack();
    let actual = layer.diff_id;
    layer.diff_id = DiffId::new(Digest::sha256(b"another tar"));
    world
        .registry
        .push(ImageBuilder::new().layer(&layer), "app:1");
    let (digest, expected) = (layer.digest, layer.diff_id);
    assert_eq!(
        world.pull_error("app:1").await,
        format!("the diff ID of layer {digest} is {actual}, but the config has {expected}")
    );
    world.assert_store_empty();
}

/// A blob that matches its digest, but is not a valid layer: the error names the layer and the fault.
#[tokio::test]
async fn a_malformed_layer_with_the_right_digest_is_reported() {
    let gzip = LayerBuilder::of_size(300_000).pack();
    let damaged = |edit: fn(&mut Vec<u8>)| {
        let mut bytes = gzip.bytes.to_vec();
        edit(&mut bytes);
        PackedLayer::new(bytes, gzip.diff_id, BlobCompression::Gzip)
    };
    let cases = [
        (
            damaged(|it| it.truncate(200_000)),
            "invalid gzip stream: it is truncated",
        ),
        (damaged(|it| it[100] ^= 0xff), "invalid gzip stream: "),
        (
            damaged(|it| it.extend(b"more")),
            "invalid gzip stream: other bytes follow its end",
        ),
        (
            damaged(|it| *it = b"no tar at all".repeat(1000)),
            "this is neither a tar nor a known compression",
        ),
    ];
    for (layer, expected) in cases {
        let world = World::new();
        world.registry.push(
            ImageBuilder::new()
                .layer(LayerBuilder::new().file("a", b"1"))
                .layer(&layer),
            "app:1",
        );
        let error = world.pull_error("app:1").await;
        assert!(
            error.starts_with(&format!("layer {}: ", layer.digest)),
            "{error}"
        );
        assert!(error.contains(expected), "{error}");
        assert_eq!(world.registry.requested_ranges(&layer.digest), ["whole"]);
        world.assert_store_empty();
    }
}
