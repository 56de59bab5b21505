//! `windlass pull --all-platforms`, and what is done with the whole index afterwards.

use serde_json::Value;
use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, PackedIndex, Registry};

use crate::harness::{PLATFORM, Windlass};

/// An index with two platforms, each with an attestation, as `BuildKit` makes it.
fn attested_index() -> PackedIndex {
    let image = |platform, size| {
        let image = ImageBuilder::new().platform(platform);
        image.layer(LayerBuilder::of_size(size)).pack()
    };
    IndexBuilder::new()
        .image(image(PLATFORM, 1000))
        .attestation()
        .image(image("linux/s390x", 2000))
        .attestation()
        .pack()
}

/// A registry that has the index as `app:1`, and a command that is masked for it.
fn registry_with_index() -> (Registry, PackedIndex, Windlass) {
    let registry = Registry::start();
    let index = registry.push_index(attested_index(), "app:1");
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&index.digest, "<index>");
    (registry, index, windlass)
}

fn pull_all(name: &str) -> [&str; 4] {
    ["pull", "--progress=none", "--all-platforms", name]
}

#[test]
fn the_whole_index_can_be_pushed_saved_and_copied() {
    let (from, index, windlass) = registry_with_index();
    let name = from.name("app:1");
    windlass.stdout(pull_all(&name));
    let to = Registry::builder().writable().start();
    windlass.stdout(["tag", &name, &to.name("app:1")]);
    windlass.stdout(["push", "-q", "--all-platforms", &to.name("app:1")]);
    let copy = format!("docker://{}", to.name("copy:1"));
    windlass.stdout(["copy", "-q", "--all", &format!("windlass:{name}"), &copy]);
    for repository in ["app", "copy"] {
        let pushed = windlass.stdout(["digest", &to.name(&format!("{repository}:1"))]);
        assert_eq!(pushed.trim(), "<index>");
    }

    let layout = windlass.path("layout");
    let layout = layout.to_str().unwrap();
    let save = [
        "save",
        "--json",
        "--format=oci",
        "--all-platforms",
        "-o",
        layout,
        &name,
    ];
    let saved: Value = serde_json::from_str(&windlass.stdout(save)).unwrap();
    assert_eq!(saved["missing"], Value::Null);
    for image in &index.images {
        let path = format!("{layout}/blobs/sha256/{}", image.digest.hex());
        assert_eq!(std::fs::read(path).unwrap(), image.manifest);
    }
}

/// The attestations are kept and removed together with the images that they are about.
#[test]
fn attestations_are_removed_with_the_images() {
    let (from, index, windlass) = registry_with_index();
    windlass.stdout(pull_all(&from.name("app:1")));
    let blob = |digest: &windlass::image::Digest| {
        let path = format!("blobs/sha256/{}", digest.hex());
        windlass.root().join(path)
    };
    let attestation = blob(&index.images[1].digest);
    assert!(attestation.exists());
    windlass.stdout(["prune", "--all", "--force"]);
    assert!(!attestation.exists());
}

/// A second pull fetches what the first one of a single platform left out.
#[test]
fn attestations_are_added_to_stored_images() {
    let (from, _, windlass) = registry_with_index();
    let name = from.name("app:1");
    windlass.pull(&name);
    let done = |output: &str| -> Vec<String> {
        let records = output
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let done = records.filter(|record: &Value| record["type"] == "done");
        done.map(|record| record["status"].as_str().unwrap().to_owned())
            .collect()
    };
    let pull = ["pull", "--json", "--all-platforms", &name];
    assert_eq!(done(&windlass.stdout(pull)), ["downloaded", "downloaded"]);
    assert_eq!(done(&windlass.stdout(pull)), ["up_to_date", "up_to_date"]);
}

#[test]
fn a_missing_attestation_is_reported() {
    let (from, index, mut windlass) = registry_with_index();
    let missing = index.images[3].digest;
    from.manifest(missing).status(404).forever();
    windlass.mask(&missing, "<attestation>");
    let name = from.name("app:1");
    let output = windlass
        .command(["pull", "--json", "--all-platforms", &name])
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let records = output
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let left_out = records.filter(|record| !record["missing_artifacts"].is_null());
    let left_out: Vec<_> = left_out
        .map(|record| record["missing_artifacts"].clone())
        .collect();
    assert_eq!(left_out, [serde_json::json!([missing])]);

    let archive = windlass.path("app.tar");
    let save = [
        "save",
        "--all-platforms",
        "-o",
        archive.to_str().unwrap(),
        &name,
    ];
    insta::assert_snapshot!(windlass.run(save), @r"
    exit: 0
    --- stderr
    warning: registry.test/app:1 was saved without 1 manifest of its index, which the store does not have; `windlass pull --all-platforms` fetches what the registry has
    Saved 1 image to [dir]/app.tar
    ");
    let to = Registry::builder().writable().start();
    windlass.stdout(["tag", &name, &to.name("app:1")]);
    windlass.mask(&to.host(), "to.test");
    insta::assert_snapshot!(windlass.run(["push", "-q", "--all-platforms", &to.name("app:1")]), @r"
    exit: 1
    --- stderr
    error: pushing to.test/app:1: the index <index> is incomplete: <attestation> is missing
    hint: choose one image with `--platform`, or pull the image again with `--all-platforms`
    ");
}

/// T21: a hostile index does not make a pull fetch without limit.
#[test]
fn large_attestations_are_left_out() {
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(10))
        .pack();
    let digest = windlass::image::Digest::sha256(b"large");
    let entry = serde_json::json!({
        "mediaType": image.media_type,
        "digest": digest,
        "size": (16 << 20) + 1,
        "platform": { "os": "unknown", "architecture": "unknown" },
    });
    let registry = Registry::start();
    registry.push_index(
        IndexBuilder::new().image(image).descriptor(entry).pack(),
        "app:1",
    );
    let windlass = Windlass::with(&registry);
    windlass.stdout(pull_all(&registry.name("app:1")));
    let path = format!("/v2/app/manifests/{digest}");
    assert!(
        registry
            .requests()
            .iter()
            .all(|request| request.path != path)
    );
}
