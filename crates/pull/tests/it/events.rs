//! The events of a pull: each milestone once and in order, and byte counts that only grow.

use windlass_oci::Digest;
use windlass_pull::{LayerStatus, PlannedLayer, PullEvent};
use windlass_testing::{ImageBuilder, LayerBuilder, PackedLayer};

use crate::support::{World, status};

fn planned(layer: &PackedLayer, exists: bool) -> PlannedLayer {
    PlannedLayer {
        digest: layer.digest,
        size: layer.size,
        exists,
    }
}

fn without_counts(events: Vec<PullEvent>) -> Vec<PullEvent> {
    let counts = |event: &PullEvent| {
        let PullEvent::Layer { status, .. } = event else {
            return false;
        };
        matches!(status, LayerStatus::Moving { .. })
    };
    events.into_iter().filter(|event| !counts(event)).collect()
}

/// PG-1, DM-7: all events of a small pull, and of the next one, which is up to date.
#[tokio::test]
async fn events_of_a_small_pull() {
    let world = World::new();
    let image = ImageBuilder::new()
        .platform("linux/s390x")
        .layer(LayerBuilder::new().file("a", b"12345"));
    let image = world.registry.push(image, "app:1");
    let layer = &image.layers[0];
    let of_layer = |status| PullEvent::Layer {
        digest: layer.digest,
        status,
    };
    let resolving = PullEvent::Resolving {
        reference: world.registry.name("app:1").parse().unwrap(),
    };
    let resolved = PullEvent::Resolved {
        endpoint: world.origin(),
        digest: image.digest,
        platform: "linux/s390x".parse().unwrap(),
    };

    let (outcome, events) = world.pull_with_events("app:1").await;
    outcome.unwrap();
    assert_eq!(
        without_counts(events),
        [
            resolving.clone(),
            resolved.clone(),
            PullEvent::Planned {
                layers: vec![planned(layer, false)],
                missing_bytes: layer.size,
                reused_bytes: 0,
                resumed_bytes: 0,
            },
            of_layer(LayerStatus::Queued),
            of_layer(world.connecting(1)),
            of_layer(LayerStatus::Downloaded),
            of_layer(LayerStatus::Verifying),
            of_layer(LayerStatus::Unpacked {
                size: 5,
                skipped_devices: 0,
                skipped_xattrs: 0,
            }),
            PullEvent::Committing,
        ]
    );

    let (outcome, events) = world.pull_with_events("app:1").await;
    outcome.unwrap();
    assert_eq!(
        events,
        [
            resolving,
            resolved,
            PullEvent::Planned {
                layers: vec![planned(layer, true)],
                missing_bytes: 0,
                reused_bytes: layer.size,
                resumed_bytes: 0,
            },
            PullEvent::Committing,
        ]
    );
}

/// The plan counts a layer once, lists it as often as the manifest does, and marks the layers that are present.
#[tokio::test]
async fn the_plan_marks_present_layers() {
    let world = World::new();
    let [base, top] = ["base", "top"].map(|name| LayerBuilder::new().file(name, name).pack());
    world
        .registry
        .push(ImageBuilder::new().layer(&base), "base:1");
    let image = ImageBuilder::new()
        .layer(&base)
        .layer(&top)
        .layer(&base)
        .layer(&top);
    world.registry.push(image, "app:1");
    world.pull("base:1").await.unwrap();

    let (outcome, events) = world.pull_with_events("app:1").await;

    let pulled = outcome.unwrap();
    assert_eq!(pulled.downloaded_bytes, top.size);
    assert_eq!(pulled.reused_bytes, base.size);
    assert_eq!(
        events[2],
        PullEvent::Planned {
            layers: [(&base, true), (&top, false), (&base, true), (&top, false)]
                .map(|(layer, exists)| planned(layer, exists))
                .to_vec(),
            missing_bytes: top.size,
            reused_bytes: base.size,
            resumed_bytes: 0,
        }
    );
}

/// Checks that the reported counts of a layer only grow, and end at its size.
fn assert_counts(events: &[PullEvent], layer: &Digest, size: u64) {
    let counts: Vec<_> = events
        .iter()
        .filter_map(|event| match status(event, layer)? {
            LayerStatus::Moving {
                downloaded,
                unpacked,
            } => Some((*downloaded, *unpacked)),
            _ => None,
        })
        .collect();
    let grow = counts
        .windows(2)
        .all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1);
    assert!(grow, "{counts:?}");
    let in_bounds = counts
        .iter()
        .all(|(downloaded, unpacked)| unpacked <= downloaded && *downloaded <= size);
    assert!(in_bounds, "{counts:?}");
    assert_eq!(counts.last(), Some(&(size, size)));
}

/// PG-2: with retries, and with bytes that are received twice.
#[tokio::test]
async fn counts_only_grow_and_end_at_the_size() {
    let world = World::new();
    let image = ImageBuilder::new()
        .layer(LayerBuilder::of_size_seeded(3 << 20, 1))
        .layer(LayerBuilder::of_size_seeded(1 << 20, 2))
        .layer(LayerBuilder::new());
    let image = world.registry.push(image, "app:1");
    let script = world.registry.blob(&image.layers[0].digest);
    let script = script.cut_after(1 << 20).then().ignore_range();
    script.cut_after(2 << 20).then().wrong_range().then_ok();
    let cut = world.registry.blob(&image.layers[1].digest);
    cut.cut_after(100).times(2).then_ok();

    let (outcome, events) = world.pull_with_events("app:1").await;

    outcome.unwrap();
    for layer in &image.layers {
        assert_counts(&events, &layer.digest, layer.size);
    }
}

#[tokio::test]
async fn a_pull_continues_without_a_receiver_of_events() {
    let world = World::new();
    let image = ImageBuilder::new().layer(LayerBuilder::new().file("a", b"1"));
    world.registry.push(image, "app:1");
    let (events, receiver) = windlass_pull::PullEvents::channel();
    drop(receiver);
    let request = world.request("app:1");
    world.puller.pull(&request, &events).await.unwrap();
}
