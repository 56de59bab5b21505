//! Copying out of a registry into the store.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::task::spawn_blocking;
use windlass::{Caller, Choice, Copier, CopyEvent, CopyRequest, ImageName, Place};
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
        source: Place::Registry(world.registry.name("app:1").parse().unwrap()),
        destination: Place::Store(ImageName::Reference("app:1".parse().unwrap())),
        choice: Choice::One(None),
        referrers: false,
        foreign: false,
        caller: Caller::anonymous(),
        at_once: 1,
        chunk: None,
    };
    let events = Arc::new(Mutex::new(Vec::new()));
    let (engine, runtime) = (Arc::clone(&world.engine), tokio::runtime::Handle::current());
    let received = Arc::clone(&events);

    let copied = spawn_blocking(move || {
        let copier = Copier {
            engine: Some(&engine),
            remote: engine.remote(),
            runtime,
            scratch: &tempfile::tempfile,
        };
        let stop = AtomicBool::new(false);
        copier.copy(&request, &stop, &|event| {
            received.lock().unwrap().push(event)
        })
    })
    .await
    .unwrap();

    copied.unwrap_err();
    let events = events.lock().unwrap();
    let moved = events.iter().filter_map(|event| match event {
        CopyEvent::Moved { digest, bytes } if *digest == layer => Some(*bytes),
        _ => None,
    });
    assert_eq!(moved.sum::<u64>(), 200_000);
}
