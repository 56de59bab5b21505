//! Connections that are interrupted within a layer: the stored bytes are not requested again.

use std::time::Duration;

use windlass_registry::Timeouts;
use windlass_testing::{BlobCompression, ImageBuilder, LayerBuilder, PackedLayer, RangeFault};

use crate::support::{World, config};

const SIZE: usize = 3 << 20;

fn push(world: &World) -> PackedLayer {
    let image = ImageBuilder::new().layer(LayerBuilder::of_size(SIZE));
    let image = world.registry.push(image, "app:1");
    image.layers[0].clone()
}

/// DL-4: the next attempt starts where the last one was interrupted, even before the first byte.
#[tokio::test]
async fn an_interrupted_layer_is_continued() {
    for cut in [0, 1, 100, 1 << 20, (2 << 20) + 7] {
        let world = World::new();
        let layer = push(&world);
        world.registry.blob(&layer.digest).cut_after(cut).then_ok();
        world.pull("app:1").await.unwrap();
        let second = match cut {
            0 => "whole".to_owned(),
            cut => format!("bytes={cut}-"),
        };
        let requested = world.registry.requested_ranges(&layer.digest);
        assert_eq!(requested, ["whole".to_owned(), second]);
        assert_eq!(world.registry.bytes_sent(&layer.digest), layer.size);
    }
}

#[tokio::test]
async fn a_layer_without_its_last_byte_is_continued() {
    let world = World::new();
    let layer = push(&world);
    let cut = layer.size - 1;
    world.registry.blob(&layer.digest).cut_after(cut).then_ok();
    world.pull("app:1").await.unwrap();
    assert_eq!(
        world.registry.requested_ranges(&layer.digest),
        ["whole".to_owned(), format!("bytes={cut}-")]
    );
}

/// A transfer with many interruptions does not fail as long as each attempt receives bytes.
#[tokio::test]
async fn an_endpoint_that_makes_progress_is_retried() {
    let world = World::new();
    let layer = push(&world);
    let cuts = world.registry.blob(&layer.digest);
    cuts.cut_after(200_000).times(12).then_ok();
    world.pull("app:1").await.unwrap();
    let expected: Vec<_> = (0..=12)
        .map(|cut| match cut {
            0 => "whole".to_owned(),
            cut => format!("bytes={}-", cut * 200_000),
        })
        .collect();
    assert_eq!(world.registry.requested_ranges(&layer.digest), expected);
}

/// A reset may lose bytes that were sent; otherwise it is like an interruption.
#[tokio::test]
async fn a_reset_layer_is_continued() {
    let world = World::new();
    let layer = push(&world);
    let reset = world.registry.blob(&layer.digest);
    reset.reset_after(1 << 20).then_ok();
    world.pull("app:1").await.unwrap();
    assert_eq!(world.registry.requested_ranges(&layer.digest).len(), 2);
}

/// DL-5: a server without range support sends everything again; the stored bytes are skipped, not overwritten.
#[tokio::test]
async fn a_server_without_ranges_sends_everything_again() {
    for cut in [1, 1 << 20, SIZE as u64] {
        let world = World::new();
        let layer = push(&world);
        let script = world.registry.blob(&layer.digest).cut_after(cut);
        script.then().ignore_range().then_ok();
        world.pull("app:1").await.unwrap();
        assert_eq!(
            world.registry.requested_ranges(&layer.digest),
            ["whole".to_owned(), format!("bytes={cut}-")]
        );
        assert_eq!(world.registry.bytes_sent(&layer.digest), cut + layer.size);
    }
}

/// If the second response of such a server is interrupted within the skipped bytes, the attempt made no progress.
#[tokio::test]
async fn skipped_bytes_are_no_progress() {
    let world = World::new();
    let layer = push(&world);
    let script = world.registry.blob(&layer.digest).cut_after(1 << 20);
    let script = script.then().ignore_range().cut_after(1 << 19);
    script.times(2).then_ok();
    world.pull("app:1").await.unwrap_err();
    let requested = world.registry.requested_ranges(&layer.digest);
    assert_eq!(requested, ["whole", "bytes=1048576-", "bytes=1048576-"]);
    world.puller.idle().await;
    world.assert_store_empty();
}

/// T32: a response with another range than the requested one is rejected. The blob is requested from its start.
#[tokio::test]
async fn a_wrong_range_is_rejected() {
    for fault in [
        RangeFault::StartsLate,
        RangeFault::Unlabelled,
        RangeFault::OtherTotal,
        RangeFault::Multipart,
        RangeFault::Unsatisfiable,
    ] {
        let world = World::new();
        let layer = push(&world);
        let script = world.registry.blob(&layer.digest).cut_after(1 << 20);
        script.then().range(fault).then_ok();
        world.pull("app:1").await.unwrap();
        assert_eq!(
            world.registry.requested_ranges(&layer.digest),
            ["whole", "bytes=1048576-", "whole"],
            "{fault:?}"
        );
    }
}

/// T32: a range that is shorter than the requested one is accepted as a part.
#[tokio::test]
async fn a_shorter_range_is_accepted() {
    let world = World::new();
    let layer = push(&world);
    let script = world.registry.blob(&layer.digest).cut_after(1 << 20);
    script.then().range(RangeFault::Shorter).then_ok();
    world.pull("app:1").await.unwrap();
    let requested = world.registry.requested_ranges(&layer.digest);
    assert_eq!(requested.len(), 3);
    assert_eq!(requested[..2], ["whole", "bytes=1048576-"]);
}

/// T32, DL-9: wrong bytes with the right range header are detected by the digest. A blob from several responses is then
/// fetched once more in a single response, which is final.
#[tokio::test]
async fn wrong_bytes_in_the_right_range_are_detected() {
    for compression in [BlobCompression::Plain, BlobCompression::Gzip] {
        let world = World::new();
        let layer = LayerBuilder::of_size(SIZE).compressed(compression).pack();
        world
            .registry
            .push(ImageBuilder::new().layer(&layer), "app:1");
        let script = world.registry.blob(&layer.digest).cut_after(1 << 20);
        let script = script.then().range(RangeFault::FromTheStart);
        script.then().corrupt(1 << 19).then_ok();
        let error = world.pull_error("app:1").await;
        let digest = layer.digest;
        let expected = format!("layer {digest}: the bytes received for {digest} have the digest ");
        assert!(error.starts_with(&expected), "{error}");
        let requested = world.registry.requested_ranges(&digest);
        assert_eq!(requested, ["whole", "bytes=1048576-", "whole"]);
        world.assert_store_empty();

        let script = world.registry.blob(&digest).cut_after(1 << 20);
        script.then().range(RangeFault::FromTheStart).then_ok();
        world.pull("app:1").await.unwrap();
    }
}

/// A stalled connection is closed, and the layer is continued over another one.
#[tokio::test]
async fn a_stalled_layer_is_continued() {
    let mut config = config();
    config.registry.timeouts = Timeouts {
        stall: Duration::from_millis(300),
        ..config.registry.timeouts
    };
    let world = World::with(config);
    let layer = push(&world);
    let stall = world.registry.blob(&layer.digest);
    stall.stall_after(1 << 20).then_ok();
    world.pull("app:1").await.unwrap();
    let requested = world.registry.requested_ranges(&layer.digest);
    assert_eq!(requested, ["whole", "bytes=1048576-"]);
}
