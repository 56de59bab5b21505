//! Manifests and configs that are malformed or contradict each other are refused before a layer is requested.

use windlass_testing::{ImageBuilder, LayerBuilder, PackedLayer, descriptor};

use crate::support::World;

fn layers() -> ImageBuilder {
    ImageBuilder::new()
        .layer(LayerBuilder::new().file("a", b"1"))
        .layer(LayerBuilder::new().file("b", b"2"))
}

/// T20, S2-5, S2-6, S2-7: before a layer byte moves.
#[tokio::test]
async fn a_config_that_does_not_fit_its_manifest_is_refused() {
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
        assert_eq!(world.refusal("app:1").await, expected);
        assert_eq!(world.blob_request_count(), 1, "only the config");
        world.assert_nothing_here();
    }
}

/// T20: what is not the config of an image.
#[tokio::test]
async fn what_is_no_config_is_refused() {
    let edited = |edit: &str| match edit {
        "null rootfs" => layers().config(|config| config["rootfs"] = ().into()),
        "no rootfs" => layers().config(|config| {
            config.as_object_mut().unwrap().remove("rootfs");
        }),
        "wild diff ID" => {
            layers().config(|config| config["rootfs"]["diff_ids"][0] = "../../x".into())
        }
        bytes => layers().config_bytes(bytes.to_owned()),
    };
    let deep = "[".repeat(100_000);
    for config in [
        "null rootfs",
        "no rootfs",
        "wild diff ID",
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
        let refusal = world.refusal("app:1").await;
        let shown = &config[..config.len().min(20)];
        assert!(
            refusal.starts_with("the image config: "),
            "{shown}: {refusal}"
        );
        assert!(world.blob_request_count() <= 1, "{shown}");
        world.assert_nothing_here();
    }
}

/// A layer of another media type is none: an encrypted one, an artifact's blob.
#[tokio::test]
async fn a_layer_must_be_a_layer() {
    let world = World::new();
    let image = layers().manifest(|manifest| {
        manifest["layers"][1]["mediaType"] = "application/vnd.cncf.helm.chart".into();
    });
    world.registry.push(image, "app:1");
    let refusal = world.refusal("app:1").await;
    assert_eq!(
        refusal,
        "manifest and config do not belong together: layer 1 has media type \
         application/vnd.cncf.helm.chart, which is not a layer"
    );
    world.assert_nothing_here();
}

/// T16: the size in a descriptor is the size, also of what is here and need not be fetched.
#[tokio::test]
async fn a_config_of_another_size_is_refused_here_or_not() {
    let lying = layers().manifest(|manifest| manifest["config"]["size"] = 10.into());
    let honest = layers().pack();
    let fetched = World::new();
    fetched.registry.push(&lying, "app:lying");
    let refusal = fetched.refusal("app:lying").await;
    assert!(
        refusal.contains("more than the expected 10 bytes"),
        "{refusal}"
    );
    fetched.assert_nothing_here();

    let held = World::new();
    held.registry.push(&lying, "app:lying");
    held.registry.push(&honest, "app:honest");
    held.pull("app:honest").await.unwrap();
    let expected = format!(
        "the size of {} is {} bytes, but its descriptor has 10",
        honest.config_digest,
        honest.config.len()
    );
    assert_eq!(held.refusal("app:lying").await, expected);
    assert_eq!(held.images().len(), 1);
}

/// T16: an index lies about the size of a manifest.
#[tokio::test]
async fn a_manifest_of_another_size_is_refused() {
    let world = World::new();
    let image = world.registry.push(layers(), "app");
    let mut entry = descriptor(&image.media_type, image.digest, 10);
    entry["platform"] = image.platform.clone();
    let index = windlass_testing::IndexBuilder::new().descriptor(entry);
    world.registry.push_index(index, "app:1");
    let (digest, size) = (image.digest, image.manifest.len());
    let expected = format!("the size of {digest} is {size} bytes, but its descriptor has 10");
    assert_eq!(world.refusal("app:1").await, expected);
    world.assert_nothing_here();
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
    let refusal = missing.refusal("app:1").await;
    assert!(refusal.ends_with("no such blob"), "{refusal}");
    missing.assert_nothing_here();
}
