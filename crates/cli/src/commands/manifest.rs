//! `windlass manifest`

use super::remote_query::{Answer, ask};
use super::{AuthFile, CommandOutcome, parse_platform, parse_reference};
use windlass_report::RegistryAction;

use crate::context::Context;
use crate::error::Error;
use crate::output;

/// Show the manifest or index that a name leads to in its registry
///
/// Nothing is pulled, and no store is touched. Without --platform an image for several platforms is shown as
/// what it is, an index that names them all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass manifest alpine                              The index, all platforms
  windlass manifest --platform linux/arm64 alpine       The manifest for one of them
  windlass manifest alpine | jq '.manifests[].platform'
  windlass manifest --raw alpine | sha256sum            The digest, by another's word")]
pub(crate) struct Args {
    /// NAME, NAME:TAG or NAME@DIGEST
    #[arg(value_name = "REF")]
    reference: String,

    /// The manifest of the image for this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Print the exact bytes, which the digest is of
    #[arg(long)]
    raw: bool,

    #[command(flatten)]
    auth: AuthFile,
}

impl Args {
    /// Prints what the registry has.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let reference = parse_reference(&self.reference)?;
        let platform = self.platform.as_deref().map(parse_platform).transpose()?;
        let authfile = self.auth.authfile.as_deref();
        let question = (RegistryAction::ReadManifest, &reference);
        let found = ask(context, authfile, question, async |remote, caller| {
            remote
                .manifest(&reference, platform.as_ref(), &caller)
                .await
        })?;
        let found = match found {
            Answer::Got(found) => found,
            Answer::Stopped(signal) => return Ok(CommandOutcome::Interrupted(signal)),
        };
        if self.raw {
            context.out.write_all(&found.bytes)?;
        } else {
            let text = String::from_utf8_lossy(&found.bytes);
            output::json::indented(context.out, &text)?;
        }
        context.out.flush()?;
        Ok(CommandOutcome::Success)
    }
}
