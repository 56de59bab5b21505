//! `windlass manifest`

use windlass_error_report::RegistryAction;

use super::CommandOutcome;
use super::remote_query::{QueryOutcome, query};
use super::shared_args::{AuthFileArgs, parse_platform, parse_reference};
use crate::context::Context;
use crate::error::Error;
use crate::output;

/// Show the manifest or index of an image in its registry
///
/// Nothing is pulled. Without --platform, the index of a multi-platform image is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass manifest alpine                              The index, all platforms
  windlass manifest --platform linux/arm64 alpine       The manifest for one of them
  windlass manifest alpine | jq '.manifests[].platform'
  windlass manifest --raw alpine | sha256sum            Compute the digest")]
pub(crate) struct Args {
    /// NAME, NAME:TAG or NAME@DIGEST
    #[arg(value_name = "REF")]
    reference: String,

    /// Show the manifest for this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Print the exact bytes that the digest covers
    #[arg(long)]
    raw: bool,

    #[command(flatten)]
    auth: AuthFileArgs,
}

impl Args {
    /// Prints the manifest or index.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let reference = parse_reference(&self.reference)?;
        let platform = self.platform.as_deref().map(parse_platform).transpose()?;
        let authfile = self.auth.authfile.as_deref();
        let action = RegistryAction::ReadManifest;
        let document = query(
            context,
            authfile,
            action,
            &reference,
            async |remote, caller| {
                remote
                    .manifest(&reference, platform.as_ref(), &caller)
                    .await
            },
        )?;
        let document = match document {
            QueryOutcome::Response(document) => document,
            QueryOutcome::Interrupted(signal) => return Ok(CommandOutcome::Interrupted(signal)),
        };
        if self.raw {
            context.out.write_all(&document.bytes)?;
        } else {
            let text = String::from_utf8_lossy(&document.bytes);
            output::json::indented(context.out, &text)?;
        }
        context.out.flush()?;
        Ok(CommandOutcome::Success)
    }
}
