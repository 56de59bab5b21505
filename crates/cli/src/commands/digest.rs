//! `windlass digest`

use windlass_error_report::RegistryAction;

use super::CommandOutcome;
use super::remote_query::{QueryOutcome, query};
use super::shared_args::{AuthFileArgs, parse_platform, parse_reference};
use crate::context::Context;
use crate::error::Error;

/// Show the digest of an image in its registry
///
/// Nothing is pulled. Without --platform, the digest of a multi-platform image is that of its index. A reference with
/// this digest always names the same content.
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

    /// Show the digest of the manifest for this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    #[command(flatten)]
    auth: AuthFileArgs,
}

impl Args {
    /// Prints the digest.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let reference = parse_reference(&self.reference)?;
        let platform = self.platform.as_deref().map(parse_platform).transpose()?;
        let authfile = self.auth.authfile.as_deref();
        let action = RegistryAction::ResolveDigest;
        let digest = query(
            context,
            authfile,
            action,
            &reference,
            async |remote, caller| {
                if platform.is_none() {
                    return remote.digest(&reference, &caller).await;
                }
                let found = remote
                    .manifest(&reference, platform.as_ref(), &caller)
                    .await;
                found.map(|found| found.digest)
            },
        )?;
        match digest {
            QueryOutcome::Response(digest) => writeln!(context.out, "{digest}")?,
            QueryOutcome::Interrupted(signal) => return Ok(CommandOutcome::Interrupted(signal)),
        }
        context.out.flush()?;
        Ok(CommandOutcome::Success)
    }
}
