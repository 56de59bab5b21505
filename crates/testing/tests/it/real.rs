//! The fixtures around Debian's servers, tested with `skopeo` and a minimal client, without windlass's own
//! code.
//!
//! A test whose tools are missing prints what it needs and is not run; with `WINDLASS_E2E=require`, as in CI,
//! it fails.

mod access;
mod cache;
mod s3;
mod schema1;
mod tokens;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::Value;
use windlass_testing::LayerBuilder;
use windlass_testing::real::{
    DockerRegistry, LayerCompression, OciLayout, StoredBlob, command, find,
};

/// An OCI layout with one image, `it`, of two layers, in a temporary directory.
struct RegistryFixture {
    directory: tempfile::TempDir,
    layout: OciLayout,
    manifest: StoredBlob,
}

impl RegistryFixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut layout = OciLayout::create(&directory.path().join("layout")).unwrap();
        let pack = |name: &str, layer: LayerBuilder| {
            let tar = directory.path().join(name);
            fs::write(&tar, layer.tar()).unwrap();
            layout.add_layer(&tar, LayerCompression::Gzip).unwrap()
        };
        let layers = [
            pack("small.tar", LayerBuilder::new().file("hello", "ahoy\n")),
            // More than a registry sends to S3 at once.
            pack("large.tar", LayerBuilder::of_size(11 << 20)),
        ];
        let manifest = layout.add_image("amd64", &layers).unwrap();
        layout.tag("it", &manifest).unwrap();
        Self {
            directory,
            layout,
            manifest,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Pushes the image as `name:it`.
    #[track_caller]
    fn push(&self, registry: &DockerRegistry, name: &str) {
        registry.push(self.layout.dir(), "it", name).unwrap();
    }

    /// Returns the hex digests of the config and the layers.
    fn blobs(&self) -> Vec<String> {
        let manifest = fs::read(self.layout.blob_path(&self.manifest.digest)).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        let hex = |it: &Value| it["digest"].as_str().unwrap()["sha256:".len()..].to_owned();
        std::iter::once(&manifest["config"])
            .chain(layers)
            .map(hex)
            .collect()
    }

    /// Checks that `skopeo` has copied the pushed image to `copy`, byte for byte.
    #[track_caller]
    fn assert_copied(&self, copy: &Path) {
        let pushed = self.layout.blob_path(&self.manifest.digest);
        assert_same(&copy.join("manifest.json"), &pushed);
        for hex in self.blobs() {
            let pushed = self.layout.dir().join("blobs/sha256").join(&hex);
            assert_same(&copy.join(hex), &pushed);
        }
    }
}

#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    // Not by assert_eq, which would print megabytes.
    assert!(
        fs::read(one).unwrap() == fs::read(other).unwrap(),
        "{} is not {}",
        one.display(),
        other.display()
    );
}

/// Returns whether `skopeo` can inspect `registry/name`, with these options.
fn can_inspect(registry: &DockerRegistry, name: &str, options: &[&str]) -> bool {
    let reference = format!("docker://{}/{name}", registry.address());
    let mut skopeo = command("skopeo");
    skopeo.args(["inspect", "--raw"]).args(options);
    skopeo.arg(reference).output().unwrap().status.success()
}

/// Returns whether these tools are installed. Prints the first missing one, or fails where every test must run.
#[expect(
    clippy::disallowed_methods,
    reason = "CI requires all tests with this variable"
)]
fn can_run(tools: &[&str]) -> bool {
    let Some(missing) = tools.iter().find(|tool| find(tool).is_none()) else {
        return true;
    };
    let is_required = std::env::var_os("WINDLASS_E2E").is_some_and(|value| value == "require");
    assert!(!is_required, "not run: needs {missing}");
    let thread = thread::current();
    let test = thread.name().unwrap_or_default();
    // The real standard error, which the test harness does not keep to itself.
    drop(writeln!(io::stderr(), "{test}: not run: needs {missing}"));
    false
}
