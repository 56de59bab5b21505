//! `windlass tags`

use serde::Serialize;
use windlass_error_report::RegistryAction;

use super::CommandOutcome;
use super::remote_query::{QueryOutcome, query};
use super::shared_args::{AuthFileArgs, parse_reference};
use crate::context::Context;
use crate::error::Error;
use crate::output;

/// List the tags of a repository in its registry
///
/// The tags are in the order of the registry. Nothing is pulled.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass tags alpine
  windlass tags ghcr.io/owner/app | sort -V | tail
  windlass tags --json localhost:5000/app | jq -r .tag")]
pub(crate) struct Args {
    /// Name of the repository, without tag and digest
    #[arg(value_name = "REPOSITORY")]
    repository: String,

    /// Print one JSON object per line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    auth: AuthFileArgs,
}

/// A tag, as JSON.
#[derive(Serialize)]
struct TagRecord<'a> {
    repository: &'a str,
    tag: &'a str,
}

impl Args {
    /// Prints the tags.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let reference = parse_reference(&self.repository)?;
        if !reference.is_name_only() {
            return Err(Error::NotARepository {
                text: self.repository.clone(),
            });
        }
        let authfile = self.auth.authfile.as_deref();
        let action = RegistryAction::ListTags;
        let tags = query(
            context,
            authfile,
            action,
            &reference,
            async |remote, caller| remote.tags(reference.repository(), &caller).await,
        )?;
        let tags = match tags {
            QueryOutcome::Response(tags) => tags,
            QueryOutcome::Interrupted(signal) => return Ok(CommandOutcome::Interrupted(signal)),
        };
        let repository = reference.repository().to_string();
        for tag in &tags {
            if self.json {
                let (repository, tag) = (repository.as_str(), tag.as_str());
                output::json::line(context.out, &TagRecord { repository, tag })?;
            } else {
                writeln!(context.out, "{tag}")?;
            }
        }
        context.out.flush()?;
        Ok(CommandOutcome::Success)
    }
}
