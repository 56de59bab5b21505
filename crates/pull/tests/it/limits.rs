//! Limits: how many layers are downloaded and unpacked at a time (TM-7), and rate limits.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use windlass_oci::Digest;
use windlass_pull::{LayerStatus, PullRequest, PullerConfig, RateLimit};
use windlass_testing::{Gate, ImageBuilder, LayerBuilder, PackedImage};

use crate::support::{World, config, status};

const LAYERS: usize = 6;

fn push(world: &World) -> PackedImage {
    let layers = (1..=LAYERS as u64).map(|seed| LayerBuilder::of_size_seeded(700_000, seed));
    let image = layers.fold(ImageBuilder::new(), ImageBuilder::layer);
    world.registry.push(image, "app:1")
}

fn world(downloads: usize, unpacks: usize) -> Arc<World> {
    Arc::new(World::with(PullerConfig {
        downloads,
        unpacks,
        ..config()
    }))
}

/// TM-7: the registry receives at most the configured number of requests at a time; 0 means no limit.
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
        // After another complete pull, any further request would have arrived.
        world.registry.push(ImageBuilder::new(), "other:1");
        world.pull("other:1").await.unwrap();
        assert_eq!(gate.arrivals(), at_once, "{limit}");
        gate.open();
        pull.outcome().await.unwrap();
    }
}

/// TM-7: all pulls share one limit.
#[tokio::test]
async fn the_limit_applies_to_all_pulls_together() {
    let world = world(2, 4);
    let image = push(&world);
    let extra = ImageBuilder::new().layer(LayerBuilder::new().file("extra", b""));
    let extra = world.registry.push(extra, "extra:1");
    let gate = Gate::new();
    for layer in image.layers.iter().chain(&extra.layers) {
        drop(world.registry.blob(&layer.digest).held_by(&gate));
    }
    let first = world.start("app:1");
    gate.reached(2).await;
    let mut second = world.start("extra:1");
    second.until_queued(&extra.layers[0].digest).await;
    world.registry.push(ImageBuilder::new(), "other:1");
    world.pull("other:1").await.unwrap();
    assert_eq!(gate.arrivals(), 2);
    gate.open();
    first.outcome().await.unwrap();
    second.outcome().await.unwrap();
}

/// TM-8: a pull completes with any limits on downloads and unpacking. The layer that is unpacked first is interrupted
/// repeatedly, and waits for a download slot while it occupies the slot for unpacking.
#[tokio::test]
async fn limits_cause_no_deadlock() {
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

/// Better than TM-9: additional slots are used at once; surplus slots are not used again.
#[tokio::test]
async fn the_limit_can_be_changed_while_pulls_run() {
    let world = world(1, 4);
    let image = push(&world);
    let gates: Vec<_> = { image.layers.iter() }
        .map(|layer| world.registry.blob(&layer.digest).hold())
        .collect();
    let pull = world.start("app:1");
    gates[0].reached(1).await;
    world.puller.set_downloads(3);
    gates[2].reached(1).await;
    world.puller.set_downloads(1);
    gates[0].open();
    gates[1].open();
    // After another complete pull, any further request would have arrived.
    world.registry.push(ImageBuilder::new(), "other:1");
    world.pull("other:1").await.unwrap();
    assert_eq!(gates[3].arrivals(), 0);
    gates[2].open();
    gates[3].reached(1).await;
    gates[3..].iter().for_each(Gate::open);
    pull.outcome().await.unwrap();
}

/// DM-2, DM-3: an upper layer does not wait until the layers below are downloaded or unpacked.
#[tokio::test]
async fn layers_are_downloaded_and_unpacked_in_parallel() {
    let world = world(3, 3);
    let image = push(&world);
    let base = world
        .registry
        .blob(&image.layers[0].digest)
        .hold_after(1000);
    let mut pull = world.start("app:1");
    let top = image.layers[LAYERS - 1].digest;
    pull.until(|event| matches!(status(event, &top), Some(LayerStatus::Unpacked { .. })))
        .await;
    base.open();
    pull.outcome().await.unwrap();
}

/// A pull of one small layer does not wait behind all the layers of another.
#[tokio::test]
async fn slots_are_shared_out_fairly() {
    let world = world(1, 4);
    let image = push(&world);
    let small = ImageBuilder::new().layer(LayerBuilder::new().file("small", b""));
    let small = world.registry.push(small, "small:1");
    let gate = world.registry.blob(&image.layers[0].digest).hold();
    let large = world.start("app:1");
    gate.reached(1).await;
    let mut other = world.start("small:1");
    other.until_queued(&small.layers[0].digest).await;
    gate.open();
    large.outcome().await.unwrap();
    other.outcome().await.unwrap();
    let log = world.registry.log();
    let place = |digest: &Digest| {
        let digest = digest.to_string();
        log.iter().position(|line| line.contains(&digest)).unwrap()
    };
    let places = [
        &image.layers[0],
        &small.layers[0],
        &image.layers[1],
        &image.layers[5],
    ];
    assert!(
        places.map(|layer| place(&layer.digest)).is_sorted(),
        "{log:#?}"
    );
}

/// Each of the rate limits is applied, and it can be removed during a pull.
#[tokio::test]
async fn throughput_is_limited() {
    type Limit = fn(&World, &mut PullRequest, RateLimit);
    let limits: [Limit; 3] = [
        |world, _, rate| world.puller.set_rate(rate),
        |world, _, rate| world.puller.set_registry_rate(&world.registry.host(), rate),
        |_, request, rate| request.throttle.set(rate),
    ];
    for limit in limits {
        let world = Arc::new(World::new());
        let image = ImageBuilder::new().layer(LayerBuilder::of_size(1 << 20));
        world.registry.push(image, "app:1");
        let mut request = world.request("app:1");
        limit(&world, &mut request, NonZeroU64::new(1 << 20));
        let started = Instant::now();
        let pull = world.start_request(request);
        pull.outcome().await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(800));

        let image = ImageBuilder::new().layer(LayerBuilder::of_size(2 << 20));
        let digest = world.registry.push(image, "app:2").layers[0].digest;
        let mut request = world.request("app:2");
        limit(&world, &mut request, NonZeroU64::new(1));
        let mut again = request.clone();
        let mut pull = world.start_request(request);
        pull.until(|event| matches!(status(event, &digest), Some(LayerStatus::Moving { .. })))
            .await;
        limit(&world, &mut again, None);
        pull.outcome().await.unwrap();
    }
}
