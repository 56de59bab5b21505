//! Tools for work on the project: `cargo demo` and `cargo xtask …`.

mod bench;
mod ci;
mod demo;

use std::process::Command;

use clap::{Parser, Subcommand};

/// Tools for work on windlass.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    Bench(bench::Bench),
    Ci(ci::Ci),
    Demo(demo::Demo),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().tool {
        Tool::Bench(bench) => bench.run(),
        Tool::Ci(ci) => ci.run(),
        Tool::Demo(demo) => demo.run(),
    }
}

/// Returns a command for the cargo that runs this program.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo passes its own path in this variable"
)]
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
