//! `cargo xtask bench`: pull-and-unpack of real images, by windlass, its peers and a bare pipe.
//!
//! The first part makes the images, with the network's help, and keeps them. The second runs in
//! mount and process namespaces of its own, so that nothing it mounts or starts outlives it.

mod containerd;
mod files;
mod image;
mod machine;
mod measure;
mod report;
mod serve;
mod tool;
mod tree;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use clap::Args;
use windlass_testing::real::{Disk, end_on_interrupt, find, in_namespaces};

use self::image::{BenchImage, ImageKind};
use self::measure::Figures;
use self::report::Report;
use self::serve::Served;
use self::tool::{Errand, Tool};

/// Bytes of the file system of a run: the largest image, its blobs, and what a tool keeps beside.
const DISK_SIZE: u64 = 12 << 30;

/// Time pull-and-unpack by windlass, its peers and a bare pipe, and print a table.
///
/// Needs root on Debian, with docker-registry, skopeo, debootstrap, zstd, python3-pip and npm; the
/// peers that are not installed are left out.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Where images, the registry's content and results are kept
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    work: PathBuf,

    /// How often each tool pulls each image
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,

    /// The tools to time [default: those that are installed]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    tools: Vec<Tool>,

    /// The images to pull
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum,
          default_values = ["mixed", "gzip", "large"])]
    images: Vec<ImageKind>,

    /// A windlass to time [default: built from this tree]
    #[arg(long, value_name = "FILE")]
    windlass: Option<PathBuf>,

    /// Write the table into docs/benchmarks.md too
    #[arg(long)]
    write: bool,

    /// Whether the namespaces are set up
    #[arg(long, hide = true)]
    inside: bool,
}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if self.inside {
            self.measure()
        } else {
            self.prepare()
        }
    }

    /// Makes what the measurement needs, and starts it.
    fn prepare(self) -> anyhow::Result<()> {
        ensure!(is_root()?, "needs root, to make and mount file systems");
        for program in [
            "docker-registry",
            "skopeo",
            "unshare",
            "mkfs.ext4",
            "tar",
            "gzip",
        ] {
            ensure!(find(program).is_some(), "{program} is not installed");
        }
        fs::create_dir_all(&self.work)?;
        let work = self.work.canonicalize()?;
        image::make_missing(&work, &self.images)?;
        let windlass = match &self.windlass {
            _ if !self.tools().contains(&Tool::Windlass) => None,
            Some(given) => Some(given.canonicalize().context("--windlass")?),
            None => Some(build_windlass()?),
        };
        Err(self.reentered(&work, windlass.as_deref())?.exec()).context("unshare")
    }

    /// This command again, where mounts and processes end with it.
    fn reentered(&self, work: &Path, windlass: Option<&Path>) -> anyhow::Result<Command> {
        let mut command = in_namespaces(std::env::current_exe()?);
        command.args(["bench", "--inside", "--runs", &self.runs.to_string()]);
        command.arg("--work").arg(work);
        for tool in self.tools() {
            command.arg("--tools").arg(tool.name());
        }
        for image in &self.images {
            command.arg("--images").arg(image.name());
        }
        if let Some(windlass) = windlass {
            command.arg("--windlass").arg(windlass);
        }
        if self.write {
            command.arg("--write");
        }
        Ok(command)
    }

    fn measure(self) -> anyhow::Result<()> {
        end_on_interrupt()?;
        let images = image::load(&self.work, &self.images)?;
        let served = Served::start(&self.work, &images)?;
        let disk = Disk::reserved(&self.work, DISK_SIZE)?;
        let mut report = Report::new(self.runs, &images, &self.tools);
        for image in &images {
            for run in 1..=self.runs {
                for &tool in &self.tools {
                    let outcome = self.one_run(&served, &disk, image, tool);
                    report::progress(image, run, tool, &outcome);
                    report.add(image, tool, &outcome);
                }
            }
        }
        report.save(&self.work.join("results.json"))?;
        report.print();
        if self.write {
            report.write(Path::new("docs/benchmarks.md"))
        } else {
            Ok(())
        }
    }

    /// One pull into a fresh file system.
    fn one_run(
        &self,
        served: &Served,
        disk: &Disk,
        image: &BenchImage,
        tool: Tool,
    ) -> anyhow::Result<Figures> {
        served.warm_up(image)?;
        let mounted = disk.fresh()?;
        let errand = Errand {
            into: mounted.path(),
            image,
            registry: served.address(),
            windlass: self.windlass.as_deref(),
        };
        let figures = tool.run(&errand)?;
        let files = files::count_files(mounted.path())?;
        if files < image.files {
            bail!("{tool} left {files} files, the image has {}", image.files);
        }
        Ok(figures)
    }

    fn tools(&self) -> Vec<Tool> {
        if self.tools.is_empty() {
            Tool::installed()
        } else {
            self.tools.clone()
        }
    }
}

fn build_windlass() -> anyhow::Result<PathBuf> {
    let build = [
        "build",
        "--release",
        "--package",
        "windlass-cli",
        "--message-format=json",
    ];
    let mut cargo = Command::new("cargo");
    cargo.args(build).stderr(std::process::Stdio::inherit());
    let output = cargo.output().context("cargo build")?;
    ensure!(output.status.success(), "cargo build: {}", output.status);
    String::from_utf8(output.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .context("cargo built no windlass")
}

fn is_root() -> anyhow::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}
