//! Retries: how many attempts there are, and the pauses between them.

use std::sync::Arc;
use std::time::Duration;

use windlass_pull::{LayerStatus, PullEvent, PullerConfig, RetryPolicy};
use windlass_testing::{ImageBuilder, LayerBuilder};

use crate::support::{World, config, milestones, missing_layer, status};

/// DM-10, PG-1: each attempt and each pause is reported, with its number and its reason.
#[tokio::test]
async fn attempts_are_counted_and_reported() {
    let world = World::new();
    let image = ImageBuilder::new().layer(LayerBuilder::new().file("a", b"1"));
    let image = world.registry.push(image, "app:1");
    let layer = image.layers[0].digest;
    let script = world.registry.blob(&layer).status(503);
    script.then().status(429).then_ok();

    let (outcome, events) = world.pull_with_events("app:1").await;

    outcome.unwrap();
    let requested = format!("blob {layer} of app at {}", world.registry.url());
    let after = Duration::from_millis(1);
    let reported = milestones(&events, &layer);
    let retries: Vec<_> = reported
        .iter()
        .filter_map(|status| match status {
            LayerStatus::Retrying {
                after,
                attempt,
                reason,
            } => Some((*after, *attempt, reason.0.to_string())),
            _ => None,
        })
        .collect();
    let busy = format!("{requested}: unavailable: status 503");
    let often = format!("{requested}: too many requests");
    assert_eq!(retries, [(after, 2, busy), (after, 3, often)]);
    let others: Vec<_> = reported
        .into_iter()
        .filter(|status| !matches!(status, LayerStatus::Retrying { .. }))
        .collect();
    assert_eq!(
        others,
        [
            LayerStatus::Queued,
            world.connecting(1),
            world.connecting(2),
            world.connecting(3),
            LayerStatus::Downloaded,
            LayerStatus::Verifying,
            LayerStatus::Unpacked {
                size: 1,
                skipped_devices: 0,
                skipped_xattrs: 0
            },
        ]
    );
}

/// DM-12: the failure of one layer ends the pull and the transfers of its other layers.
#[tokio::test]
async fn a_layer_that_always_fails_ends_the_pull() {
    let world = World::new();
    let image = ImageBuilder::new()
        .layer(LayerBuilder::of_size(1 << 20))
        .layer(LayerBuilder::new().file("a", b"1"));
    let image = world.registry.push(image, "app:1");
    let [waiting, failing] = [image.layers[0].digest, image.layers[1].digest];
    let gate = world.registry.blob(&waiting).hold_after(1 << 18);
    world.registry.blob(&failing).status(503).forever();

    let error = world.pull_error("app:1").await;

    let expected =
        format!("layer {failing}: blob {failing} of app at REGISTRY: unavailable: status 503");
    assert_eq!(error, expected);
    assert_eq!(world.registry.requested_ranges(&failing), ["whole"; 3]);
    world.assert_store_empty();
    gate.open();
}

/// S2-10: requests for documents are retried, too.
#[tokio::test]
async fn manifests_and_configs_are_retried() {
    let world = World::new();
    let image = world.registry.push(ImageBuilder::new(), "app:1");
    world.registry.manifest("1").status(502).times(2).then_ok();
    let config = world.registry.blob(&image.config_digest);
    config.cut_after(20).times(2).then_ok();
    world.pull("app:1").await.unwrap();
    let config = format!("GET /v2/app/blobs/{} 200", image.config_digest);
    assert_eq!(
        world.registry.log(),
        [
            "GET /v2/app/manifests/1 502",
            "GET /v2/app/manifests/1 502",
            "GET /v2/app/manifests/1 200",
            &config,
            &config,
            &config,
        ]
    );
}

/// DL-10.
#[tokio::test]
async fn a_final_error_is_not_retried() {
    let world = World::new();
    let image = ImageBuilder::new().layer(LayerBuilder::new().file("a", b"1"));
    let image = world.registry.push(image, "app:1");
    let layer = image.layers[0].digest;
    world.registry.remove_blob(&layer);
    let error = world.pull_error("app:1").await;
    assert_eq!(error, missing_layer("app", &layer));
    assert_eq!(world.registry.requested_ranges(&layer), ["whole"]);
    world.assert_store_empty();
}

/// A pause that is longer than the configured maximum fails the pull at once.
#[tokio::test]
async fn a_requested_pause_that_is_too_long_ends_the_pull() {
    let world = World::new();
    let image = ImageBuilder::new().layer(LayerBuilder::new().file("a", b"1"));
    let image = world.registry.push(image, "app:1");
    let layer = image.layers[0].digest;
    let script = world.registry.blob(&layer).status(429);
    script.retry_after(61).then_ok();
    let error = world.pull_error("app:1").await;
    let expected = format!(
        "layer {layer}: blob {layer} of app at REGISTRY: too many requests, retry after 61 s"
    );
    assert_eq!(error, expected);
    assert_eq!(world.registry.requested_ranges(&layer), ["whole"]);
}

/// DM-11: while one layer pauses, another uses its slot. Cancelling in the pause does not wait for its end.
#[tokio::test]
async fn a_pause_occupies_no_slot() {
    let long_pauses = PullerConfig {
        downloads: 1,
        retry: RetryPolicy {
            first_pause: Duration::from_secs(100_000),
            longest_pause: Duration::MAX,
            ..config().retry
        },
        ..config()
    };
    let world = Arc::new(World::with(long_pauses));
    let image = ImageBuilder::new()
        .layer(LayerBuilder::new().file("a", b"1"))
        .layer(LayerBuilder::new().file("b", b"2"));
    let image = world.registry.push(image, "app:1");
    let [pausing, other] = [image.layers[0].digest, image.layers[1].digest];
    world.registry.blob(&pausing).status(503).forever();

    let mut pull = world.start("app:1");
    let unpacked = |event: &_| matches!(status(event, &other), Some(LayerStatus::Unpacked { .. }));
    pull.until(unpacked).await;
    assert_eq!(world.registry.requested_ranges(&pausing), ["whole"]);

    pull.cancel().await;
    world.puller.idle().await;
    world.assert_store_empty();
}

/// T34: a rate limit applies to all layers: 20 layers do not send 20 requests during its pause, and the pause
/// is reported.
#[tokio::test]
async fn a_rate_limit_pauses_all_layers() {
    let long_pauses = PullerConfig {
        retry: RetryPolicy {
            longest_requested_pause: Duration::MAX,
            ..config().retry
        },
        ..config()
    };
    let world = Arc::new(World::with(long_pauses));
    let mut image = ImageBuilder::new();
    for number in 0..20 {
        image = image.layer(LayerBuilder::new().file(format!("f{number}"), b"1"));
    }
    let image = world.registry.push(image, "app:1");
    for layer in &image.layers {
        world
            .registry
            .blob(&layer.digest)
            .status(429)
            .retry_after(100_000)
            .forever();
    }

    let mut pull = world.start("app:1");
    let mut paused = 0;
    while paused < 17 {
        let event = pull
            .until(|event| matches!(event, PullEvent::Layer { .. }))
            .await;
        let PullEvent::Layer { status, .. } = event else {
            continue;
        };
        paused += usize::from(matches!(status, LayerStatus::Paused { .. }));
    }
    // Only the requests that were sent before the pause: one for each slot.
    assert!(
        world.blob_request_count() <= 1 + 3,
        "{:?}",
        world.registry.log()
    );
    pull.cancel().await;
    world.puller.idle().await;
}

#[tokio::test]
async fn a_pull_survives_a_restart_of_the_registry() {
    let many_attempts = PullerConfig {
        retry: RetryPolicy {
            attempts: u32::MAX,
            ..config().retry
        },
        ..config()
    };
    let world = Arc::new(World::with(many_attempts));
    let image = ImageBuilder::new().layer(LayerBuilder::of_size(3 << 20));
    let image = world.registry.push(image, "app:1");
    let layer = image.layers[0].digest;
    let gate = world.registry.blob(&layer).hold_after(1 << 20);

    let mut pull = world.start("app:1");
    gate.reached(1).await;
    world.registry.reset_connections();
    let retrying = |event: &_| matches!(status(event, &layer), Some(LayerStatus::Retrying { .. }));
    pull.until(retrying).await;
    pull.until(retrying).await;
    world.registry.restore();

    pull.outcome().await.unwrap();
    let requested = world.registry.requested_ranges(&layer);
    let again = requested.last().unwrap();
    assert!(again.starts_with("bytes="), "{requested:?}");
}
