//! Layers that try to write outside their directory. The targets are harmless.

use windlass_testing::{ImageBuilder, LayerBuilder, Sandbox, confined};

use crate::support::{World, config};

/// Pulls an image with a hostile layer between two harmless ones, and returns how it is refused.
fn refusal(sandbox: &Sandbox, hostile: LayerBuilder) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread");
    let world = World::at(&sandbox.root().join("store"), config());
    let image = ImageBuilder::new()
        .layer(LayerBuilder::new().file("below", b""))
        .layer(hostile)
        .layer(LayerBuilder::of_size(1 << 20));
    let image = world.registry.push(image, "app:1");
    let refusal = runtime.block_on(world.refusal("app:1"));
    world.assert_nothing_here();
    let layer = image.layers[1].digest.to_string();
    refusal.replace(&layer, "HOSTILE")
}

/// T01, T02: a layer that names a place outside itself is refused by name, and nothing of the image stays.
#[test]
fn an_escaping_layer_is_refused() {
    confined(|sandbox| {
        let layer = LayerBuilder::new()
            .file("ok", b"1")
            .file("../../../canary/file", b"x");
        assert_eq!(
            refusal(sandbox, layer),
            "layer HOSTILE: entry ../../../canary/file: its name leaves the root"
        );
    });
}

/// T02: a link does not lead out: what is written behind it lands inside, or nowhere.
#[test]
fn a_link_does_not_lead_out() {
    confined(|sandbox| {
        let canary = sandbox.canary();
        let target = canary.to_str().expect("the sandbox has a plain name");
        let layer = LayerBuilder::new()
            .symlink("out", target)
            .hardlink("stolen", "out/file")
            .file("out/file", b"x");
        let refusal = refusal(sandbox, layer);
        assert!(
            refusal.starts_with("layer HOSTILE: entry stolen: "),
            "{refusal}"
        );
    });
}
