//! `cargo demo`: serves a small but real image, pulls it, and shows the result.

mod image;
mod layout;
mod registry;

use std::ffi::OsStr;
use std::fs;
use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use windlass_testing::{PackedImage, real};

use crate::cargo;
use registry::ServeProcess;

/// The duration of the pull in seconds, so that its progress is visible.
const SECONDS: u64 = 3;

/// The name of the image.
const NAME: &str = "demo/windlass";

/// Build windlass, serve a small image with it, pull the image, and show the result.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Pull the image at full speed, not in about three seconds
    #[arg(long)]
    full_speed: bool,
}

/// The paths of the demo.
struct DemoPaths {
    windlass: PathBuf,
    /// The layout of the built image.
    layout: PathBuf,
    /// The store that is served.
    served_store: PathBuf,
    /// The store that is pulled into.
    store: PathBuf,
    rootfs: PathBuf,
    /// A directory without credentials, instead of `~/.docker`.
    no_docker: PathBuf,
}

impl Demo {
    /// Runs the demo from the first command to the last.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let paths = DemoPaths::build()?;
        let image = image::of_this_machine(&paths.windlass)?;
        layout::write(&image, &paths.layout)?;
        print_heading("an image of windlass itself, loaded into a store and served on loopback:");
        let layout = text(&paths.layout)?;
        paths.windlass(
            &paths.served_store,
            &["load", "-q", "-i", layout, "--name", NAME],
        )?;
        let registry = paths.serve()?;
        let name = format!("{}/docker.io/{NAME}:latest", registry.host);
        print_heading("a pull into another store:");
        let mut pull = vec!["pull"];
        let rate = self.rate(&image);
        if let Some(rate) = &rate {
            pull.extend(["--limit-rate", rate]);
        }
        pull.push(&name);
        paths.windlass(&paths.store, &pull)?;
        registry.stop()?;
        print_heading("the image in the store:");
        paths.windlass(&paths.store, &["images"])?;
        paths.windlass(&paths.store, &["history", &name])?;
        print_heading(if rustix::process::geteuid().is_root() {
            "unpacked into a directory, with owners, modes and times of the image:"
        } else {
            "unpacked into a directory, with modes and times of the image (only root can set owners):"
        });
        let rootfs = text(&paths.rootfs)?;
        paths.windlass(&paths.store, &["unpack", &name, rootfs])?;
        paths.list()?;
        paths.run_unpacked()?;
        print_heading(&format!(
            "the files of the demo are in {}",
            text(paths.demo())?
        ));
        Ok(())
    }

    /// Returns the rate limit of the pull, in bytes a second; `None` at full speed.
    fn rate(&self, image: &PackedImage) -> Option<String> {
        let size: u64 = image.layers.iter().map(|layer| layer.size).sum();
        (!self.full_speed).then(|| (size / SECONDS).to_string())
    }
}

impl DemoPaths {
    /// Builds windlass in the profile of this program, and creates the directories of the demo.
    fn build() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let directory = program.parent().context("this program is in a directory")?;
        let profile = match directory.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        run(cargo().args(["build", "--package", "windlass-cli", "--profile", profile]))?;
        let target = directory.parent().context("profiles are in a directory")?;
        let here = std::env::current_dir().context("finding this directory")?;
        let demo = target.join("demo");
        let demo = demo.strip_prefix(here).map(Path::to_owned).unwrap_or(demo);
        if demo.exists() {
            fs::remove_dir_all(&demo)
                .with_context(|| format!("removing the last demo, {}", demo.display()))?;
        }
        let paths = Self {
            windlass: directory.join("windlass"),
            layout: demo.join("layout"),
            served_store: demo.join("served"),
            store: demo.join("store"),
            rootfs: demo.join("rootfs"),
            no_docker: demo.join("no-docker"),
        };
        fs::create_dir_all(&paths.no_docker).context("making room for the demo")?;
        Ok(paths)
    }

    fn demo(&self) -> &Path {
        self.store.parent().unwrap_or(&self.store)
    }

    /// Runs windlass on a store.
    fn windlass(&self, store: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        run(&mut self.command(store, arguments))
    }

    /// Serves the image on a free port.
    fn serve(&self) -> anyhow::Result<ServeProcess> {
        let mut command = self.command(&self.served_store, &["serve", "--listen", "127.0.0.1:0"]);
        print_styled(&format!("\n$ {} &", line_of(&command)), "1");
        ServeProcess::start(&mut command)
    }

    /// Returns a windlass command without the user's store, credentials and proxies.
    fn command(&self, store: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.windlass);
        command.arg("--root").arg(store).args(arguments);
        command.env("DOCKER_CONFIG", &self.no_docker);
        command
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1");
        command
    }

    fn list(&self) -> anyhow::Result<()> {
        let docs = self.rootfs.join(image::DOCS);
        run(Command::new("ls").arg("-l").arg(&self.rootfs).arg(&docs))?;
        let draft = docs.join(image::DRAFT);
        ensure!(!draft.exists(), "{} is still there", draft.display());
        let draft = image::DRAFT;
        print_heading(&format!(
            "{draft} is missing as intended: a layer has it, and the layer above removes it"
        ));
        Ok(())
    }

    /// Runs the windlass from the image: as root with the image's own libraries.
    fn run_unpacked(&self) -> anyhow::Result<()> {
        let unpacked = Path::new("/usr/bin/windlass");
        if rustix::process::geteuid().is_root() {
            print_heading("the unpacked program runs with the image's own libraries:");
            let mut command = real::command("chroot");
            command.arg(&self.rootfs).arg(unpacked).arg("version");
            // Cargo sets it to a path that does not exist there.
            run(command.env_remove("LD_LIBRARY_PATH"))
        } else {
            print_heading("the unpacked program runs (as root, in a chroot):");
            let unpacked = self.rootfs.join("usr/bin/windlass");
            run(Command::new(unpacked).arg("version"))
        }
    }
}

/// Prints a command as it would be typed, and runs it on this terminal.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = line_of(command);
    print_styled(&format!("\n$ {line}"), "1");
    let status = command
        .status()
        .with_context(|| format!("running {line}"))?;
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}

/// Returns a command as it would be typed.
fn line_of(command: &Command) -> String {
    // Programs of this machine are shown by name, the unpacked one by its path.
    let program = Path::new(command.get_program());
    let name = program.file_name().filter(|_| program.is_absolute());
    let program = name.unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

fn print_heading(text: &str) {
    print_styled(&format!("\n# {text}"), "36");
}

#[expect(clippy::print_stdout, reason = "the output of the demo")]
fn print_styled(line: &str, style: &str) {
    if stdout().is_terminal() {
        println!("\x1b[{style}m{line}\x1b[0m");
    } else {
        println!("{line}");
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the path of the demo is not UTF-8")
}
