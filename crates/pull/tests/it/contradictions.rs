//! Manifests and configs that are malformed or contradict each other are rejected before a layer is requested.

use windlass_testing::{ImageBuilder, LayerBuilder, PackedLayer, descriptor};

use crate::support::{World, missing_layer};

fn layers() -> ImageBuilder {
    ImageBuilder::new()
        .layer(LayerBuilder::new().file("a", b"1"))
        .layer(LayerBuilder::new().file("b", b"2"))
}

/// T20, S2-5, S2-6, S2-7.
#[tokio::test]
async fn a_config_that_contradicts_its_manifest_is_rejected() {
    let short = layers().config(|config| {
        config["rootfs"]["diff_ids"].as_array_mut().unwrap().pop();
    });
    let long = layers().config(|config| {
        let diff_ids = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
        diff_ids.push(diff_ids[0].clone());
    });
    let count = |diff_ids| {
        format!(
            "manifest and config do not belong together: \
             the manifest has 2 layers, the config {diff_ids} diff IDs"
        )
    };
    for (image, expected) in [(short, count(1)), (long, count(3))] {
        let world = World::new();
        world.registry.push(image, "app:1");
        assert_eq!(world.pull_error("app:1").await, expected);
        assert_eq!(world.blob_request_count(), 1, "only the config");
        world.assert_store_empty();
    }
}

/// T20.
#[tokio::test]
async fn a_malformed_config_is_rejected() {
    let edited = |edit: &str| match edit {
        "null rootfs" => layers().config(|config| config["rootfs"] = ().into()),
        "no rootfs" => layers().config(|config| {
            config.as_object_mut().unwrap().remove("rootfs");
        }),
        "invalid diff ID" => {
            layers().config(|config| config["rootfs"]["diff_ids"][0] = "../../x".into())
        }
        bytes => layers().config_bytes(bytes.to_owned()),
    };
    let deep = "[".repeat(100_000);
    for config in [
        "null rootfs",
        "no rootfs",
        "invalid diff ID",
        "[]",
        "7",
        "\"\"",
        "",
        "{",
        "\0",
        &deep,
    ] {
        let world = World::new();
        world.registry.push(edited(config), "app:1");
        let error = world.pull_error("app:1").await;
        let shown = &config[..config.len().min(20)];
        assert!(error.starts_with("the image config: "), "{shown}: {error}");
        assert!(world.blob_request_count() <= 1, "{shown}");
        world.assert_store_empty();
    }
}

/// A layer with another media type is rejected, such as an encrypted layer or the blob of an artifact.
#[tokio::test]
async fn a_layer_must_have_the_media_type_of_a_layer() {
    let world = World::new();
    let image = layers().manifest(|manifest| {
        manifest["layers"][1]["mediaType"] = "application/vnd.cncf.helm.chart".into();
    });
    world.registry.push(image, "app:1");
    let error = world.pull_error("app:1").await;
    assert_eq!(
        error,
        "manifest and config do not belong together: layer 1 has media type \
         application/vnd.cncf.helm.chart, which is not a layer"
    );
    world.assert_store_empty();
}

/// T16: the size of a config is checked, whether it is fetched or stored already.
#[tokio::test]
async fn a_config_of_another_size_is_rejected() {
    let wrong = layers().manifest(|manifest| manifest["config"]["size"] = 10.into());
    let correct = layers().pack();
    let fetched = World::new();
    fetched.registry.push(&wrong, "app:wrong");
    let error = fetched.pull_error("app:wrong").await;
    let (digest, size) = (correct.config_digest, correct.config.len());
    assert_eq!(
        error,
        format!(
            "blob {digest} of app at REGISTRY: more than the expected 10 bytes: at least {size}"
        )
    );
    fetched.assert_store_empty();

    let stored = World::new();
    stored.registry.push(&wrong, "app:wrong");
    stored.registry.push(&correct, "app:correct");
    stored.pull("app:correct").await.unwrap();
    let expected = format!(
        "the size of {} is {} bytes, but its descriptor has 10",
        correct.config_digest,
        correct.config.len()
    );
    assert_eq!(stored.pull_error("app:wrong").await, expected);
    assert_eq!(stored.images().len(), 1);
}

/// T16: the size of a manifest differs from its descriptor in the index.
#[tokio::test]
async fn a_manifest_of_another_size_is_rejected() {
    let world = World::new();
    let image = world.registry.push(layers(), "app");
    let mut entry = descriptor(&image.media_type, image.digest, 10);
    entry["platform"] = image.platform.clone();
    let index = windlass_testing::IndexBuilder::new().descriptor(entry);
    world.registry.push_index(index, "app:1");
    let (digest, size) = (image.digest, image.manifest.len());
    let expected = format!("the size of {digest} is {size} bytes, but its descriptor has 10");
    assert_eq!(world.pull_error("app:1").await, expected);
    world.assert_store_empty();
}

/// T22, S2-9: a foreign layer is requested from the registry like any other, and its `urls` are ignored.
#[tokio::test]
async fn urls_of_layers_are_never_requested() {
    let elsewhere = windlass_testing::Registry::start();
    let world = World::new();
    let mut foreign: PackedLayer = LayerBuilder::new().file("f", b"1").pack();
    foreign.media_type =
        Some("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".to_owned());
    let image = ImageBuilder::new().layer(&foreign).pack();
    let mut manifest: String = String::from_utf8(image.manifest.to_vec()).unwrap();
    let urls = format!(
        "\"urls\":[\"{}/evil\",\"file:///etc/passwd\"],\"mediaType\":\"{}\"",
        elsewhere.url(),
        foreign.media_type.as_deref().unwrap()
    );
    let plain = format!(
        "\"mediaType\":\"{}\"",
        foreign.media_type.as_deref().unwrap()
    );
    assert!(manifest.contains(&plain));
    manifest = manifest.replace(&plain, &urls);
    world.registry.push(&image, "app");
    let digest = world
        .registry
        .put_manifest("app", &image.media_type, manifest);
    world.registry.tag("app", "1", &digest);

    world.pull("app:1").await.unwrap();
    assert_eq!(world.registry.requested_ranges(&foreign.digest), ["whole"]);
    assert_eq!(elsewhere.log(), [""; 0]);

    let missing = World::new();
    missing.registry.push(&image, "app:1");
    missing.registry.remove_blob(&foreign.digest);
    let error = missing.pull_error("app:1").await;
    assert_eq!(error, missing_layer("app", &foreign.digest));
    missing.assert_store_empty();
}
