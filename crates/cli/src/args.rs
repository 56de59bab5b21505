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

/// The commands. The `Args` of each command have its help text.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Pull(pull::Args),
    Push(push::Args),
    #[command(visible_alias = "ls")]
    Images(images::Args),
    Inspect(inspect::Args),
    History(history::Args),
    Tag(tag::Args),
    #[command(visible_alias = "rm")]
    Rmi(rmi::Args),
    Prune(prune::Args),
    Save(save::Args),
    Load(load::Args),
    Import(import::Args),
    Export(export::Args),
    #[command(visible_alias = "cp")]
    Copy(copy::Args),
    Serve(serve::Args),
    Unpack(unpack::Args),
    Bundle(bundle::Args),
    Mount(mount::Args),
    #[command(visible_alias = "unmount")]
    Umount(umount::Args),
    Df(df::Args),
    Daemon(daemon::Args),
    Manifest(manifest::Args),
    Digest(digest::Args),
    Tags(tags::Args),
    Login(login::Args),
    Logout(logout::Args),
    Config(config::Args),
    Completion(completion::Args),
    Version(version::Args),
    /// Manage images
    #[command(subcommand, hide = true)]
    Image(ImageCommand),
}

/// `windlass image …`: the same commands in Docker's group.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    Pull(pull::Args),
    Push(push::Args),
    #[command(visible_alias = "list")]
    Ls(images::Args),
    Inspect(inspect::Args),
    History(history::Args),
    Tag(tag::Args),
    #[command(visible_alias = "remove")]
    Rm(rmi::Args),
    Prune(prune::Args),
    Save(save::Args),
    Load(load::Args),
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
