//! `cargo xtask bench`: pulls real images and transfers them in and out, with windlass and other tools.
//!
//! The first part creates the images, which needs the network, and keeps them. The second runs in mount and
//! process namespaces of its own, so that its mounts and processes end with it.

mod file_tree;
mod files;
mod image;
mod machine;
mod measure;
mod page;
mod pull;
mod pull_tool;
mod registry;
mod report;
mod transfer;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use windlass_testing::real::{LoopDisk, end_on_interrupt, find, in_namespaces};

use self::image::{BenchImage, ImageKind};
use self::pull_tool::PullTool;
use self::registry::BenchRegistry;
use self::transfer::{TransferTask, TransferTool};

/// The size of the file system of a run in bytes: for the largest image, its blobs, and a tool's other files.
const DISK_SIZE: u64 = 12 << 30;

/// The page with the tables.
const PAGE: &str = "docs/benchmarks.md";

/// Time windlass and other tools at pulls and transfers, and print tables.
///
/// Needs root on Debian, with docker-registry, skopeo, debootstrap, zstd, python3-pip and npm; tools that are
/// not installed are left out.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The directory for images, the registry's content and results
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    work: PathBuf,

    /// The number of runs of each tool with each image
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,

    /// The parts to run
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum,
          default_values = ["pull", "transfer"])]
    only: Vec<BenchPart>,

    /// The tools to time at pulls [default: those that are installed]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    tools: Vec<PullTool>,

    /// The tools to time at transfers [default: those that are installed]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    transfer_tools: Vec<TransferTool>,

    /// The transfers to time [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    tasks: Vec<TransferTask>,

    /// The images to use
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum,
          default_values = ["mixed", "gzip", "large"])]
    images: Vec<ImageKind>,

    /// The windlass to time [default: built from this tree]
    #[arg(long, value_name = "FILE")]
    windlass: Option<PathBuf>,

    /// Write the tables to docs/benchmarks.md, too
    #[arg(long)]
    write: bool,

    /// Whether this process runs in the namespaces
    #[arg(long, hide = true)]
    inside: bool,
}

/// A part of the benchmark and of its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BenchPart {
    /// Pull and unpack
    Pull,
    /// Transfers in and out: save, load, copy, push
    Transfer,
}

/// What both parts use.
#[derive(Debug)]
struct BenchContext<'a> {
    work: &'a Path,
    runs: usize,
    images: &'a [BenchImage],
    served: &'a BenchRegistry,
    disk: &'a LoopDisk,
    /// The windlass to time.
    windlass: Option<&'a Path>,
}

impl Bench {
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        if self.tools.is_empty() {
            self.tools = PullTool::installed();
        }
        if self.transfer_tools.is_empty() {
            self.transfer_tools = TransferTool::installed();
        }
        if self.tasks.is_empty() {
            self.tasks = TransferTask::value_variants().to_vec();
        }
        if self.inside {
            self.measure()
        } else {
            self.prepare()
        }
    }

    /// Creates the images, and starts the measurement in its namespaces.
    fn prepare(self) -> anyhow::Result<()> {
        ensure!(is_root()?, "needs root, to create and mount file systems");
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
            _ if !self.needs_windlass() => None,
            Some(given) => Some(given.canonicalize().context("--windlass")?),
            None => Some(build_windlass()?),
        };
        Err(self.reentered(&work, windlass.as_deref())?.exec()).context("unshare")
    }

    fn needs_windlass(&self) -> bool {
        self.only.iter().any(|part| match part {
            BenchPart::Pull => self.tools.contains(&PullTool::Windlass),
            BenchPart::Transfer => self.transfer_tools.contains(&TransferTool::Windlass),
        })
    }

    /// Returns this command for the namespaces.
    fn reentered(&self, work: &Path, windlass: Option<&Path>) -> anyhow::Result<Command> {
        fn list<T: ValueEnum>(command: &mut Command, option: &str, values: &[T]) {
            for value in values.iter().filter_map(ValueEnum::to_possible_value) {
                command.args([option, value.get_name()]);
            }
        }
        let mut command = in_namespaces(std::env::current_exe()?);
        command.args(["bench", "--inside", "--runs", &self.runs.to_string()]);
        command.arg("--work").arg(work);
        list(&mut command, "--only", &self.only);
        list(&mut command, "--tools", &self.tools);
        list(&mut command, "--transfer-tools", &self.transfer_tools);
        list(&mut command, "--tasks", &self.tasks);
        list(&mut command, "--images", &self.images);
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
        let served = BenchRegistry::start(&self.work, &images)?;
        let disk = LoopDisk::reserved(&self.work, DISK_SIZE)?;
        let context = BenchContext {
            work: &self.work,
            runs: self.runs,
            images: &images,
            served: &served,
            disk: &disk,
            windlass: self.windlass.as_deref(),
        };
        for part in &self.only {
            let (report, name) = match part {
                BenchPart::Pull => (pull::measure(&context, &self.tools), "results.json"),
                BenchPart::Transfer => {
                    let report = transfer::measure(&context, &self.tasks, &self.transfer_tools)?;
                    (report, "transfer.json")
                }
            };
            report.save(&self.work.join(name))?;
            report.print();
            if self.write {
                report.write(Path::new(PAGE))?;
            }
        }
        Ok(())
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
    let mut cargo = crate::cargo();
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
