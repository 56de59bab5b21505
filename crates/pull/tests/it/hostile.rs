//! Hostile layers, which try to write outside their directory. The targets are harmless.

use windlass_testing::{ImageBuilder, LayerBuilder, Sandbox, confined};

use crate::support::{World, config};

/// Pulls an image with a hostile layer between two harmless ones, and returns the error.
fn pull_error(sandbox: &Sandbox, hostile: LayerBuilder) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread");
    let world = World::open(&sandbox.root().join("store"), config());
    let image = ImageBuilder::new()
        .layer(LayerBuilder::new().file("below", b""))
        .layer(hostile)
        .layer(LayerBuilder::of_size(1 << 20));
    let image = world.registry.push(image, "app:1");
    let error = runtime.block_on(world.pull_error("app:1"));
    world.assert_store_empty();
    let layer = image.layers[1].digest.to_string();
    error.replace(&layer, "HOSTILE")
}

/// T01, T02: a layer with a path outside its directory is rejected, and nothing of the image is stored.
#[test]
fn a_path_out_of_the_layer_is_rejected() {
    confined(|sandbox| {
        let layer = LayerBuilder::new()
            .file("ok", b"1")
            .file("../../../canary/file", b"x");
        assert_eq!(
            pull_error(sandbox, layer),
            "layer HOSTILE: entry ../../../canary/file: its name leaves the root"
        );
    });
}

/// T02: a link cannot be followed out of the layer's directory.
#[test]
fn a_link_out_of_the_layer_is_not_followed() {
    confined(|sandbox| {
        let canary = sandbox.canary();
        let target = canary.to_str().expect("the sandbox has a plain name");
        let layer = LayerBuilder::new()
            .symlink("out", target)
            .hardlink("stolen", "out/file")
            .file("out/file", b"x");
        let error = pull_error(sandbox, layer);
        assert!(
            error.starts_with("layer HOSTILE: entry stolen: "),
            "{error}"
        );
    });
}
