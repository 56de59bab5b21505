//! The sources of transfers: the image in each tool's storage and in an archive, created before the
//! measurement.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use windlass_testing::real::{command, run};

use super::task::TransferTask;
use super::tool::{NAME, TransferTool, skopeo};
use crate::bench::BenchContext;
use crate::bench::image::{BenchImage, TAG};

/// The image in the storage of each tool. Removed on drop, except the layout that it was created from.
#[derive(Debug)]
pub(super) struct TransferSources {
    dir: PathBuf,
    layout: PathBuf,
}

impl TransferSources {
    /// Stores `image` where the tools need it for `tasks`.
    pub(super) fn make(
        context: &BenchContext<'_>,
        image: &BenchImage,
        tasks: &[TransferTask],
        transfer_tools: &[TransferTool],
    ) -> anyhow::Result<Self> {
        let sources = Self {
            dir: context.work.join("transfer"),
            layout: image.kind.layout(context.work),
        };
        sources.clear()?;
        fs::create_dir_all(&sources.dir)?;
        let needs = |path: &Path| {
            let tool_runs = tasks
                .iter()
                .flat_map(|task| transfer_tools.iter().map(|&one| (*task, one)));
            let mut needed = tool_runs.filter_map(|(task, tool)| task.source(tool, &sources));
            needed.any(|needed| needed == path)
        };
        let from = format!("oci:{}:{TAG}", sources.layout.display());
        if needs(&sources.archive()) {
            let to = format!("oci-archive:{}:{TAG}", sources.archive().display());
            run(skopeo(&sources.dir).args([&from, &to]))?;
        }
        if needs(&sources.store()) {
            let windlass = context.windlass.context("no windlass was built")?;
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

    /// Returns the OCI layout.
    pub(super) fn layout(&self) -> PathBuf {
        self.layout.clone()
    }

    /// Returns the OCI archive.
    pub(super) fn archive(&self) -> PathBuf {
        self.dir.join("image.tar")
    }

    /// Returns the store of windlass.
    pub(super) fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Returns the parent directory of podman's storage.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the storage of podman.
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

impl Drop for TransferSources {
    fn drop(&mut self) {
        // The next run removes what is left.
        drop(self.clear());
    }
}

/// Returns the name for skopeo of the storage that it shares with podman, below `dir`.
pub(super) fn storage(dir: &Path) -> String {
    let dir = dir.display();
    format!("containers-storage:[overlay@{dir}/root+{dir}/runroot]{NAME}")
}
