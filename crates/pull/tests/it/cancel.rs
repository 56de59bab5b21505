//! Cancelled pulls (T37): a transfer without watchers stops, and leaves only its partial blob.

use std::sync::Arc;

use windlass_pull::{LayerStatus, PullerConfig};
use windlass_testing::{ImageBuilder, LayerBuilder};

use crate::support::{World, config, status};

fn image() -> ImageBuilder {
    ImageBuilder::new()
        .layer(LayerBuilder::of_size_seeded(2 << 20, 1))
        .layer(LayerBuilder::of_size_seeded(2 << 20, 2))
}

/// T37, TM-4: both pulls of a transfer are cancelled while its layers are downloaded.
#[tokio::test]
async fn a_transfer_without_watchers_stops() {
    let world = Arc::new(World::new());
    let image = world.registry.push(image(), "one:1");
    world.registry.push(&image, "two:1");
    let [first, second] = [image.layers[0].digest, image.layers[1].digest];
    let gate = world.registry.blob(&first).hold_after(1 << 20);
    drop(world.registry.blob(&second).held_by_after(&gate, 1 << 20));

    let one = world.start("one:1");
    gate.reached(2).await;
    let mut two = world.start("two:1");
    two.until_queued(&second).await;
    one.cancel().await;
    two.cancel().await;

    world.puller.idle().await;
    world.assert_store_empty();
    // The next pull continues the partial blob.
    let partial = world.partial_bytes(&first).unwrap();
    assert!(partial > 0);
    gate.open();
    world.pull("one:1").await.unwrap();
    let rest = format!("bytes={partial}-");
    assert_eq!(world.registry.requested_ranges(&first), ["whole", &rest]);
}

/// T37, DL-14, DM-8: before the registry responds.
#[tokio::test]
async fn a_pull_can_be_cancelled_before_a_response() {
    let world = Arc::new(World::new());
    let image = world.registry.push(image(), "app:1");
    let routes = [
        world.registry.manifest("1").hold(),
        world.registry.blob(&image.config_digest).hold(),
        world.registry.blob(&image.layers[1].digest).hold(),
    ];
    for gate in routes {
        let pull = world.start("app:1");
        gate.reached(1).await;
        pull.cancel().await;
        world.puller.idle().await;
        world.assert_store_empty();
    }
    world.pull("app:1").await.unwrap();
}

/// T37: some layers are unpacked, some wait for a slot, some wait to be unpacked.
#[tokio::test]
async fn a_pull_can_be_cancelled_with_layers_in_every_state() {
    let config = PullerConfig {
        downloads: 2,
        unpacks: 1,
        ..config()
    };
    let world = Arc::new(World::with(config));
    let layers = (1..=5).map(|seed| LayerBuilder::of_size_seeded(600_000, seed));
    let image = layers.fold(ImageBuilder::new(), ImageBuilder::layer);
    let image = world.registry.push(image, "app:1");
    // The first layer is unpacked and held; the second is downloaded, and waits until the first is unpacked.
    let gate = world
        .registry
        .blob(&image.layers[0].digest)
        .hold_after(300_000);
    let second = image.layers[1].digest;

    let mut pull = world.start("app:1");
    gate.reached(1).await;
    pull.until(|event| status(event, &second) == Some(&LayerStatus::Downloaded))
        .await;
    pull.cancel().await;

    world.puller.idle().await;
    world.assert_store_empty();
}

/// TM-2: a pull that arrives while a transfer is being stopped starts a new transfer.
#[tokio::test]
async fn a_pull_right_after_a_cancelled_one_starts_a_new_transfer() {
    let world = Arc::new(World::new());
    let image = world.registry.push(image(), "app:1");
    let layer = image.layers[0].digest;
    let gate = world.registry.blob(&layer).hold_after(1 << 20);
    let pull = world.start("app:1");
    gate.reached(1).await;
    pull.cancel().await;
    gate.open();
    world.pull("app:1").await.unwrap();
    let requested = world.registry.requested_ranges(&layer);
    assert_eq!(requested.len(), 2, "{requested:?}");
    world.puller.idle().await;
    world.assert_no_leftovers();
}

/// A pull that is cancelled during the commit leaves the whole image visible, or nothing of it.
#[tokio::test]
async fn a_commit_is_waited_for() {
    let world = Arc::new(World::new());
    world.registry.push(image(), "app:1");
    let mut pull = world.start("app:1");
    pull.until(|event| *event == windlass_pull::PullEvent::Committing)
        .await;
    // The runtime has one thread, so the pull has not continued since.
    pull.cancel().await;
    world.puller.idle().await;
    assert_eq!(world.images().len(), 1);
    world.assert_no_leftovers();
}
