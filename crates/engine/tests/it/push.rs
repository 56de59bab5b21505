//! Pushes and saves of images that are removed at the same time.

use std::fs;
use std::io::{self, Read as _};

use windlass::image::{ImageChoice, ImageName, LayoutKind};
use windlass::registry::Caller;
use windlass::transfer::{ArchiveCompression, OutputTarget};
use windlass::{LoadFrom, LoadOptions, PushRequest, RemoveOptions, SaveRequest, SaveTo};
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use crate::support::World;

/// An image with more layers than are sent at a time.
fn image() -> ImageBuilder {
    let layers = (1..=8).map(|seed| LayerBuilder::of_size_seeded(10_000, seed));
    layers.fold(ImageBuilder::new(), ImageBuilder::layer)
}

/// Reads from a pipe on a thread of its own.
async fn read<T: Send + 'static>(read: impl FnOnce() -> io::Result<T> + Send + 'static) -> T {
    tokio::task::spawn_blocking(read).await.unwrap().unwrap()
}

async fn pulled(world: &World) -> ImageName {
    world.registry.push(image(), "app:1");
    world.pull("app:1").await;
    world.registry.name("app:1").parse().unwrap()
}

/// R6: the blobs stay stored until the push has ended, and are removed by the next removal.
#[tokio::test]
async fn an_image_can_be_removed_while_it_is_pushed() {
    let world = World::new();
    let name = pulled(&world).await;
    let to = Registry::builder().writable().start();
    let gate = to.uploads().for_post().hold();
    let request = PushRequest {
        reference: to.name("app:1").parse().unwrap(),
        image: Some(name.clone()),
        choice: ImageChoice::One(None),
        caller: Caller::anonymous(),
        concurrent_blobs: 1,
        chunk_size: None,
        include_foreign_layers: false,
    };
    let push = tokio::spawn(world.engine.push(request).into_future());
    gate.reached(1).await;
    let removed = world.engine.remove(&name, RemoveOptions { force: true });
    assert!(!removed.unwrap().removed.is_empty());
    assert_eq!(world.engine.images().unwrap(), []);
    gate.open();
    push.await.unwrap().unwrap();
    let manifests = to.log().into_iter().filter(|it| it.contains("/manifests/"));
    assert_eq!(
        manifests.collect::<Vec<_>>(),
        ["PUT /v2/app/manifests/1 201"]
    );
    world.registry.push(ImageBuilder::new(), "other:1");
    world.pull("other:1").await;
    let other = world.registry.name("other:1").parse().unwrap();
    let how = RemoveOptions { force: true };
    world.engine.remove(&other, how).unwrap();
    assert_eq!(world.engine.disk_usage().unwrap().blobs.count, 0);
}

/// R6.
#[tokio::test]
async fn an_image_can_be_removed_while_it_is_saved() {
    let world = World::new();
    let name = pulled(&world).await;
    let (mut reader, writer) = io::pipe().unwrap();
    let request = SaveRequest {
        names: vec![name.clone()],
        choice: ImageChoice::One(None),
        to: SaveTo::Archive {
            kind: LayoutKind::OciArchive,
            output: OutputTarget::Stream(Box::new(writer)),
            compression: ArchiveCompression::None,
        },
    };
    // The pipe is smaller than the archive, so the save waits for the reader.
    let save = tokio::spawn(world.engine.save(request).into_future());
    let mut archive = vec![0; 512];
    let (mut reader, mut archive) =
        read(move || reader.read_exact(&mut archive).map(|()| (reader, archive))).await;
    let force = RemoveOptions { force: true };
    world.engine.remove(&name, force).unwrap();
    let archive = read(move || reader.read_to_end(&mut archive).map(|_| archive)).await;
    save.await.unwrap().unwrap();
    let path = world.root().join("app.tar");
    fs::write(&path, &archive).unwrap();
    let options = LoadOptions {
        choice: ImageChoice::All,
        name: None,
    };
    let loaded = world.engine.load(LoadFrom::Path(path), options);
    assert_eq!(loaded.await.unwrap().len(), 1);
}
