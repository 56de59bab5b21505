//! The examples of the crate, run against a registry.

#[expect(dead_code, reason = "the test calls what `main` calls")]
#[path = "../../examples/list_and_inspect.rs"]
mod list_and_inspect;
#[expect(dead_code, reason = "the test calls what `main` calls")]
#[path = "../../examples/pull.rs"]
mod pull;
#[expect(dead_code, reason = "the test calls what `main` calls")]
#[path = "../../examples/pull_into_directory.rs"]
mod pull_into_directory;

use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

#[tokio::test]
async fn the_examples_run() {
    let registry = Registry::start();
    let layer = LayerBuilder::new().file("hello", b"world").pack();
    let image = registry.push(ImageBuilder::new().layer(&layer), "app:1");
    let (name, directory) = (registry.name("app:1"), tempfile::tempdir().unwrap());
    let (root, files) = (
        directory.path().join("store"),
        directory.path().join("files"),
    );

    let mut out = Vec::new();
    pull::pull(&root, &name, &mut out).await.unwrap();
    let (digest, size, id) = (layer.digest, layer.size, image.config_digest);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!(
            "1 layers, {size} bytes to download\nunpacked {digest}: 5 bytes\npulled {name} as {id}\n"
        )
    );

    let mut out = Vec::new();
    pull_into_directory::pull_into_directory(&root, &name, &files, &mut out)
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "unpacked 1 layers with 1 entries\n"
    );
    assert_eq!(std::fs::read(files.join("hello")).unwrap(), b"world");

    let mut out = Vec::new();
    list_and_inspect::list_and_inspect(&root, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!("{name} linux/amd64 5 bytes\n")
    );
}
