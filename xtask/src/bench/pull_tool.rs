//! The tools for pulls, and their command lines.

use std::ffi::OsStr;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use clap::ValueEnum;
use windlass_testing::real::{command, find};

use super::image::{BenchImage, TAG};
use super::measure::{Measurement, measured};
use windlass_testing::real::Containerd;

/// A tool that pulls and unpacks an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PullTool {
    /// `windlass pull`
    Windlass,
    /// curl, igzip or zstd, and tar, for all layers at once; without verification
    Pipe,
    /// `ctr images pull`, on a containerd of its own
    Containerd,
    /// `podman pull`
    Podman,
    /// `skopeo copy` and `umoci unpack`
    Umoci,
}

/// The parameters of one pull.
#[derive(Debug)]
pub(super) struct PullRun<'a> {
    /// The empty file system for all files of the run.
    pub(super) into: &'a Path,
    pub(super) image: &'a BenchImage,
    pub(super) registry: SocketAddr,
    /// The windlass to time.
    pub(super) windlass: Option<&'a Path>,
}

impl PullTool {
    /// Returns windlass and the tools whose programs are installed.
    pub(super) fn installed() -> Vec<Self> {
        let has_programs = |tool: &Self| tool.programs().iter().all(|name| find(name).is_some());
        Self::value_variants()
            .iter()
            .copied()
            .filter(has_programs)
            .collect()
    }

    /// Returns the name on the command line and in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Windlass => "windlass",
            Self::Pipe => "pipe",
            Self::Containerd => "containerd",
            Self::Podman => "podman",
            Self::Umoci => "umoci",
        }
    }

    /// Returns the description in the table.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Windlass => "windlass pull",
            Self::Pipe => "curl \\| igzip or zstd \\| tar",
            Self::Containerd => "ctr images pull",
            Self::Podman => "podman pull",
            Self::Umoci => "skopeo copy && umoci unpack",
        }
    }

    /// Returns the programs that it needs, first the one that determines its version.
    pub(super) fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Windlass => &[],
            Self::Pipe => &["igzip", "zstd", "curl", "tar"],
            Self::Containerd => &["containerd", "ctr"],
            Self::Podman => &["podman"],
            Self::Umoci => &["umoci", "skopeo"],
        }
    }

    /// Measures the pull.
    pub(super) fn run(self, run_spec: &PullRun<'_>) -> anyhow::Result<Measurement> {
        match self {
            Self::Windlass => measured(&mut windlass(run_spec)?, None, run_spec.into),
            Self::Pipe => measured(&mut pipe(run_spec)?, None, run_spec.into),
            Self::Podman => measured(&mut podman(run_spec), None, run_spec.into),
            Self::Umoci => measured(&mut skopeo_and_umoci(run_spec), None, run_spec.into),
            Self::Containerd => {
                let daemon = Containerd::start(&run_spec.into.join("containerd"))?;
                let mut ctr = ctr(run_spec, daemon.socket());
                measured(&mut ctr, Some(daemon.pid()), run_spec.into)
            }
        }
    }
}

impl PullRun<'_> {
    fn reference(&self) -> String {
        format!("{}/{}:{TAG}", self.registry, self.image.repository())
    }
}

fn windlass(run_spec: &PullRun<'_>) -> anyhow::Result<Command> {
    let mut command = Command::new(run_spec.windlass.context("no windlass was built")?);
    command
        .arg("--root")
        .arg(run_spec.into.join("store"))
        .args(["pull", &run_spec.reference()]);
    Ok(command)
}

fn ctr(run_spec: &PullRun<'_>, socket: &Path) -> Command {
    let mut ctr = command("ctr");
    ctr.arg("--address")
        .arg(socket)
        .args(["images", "pull", "--plain-http"]);
    ctr.arg(run_spec.reference());
    ctr
}

fn podman(run_spec: &PullRun<'_>) -> Command {
    let mut podman = command("podman");
    podman.arg("--root").arg(run_spec.into.join("root"));
    podman.arg("--runroot").arg(run_spec.into.join("runroot"));
    podman.args([
        "--storage-driver=overlay",
        "pull",
        "--quiet",
        "--tls-verify=false",
    ]);
    // Podman stores layers in temporary files, which belong on the file system of the run.
    podman
        .env("TMPDIR", run_spec.into)
        .arg(run_spec.reference());
    podman
}

fn skopeo_and_umoci(run_spec: &PullRun<'_>) -> Command {
    let script = r#"
        cd "$1" &&
        "$2" --insecure-policy copy --quiet --src-tls-verify=false "docker://$4" oci:layout:it &&
        exec "$3" unpack --image layout:it bundle"#;
    let found = |name: &str| find(name).unwrap_or_else(|| name.into());
    let mut shell = shell(script);
    shell
        .arg(run_spec.into)
        .arg(found("skopeo"))
        .arg(found("umoci"))
        .arg(run_spec.reference());
    shell
}

/// Unpacks all layers at once, each into a directory of its own. The digests of the layers are given.
fn pipe(run_spec: &PullRun<'_>) -> anyhow::Result<Command> {
    let mut script = String::from("cd \"$1\" || exit 1\npids=\n");
    for (number, layer) in run_spec.image.layers.iter().enumerate() {
        let unpacker = if layer.zstd { "zstd -dc" } else { "igzip -dc" };
        let url = format!(
            "http://{}/v2/{}/blobs/{}",
            run_spec.registry,
            run_spec.image.repository(),
            layer.digest
        );
        writeln!(script, "mkdir {number}")?;
        writeln!(
            script,
            "(curl -sSf '{url}' | {unpacker} | {TAR} -C {number}) &"
        )?;
        writeln!(script, "pids=\"$pids $!\"")?;
    }
    writeln!(script, "for pid in $pids; do wait $pid || exit 1; done")?;
    let mut shell = shell(&script);
    shell.arg(run_spec.into);
    Ok(shell)
}

/// With the same metadata as the other tools.
const TAR: &str = "tar -x --numeric-owner --same-owner -p --xattrs --xattrs-include='*'";

fn shell(script: &str) -> Command {
    let mut shell = command("bash");
    shell
        .args(["-o", "pipefail", "-c", script].map(OsStr::new))
        .arg("bench");
    shell
}
