//! The `windlass` command.

mod args;
mod backend;
mod commands;
mod config;
mod context;
mod environment;
mod error;
mod global_args;
mod operation;
mod output;
mod prompt;
mod signals;
mod stdin;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Cli, Command};
use commands::CommandOutcome;
use context::Context;
use environment::Environment;
use error::Error;

/// The exit code of a dry run of a pull that would change something.
const UPDATE_AVAILABLE_EXIT_CODE: u8 = 10;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut stdout = io::stdout().lock();
    let mut context = Context::new(cli.global, Environment::read(), &mut stdout);
    match run(cli.command, &mut context) {
        Ok(CommandOutcome::Success) => ExitCode::SUCCESS,
        Ok(CommandOutcome::UpdateAvailable) => UPDATE_AVAILABLE_EXIT_CODE.into(),
        Ok(CommandOutcome::Failure) => ExitCode::FAILURE,
        Ok(CommandOutcome::Interrupted(signal)) => signal.exit_code().into(),
        Err(error) => {
            error.print();
            error.exit_code().into()
        }
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
        Command::Completion(args) => args
            .run(context, &mut Cli::command())
            .map(|()| CommandOutcome::Success),
        Command::Version(args) => args.run(context).map(|()| CommandOutcome::Success),
        Command::Image(command) => run(command.into(), context),
    }
}
