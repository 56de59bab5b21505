//! Partial blobs, which an unfinished pull leaves and the next one continues.

use std::sync::Arc;

use windlass_oci::Digest;
use windlass_pull::{LayerStatus, PullEvent, PullerConfig, Retention};
use windlass_testing::{ImageBuilder, LayerBuilder, PackedLayer, Registry};

use crate::support::{World, config, milestones, missing_layer, request};

const SIZE: usize = 3 << 20;
const HALF: u64 = 3 << 19;

fn layer(seed: u64) -> PackedLayer {
    LayerBuilder::of_size_seeded(SIZE, seed).pack()
}

/// Pulls an image of `layer`, and cancels the pull when half of the layer is downloaded.
async fn cancel_half_way(world: World, layer: &PackedLayer) -> World {
    let world = Arc::new(world);
    world
        .registry
        .push(ImageBuilder::new().layer(layer), "app:1");
    let gate = world.registry.blob(&layer.digest).hold_after(HALF);
    let mut pull = world.start("app:1");
    let digest = layer.digest;
    pull.until(|event| {
        let is_half = |status: &_| matches!(status, LayerStatus::Moving { downloaded, .. } if *downloaded == HALF);
        matches!(event, PullEvent::Layer { digest: it, status } if *it == digest && is_half(status))
    })
    .await;
    pull.cancel().await;
    world.puller.idle().await;
    gate.open();
    Arc::into_inner(world).expect("the only reference")
}

/// DL-4, DL-13: the next process resumes where this one was stopped, and reports it. No byte is counted as
/// downloaded twice.
#[tokio::test]
async fn the_next_process_resumes() {
    let layer = layer(1);
    let world = cancel_half_way(World::new(), &layer).await;
    assert_eq!(world.partial_bytes(&layer.digest), Some(HALF));

    let world = world.reopened(config()).await;
    let (pulled, events) = world.pull_with_events("app:1").await;

    let pulled = pulled.unwrap();
    let rest = format!("bytes={HALF}-");
    assert_eq!(
        world.registry.requested_ranges(&layer.digest),
        ["whole", &rest]
    );
    assert_eq!(pulled.downloaded_bytes, layer.size - HALF);
    let planned = events.iter().find_map(|event| match event {
        PullEvent::Planned {
            missing_bytes,
            resumed_bytes,
            ..
        } => Some((*missing_bytes, *resumed_bytes)),
        _ => None,
    });
    assert_eq!(planned, Some((layer.size, HALF)));
    let reported = milestones(&events, &layer.digest);
    assert_eq!(
        reported[..2],
        [LayerStatus::Queued, LayerStatus::Resumed { bytes: HALF }]
    );
    assert_eq!(world.partial_bytes(&layer.digest), None);
}

/// A partial blob is used for any image that needs the blob, from any repository that has it.
#[tokio::test]
async fn another_image_from_another_registry_resumes() {
    let layer = layer(1);
    let world = cancel_half_way(World::new(), &layer).await;
    let other = Registry::start();
    let image = ImageBuilder::new()
        .layer(LayerBuilder::new().file("base", b""))
        .layer(&layer);
    other.push(image, "other:2");
    let (events, _) = windlass_pull::PullEvents::channel();
    world
        .puller
        .pull(&request(&other, "other:2"), &events)
        .await
        .unwrap();
    assert_eq!(
        other.requested_ranges(&layer.digest),
        [format!("bytes={HALF}-")]
    );
    assert_eq!(world.registry.requested_ranges(&layer.digest), ["whole"]);
}

/// Unlike in Docker (DM-15), layers that were complete when the pull failed are not fetched again. One request checks
/// that the caller may read them.
#[tokio::test]
async fn complete_layers_are_kept_after_a_failed_pull() {
    let world = World::new();
    let (complete, failing) = (layer(1), layer(2));
    let image = ImageBuilder::new().layer(&complete).layer(&failing);
    world.registry.push(image, "app:1");
    let script = world.registry.blob(&failing.digest).status(503);
    script.times(3).then_ok();
    let config = || PullerConfig {
        // With one download at a time, the first layer is complete when the second fails.
        downloads: 1,
        ..config()
    };
    let world = world.reopened(config()).await;
    world.pull_error("app:1").await;
    assert_eq!(world.partial_bytes(&complete.digest), Some(complete.size));

    let world = world.reopened(config()).await;
    let before = world.registry.log().len();
    world.pull("app:1").await.unwrap();
    let requested: Vec<_> = { world.log_since(before).into_iter() }
        .filter(|line| line.contains(&complete.digest.to_string()))
        .collect();
    let head = format!("HEAD /v2/app/blobs/{} 200", complete.digest);
    assert_eq!(requested, [head]);
}

/// A complete blob from the failed pull of another caller is used only after an access check (D13).
#[tokio::test]
async fn a_complete_blob_is_not_used_without_proof_of_access() {
    let world = World::new();
    let (secret, failing) = (layer(1), layer(2));
    let image = ImageBuilder::new().layer(&secret).layer(&failing);
    world.registry.push(image, "app:1");
    world.registry.blob(&failing.digest).status(404).forever();
    let one_by_one = PullerConfig {
        downloads: 1,
        ..config()
    };
    let world = world.reopened(one_by_one).await;
    world.pull_error("app:1").await;
    assert_eq!(world.partial_bytes(&secret.digest), Some(secret.size));

    let other = Registry::start();
    other.push(ImageBuilder::new().layer(&secret), "mine:1");
    other.remove_blob(&secret.digest);
    let (events, _) = windlass_pull::PullEvents::channel();
    let outcome = world.puller.pull(&request(&other, "mine:1"), &events).await;
    let error = world.error_text(&outcome.unwrap_err());
    let error = error.replace(other.url(), "REGISTRY");
    assert_eq!(error, missing_layer("mine", &secret.digest));
    world.puller.idle().await;
    world.assert_store_empty();
}

/// T45: damaged bytes of a partial blob are detected, and the whole blob is fetched again.
#[tokio::test]
async fn a_damaged_partial_blob_is_discarded() {
    let layer = layer(1);
    let world = cancel_half_way(World::new(), &layer).await;
    let file = world.partial_path(&layer);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    world.pull("app:1").await.unwrap();

    let rest = format!("bytes={HALF}-");
    let requested = world.registry.requested_ranges(&layer.digest);
    assert_eq!(requested, ["whole", &rest, "whole"]);
}

/// Wrong bytes are discarded: the next pull starts at the first byte.
#[tokio::test]
async fn wrong_bytes_are_not_kept() {
    type Fault = fn(&Registry, &Digest);
    let faults: [Fault; 2] = [
        |registry, blob| registry.blob(blob).corrupt(1_000).forever(),
        |registry, blob| registry.blob(blob).endless().forever(),
    ];
    for inject in faults {
        let world = World::new();
        let layer = layer(1);
        world
            .registry
            .push(ImageBuilder::new().layer(&layer), "app:1");
        inject(&world.registry, &layer.digest);
        world.pull_error("app:1").await;
        assert_eq!(world.partial_bytes(&layer.digest), None);
        assert_eq!(world.on_disk(), [""; 0]);
    }
}

/// The age and the size of partial blobs are limited by the configuration.
#[tokio::test]
async fn partial_blobs_are_limited() {
    let layer = layer(1);
    let world = World::with(PullerConfig {
        retention: Retention {
            max_bytes: 1 << 20,
            ..Retention::default()
        },
        ..config()
    });
    let world = cancel_half_way(world, &layer).await;
    assert_eq!(world.partial_bytes(&layer.digest), None);
    assert_eq!(world.on_disk(), [""; 0]);
}
