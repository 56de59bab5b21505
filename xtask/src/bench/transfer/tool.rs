//! The tools for transfers, and their command lines.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use clap::ValueEnum;
use windlass_testing::real::{command, find, run};

use super::sources::{TransferSources, storage};
use super::task::TransferTask;
use crate::bench::image::{BenchImage, TAG};
use crate::bench::measure::{Measurement, measured};
use windlass_testing::real::Containerd;

/// The name of the image in local storage.
pub(super) const NAME: &str = "localhost/bench:1";

/// A tool that transfers images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::bench) enum TransferTool {
    /// windlass
    Windlass,
    /// `skopeo copy`, whose local storage is an OCI layout
    Skopeo,
    /// podman
    Podman,
    /// `ctr images import`, on a containerd of its own
    Containerd,
}

/// The parameters of one transfer.
#[derive(Debug)]
pub(super) struct TransferRun<'a> {
    /// The empty file system for all files of the run.
    pub(super) into: &'a Path,
    pub(super) sources: &'a TransferSources,
    pub(super) image: &'a BenchImage,
    /// The registry that has the image.
    pub(super) served: SocketAddr,
    /// The empty registry, if it is the target.
    pub(super) registry: Option<SocketAddr>,
    /// The windlass to time.
    pub(super) windlass: Option<&'a Path>,
}

impl TransferTool {
    /// Returns windlass and the tools whose programs are installed.
    pub(in crate::bench) fn installed() -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|one| one.programs().iter().all(|name| find(name).is_some()))
            .collect()
    }

    /// Returns the name on the command line and in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Windlass => "windlass",
            Self::Skopeo => "skopeo",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
        }
    }

    /// Returns the programs that it needs.
    pub(super) fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Windlass => &[],
            Self::Skopeo => &["skopeo"],
            Self::Podman => &["podman"],
            Self::Containerd => &["containerd", "ctr"],
        }
    }

    /// Returns the description in the table; `None` if the tool does not support the task.
    pub(super) fn description(self, task: TransferTask) -> Option<&'static str> {
        use TransferTask::{Across, DockerArchive, Fetch, Layout, Load, OciArchive, Push};
        Some(match (self, task) {
            (Self::Windlass, DockerArchive) => "windlass save",
            (Self::Windlass, OciArchive) => "windlass save --format oci-archive",
            (Self::Windlass, Layout) => "windlass save --format oci",
            (Self::Windlass, Load) => "windlass load",
            (Self::Windlass, Fetch | Across) => "windlass copy",
            (Self::Windlass, Push) => "windlass push",
            (Self::Skopeo, DockerArchive) => "skopeo copy oci: docker-archive:",
            (Self::Skopeo, OciArchive) => "skopeo copy oci: oci-archive:",
            (Self::Skopeo, Layout) => "skopeo copy oci: oci:",
            (Self::Skopeo, Load) => "skopeo copy oci-archive: containers-storage:",
            (Self::Skopeo, Fetch) => "skopeo copy docker:// oci:",
            (Self::Skopeo, Across) => "skopeo copy docker:// docker://",
            (Self::Skopeo, Push) => "skopeo copy oci: docker://",
            (Self::Podman, DockerArchive) => "podman save",
            (Self::Podman, OciArchive) => "podman save --format oci-archive",
            (Self::Podman, Layout) => "podman save --format oci-dir",
            (Self::Podman, Load) => "podman load",
            (Self::Podman, Push) => "podman push",
            (Self::Containerd, Load) => "ctr images import",
            (Self::Podman | Self::Containerd, _) => return None,
        })
    }

    /// Measures the transfer.
    pub(super) fn run(
        self,
        task: TransferTask,
        run_spec: &TransferRun<'_>,
    ) -> anyhow::Result<Measurement> {
        let mut command = match self {
            Self::Windlass => run_spec.windlass(task)?,
            Self::Skopeo => run_spec.skopeo(task)?,
            Self::Podman => run_spec.podman(task)?,
            Self::Containerd => {
                let daemon = Containerd::start(&run_spec.into.join("containerd"))?;
                let mut ctr = command("ctr");
                ctr.arg("--address").arg(daemon.socket());
                ctr.args(["images", "import", "--base-name", "localhost/bench"]);
                ctr.arg(run_spec.sources.archive());
                return measured(&mut ctr, Some(daemon.pid()), run_spec.into);
            }
        };
        measured(&mut command, None, run_spec.into)
    }
}

impl TransferRun<'_> {
    fn windlass(&self, task: TransferTask) -> anyhow::Result<Command> {
        let program = self.windlass.context("no windlass was built")?;
        let windlass = |root: &Path, arguments: &[&str]| {
            let mut windlass = Command::new(program);
            windlass.arg("--root").arg(root).args(arguments);
            windlass
        };
        let store = self.sources.store();
        let store = |arguments: &[&str]| windlass(&store, arguments);
        let empty_store = |arguments: &[&str]| windlass(&self.into.join("store"), arguments);
        let (tar, layout) = (self.path("image.tar"), self.path("layout"));
        Ok(match task {
            TransferTask::DockerArchive => store(&["save", "--output", &tar, NAME]),
            TransferTask::OciArchive => {
                store(&["save", "--format=oci-archive", "--output", &tar, NAME])
            }
            TransferTask::Layout => store(&["save", "--format=oci", "--output", &layout, NAME]),
            TransferTask::Load => {
                let archive = self.sources.archive();
                let mut load = empty_store(&["load", "--input"]);
                load.arg(archive);
                load
            }
            TransferTask::Fetch => {
                let to = format!("oci:{layout}:{TAG}");
                empty_store(&["copy", &self.served_image(), &to])
            }
            TransferTask::Across => {
                empty_store(&["copy", &self.served_image(), &self.destination()?])
            }
            TransferTask::Push => {
                let name = self.destination()?;
                let name = name.trim_start_matches("docker://");
                run(&mut store(&["tag", NAME, name]))?;
                store(&["push", name])
            }
        })
    }

    fn skopeo(&self, task: TransferTask) -> anyhow::Result<Command> {
        let from = match task {
            TransferTask::Fetch | TransferTask::Across => self.served_image(),
            TransferTask::Load => format!("oci-archive:{}", self.sources.archive().display()),
            _ => format!("oci:{}:{TAG}", self.sources.layout().display()),
        };
        let to = match task {
            TransferTask::DockerArchive => {
                format!("docker-archive:{}:{NAME}", self.path("image.tar"))
            }
            TransferTask::OciArchive => format!("oci-archive:{}:{TAG}", self.path("image.tar")),
            TransferTask::Layout | TransferTask::Fetch => {
                format!("oci:{}:{TAG}", self.path("layout"))
            }
            TransferTask::Load => storage(self.into),
            TransferTask::Across | TransferTask::Push => self.destination()?,
        };
        let mut skopeo = skopeo(self.into);
        skopeo.args([from, to]);
        Ok(skopeo)
    }

    fn podman(&self, task: TransferTask) -> anyhow::Result<Command> {
        let dir = match task {
            TransferTask::Load => self.into,
            _ => self.sources.dir(),
        };
        let mut podman = command("podman");
        // Podman stores layers in temporary files, which belong on the file system of the run.
        podman.env("TMPDIR", self.into);
        podman.arg("--root").arg(dir.join("root"));
        podman.arg("--runroot").arg(dir.join("runroot"));
        podman.arg("--storage-driver=overlay");
        let (tar, layout) = (self.path("image.tar"), self.path("layout"));
        let save = ["save", "--quiet", "--output"];
        match task {
            TransferTask::DockerArchive => podman.args(save).args([&tar, NAME]),
            TransferTask::OciArchive => {
                podman.args(save).args([&tar, "--format=oci-archive", NAME])
            }
            TransferTask::Layout => podman.args(save).args([&layout, "--format=oci-dir", NAME]),
            TransferTask::Load => podman
                .args(["load", "--quiet", "--input"])
                .arg(self.sources.archive()),
            TransferTask::Push => podman
                .args(["push", "--quiet", "--tls-verify=false", NAME])
                .arg(self.destination()?),
            TransferTask::Fetch | TransferTask::Across => {
                anyhow::bail!("podman has no copy command")
            }
        };
        Ok(podman)
    }

    fn path(&self, name: &str) -> String {
        self.into.join(name).display().to_string()
    }

    /// Returns the image in the registry that serves it.
    fn served_image(&self) -> String {
        let (served, repository) = (self.served, self.image.repository());
        format!("docker://{served}/{repository}:{TAG}")
    }

    /// Returns the image in the target registry.
    fn destination(&self) -> anyhow::Result<String> {
        let registry = self.registry.context("no registry was started")?;
        let repository = self.image.repository();
        Ok(format!("docker://{registry}/{repository}:{TAG}"))
    }
}

/// Returns a `skopeo copy` command without source and target.
pub(super) fn skopeo(scratch: &Path) -> Command {
    let mut skopeo = command("skopeo");
    // Skopeo unpacks and assembles archives in this directory.
    skopeo.env("TMPDIR", scratch);
    skopeo.args(["--insecure-policy", "copy", "--quiet"]);
    skopeo.args(["--src-tls-verify=false", "--dest-tls-verify=false"]);
    skopeo
}
