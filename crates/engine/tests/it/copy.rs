//! Copying from a registry into the store.

use std::sync::Arc;

use windlass::image::{ImageChoice, ImageLocation, ImageName};
use windlass::registry::Caller;
use windlass::{Copier, CopyEvent, CopyRequest};
use windlass_testing::{ImageBuilder, LayerBuilder};

use crate::support::World;

/// The byte counts of a connection that is cut are sampled in the same step in which the pull fails: these last
/// events arrive before the error.
#[tokio::test]
async fn a_copy_into_the_store_delivers_the_events_of_its_last_step() {
    let world = World::with(|config| config.pull.retry.attempts = 1);
    let image = ImageBuilder::new().layer(LayerBuilder::of_size(1 << 20));
    let image = world.registry.push(image, "app:1");
    let layer = image.layers[0].digest;
    world.registry.blob(&layer).cut_after(200_000).forever();
    let request = CopyRequest {
        source: ImageLocation::Registry(world.registry.name("app:1").parse().unwrap()),
        destination: ImageLocation::Store(ImageName::Reference("app:1".parse().unwrap())),
        choice: ImageChoice::One(None),
        referrers: false,
        include_foreign_layers: false,
        caller: Caller::anonymous(),
        concurrent_blobs: 1,
        chunk_size: None,
    };
    let copier = Copier {
        engine: Some(world.engine.clone()),
        remote: world.engine.remote(),
        create_file: Arc::new(tempfile::tempfile),
    };
    let mut events = Vec::new();

    let copied = copier.copy(request).drive(|event| events.push(event)).await;

    copied.unwrap_err();
    let moved = events.iter().filter_map(|event| match event {
        CopyEvent::Moved { digest, bytes } if *digest == layer => Some(*bytes),
        _ => None,
    });
    assert_eq!(moved.sum::<u64>(), 200_000);
}
