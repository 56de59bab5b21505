//! What is carried: the image in each tool's own storage and in an archive, made before anything is timed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use windlass_testing::real::{command, run};

use super::carrier::{Carrier, NAME, skopeo};
use super::task::Task;
use crate::bench::Setting;
use crate::bench::image::{BenchImage, TAG};

/// The image, as each tool keeps it. Removed on drop, but for the layout that it was made from.
#[derive(Debug)]
pub(super) struct Sources {
    dir: PathBuf,
    layout: PathBuf,
}

impl Sources {
    /// Puts `image` where `carriers` will need it for `tasks`.
    pub(super) fn make(
        setting: &Setting<'_>,
        image: &BenchImage,
        tasks: &[Task],
        carriers: &[Carrier],
    ) -> anyhow::Result<Self> {
        let sources = Self {
            dir: setting.work.join("freight"),
            layout: image.kind.layout(setting.work),
        };
        sources.clear()?;
        fs::create_dir_all(&sources.dir)?;
        let needs = |path: &Path| {
            let ways = tasks
                .iter()
                .flat_map(|task| carriers.iter().map(|&one| (*task, one)));
            let mut needed = ways.filter_map(|(task, carrier)| task.source(carrier, &sources));
            needed.any(|needed| needed == path)
        };
        let from = format!("oci:{}:{TAG}", sources.layout.display());
        if needs(&sources.archive()) {
            let to = format!("oci-archive:{}:{TAG}", sources.archive().display());
            run(skopeo(&sources.dir).args([&from, &to]))?;
        }
        if needs(&sources.store()) {
            let windlass = setting.windlass.context("no windlass was built")?;
            let mut copy = Command::new(windlass);
            copy.arg("--root").arg(sources.store());
            run(copy.args(["copy", &from, &format!("windlass:{NAME}")]))?;
        }
        if needs(&sources.root()) {
            let to = storage(&sources.dir);
            run(skopeo(&sources.dir).args([from, to]))?;
        }
        Ok(sources)
    }

    /// An OCI layout.
    pub(super) fn layout(&self) -> PathBuf {
        self.layout.clone()
    }

    /// An OCI archive.
    pub(super) fn archive(&self) -> PathBuf {
        self.dir.join("image.tar")
    }

    /// The store of windlass.
    pub(super) fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// What podman's storage is below.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The storage of podman.
    pub(super) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    fn clear(&self) -> anyhow::Result<()> {
        // Podman mounts its storage onto itself.
        drop(run(command("umount")
            .args(["--recursive", "--lazy"])
            .arg(self.root().join("overlay"))));
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        // What is left is cleared by the next.
        drop(self.clear());
    }
}

/// The storage that podman and skopeo share, below `dir`, as skopeo is told of it.
pub(super) fn storage(dir: &Path) -> String {
    let dir = dir.display();
    format!("containers-storage:[overlay@{dir}/root+{dir}/runroot]{NAME}")
}
