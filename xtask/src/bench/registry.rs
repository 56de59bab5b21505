//! The registry with all images, on loopback, its content in the page cache.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use windlass_testing::real::{DockerRegistry, RegistryAuth};

use super::files::read_through;
use super::image::{BenchImage, TAG};

/// The running registry.
#[derive(Debug)]
pub(super) struct BenchRegistry {
    registry: DockerRegistry,
    content: PathBuf,
}

impl BenchRegistry {
    /// Starts the registry on the content in `work`, and pushes the images it lacks.
    pub(super) fn start(work: &Path, images: &[BenchImage]) -> anyhow::Result<Self> {
        let dir = work.join("registry");
        let content = dir.join("content/docker/registry/v2");
        let registry = DockerRegistry::start(&dir, RegistryAuth::Open)?;
        for image in images {
            let tags = content
                .join("repositories")
                .join(image.repository())
                .join("_manifests/tags");
            let pushed = fs::read_to_string(tags.join(TAG).join("current/link"));
            if !pushed.is_ok_and(|digest| digest == image.digest) {
                registry.push(&image.kind.layout(work), TAG, &image.repository())?;
            }
        }
        Ok(Self { registry, content })
    }

    /// Returns the registry's address.
    pub(super) fn address(&self) -> SocketAddr {
        self.registry.address()
    }

    /// Reads the layers of `image` into the page cache.
    pub(super) fn warm_up(&self, image: &BenchImage) -> anyhow::Result<()> {
        for layer in &image.layers {
            let hex = layer
                .digest
                .strip_prefix("sha256:")
                .context("a sha256 digest")?;
            let blob = self
                .content
                .join("blobs/sha256")
                .join(&hex[..2])
                .join(hex)
                .join("data");
            read_through(&blob).with_context(|| blob.display().to_string())?;
        }
        // Data that the last run or a push left unwritten would be written during this run.
        let content = fs::File::open(&self.content)?;
        rustix::fs::syncfs(&content)?;
        Ok(())
    }
}
