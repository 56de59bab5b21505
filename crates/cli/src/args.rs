//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    bundle, completion, config, copy, daemon, df, digest, export, history, images, import, inspect,
    load, login, logout, manifest, mount, prune, pull, push, rmi, save, serve, tag, tags, umount,
    unpack, version,
};
use crate::global_args::GlobalArgs;

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
  windlass images                        List local images
  sudo windlass unpack alpine ./rootfs   Unpack its root filesystem into a directory

Run `windlass help COMMAND` for more about a command.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download and unpack images
    Pull(pull::Args),
    /// Upload images to registries
    Push(push::Args),
    /// List images
    #[command(visible_alias = "ls")]
    Images(images::Args),
    /// Show detailed information about images, as JSON
    Inspect(inspect::Args),
    /// Show how an image was built, newest step first
    History(history::Args),
    /// Add a name to an image
    Tag(tag::Args),
    /// Remove images or their names
    #[command(visible_alias = "rm")]
    Rmi(rmi::Args),
    /// Remove untagged images, or all images
    Prune(prune::Args),
    /// Save images to an archive or a directory
    Save(save::Args),
    /// Load images from an archive or a directory
    Load(load::Args),
    /// Create an image from a tar archive
    Import(import::Args),
    /// Export an image's root filesystem as a tar archive
    Export(export::Args),
    /// Copy an image between registries, files and the store
    #[command(visible_alias = "cp")]
    Copy(copy::Args),
    /// Serve local images as a read-only registry
    Serve(serve::Args),
    /// Unpack an image's root filesystem into a directory
    Unpack(unpack::Args),
    /// Create an OCI runtime bundle from an image
    Bundle(bundle::Args),
    /// Mount an image's root filesystem read-only
    Mount(mount::Args),
    /// Unmount an image's root filesystem
    #[command(visible_alias = "unmount")]
    Umount(umount::Args),
    /// Show disk usage
    Df(df::Args),
    /// Serve the image part of Docker's API
    Daemon(daemon::Args),
    /// Show the manifest or index of an image in its registry
    Manifest(manifest::Args),
    /// Show the digest of an image in its registry
    Digest(digest::Args),
    /// List the tags of a repository in its registry
    Tags(tags::Args),
    /// Log in to a registry
    Login(login::Args),
    /// Log out of a registry
    Logout(logout::Args),
    /// Show the configuration
    Config(config::Args),
    /// Print a completion script for a shell
    Completion(completion::Args),
    /// Show the version
    Version(version::Args),
    /// Manage images
    #[command(subcommand, hide = true)]
    Image(ImageCommand),
}

/// `windlass image …`: the same commands in Docker's group.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Download and unpack images
    Pull(pull::Args),
    /// Upload images to registries
    Push(push::Args),
    /// List images
    #[command(visible_alias = "list")]
    Ls(images::Args),
    /// Show detailed information about images, as JSON
    Inspect(inspect::Args),
    /// Show how an image was built, newest step first
    History(history::Args),
    /// Add a name to an image
    Tag(tag::Args),
    /// Remove images or their names
    #[command(visible_alias = "remove")]
    Rm(rmi::Args),
    /// Remove untagged images, or all images
    Prune(prune::Args),
    /// Save images to an archive or a directory
    Save(save::Args),
    /// Load images from an archive or a directory
    Load(load::Args),
    /// Create an image from a tar archive
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
