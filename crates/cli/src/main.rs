//! The `windlass` command.

mod args;
mod backend;
mod commands;
mod config;
mod context;
mod environment;
mod error;
mod operation;
mod output;
mod progress;
mod prompt;
mod signals;
mod stdin;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
