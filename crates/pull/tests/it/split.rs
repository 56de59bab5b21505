//! Several connections for one blob: when they are used, and faults that they must not cause.

use std::time::Duration;

use windlass_pull::{PullerConfig, SplitPolicy};
use windlass_testing::{ImageBuilder, LayerBuilder, PackedLayer, RangeFault};

use crate::support::{World, config};

const SIZE: usize = 4 << 20;
/// The throughput of one connection in bytes per second.
const SLOW: u64 = 2 << 20;

fn world() -> World {
    World::with(PullerConfig {
        split: SplitPolicy {
            connections: 3,
            from: 1 << 18,
            chunk: 1 << 18,
            trial: Duration::from_millis(100),
        },
        ..config()
    })
}

fn push(world: &World) -> PackedLayer {
    let image = ImageBuilder::new().layer(LayerBuilder::of_size(SIZE));
    world.registry.push(image, "app:1").layers[0].clone()
}

/// Each connection is slow: several are used, and two of them request the same byte only where the first
/// connection was cut short.
#[tokio::test]
async fn a_slow_blob_is_fetched_over_several_connections() {
    let world = world();
    let layer = push(&world);
    world.registry.blob(&layer.digest).throttle(SLOW).forever();
    world.pull("app:1").await.unwrap();
    let requested = world.registry.requested_ranges(&layer.digest);
    assert_eq!(requested[0], "whole");
    assert!(requested.len() > 4, "{requested:?}");
    let sent = world.registry.bytes_sent(&layer.digest);
    assert!(sent < layer.size + (1 << 20), "{sent} of {}", layer.size);
}

/// T32: a server that answers range requests wrongly gets only one of them, and the pull succeeds.
#[tokio::test]
async fn a_server_without_ranges_gets_one_range_request() {
    for fault in [
        RangeFault::Ignored,
        RangeFault::StartsLate,
        RangeFault::Unlabelled,
    ] {
        let world = world();
        let layer = push(&world);
        let slow = world.registry.blob(&layer.digest).throttle(SLOW);
        slow.then().range(fault).throttle(SLOW).forever();
        world.pull("app:1").await.unwrap();
        let requested = world.registry.requested_ranges(&layer.digest);
        // The first request, the range request, and requests for the rest that the first connection left.
        assert!(requested.len() <= 4, "{fault:?}: {requested:?}");
    }
}

/// T32, DL-9: wrong bytes in a range are detected by the digest. Then the blob is fetched in a single response.
#[tokio::test]
async fn wrong_ranges_are_detected() {
    let world = world();
    let layer = push(&world);
    let slow = world.registry.blob(&layer.digest).throttle(SLOW);
    let wrong = slow.then().range(RangeFault::FromTheStart).throttle(SLOW);
    wrong.times(2).then_ok();
    world.pull("app:1").await.unwrap();
    let requested = world.registry.requested_ranges(&layer.digest);
    assert_eq!(
        requested.iter().filter(|range| *range == "whole").count(),
        2,
        "{requested:?}"
    );
    assert_eq!(requested.last().unwrap(), "whole");
}

/// If an extra connection fails, another one fetches its range.
#[tokio::test]
async fn the_range_of_a_failed_connection_is_fetched() {
    let world = world();
    let layer = push(&world);
    let slow = world.registry.blob(&layer.digest).throttle(SLOW);
    let cut = slow.then().cut_after(100_000).throttle(SLOW).times(1);
    cut.then().throttle(SLOW).forever();
    world.pull("app:1").await.unwrap();
    assert_eq!(world.images().len(), 1);
}

/// The partial blob of several connections has gaps; the next pull requests only these.
#[tokio::test]
async fn gaps_are_filled_by_the_next_pull() {
    let world = std::sync::Arc::new(world());
    let layer = push(&world);
    world
        .registry
        .blob(&layer.digest)
        .throttle(SLOW / 2)
        .forever();
    let pull = world.start("app:1");
    let four_connections = async {
        while world.registry.requested_ranges(&layer.digest).len() < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), four_connections)
        .await
        .expect("four connections fetch the layer");
    pull.cancel().await;
    world.puller.idle().await;
    let partial = world.partial_bytes(&layer.digest).unwrap();
    let before = world.registry.bytes_sent(&layer.digest);
    world.pull("app:1").await.unwrap();
    let sent = world.registry.bytes_sent(&layer.digest) - before;
    assert!(
        sent < layer.size - partial + (1 << 20),
        "{sent} for {}",
        layer.size - partial
    );
}

/// The number of connections can be limited to one.
#[tokio::test]
async fn the_number_of_connections_is_limited() {
    let mut config = config();
    config.split.connections = 1;
    config.split.trial = Duration::from_millis(10);
    let world = World::with(config);
    let layer = push(&world);
    world
        .registry
        .blob(&layer.digest)
        .throttle(SLOW * 4)
        .forever();
    world.pull("app:1").await.unwrap();
    assert_eq!(world.registry.requested_ranges(&layer.digest), ["whole"]);
}
