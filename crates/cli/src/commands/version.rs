//! `windlass version`

use std::env::consts;

use serde::Serialize;

use crate::context::Context;
use crate::error::Error;
use crate::output;

/// Show the version
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass version
  windlass version --json | jq -r .version")]
pub(crate) struct Args {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// The version for programs.
#[derive(Serialize)]
struct Record {
    version: &'static str,
    os: &'static str,
    architecture: &'static str,
}

impl Args {
    /// Prints the version.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let record = Record {
            version: env!("CARGO_PKG_VERSION"),
            os: consts::OS,
            architecture: consts::ARCH,
        };
        if self.json {
            output::json::line(context.out, &record)?;
        } else {
            writeln!(context.out, "windlass {}", record.version)?;
        }
        Ok(context.out.flush()?)
    }
}
