//! Concurrent pulls of images with common layers share transfers, but neither errors nor access.

use std::sync::Arc;

use windlass_oci::{DiffId, Digest};
use windlass_pull::{LayerStatus, PullOutcome};
use windlass_testing::{ImageBuilder, LayerBuilder, PackedLayer, Registry};

use crate::support::{World, missing_layer, request, status};

fn base() -> PackedLayer {
    LayerBuilder::of_size(1 << 20).pack()
}

fn on(base: &PackedLayer, top: &str) -> ImageBuilder {
    ImageBuilder::new()
        .layer(base)
        .layer(LayerBuilder::new().file(top, top.as_bytes()))
}

/// DL-1, DM-5, DM-6: each blob is fetched once, whatever its position in the images is.
#[tokio::test]
async fn a_shared_layer_is_fetched_once() {
    let world = Arc::new(World::new());
    let base = base();
    let one = world.registry.push(on(&base, "one"), "one:1");
    let above = ImageBuilder::new()
        .layer(LayerBuilder::new().file("below", b""))
        .layer(&base);
    let two = world.registry.push(above, "two:1");
    let gate = world.registry.blob(&base.digest).hold_after(1 << 19);

    let first = world.start("one:1");
    gate.reached(1).await;
    let mut second = world.start("two:1");
    second.until_queued(&base.digest).await;
    gate.open();

    let outcomes = [first.outcome().await, second.outcome().await];
    let outcomes = outcomes.map(|pulled| pulled.unwrap().outcome);
    assert_eq!(outcomes, [PullOutcome::Downloaded; 2]);
    for layer in one.layers.iter().chain(&two.layers) {
        assert_eq!(world.registry.requested_ranges(&layer.digest), ["whole"]);
    }
    assert_eq!(world.images().len(), 2);
    world.puller.idle().await;
    world.assert_no_leftovers();
}

/// Two concurrent pulls of the same image, from two repositories.
#[tokio::test]
async fn one_image_by_two_names_is_fetched_once() {
    let world = Arc::new(World::new());
    let base = base();
    let image = world.registry.push(on(&base, "top"), "one:1");
    world.registry.push(&image, "two:1");
    let gate = world.registry.blob(&base.digest).hold();

    let first = world.start("one:1");
    gate.reached(1).await;
    let mut second = world.start("two:1");
    second.until_queued(&base.digest).await;
    gate.open();

    let [first, second] = [first.outcome().await, second.outcome().await].map(Result::unwrap);
    assert_eq!(first.image_id, second.image_id);
    assert_eq!(world.registry.requested_ranges(&base.digest), ["whole"]);
    assert_eq!(world.images()[0].tags.len(), 2);
}

/// TM-3: the pull that started the transfer is cancelled; the other continues with the bytes so far.
#[tokio::test]
async fn a_cancelled_pull_does_not_affect_the_other() {
    let world = Arc::new(World::new());
    let base = base();
    world.registry.push(on(&base, "one"), "one:1");
    world.registry.push(on(&base, "two"), "two:1");
    let gate = world.registry.blob(&base.digest).hold_after(1 << 19);

    let first = world.start("one:1");
    gate.reached(1).await;
    let mut second = world.start("two:1");
    second.until_queued(&base.digest).await;
    first.cancel().await;
    gate.open();

    second.outcome().await.unwrap();
    assert_eq!(world.registry.requested_ranges(&base.digest), ["whole"]);
    assert_eq!(world.images().len(), 1);
    world.puller.idle().await;
    world.assert_no_leftovers();
}

/// T20, S2-6: a pull whose config has a wrong diff ID for a blob fails; a simultaneous one with the right diff
/// ID does not, and neither fetches the blob twice.
#[tokio::test]
async fn a_wrong_diff_id_fails_only_its_own_pull() {
    let world = Arc::new(World::new());
    let correct = base();
    let mut wrong = correct.clone();
    wrong.diff_id = DiffId::new(Digest::sha256(b"another tar"));
    world.registry.push(on(&wrong, "wrong"), "wrong:1");
    world.registry.push(on(&correct, "correct"), "correct:1");
    let gate = world.registry.blob(&correct.digest).hold();

    let first = world.start("wrong:1");
    gate.reached(1).await;
    let mut second = world.start("correct:1");
    second.until_queued(&correct.digest).await;
    gate.open();

    let error = world.error_text(&first.outcome().await.unwrap_err());
    let (digest, actual, expected) = (&correct.digest, &correct.diff_id, &wrong.diff_id);
    assert_eq!(
        error,
        format!("the diff ID of layer {digest} is {actual}, but the config has {expected}")
    );
    second.outcome().await.unwrap();
    assert_eq!(world.registry.requested_ranges(&correct.digest), ["whole"]);
    assert_eq!(world.images().len(), 1);
}

/// T16: the same with a wrong size.
#[tokio::test]
async fn a_wrong_size_fails_only_its_own_pull() {
    for difference in [-1, 1] {
        let world = Arc::new(World::new());
        let correct = base();
        let mut wrong = correct.clone();
        wrong.size = wrong.size.checked_add_signed(difference).unwrap();
        world.registry.push(on(&wrong, "wrong"), "wrong:1");
        world.registry.push(on(&correct, "correct"), "correct:1");
        let gate = world.registry.blob(&correct.digest).hold();

        let first = world.start("wrong:1");
        gate.reached(1).await;
        let mut second = world.start("correct:1");
        second.until_queued(&correct.digest).await;
        gate.open();

        let error = world.error_text(&first.outcome().await.unwrap_err());
        let (digest, actual, expected) = (&correct.digest, correct.size, wrong.size);
        let sizes = if difference < 0 {
            format!("more than the expected {expected} bytes: at least {actual}")
        } else {
            format!("{actual} bytes where {expected} were expected")
        };
        assert_eq!(
            error,
            format!("layer {digest}: blob {digest} of wrong at REGISTRY: {sizes}")
        );
        second.outcome().await.unwrap();
        assert_eq!(world.images().len(), 1);
    }
}

/// If the registry of a transfer fails, its own pull fails. The other pull fetches the blob from its own registry.
#[tokio::test]
async fn a_broken_registry_fails_only_its_own_pull() {
    let faults: [fn(&Registry, &Digest); 3] = [
        |registry, blob| registry.blob(blob).status(503).forever(),
        |registry, blob| registry.blob(blob).corrupt(1_000).forever(),
        |registry, blob| registry.remove_blob(blob),
    ];
    for break_it in faults {
        let (world, broken) = (Arc::new(World::new()), Registry::start());
        let base = base();
        broken.push(on(&base, "one"), "one:1");
        world.registry.push(on(&base, "two"), "two:1");
        let gate = broken.blob(&base.digest).status(503).hold();
        break_it(&broken, &base.digest);

        let first = world.start_request(request(&broken, "one:1"));
        gate.reached(1).await;
        let mut second = world.start("two:1");
        second.until_queued(&base.digest).await;
        gate.open();

        first.outcome().await.unwrap_err();
        second.outcome().await.unwrap();
        assert_eq!(world.registry.requested_ranges(&base.digest), ["whole"]);
        assert_eq!(world.images().len(), 1);
        world.puller.idle().await;
        world.assert_no_leftovers();
    }
}

/// TM-6: a late watcher receives the current state of the transfer, and no backlog.
#[tokio::test]
async fn a_late_watcher_gets_the_current_state() {
    let world = Arc::new(World::new());
    let base = base();
    world.registry.push(on(&base, "one"), "one:1");
    world.registry.push(on(&base, "two"), "two:1");
    let script = world.registry.blob(&base.digest).status(503);
    let gate = script.then().hold_after(1 << 19);

    let mut first = world.start("one:1");
    gate.reached(1).await;
    let half = |event: &_| {
        let moving = status(event, &base.digest);
        matches!(moving, Some(LayerStatus::Moving { downloaded, .. }) if *downloaded == 1 << 19)
    };
    first.until(half).await;
    let mut second = world.start("two:1");
    second.until_queued(&base.digest).await;
    let next = second
        .until(|event| status(event, &base.digest).is_some())
        .await;
    let connecting = world.connecting(2);
    assert_eq!(status(&next, &base.digest), Some(&connecting));
    let next = second
        .until(|event| status(event, &base.digest).is_some())
        .await;
    assert!(half(&next), "{next:?}");
    gate.open();
    first.outcome().await.unwrap();
    second.outcome().await.unwrap();
}

/// D13, DM-6: joining a transfer is no authorisation. A pull that names a blob in transfer for another pull, but
/// has no access to it at its own registry, gets it neither during that transfer nor after it.
#[tokio::test]
async fn a_digest_alone_gives_no_access_to_a_blob() {
    for is_fetched in [false, true] {
        let (world, other) = (Arc::new(World::new()), Registry::start());
        let secret = base();
        let image = world.registry.push(on(&secret, "own"), "own:1");
        other.push(on(&secret, "mine"), "mine:1");
        other.remove_blob(&secret.digest);
        let held_layer = usize::from(is_fetched);
        let gate = world.registry.blob(&image.layers[held_layer].digest).hold();

        let mut owner = world.start("own:1");
        gate.reached(1).await;
        if is_fetched {
            owner
                .until(|event| {
                    matches!(
                        status(event, &secret.digest),
                        Some(LayerStatus::Unpacked { .. })
                    )
                })
                .await;
        }
        let unauthorized = world.start_request(request(&other, "mine:1"));
        let error = unauthorized.outcome().await.unwrap_err();
        let error = world.error_text(&error).replace(other.url(), "REGISTRY");
        assert_eq!(error, missing_layer("mine", &secret.digest));
        gate.open();

        owner.outcome().await.unwrap();
        assert_eq!(world.registry.requested_ranges(&secret.digest), ["whole"]);
        assert_eq!(world.images().len(), 1);
    }
}

/// A caller with access sends one small request, and fetches nothing.
#[tokio::test]
async fn a_joining_pull_proves_access_and_fetches_nothing() {
    let (world, other) = (Arc::new(World::new()), Registry::start());
    let base = base();
    let image = world.registry.push(on(&base, "one"), "one:1");
    other.push(on(&base, "two"), "two:1");
    let gate = world.registry.blob(&image.layers[1].digest).hold();
    let mut first = world.start("one:1");
    gate.reached(1).await;
    first
        .until(|event| {
            matches!(
                status(event, &base.digest),
                Some(LayerStatus::Unpacked { .. })
            )
        })
        .await;

    let second = world.start_request(request(&other, "two:1"));
    second.outcome().await.unwrap();
    gate.open();
    first.outcome().await.unwrap();

    let requested: Vec<_> = { other.log().into_iter() }
        .filter(|line| line.contains(&base.digest.to_string()))
        .collect();
    assert_eq!(
        requested,
        [format!("HEAD /v2/two/blobs/{} 200", base.digest)]
    );
    assert_eq!(world.images().len(), 2);
}

/// T46: fifty concurrent pulls of twenty images with a common base, each with its own caller.
#[tokio::test]
async fn fifty_pulls_fetch_each_blob_once() {
    let world = Arc::new(World::new());
    let base = [1, 2].map(|seed| LayerBuilder::of_size_seeded(400_000, seed).pack());
    let images: Vec<_> = (0..20)
        .map(|number| {
            let top = LayerBuilder::of_size_seeded(30_000, 100 + number);
            let image = base.iter().fold(ImageBuilder::new(), ImageBuilder::layer);
            world
                .registry
                .push(image.layer(top), &format!("image{number}:1"))
        })
        .collect();
    let pulls: Vec<_> = (0..50)
        .map(|number| world.start(&format!("image{}:1", number % 20)))
        .collect();
    for pull in pulls {
        pull.outcome().await.unwrap();
    }
    for layer in images.iter().flat_map(|image| &image.layers) {
        assert_eq!(world.registry.requested_ranges(&layer.digest), ["whole"]);
    }
    assert_eq!(world.images().len(), 20);
    world.puller.idle().await;
    assert_eq!(world.store.partial_blobs().unwrap(), []);
    world.assert_no_leftovers();
}

/// Two pulls commit the same layer. It is removed between the two commits.
#[tokio::test]
async fn a_layer_may_be_removed_between_two_commits() {
    let world = Arc::new(World::new());
    let base = base();
    world
        .registry
        .push(ImageBuilder::new().layer(&base), "one:1");
    let image = world.registry.push(on(&base, "two"), "two:1");
    let gate = world.registry.blob(&image.layers[1].digest).hold();
    let mut second = world.start("two:1");
    gate.reached(1).await;
    second
        .until(|event| {
            matches!(
                status(event, &base.digest),
                Some(LayerStatus::Unpacked { .. })
            )
        })
        .await;
    world.pull("one:1").await.unwrap();
    let name = world.registry.name("one:1").parse().unwrap();
    world
        .store
        .remove(&name, windlass_store::RemoveOptions::default())
        .unwrap();

    gate.open();
    let pulled = second.outcome().await.unwrap();
    assert_eq!(world.registry.requested_ranges(&base.digest), ["whole"]);
    let diff_id = world.image("two:1").layers[0].diff_id;
    assert_eq!(world.image("two:1").id, pulled.image_id);
    world.tree(&diff_id);
}
