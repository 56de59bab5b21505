//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands::{
    bundle, completion, config, copy, daemon, df, digest, export, history, images, import, inspect,
    load, login, logout, manifest, mount, prune, pull, push, rmi, save, serve, tag, tags, umount,
    unpack, version,
};

/// Pulls container images, fast and safely: no daemon, no configuration needed.
#[derive(Debug, Parser)]
#[command(
    name = "windlass",
    version,
    propagate_version = false,
    arg_required_else_help = true
)]
#[command(after_help = "\
Examples:
  windlass pull alpine                   Pull docker.io/library/alpine:latest
  windlass images                        List what is there
  sudo windlass unpack alpine ./rootfs   Write its root filesystem into a directory

Run `windlass help COMMAND` for more about a command.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where images are kept [default: /var/lib/windlass as root, else ~/.local/share/windlass]
    #[arg(
        long,
        alias = "data-root",
        global = true,
        value_name = "DIR",
        env = "WINDLASS_ROOT",
        hide_env_values = true
    )]
    pub(crate) root: Option<PathBuf>,

    /// Configuration to read in place of /etc/windlass/windlass.toml and ~/.config/windlass/windlass.toml
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "WINDLASS_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,

    /// Registry (HOST or HOST:PORT) that may be spoken to without TLS; can be given several times
    #[arg(long, global = true, value_name = "HOST")]
    pub(crate) insecure_registry: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download and unpack images
    Pull(pull::Args),
    /// Send images to their registries
    Push(push::Args),
    /// List images
    #[command(visible_alias = "ls")]
    Images(images::Args),
    /// Show everything about images, as JSON
    Inspect(inspect::Args),
    /// Show how an image was built, newest step first
    History(history::Args),
    /// Give an image one more name
    Tag(tag::Args),
    /// Remove names of images, and images that have no name left
    #[command(visible_alias = "rm")]
    Rmi(rmi::Args),
    /// Remove images without a tag, or all
    Prune(prune::Args),
    /// Write images into an archive or a directory
    Save(save::Args),
    /// Take images out of an archive or a directory
    Load(load::Args),
    /// Make an image of a tar
    Import(import::Args),
    /// Write an image's root filesystem as one tar
    Export(export::Args),
    /// Carry an image between registries, files and the store
    #[command(visible_alias = "cp")]
    Copy(copy::Args),
    /// Serve what is here to others, as a read-only registry
    Serve(serve::Args),
    /// Write an image's root filesystem into a directory
    Unpack(unpack::Args),
    /// Write an image as an OCI runtime bundle, for runc to start
    Bundle(bundle::Args),
    /// Mount an image's root filesystem, read-only
    Mount(mount::Args),
    /// Unmount what `mount` mounted
    #[command(visible_alias = "unmount")]
    Umount(umount::Args),
    /// Show what takes up the space
    Df(df::Args),
    /// Serve the image part of Docker's API
    Daemon(daemon::Args),
    /// Show the manifest or index that a name leads to in its registry
    Manifest(manifest::Args),
    /// Show the digest that a name has in its registry
    Digest(digest::Args),
    /// List the tags of a repository in its registry
    Tags(tags::Args),
    /// Log in to a registry
    Login(login::Args),
    /// Log out of a registry
    Logout(logout::Args),
    /// Show what is configured
    Config(config::Args),
    /// Print a completion script for a shell
    Completion(completion::Args),
    /// Show the version
    Version(version::Args),
    /// The same commands under Docker's group
    #[command(subcommand, hide = true)]
    Image(ImageCommand),
}

/// `windlass image …`, for fingers that are used to Docker.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Download and unpack images
    Pull(pull::Args),
    /// Send images to their registries
    Push(push::Args),
    /// List images
    #[command(visible_alias = "list")]
    Ls(images::Args),
    /// Show everything about images, as JSON
    Inspect(inspect::Args),
    /// Show how an image was built, newest step first
    History(history::Args),
    /// Give an image one more name
    Tag(tag::Args),
    /// Remove names of images, and images that have no name left
    #[command(visible_alias = "remove")]
    Rm(rmi::Args),
    /// Remove images without a tag, or all
    Prune(prune::Args),
    /// Write images into an archive or a directory
    Save(save::Args),
    /// Take images out of an archive or a directory
    Load(load::Args),
    /// Make an image of a tar
    Import(import::Args),
}

impl From<ImageCommand> for Command {
    fn from(command: ImageCommand) -> Self {
        match command {
            ImageCommand::Pull(args) => Self::Pull(args),
            ImageCommand::Push(args) => Self::Push(args),
            ImageCommand::Ls(args) => Self::Images(args),
            ImageCommand::Inspect(args) => Self::Inspect(args),
            ImageCommand::History(args) => Self::History(args),
            ImageCommand::Tag(args) => Self::Tag(args),
            ImageCommand::Rm(args) => Self::Rmi(args),
            ImageCommand::Prune(args) => Self::Prune(args),
            ImageCommand::Save(args) => Self::Save(args),
            ImageCommand::Load(args) => Self::Load(args),
            ImageCommand::Import(args) => Self::Import(args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
