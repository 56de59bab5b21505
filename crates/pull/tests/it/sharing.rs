//! Pulls at the same time, of images that share layers: what is shared, and what is not.

use std::sync::Arc;

use windlass_oci::{DiffId, Digest};
use windlass_pull::{LayerStatus, Outcome};
use windlass_testing::{Image, Layer, PackedLayer, Registry};

use crate::support::{World, request, status};

fn base() -> PackedLayer {
    Layer::of_size(1 << 20).pack()
}

fn on(base: &PackedLayer, top: &str) -> Image {
    Image::new()
        .layer(base)
        .layer(Layer::new().file(top, top.as_bytes()))
}

/// DM-6: each blob is fetched once, at whatever place it stands.
#[tokio::test]
async fn a_shared_layer_is_fetched_once() {
    let world = Arc::new(World::new());
    let base = base();
    let one = world.registry.push(on(&base, "one"), "one:1");
    let above = Image::new()
        .layer(Layer::new().file("below", b""))
        .layer(&base);
    let two = world.registry.push(above, "two:1");
    let gate = world.registry.blob(&base.digest).hold_after(1 << 19);

    let first = world.start("one:1");
    gate.reached(1).await;
    let mut second = world.start("two:1");
    second.until_waiting_for(&base.digest).await;
    gate.open();

    let outcomes = [first.outcome().await, second.outcome().await];
    let outcomes = outcomes.map(|pulled| pulled.unwrap().outcome);
    assert_eq!(outcomes, [Outcome::Downloaded; 2]);
    for layer in one.layers.iter().chain(&two.layers) {
        assert_eq!(world.registry.ranges_asked(&layer.digest), ["whole"]);
    }
    assert_eq!(world.images().len(), 2);
    world.puller.idle().await;
    world.assert_nothing_unfinished();
}

/// The same image twice at once, from two repositories.
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
    second.until_waiting_for(&base.digest).await;
    gate.open();

    let [first, second] = [first.outcome().await, second.outcome().await].map(Result::unwrap);
    assert_eq!(first.image_id, second.image_id);
    assert_eq!(world.registry.ranges_asked(&base.digest), ["whole"]);
    assert_eq!(world.images()[0].tags.len(), 2);
}

/// TM-3: the one who began leaves; the other goes on with what has come so far.
#[tokio::test]
async fn who_leaves_does_not_disturb_who_stays() {
    let world = Arc::new(World::new());
    let base = base();
    world.registry.push(on(&base, "one"), "one:1");
    world.registry.push(on(&base, "two"), "two:1");
    let gate = world.registry.blob(&base.digest).hold_after(1 << 19);

    let first = world.start("one:1");
    gate.reached(1).await;
    let mut second = world.start("two:1");
    second.until_waiting_for(&base.digest).await;
    first.leave().await;
    gate.open();

    second.outcome().await.unwrap();
    assert_eq!(world.registry.ranges_asked(&base.digest), ["whole"]);
    assert_eq!(world.images().len(), 1);
    world.puller.idle().await;
    world.assert_nothing_unfinished();
}

/// T20, S2-6: who says a blob is another tar than it is, fails; who says the truth at the same time does
/// not, and neither fetches it twice.
#[tokio::test]
async fn a_lie_about_a_diff_id_is_the_liars_alone() {
    let world = Arc::new(World::new());
    let honest = base();
    let mut lying = honest.clone();
    lying.diff_id = DiffId::new(Digest::sha256(b"another tar"));
    world.registry.push(on(&lying, "lying"), "lying:1");
    world.registry.push(on(&honest, "honest"), "honest:1");
    let gate = world.registry.blob(&honest.digest).hold();

    let liar = world.start("lying:1");
    gate.reached(1).await;
    let mut other = world.start("honest:1");
    other.until_waiting_for(&honest.digest).await;
    gate.open();

    let error = world.shown(&liar.outcome().await.unwrap_err());
    assert!(error.contains("the config says"), "{error}");
    other.outcome().await.unwrap();
    assert_eq!(world.registry.ranges_asked(&honest.digest), ["whole"]);
    assert_eq!(world.images().len(), 1);
}

/// T16: the same for a size.
#[tokio::test]
async fn a_lie_about_a_size_is_the_liars_alone() {
    for lie in [-1, 1] {
        let world = Arc::new(World::new());
        let honest = base();
        let mut lying = honest.clone();
        lying.size = lying.size.checked_add_signed(lie).unwrap();
        world.registry.push(on(&lying, "lying"), "lying:1");
        world.registry.push(on(&honest, "honest"), "honest:1");
        let gate = world.registry.blob(&honest.digest).hold();

        let liar = world.start("lying:1");
        gate.reached(1).await;
        let mut other = world.start("honest:1");
        other.until_waiting_for(&honest.digest).await;
        gate.open();

        let error = world.shown(&liar.outcome().await.unwrap_err());
        assert!(error.contains("promised"), "{error}");
        other.outcome().await.unwrap();
        assert_eq!(world.images().len(), 1);
    }
}

/// A registry that fails fails its own pull. Another that has the blob is asked when it has.
#[tokio::test]
async fn a_broken_registry_fails_nobody_elses_pull() {
    let breakages: [fn(&Registry, &Digest); 3] = [
        |registry, blob| registry.blob(blob).status(503).forever(),
        |registry, blob| registry.blob(blob).corrupt(1_000).forever(),
        |registry, blob| registry.remove_blob(blob),
    ];
    for break_it in breakages {
        let (world, broken) = (Arc::new(World::new()), Registry::start());
        let base = base();
        broken.push(on(&base, "one"), "one:1");
        world.registry.push(on(&base, "two"), "two:1");
        let gate = broken.blob(&base.digest).status(503).hold();
        break_it(&broken, &base.digest);

        let first = world.start_request(request(&broken, "one:1"));
        gate.reached(1).await;
        let mut second = world.start("two:1");
        second.until_waiting_for(&base.digest).await;
        gate.open();

        first.outcome().await.unwrap_err();
        second.outcome().await.unwrap();
        assert_eq!(world.registry.ranges_asked(&base.digest), ["whole"]);
        assert_eq!(world.images().len(), 1);
        world.puller.idle().await;
        world.assert_nothing_unfinished();
    }
}

/// TM-6: who joins late is told where the transfer stands, and no backlog.
#[tokio::test]
async fn who_joins_late_is_told_how_far_it_is() {
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
    second.until_waiting_for(&base.digest).await;
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
