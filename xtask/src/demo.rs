//! `cargo demo`: serves a small but real image, pulls it from there, and shows what it became.

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

/// How long the pull takes, so that there is something to see of it.
const SECONDS: u64 = 3;

/// What the image is called.
const NAME: &str = "demo/windlass";

/// Build windlass, serve a small image with it, pull that from there, show what it became.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Pull the image as fast as it goes, not in about three seconds
    #[arg(long)]
    full_speed: bool,
}

/// Where things are.
struct DemoPaths {
    windlass: PathBuf,
    /// The image, as it is built.
    layout: PathBuf,
    /// The store that is served.
    served_store: PathBuf,
    /// The store that is pulled into.
    store: PathBuf,
    rootfs: PathBuf,
    /// A directory without credentials, in place of `~/.docker`.
    no_docker: PathBuf,
}

impl Demo {
    /// Runs the demo from the first command to the last.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let paths = DemoPaths::build()?;
        let image = image::of_this_machine(&paths.windlass)?;
        layout::write(&image, &paths.layout)?;
        print_heading(
            "an image of windlass itself, taken into a store, and served from there on loopback:",
        );
        let layout = text(&paths.layout)?;
        paths.windlass(
            &paths.served_store,
            &["load", "-q", "-i", layout, "--name", NAME],
        )?;
        let registry = paths.serve()?;
        let name = format!("{}/docker.io/{NAME}:latest", registry.host);
        print_heading("from there, into another store:");
        let mut pull = vec!["pull"];
        let rate = self.rate(&image);
        if let Some(rate) = &rate {
            pull.extend(["--limit-rate", rate]);
        }
        pull.push(&name);
        paths.windlass(&paths.store, &pull)?;
        registry.stop()?;
        print_heading("it is here:");
        paths.windlass(&paths.store, &["images"])?;
        paths.windlass(&paths.store, &["history", &name])?;
        print_heading(if rustix::process::geteuid().is_root() {
            "as a directory, with owners, modes and times as in the image:"
        } else {
            "as a directory, with modes and times as in the image (owners are root's to give):"
        });
        let rootfs = text(&paths.rootfs)?;
        paths.windlass(&paths.store, &["unpack", &name, rootfs])?;
        paths.list()?;
        paths.run_unpacked()?;
        print_heading(&format!("all of it is in {}", text(paths.demo())?));
        Ok(())
    }

    /// Returns how fast the image is to come, in bytes a second, unless as fast as it goes.
    fn rate(&self, image: &PackedImage) -> Option<String> {
        let size: u64 = image.layers.iter().map(|layer| layer.size).sum();
        (!self.full_speed).then(|| (size / SECONDS).to_string())
    }
}

impl DemoPaths {
    /// Builds windlass in the profile in which this program was built, and makes room for the demo.
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

    /// Serves the image on a port that is free.
    fn serve(&self) -> anyhow::Result<ServeProcess> {
        let mut command = self.command(&self.served_store, &["serve", "--listen", "127.0.0.1:0"]);
        print_styled(&format!("\n$ {} &", line_of(&command)), "1");
        ServeProcess::start(&mut command)
    }

    /// Prepares windlass, away from the user's own store, credentials and proxies.
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
            "{draft} is not among them: a layer has it, the one above has its whiteout"
        ));
        Ok(())
    }

    /// Runs the windlass that came out of the image: as root with the image's own libraries.
    fn run_unpacked(&self) -> anyhow::Result<()> {
        let unpacked = Path::new("/usr/bin/windlass");
        if rustix::process::geteuid().is_root() {
            print_heading("and it runs, on nothing but what is in there:");
            let mut command = real::command("chroot");
            command.arg(&self.rootfs).arg(unpacked).arg("version");
            // Cargo's, which leads nowhere in there.
            run(command.env_remove("LD_LIBRARY_PATH"))
        } else {
            print_heading("and it runs (root would see it run in a chroot):");
            let unpacked = self.rootfs.join("usr/bin/windlass");
            run(Command::new(unpacked).arg("version"))
        }
    }
}

/// Shows a command as one would type it, and runs it on this terminal.
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

/// Returns a command as one would type it.
fn line_of(command: &Command) -> String {
    // Programs of this machine are known by their names, the one that was unpacked by where it is.
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

#[expect(clippy::print_stdout, reason = "this is what a demo is for")]
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
