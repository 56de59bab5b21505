//! `windlass bundle`

mod messages;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;
use windlass::{
    BUNDLE_CONFIG, BundleOptions, BundleRequest, Bundled, Hostname, RuntimeUser, VolumeMode,
};

use super::{CommandOutcome, image_name, parse_platform};
use windlass_report::OperationError;

use crate::context::{Context, note, warn};
use crate::error::Error;
use crate::operation::{Ending, OperationRunner};
use crate::output;
use crate::output::human;
use crate::progress::Mode;
use windlass::text::escape;

/// Write an image as an OCI runtime bundle, for runc to start
///
/// The root filesystem in DIR/rootfs, as `unpack` writes it, and DIR/config.json: what the image says of command,
/// environment, user, directory, volumes and labels, and the usual containment. Prints the command that starts it.
///
/// An ordinary user gets a bundle that starts without root: in a user namespace in which he is root, and nobody
/// else exists, on the network of the host.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo windlass bundle alpine ./box && sudo runc run --bundle ./box box
  windlass bundle alpine ./box -- ls -l /        With other arguments than the image's
  windlass bundle --user 0 --env DEBUG=1 app ./box
  windlass bundle --tty --entrypoint /bin/sh app ./box")]
pub(crate) struct Args {
    /// Name or ID of an image that is here
    #[arg(value_name = "REF")]
    name: String,

    /// Where to write it: a directory that is empty or does not exist yet
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Arguments for the image's entrypoint, in place of the image's command
    #[arg(value_name = "ARGS", last = true)]
    arguments: Vec<String>,

    /// Refuse an image that is here for another platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Make it for starting without root [default: unless you are root]
    #[arg(long)]
    rootless: bool,

    /// Program in place of the image's entrypoint and command; "" for none
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,

    /// Variable in place of the image's of that name, or beside them; can be given several times
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,

    /// Directory to start in
    #[arg(short = 'w', long, value_name = "DIR")]
    cwd: Option<String>,

    /// User and perhaps group to run as, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,

    /// What the container calls itself
    #[arg(long, value_name = "NAME", default_value = "windlass")]
    hostname: String,

    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,

    /// What becomes of the image's volumes
    #[arg(long, value_enum, value_name = "HOW", default_value = "tmpfs")]
    volumes: VolumesArg,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What becomes of the image's volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum VolumesArg {
    /// In memory, starting with what the image has there; gone when the container ends
    Tmpfs,
    /// Directories of the root filesystem like others: they stay
    Rootfs,
}

/// The result for programs.
#[derive(Debug, Serialize)]
struct Record<'a> {
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
    /// Makes the bundle.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let name = image_name(&self.name)?;
        let request = self.request()?;
        let engine = context.share()?;
        let runner = OperationRunner::new(Mode::Silent)?;
        match runner.run_quietly(engine.bundle(&name, &self.directory, request)) {
            Ending::Done(bundled) => {
                self.tell(context, &bundled)?;
                Ok(CommandOutcome::Success)
            }
            Ending::Stopped(signal) => {
                let directory = self.directory.to_string_lossy();
                note(&format!(
                    "Stopped. Nothing was left in {}.",
                    escape(&directory)
                ));
                Ok(CommandOutcome::Interrupted(signal))
            }
            Ending::Failed(source) => Err(OperationError::Bundle {
                name: self.name.clone(),
                directory: self.directory.clone(),
                source,
            }
            .into()),
        }
    }

    fn request(&self) -> Result<BundleRequest, Error> {
        let platform = self.platform.as_deref().map(parse_platform).transpose()?;
        let env = self.env.iter().map(|text| option("--env", text));
        let options = BundleOptions {
            runtime_user: self.runtime_user(),
            entrypoint: self.entrypoint.clone(),
            args: (!self.arguments.is_empty()).then(|| self.arguments.clone()),
            env: env.collect::<Result<_, _>>()?,
            cwd: self.cwd.clone(),
            user: self.user.clone(),
            hostname: option::<Hostname>("--hostname", &self.hostname)?,
            tty: self.tty,
            volumes: match self.volumes {
                VolumesArg::Tmpfs => VolumeMode::Tmpfs,
                VolumesArg::Rootfs => VolumeMode::Rootfs,
            },
        };
        Ok(BundleRequest { platform, options })
    }

    /// Whoever makes it starts it.
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

    fn tell(&self, context: &mut Context<'_>, bundled: &Bundled) -> Result<(), Error> {
        let warnings = messages::warnings(&bundled.warnings);
        let run = run(&self.directory, &container_name(&self.name));
        if self.json {
            let bundle = std::path::absolute(&self.directory);
            let bundle = bundle.unwrap_or_else(|_| self.directory.clone());
            let record = Record {
                config: text(&bundle.join(BUNDLE_CONFIG)),
                image_id: bundled.image.to_string(),
                platform: bundled.platform.to_string(),
                args: &bundled.spec.process.args,
                layers: bundled.unpacked.layers,
                entries: bundled.unpacked.entries,
                size: bundled.unpacked.size,
                warnings,
                run: self::run(&bundle, &container_name(&self.name)),
                bundle: text(&bundle),
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
        let words = run.iter().map(|word| messages::quote(word));
        let command = words.collect::<Vec<_>>().join(" ");
        writeln!(context.out, "{}", escape(&command))?;
        Ok(context.out.flush()?)
    }
}

/// Returns the words of the command that starts a bundle.
fn run(bundle: &Path, name: &str) -> [String; 5] {
    let words = ["runc", "run", "--bundle", &text(bundle), name];
    words.map(str::to_owned)
}

/// Returns a name for a container, of what an image is called: its repository's last part.
fn container_name(image: &str) -> String {
    let repository = image.split('@').next().unwrap_or_default();
    let last = repository.rsplit('/').next().unwrap_or_default();
    let name = last.split(':').next().unwrap_or_default();
    match name {
        "" | "sha256" | "sha512" => "container".to_owned(),
        name => name.to_owned(),
    }
}

fn option<T>(option: &str, text: &str) -> Result<T, Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| Error::Usage {
        text: format!("{option} {text:?}: {error}"),
    })
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_called_as_its_image() {
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
