//! The project's chores: `cargo demo` and `cargo xtask …`.

mod bench;
mod demo;

use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    Bench(bench::Bench),
    Demo(demo::Demo),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Bench(bench) => bench.run(),
        Chore::Demo(demo) => demo.run(),
    }
}
