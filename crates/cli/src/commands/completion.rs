//! `windlass completion`

use clap_complete::Shell;

use crate::context::Context;
use crate::error::Error;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass completion bash > ~/.local/share/bash-completion/completions/windlass
  windlass completion zsh > \"${fpath[1]}/_windlass\"
  windlass completion fish > ~/.config/fish/completions/windlass.fish")]
pub(crate) struct Args {
    /// Shell to print the script for
    #[arg(value_enum)]
    shell: Shell,
}

impl Args {
    /// Prints the script for `command`, the whole command line.
    pub(crate) fn run(
        &self,
        context: &mut Context<'_>,
        command: &mut clap::Command,
    ) -> Result<(), Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "windlass", &mut script);
        context.out.write_all(&script)?;
        Ok(context.out.flush()?)
    }
}
