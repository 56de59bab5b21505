//! Pruning while a pull is running.

use std::path::Path;

use windlass::transfer::LayerStatus;
use windlass::{EventSender, Prune, PullEvent, RemoveOptions};
use windlass_testing::{ImageBuilder, LayerBuilder};

use crate::support::World;

fn everything() -> Prune {
    Prune {
        all: true,
        partials: true,
        ..Prune::default()
    }
}

fn exists(root: &Path, area: &str, digest: &windlass::image::Digest) -> bool {
    root.join(area).join("sha256").join(digest.hex()).exists()
}

/// R6, DM-16: while one layer downloads, another one was stored before, and a third one is unpacked.
#[tokio::test]
async fn pruning_keeps_what_a_running_pull_needs() {
    let world = World::new();
    let layer = |seed| LayerBuilder::of_size_seeded(500_000, seed).pack();
    let (base, done, slow) = (layer(1), layer(2), layer(3));
    let one = ImageBuilder::new().layer(&base).layer(layer(4));
    let one = world.registry.push(one, "one:1");
    let two = ImageBuilder::new().layer(&base).layer(&done).layer(&slow);
    let two = world.registry.push(two, "two:1");
    world.pull("one:1").await;

    let gate = world.registry.blob(&slow.digest).hold_after(200_000);
    let (events, mut received) = EventSender::channel();
    let pull = world.engine.pull(world.request("two:1")).start();
    let pulling = tokio::spawn(pull.drive(move |event| events.send(event)));
    gate.reached(1).await;
    while let Some(event) = received.next().await {
        if let PullEvent::Layer { digest, status, .. } = event
            && digest == done.digest
            && matches!(status, LayerStatus::Unpacked { .. })
        {
            break;
        }
    }

    let pruned = world.engine.prune(&everything()).unwrap();
    assert_eq!(pruned.partials, []);
    assert_eq!(world.engine.images().unwrap(), []);
    let root = world.root();
    let diff_ids = one.diff_ids();
    assert!(
        exists(&root, "layers", diff_ids[0].digest()),
        "the pull needs it"
    );
    assert!(!exists(&root, "layers", diff_ids[1].digest()));
    assert!(exists(&root, "blobs", &base.digest), "the pull needs it");
    assert!(!exists(&root, "blobs", &one.layers[1].digest));

    gate.open();
    let pulled = pulling.await.unwrap().unwrap();
    assert_eq!(*pulled.image_id.digest(), two.config_digest);
    for digest in [&base.digest, &done.digest, &slow.digest] {
        assert_eq!(world.registry.requested_ranges(digest), ["whole"]);
        assert!(exists(&root, "blobs", digest));
    }
    for diff_id in two.diff_ids() {
        assert!(exists(&root, "layers", diff_id.digest()));
    }

    // The content that was kept for the pull belongs to the image, and is removed with it.
    world.engine.idle().await;
    let name = world.registry.name("two:1").parse().unwrap();
    let preview = world.engine.prune_preview(&everything()).unwrap();
    let removal = world
        .engine
        .remove(&name, RemoveOptions::default())
        .unwrap();
    assert_eq!(removal.freed, preview.freed);
    for area in ["blobs/sha256", "layers/sha256", "drafts", "ingest"] {
        let remaining = std::fs::read_dir(root.join(area)).unwrap().count();
        assert_eq!(remaining, 0, "{area}");
    }
}

/// Partial blobs of interrupted pulls are removed only on request.
#[tokio::test]
async fn partial_blobs_are_removed_on_request() {
    let world = World::new();
    let slow = LayerBuilder::of_size_seeded(500_000, 1).pack();
    world
        .registry
        .push(ImageBuilder::new().layer(&slow), "one:1");
    let gate = world.registry.blob(&slow.digest).hold_after(200_000);
    let pulling = tokio::spawn(world.engine.pull(world.request("one:1")).into_future());
    gate.reached(1).await;
    // There is one thread only, which the pull needs to read the received bytes.
    while world.engine.disk_usage().unwrap().partial.size < 100_000 {
        tokio::task::yield_now().await;
    }
    pulling.abort();
    assert!(pulling.await.unwrap_err().is_cancelled());
    world.engine.idle().await;

    let images_only = Prune {
        partials: false,
        ..everything()
    };
    assert_eq!(world.engine.prune(&images_only).unwrap().freed, 0);
    let usage = world.engine.disk_usage().unwrap().partial;
    let preview = world.engine.prune_preview(&everything()).unwrap();
    let pruned = world.engine.prune(&everything()).unwrap();
    assert_eq!(pruned, preview);
    assert_eq!(pruned.partials.len(), 1);
    assert_eq!(pruned.partials[0].digest, slow.digest);
    assert_eq!(pruned.freed, usage.reclaimable);
    assert_eq!(world.engine.disk_usage().unwrap().partial.size, 0);
}
