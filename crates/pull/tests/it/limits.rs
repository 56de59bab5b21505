//! How many layers move at a time (TM-7), and that no limit stands in another's way.

use std::sync::Arc;

use windlass_pull::PullerConfig;
use windlass_testing::{Gate, Image, Layer, PackedImage};

use crate::support::{World, config};

const LAYERS: usize = 6;

fn push(world: &World) -> PackedImage {
    let layers = (1..=LAYERS as u64).map(|seed| Layer::of_size_seeded(700_000, seed));
    let image = layers.fold(Image::new(), Image::layer);
    world.registry.push(image, "app:1")
}

fn world(downloads: usize, unpacks: usize) -> Arc<World> {
    Arc::new(World::with(PullerConfig {
        downloads,
        unpacks,
        ..config()
    }))
}

/// TM-7: the registry sees no more at a time than it should; with 0, all there are.
#[tokio::test]
async fn downloads_are_limited() {
    for (limit, at_once) in [(1, 1), (2, 2), (0, LAYERS)] {
        let world = world(limit, 4);
        let image = push(&world);
        let gate = Gate::new();
        for layer in &image.layers {
            drop(world.registry.blob(&layer.digest).held_by(&gate));
        }
        let pull = world.start("app:1");
        gate.reached(at_once).await;
        // A whole other pull goes by: whoever would come, would have come.
        world.registry.push(Image::new(), "other:1");
        world.pull("other:1").await.unwrap();
        assert_eq!(gate.arrivals(), at_once, "{limit}");
        gate.open();
        pull.outcome().await.unwrap();
    }
}

/// TM-7: the limit is one for all pulls.
#[tokio::test]
async fn the_limit_is_for_all_pulls_together() {
    let world = world(2, 4);
    let image = push(&world);
    let extra = Image::new().layer(Layer::new().file("extra", b""));
    let extra = world.registry.push(extra, "extra:1");
    let gate = Gate::new();
    for layer in image.layers.iter().chain(&extra.layers) {
        drop(world.registry.blob(&layer.digest).held_by(&gate));
    }
    let first = world.start("app:1");
    gate.reached(2).await;
    let mut second = world.start("extra:1");
    second.until_waiting_for(&extra.layers[0].digest).await;
    world.registry.push(Image::new(), "other:1");
    world.pull("other:1").await.unwrap();
    assert_eq!(gate.arrivals(), 2);
    gate.open();
    first.outcome().await.unwrap();
    second.outcome().await.unwrap();
}

/// However few may unpack, and however few download: it all comes to its end. The one that unpacks first is
/// cut again and again, and has to wait for a download slot while it has that for unpacking.
#[tokio::test]
async fn limits_do_not_lock_each_other_up() {
    for (downloads, unpacks) in [(1, 1), (2, 1), (0, 1), (1, 0), (0, 0)] {
        let world = world(downloads, unpacks);
        let image = push(&world);
        for layer in &image.layers {
            let cuts = world.registry.blob(&layer.digest);
            cuts.cut_after(200_000).times(3).then_ok();
        }
        world.pull("app:1").await.unwrap();
    }
}
