//! One file a command.

pub(crate) mod completion;
pub(crate) mod df;
pub(crate) mod history;
pub(crate) mod images;
pub(crate) mod inspect;
pub(crate) mod mount;
pub(crate) mod pull;
pub(crate) mod rmi;
pub(crate) mod tag;
pub(crate) mod umount;
pub(crate) mod unpack;
pub(crate) mod version;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use windlass::ImageName;

use crate::args::{Cli, Command};
use crate::context::{Context, note};
use crate::environment::{self, Environment};
use crate::error::Error;
use crate::signals::Signal;

/// How a command ended that has told already what there was to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All went well.
    Well,
    /// Something failed, and was reported.
    Failed,
    /// A signal stopped it.
    Stopped(Signal),
}

/// Runs the command that the arguments ask for.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut stdout = io::stdout().lock();
    let mut context = Context::new(cli.global, Environment::read(), &mut stdout);
    match run(cli.command, &mut context) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Failed) => ExitCode::FAILURE,
        Ok(Ended::Stopped(signal)) => signal.exit_code().into(),
        Err(error) => {
            report(&error);
            error.exit_code().into()
        }
    }
}

/// Prints `error` as people read it, unless there is nobody left to read anything.
pub(crate) fn report(error: &Error) {
    if !error.is_broken_pipe() {
        note(&error.report().text(environment::colors()));
    }
}

fn run(command: Command, context: &mut Context<'_>) -> Result<Ended, Error> {
    match command {
        Command::Pull(args) => args.run(context),
        Command::Images(args) => args.run(context).map(|()| Ended::Well),
        Command::Inspect(args) => args.run(context),
        Command::History(args) => args.run(context).map(|()| Ended::Well),
        Command::Tag(args) => args.run(context).map(|()| Ended::Well),
        Command::Rmi(args) => args.run(context),
        Command::Unpack(args) => args.run(context),
        Command::Mount(args) => args.run(context).map(|()| Ended::Well),
        Command::Umount(args) => args.run(context).map(|()| Ended::Well),
        Command::Df(args) => args.run(context).map(|()| Ended::Well),
        Command::Completion(args) => args.run(context).map(|()| Ended::Well),
        Command::Version(args) => args.run(context).map(|()| Ended::Well),
        Command::Image(command) => run(command.into(), context),
    }
}

/// Parses what a user calls an image that is here (REF-8).
fn image_name(text: &str) -> Result<ImageName, Error> {
    text.parse().map_err(Error::Reference)
}
