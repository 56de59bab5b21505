//! The commands, one module each.

pub(crate) mod bundle;
pub(crate) mod completion;
mod compression;
pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod daemon;
pub(crate) mod df;
pub(crate) mod digest;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod images;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod load;
mod loaded_image;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod manifest;
pub(crate) mod mount;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod push;
mod remote_query;
mod removal_record;
pub(crate) mod rmi;
pub(crate) mod save;
pub(crate) mod serve;
mod shared_args;
pub(crate) mod tag;
pub(crate) mod tags;
pub(crate) mod umount;
pub(crate) mod unpack;
pub(crate) mod version;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use windlass::{ImageName, Platform, Reference};

use windlass_report::OperationError;

use crate::args::{Cli, Command};
use crate::context::{Context, note};
use crate::environment::{self, Environment};
use crate::error::{Error, render};
use crate::signals::Signal;

/// The result of a command that has printed everything there is to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandOutcome {
    Success,
    /// A dry run succeeded, and a pull would change something.
    UpdateAvailable,
    /// Something failed, and the error was printed.
    Failure,
    /// A signal interrupted the command.
    Interrupted(Signal),
}

/// The file with credentials that takes precedence over all others.
#[derive(Debug, clap::Args)]
pub(crate) struct AuthFile {
    /// The path of the file.
    #[arg(
        long,
        value_name = "FILE",
        help = "File with credentials, in Podman's format; takes precedence over all others [env: REGISTRY_AUTH_FILE]"
    )]
    pub(crate) authfile: Option<PathBuf>,
}

/// The exit code of a dry run of a pull that would change something.
const UPDATE_AVAILABLE_EXIT_CODE: u8 = 10;

/// Runs the command that the arguments select.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut stdout = io::stdout().lock();
    let mut context = Context::new(cli.global, Environment::read(), &mut stdout);
    match run(cli.command, &mut context) {
        Ok(CommandOutcome::Success) => ExitCode::SUCCESS,
        Ok(CommandOutcome::UpdateAvailable) => UPDATE_AVAILABLE_EXIT_CODE.into(),
        Ok(CommandOutcome::Failure) => ExitCode::FAILURE,
        Ok(CommandOutcome::Interrupted(signal)) => signal.exit_code().into(),
        Err(error) => {
            report(&error);
            error.exit_code().into()
        }
    }
}

/// Prints `error` on standard error, unless it is that the reader of standard output has closed its end.
pub(crate) fn report(error: &Error) {
    if !error.is_broken_pipe() {
        note(&render(&error.report(), environment::colors()));
    }
}

fn run(command: Command, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
    match command {
        Command::Pull(args) => args.run(context),
        Command::Images(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Inspect(args) => args.run(context),
        Command::History(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Tag(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Push(args) => args.run(context),
        Command::Rmi(args) => args.run(context),
        Command::Prune(args) => args.run(context),
        Command::Save(args) => args.run(context),
        Command::Load(args) => args.run(context),
        Command::Import(args) => args.run(context),
        Command::Export(args) => args.run(context),
        Command::Copy(args) => args.run(context),
        Command::Serve(args) => args.run(context),
        Command::Unpack(args) => args.run(context),
        Command::Bundle(args) => args.run(context),
        Command::Mount(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Umount(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Df(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Daemon(args) => args.run(context),
        Command::Manifest(args) => args.run(context),
        Command::Digest(args) => args.run(context),
        Command::Tags(args) => args.run(context),
        Command::Login(args) => args.run(context),
        Command::Logout(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Config(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Completion(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Version(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Image(command) => run(command.into(), context),
    }
}

/// Parses the name or ID of a local image (REF-8).
pub(crate) fn image_name(text: &str) -> Result<ImageName, Error> {
    text.parse()
        .map_err(|error| OperationError::Reference(error).into())
}

fn parse_reference(text: &str) -> Result<Reference, Error> {
    text.parse()
        .map_err(|error| OperationError::Reference(error).into())
}

fn parse_platform(text: &str) -> Result<Platform, Error> {
    text.parse().map_err(Error::Platform)
}
