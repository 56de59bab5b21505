//! `windlass digest`

use super::remote_query::{Answer, ask};
use super::{AuthFile, CommandOutcome, parse_platform, parse_reference};
use windlass_report::RegistryAction;

use crate::context::Context;
use crate::error::Error;

/// Show the digest that a name has in its registry
///
/// Nothing is pulled, and no store is touched. Without --platform it is the digest of what the name stands
/// for: of the index where there is one. Names with this digest always mean the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass digest alpine:3
  windlass digest --platform linux/arm64 alpine:3
  windlass pull alpine@$(windlass digest alpine:3)")]
pub(crate) struct Args {
    /// NAME, NAME:TAG or NAME@DIGEST
    #[arg(value_name = "REF")]
    reference: String,

    /// The digest of the manifest for this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    #[command(flatten)]
    auth: AuthFile,
}

impl Args {
    /// Prints the digest and nothing else.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let reference = parse_reference(&self.reference)?;
        let platform = self.platform.as_deref().map(parse_platform).transpose()?;
        let authfile = self.auth.authfile.as_deref();
        let question = (RegistryAction::ResolveDigest, &reference);
        let digest = ask(context, authfile, question, async |remote, caller| {
            if platform.is_none() {
                return remote.digest(&reference, &caller).await;
            }
            let found = remote
                .manifest(&reference, platform.as_ref(), &caller)
                .await;
            found.map(|found| found.digest)
        })?;
        match digest {
            Answer::Got(digest) => writeln!(context.out, "{digest}")?,
            Answer::Stopped(signal) => return Ok(CommandOutcome::Interrupted(signal)),
        }
        context.out.flush()?;
        Ok(CommandOutcome::Success)
    }
}
