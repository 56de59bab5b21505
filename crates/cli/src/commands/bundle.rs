//! `windlass bundle`

mod messages;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;
use windlass::bundle::{
    BundleOptions, BundleRequest, Bundled, CONFIG, Hostname, RuntimeUser, VolumeMode,
};
use windlass::text::escape;
use windlass_error_report::OperationError;
use windlass_progress::{ProgressMode, human};

use super::CommandOutcome;
use super::shared_args::{parse_image_name, parse_platform};
use crate::context::Context;
use crate::error::Error;
use crate::operation::{OperationOutcome, OperationRunner};
use crate::output;
use crate::output::message::{note, warn};

/// Create an OCI runtime bundle from an image
///
/// Writes the root filesystem to DIR/rootfs, like `unpack`, and DIR/config.json with the command, environment, user,
/// working directory, volumes and labels of the image and default isolation. Prints the command that starts the bundle.
///
/// Without root, the bundle is rootless: it runs in a user namespace that maps only the current user, as root, and in
/// the network namespace of the host.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo windlass bundle alpine ./box && sudo runc run --bundle ./box box
  windlass bundle alpine ./box -- ls -l /        Override the arguments of the image
  windlass bundle --user 0 --env DEBUG=1 app ./box
  windlass bundle --tty --entrypoint /bin/sh app ./box")]
pub(crate) struct Args {
    /// Name or ID of the image
    #[arg(value_name = "REF")]
    name: String,

    /// Directory to write to; must be empty or missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Arguments of the entrypoint, instead of the command of the image
    #[arg(value_name = "ARGS", last = true)]
    arguments: Vec<String>,

    /// Fail if the image is for another platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Create a rootless bundle [default: unless run as root]
    #[arg(long)]
    rootless: bool,

    /// Program to run instead of the entrypoint and command of the image; "" for none
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,

    /// Set an environment variable; can be given several times
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,

    /// Working directory
    #[arg(short = 'w', long, value_name = "DIR")]
    cwd: Option<String>,

    /// User and optionally group to run as, by name or ID
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,

    /// Hostname of the container
    #[arg(long, value_name = "NAME", default_value = "windlass")]
    hostname: String,

    /// Allocate a terminal
    #[arg(short, long)]
    tty: bool,

    /// How to provide the volumes of the image
    #[arg(long, value_enum, value_name = "HOW", default_value = "tmpfs")]
    volumes: VolumesArg,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// How to provide the volumes of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum VolumesArg {
    /// In memory, initialized with the content of the image; discarded when the container ends
    Tmpfs,
    /// Ordinary directories of the root filesystem
    Rootfs,
}

/// The result, as JSON.
#[derive(Debug, Serialize)]
struct BundleRecord<'a> {
    bundle: String,
    config: String,
    image_id: String,
    platform: String,
    args: &'a [String],
    layers: u64,
    entries: u64,
    size: u64,
    warnings: Vec<String>,
    run: [String; 5],
}

impl Args {
    /// Creates the bundle.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let name = parse_image_name(&self.name)?;
        let request = self.request()?;
        let engine = context.open_shared()?;
        let runner = OperationRunner::new(ProgressMode::Silent)?;
        match runner.run_quietly(engine.bundle(&name, &self.directory, request)) {
            OperationOutcome::Completed(bundled) => {
                self.print_result(context, &bundled)?;
                Ok(CommandOutcome::Success)
            }
            OperationOutcome::Interrupted(signal) => {
                let directory = self.directory.to_string_lossy();
                note(&format!(
                    "Stopped. Nothing was left in {}.",
                    escape(&directory)
                ));
                Ok(CommandOutcome::Interrupted(signal))
            }
            OperationOutcome::Failed(source) => Err(OperationError::Bundle {
                name: self.name.clone(),
                directory: self.directory.clone(),
                source,
            }
            .into()),
        }
    }

    fn request(&self) -> Result<BundleRequest, Error> {
        let platform = self.platform.as_deref().map(parse_platform).transpose()?;
        let env = self.env.iter().map(|text| parse_option("--env", text));
        let options = BundleOptions {
            runtime_user: self.runtime_user(),
            entrypoint: self.entrypoint.clone(),
            args: (!self.arguments.is_empty()).then(|| self.arguments.clone()),
            env: env.collect::<Result<_, _>>()?,
            cwd: self.cwd.clone(),
            user: self.user.clone(),
            hostname: parse_option::<Hostname>("--hostname", &self.hostname)?,
            tty: self.tty,
            volumes: match self.volumes {
                VolumesArg::Tmpfs => VolumeMode::Tmpfs,
                VolumesArg::Rootfs => VolumeMode::Rootfs,
            },
        };
        Ok(BundleRequest { platform, options })
    }

    /// Returns the user that is expected to start the bundle: the current one.
    fn runtime_user(&self) -> RuntimeUser {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if uid.is_root() && !self.rootless {
            return RuntimeUser::Root;
        }
        RuntimeUser::Rootless {
            uid: uid.as_raw(),
            gid: gid.as_raw(),
        }
    }

    fn print_result(&self, context: &mut Context<'_>, bundled: &Bundled) -> Result<(), Error> {
        let warnings = messages::warnings(&bundled.warnings);
        let run = run_command(&self.directory, &container_name(&self.name));
        if self.json {
            let bundle = std::path::absolute(&self.directory);
            let bundle = bundle.unwrap_or_else(|_| self.directory.clone());
            let record = BundleRecord {
                config: path_text(&bundle.join(CONFIG)),
                image_id: bundled.image.to_string(),
                platform: bundled.platform.to_string(),
                args: &bundled.spec.process.args,
                layers: bundled.unpacked.layers,
                entries: bundled.unpacked.entries,
                size: bundled.unpacked.size,
                warnings,
                run: run_command(&bundle, &container_name(&self.name)),
                bundle: path_text(&bundle),
            };
            output::json::line(context.out, &record)?;
            return Ok(context.out.flush()?);
        }
        for warning in &warnings {
            warn(&escape(warning));
        }
        note(&format!(
            "Bundled {} into {}: {}, {}, {}. To start it:",
            escape(&self.name),
            escape(&self.directory.to_string_lossy()),
            human::count(bundled.unpacked.layers, "layer"),
            human::count(bundled.unpacked.entries, "entry"),
            human::amount(bundled.unpacked.size),
        ));
        let arguments = run.iter().map(|argument| messages::quote(argument));
        let command = arguments.collect::<Vec<_>>().join(" ");
        writeln!(context.out, "{}", escape(&command))?;
        Ok(context.out.flush()?)
    }
}

/// Returns the arguments of the command that starts a bundle.
fn run_command(bundle: &Path, name: &str) -> [String; 5] {
    let command = ["runc", "run", "--bundle", &path_text(bundle), name];
    command.map(str::to_owned)
}

/// Returns a name for the container: the last component of the repository.
fn container_name(image: &str) -> String {
    let repository = image.split('@').next().unwrap_or_default();
    let last = repository.rsplit('/').next().unwrap_or_default();
    let name = last.split(':').next().unwrap_or_default();
    match name {
        "" | "sha256" | "sha512" => "container".to_owned(),
        name => name.to_owned(),
    }
}

fn parse_option<T>(option: &str, text: &str) -> Result<T, Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| Error::Usage {
        text: format!("{option} {text:?}: {error}"),
    })
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_the_name_of_its_image() {
        let digest = format!("app@sha256:{}", "a".repeat(64));
        for (image, name) in [
            ("alpine", "alpine"),
            ("registry.test:5000/owner/app:1", "app"),
            (digest.as_str(), "app"),
            ("05455a08881e", "05455a08881e"),
            ("sha256:05455a08881e", "container"),
            ("", "container"),
        ] {
            assert_eq!(container_name(image), name);
        }
    }
}
