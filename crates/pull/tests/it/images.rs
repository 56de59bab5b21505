//! Valid images of every kind.

use windlass_oci::{DiffId, Digest, ImageId};
use windlass_pull::PullOutcome;
use windlass_testing::{BlobCompression, ImageBuilder, LayerBuilder, PackedLayer};

use crate::support::World;

/// DM-9: each document is requested once: the manifest, then the config, then the layers. All are stored.
#[tokio::test]
async fn an_image_is_pulled() {
    let world = World::new();
    let image = world.registry.push(
        ImageBuilder::new()
            .platform("linux/s390x")
            .layer(LayerBuilder::new().dir("etc").file("etc/motd", b"welcome"))
            .layer(LayerBuilder::new().file("bin", b"#!")),
        "app:1",
    );
    let [base, top] = [&image.layers[0], &image.layers[1]];

    let pulled = world.pull("app:1").await.unwrap();

    assert_eq!(pulled.reference.to_string(), world.registry.name("app:1"));
    assert_eq!(pulled.digest, image.digest);
    assert_eq!(pulled.image_id, ImageId::new(image.config_digest));
    assert_eq!(pulled.platform.to_string(), "linux/s390x");
    assert_eq!(pulled.outcome, PullOutcome::Downloaded);
    assert_eq!(pulled.endpoint.to_string(), world.registry.url());
    assert_eq!(pulled.downloaded_bytes, base.size + top.size);
    assert_eq!(pulled.reused_bytes, 0);
    assert_eq!(pulled.unpacked_bytes, 9);

    let mut log = world.registry.log();
    log[2..].sort();
    let mut layers = [base, top].map(|it| format!("GET /v2/app/blobs/{} 200", it.digest));
    layers.sort();
    let [first, second] = layers;
    let config = format!("GET /v2/app/blobs/{} 200", image.config_digest);
    let manifest = "GET /v2/app/manifests/1 200".to_owned();
    assert_eq!(log, [manifest, config, first, second]);

    let stored = world.image("app:1");
    assert_eq!(stored.id, pulled.image_id);
    assert_eq!((stored.manifest, stored.index), (image.digest, None));
    assert_eq!(stored.layers.len(), 2);
    assert_eq!(world.tree(&base.diff_id).paths(), [".", "etc", "etc/motd"]);
    assert_eq!(world.tree(&top.diff_id).paths(), [".", "bin"]);
    for digest in [base.digest, top.digest, image.digest, image.config_digest] {
        assert!(world.store.blob(&digest).unwrap().is_some(), "{digest}");
    }
    world.assert_no_leftovers();
}

/// REF-7: without tag and digest, the tag is `latest`.
#[tokio::test]
async fn the_default_tag_is_latest() {
    let world = World::new();
    world.registry.push(ImageBuilder::new(), "app:latest");
    let pulled = world.pull("app").await.unwrap();
    assert_eq!(
        pulled.reference.to_string(),
        world.registry.name("app:latest")
    );
    assert_eq!(world.image("app:latest").id, pulled.image_id);
}

/// MF-12: Docker's manifest schema 2. The images of the other tests have OCI manifests.
#[tokio::test]
async fn a_docker_image_is_pulled() {
    let world = World::new();
    let image = ImageBuilder::new()
        .docker()
        .layer(LayerBuilder::new().file("a", b"1"))
        .layer(
            LayerBuilder::new()
                .file("b", b"2")
                .compressed(BlobCompression::Plain),
        );
    let image = world.registry.push(image, "app:1");
    let pulled = world.pull("app:1").await.unwrap();
    assert_eq!(pulled.digest, image.digest);
    assert_eq!(world.tree(&image.layers[1].diff_id).paths(), [".", "b"]);
}

/// Layers of every compression in one image; the compression in the media type is irrelevant.
#[tokio::test]
async fn layers_of_every_compression_are_unpacked() {
    let world = World::new();
    let compressions = [
        BlobCompression::Plain,
        BlobCompression::Gzip,
        BlobCompression::GzipMembers(3),
        BlobCompression::Zstd,
        BlobCompression::ZstdFrames(4),
    ];
    let layers = compressions
        .into_iter()
        .zip(1..)
        .map(|(compression, seed)| {
            LayerBuilder::of_size_seeded(600_000, seed).compressed(compression)
        });
    let mut image = layers.fold(ImageBuilder::new(), ImageBuilder::layer);
    let mut mislabelled = LayerBuilder::new()
        .file("x", b"")
        .compressed(BlobCompression::Zstd)
        .pack();
    mislabelled.media_type = Some("application/vnd.oci.image.layer.v1.tar+gzip".to_owned());
    image = image.layer(mislabelled);
    let image = world.registry.push(image, "app:1");

    let pulled = world.pull("app:1").await.unwrap();

    assert_eq!(pulled.unpacked_bytes, 5 * 600_000);
    for (seed, layer) in (1..=5).zip(&image.layers) {
        let expected = [".".to_owned(), format!("random-{seed}")];
        assert_eq!(world.tree(&layer.diff_id).paths(), expected);
    }
}

/// S2-8: an image without layers is valid.
#[tokio::test]
async fn an_image_without_layers_is_pulled() {
    let world = World::new();
    let image = world.registry.push(ImageBuilder::new(), "app:1");
    let pulled = world.pull("app:1").await.unwrap();
    assert_eq!(pulled.outcome, PullOutcome::Downloaded);
    assert_eq!(pulled.image_id, ImageId::new(image.config_digest));
    assert_eq!(world.image("app:1").layers, []);
    assert_eq!(world.blob_request_count(), 1, "only the config");
}

/// DM-4: a layer that an image repeats is fetched once, and counted once.
#[tokio::test]
async fn a_repeated_layer_is_fetched_once() {
    let world = World::new();
    let twice = LayerBuilder::new().file("twice", b"2").pack();
    let between = LayerBuilder::new().file("between", b"1").pack();
    let image = ImageBuilder::new()
        .layer(&twice)
        .layer(&between)
        .layer(&twice);
    world.registry.push(image, "app:1");

    let pulled = world.pull("app:1").await.unwrap();

    assert_eq!(world.registry.requested_ranges(&twice.digest), ["whole"]);
    assert_eq!(pulled.downloaded_bytes, twice.size + between.size);
    let layers = world.image("app:1").layers;
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
    assert_eq!(diff_ids, [twice.diff_id, between.diff_id, twice.diff_id]);
}

/// Two blobs of the same tar are one layer: only the first blob is fetched.
#[tokio::test]
async fn a_tar_in_two_blobs_is_fetched_once() {
    let world = World::new();
    let layer = LayerBuilder::new().file("f", b"1");
    let gzip = layer.clone().compressed(BlobCompression::Gzip).pack();
    let zstd = layer.compressed(BlobCompression::Zstd).pack();
    world
        .registry
        .push(ImageBuilder::new().layer(&gzip).layer(&zstd), "app:1");

    world.pull("app:1").await.unwrap();

    assert_eq!(world.registry.requested_ranges(&gzip.digest), ["whole"]);
    assert_eq!(world.registry.requested_ranges(&zstd.digest), [""; 0]);
    assert_eq!(world.image("app:1").layers.len(), 2);
}

/// DM-14: a blob without bytes is a layer without entries. It needs no request.
#[tokio::test]
async fn a_blob_without_bytes_is_an_empty_layer() {
    let world = World::new();
    let diff_id = DiffId::new(Digest::sha256(b""));
    let empty = PackedLayer::new(&b""[..], diff_id, BlobCompression::Plain);
    world
        .registry
        .push(ImageBuilder::new().layer(&empty), "app:1");
    world.pull("app:1").await.unwrap();
    assert_eq!(world.tree(&diff_id).paths(), ["."]);
    assert!(world.registry.blob_requests(&empty.digest).is_empty());
}
