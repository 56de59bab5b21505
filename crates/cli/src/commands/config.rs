//! `windlass config`

mod effective_config;
mod registry_view;
mod show_target;
mod text;
mod value_origin;

use clap::Subcommand;

use super::shared_args::AuthFileArgs;
use crate::context::Context;
use crate::error::Error;
use crate::output;
use effective_config::EffectiveConfig;
use show_target::ShowTarget;

/// Show the configuration
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the configuration that is in effect, and which file each value comes from
    Show(ShowArgs),
}

/// Show the configuration that is in effect, and which file each value comes from
///
/// With a registry: its hosts in the order in which they are tried, how they are used, and where their credentials
/// come from. Secrets are not shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass config show                   All settings, and the files that were looked for
  windlass config show docker.io         The hosts of Docker Hub
  windlass config show ghcr.io/owner/app
  windlass config show --json | jq .files")]
struct ShowArgs {
    /// Registry, as HOST or HOST:PORT, or the name of an image in it
    #[arg(value_name = "REGISTRY|NAME")]
    registry: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    auth: AuthFileArgs,
}

impl Args {
    /// Runs the command.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let Command::Show(show) = &self.command;
        show.run(context)
    }
}

impl ShowArgs {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let configuration = &context.settings()?.configuration;
        let target = self.registry.as_deref();
        let target = target.map(|text| ShowTarget::parse(text, configuration));
        let authfile = self.auth.authfile.as_deref();
        let config = EffectiveConfig::collect(context, authfile, target.transpose()?.as_ref())?;
        if self.json {
            output::json::document(context.out, &config)?;
        } else {
            text::write(context.out, &config)?;
        }
        Ok(context.out.flush()?)
    }
}
