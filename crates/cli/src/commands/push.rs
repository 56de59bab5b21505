//! `windlass push`

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;

use serde::Serialize;
use windlass::image::{ImageName, Reference};
use windlass::registry::Caller;
use windlass::text::escape;
use windlass::{Engine, PushRequest, Pushed};
use windlass_error_report::{LoginState, OperationError, RegistryLogin};

use super::CommandOutcome;
use super::shared_args::{AuthFileArgs, OutputArgs, PlatformArgs, parse_reference, parse_size};
use crate::context::Context;
use crate::error::Error;
use crate::operation::{OperationOutcome, OperationRunner};
use crate::output;
use crate::output::message::{note, warn};

/// Upload images to registries
///
/// Manifests and layers are uploaded without changes, so that the digests stay the same. Blobs that the repository
/// already has are skipped; blobs of other repositories of the registry are mounted from there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass push localhost:5000/app:1
  windlass push --all-tags ghcr.io/owner/app
  windlass tag alpine:3 localhost:5000/alpine:3 && windlass push localhost:5000/alpine:3")]
pub(crate) struct Args {
    /// Names of the images; each name includes the registry to push to
    #[arg(value_name = "NAME[:TAG]", required = true)]
    names: Vec<String>,

    /// Push every local tag of each repository
    #[arg(short, long)]
    all_tags: bool,

    /// Maximum number of concurrent blob uploads
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=64))]
    max_concurrent_uploads: u16,

    /// Upload large blobs in chunks of this size, for registries that reject large requests
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    chunk_size: Option<NonZeroU64>,

    /// Also push non-distributable layers
    #[arg(long)]
    allow_nondistributable_artifacts: bool,

    #[command(flatten)]
    platforms: PlatformArgs,

    #[command(flatten)]
    display: OutputArgs,

    #[command(flatten)]
    auth: AuthFileArgs,
}

/// A pushed image, as JSON.
#[derive(Serialize)]
struct PushRecord {
    reference: String,
    digest: String,
    size: u64,
    is_rewritten: bool,
}

impl Args {
    /// Pushes the images. A failure is reported and does not prevent the other pushes.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let names = self.names.iter().map(|name| parse_reference(name));
        let names: Vec<_> = names.collect::<Result<_, _>>()?;
        let engine = context.open_shared()?;
        let names = if self.all_tags {
            all_tags(&engine, &names)?
        } else {
            names
        };
        let runner = OperationRunner::new(self.display.mode(context))?;
        let credentials = context.credentials(self.auth.authfile.as_deref());
        let caller = Caller::new(Arc::new(credentials.clone()));
        let mut outcome = CommandOutcome::Success;
        for reference in names {
            let request = PushRequest {
                reference: reference.clone(),
                image: None,
                choice: self.platforms.choice()?,
                caller: caller.clone(),
                concurrent_blobs: self.max_concurrent_uploads.into(),
                chunk_size: self.chunk_size.map(NonZeroU64::get),
                include_foreign_layers: self.allow_nondistributable_artifacts,
            };
            let action = format!("Pushing {}", reference.familiar());
            match runner.run(&action, engine.push(request)) {
                OperationOutcome::Completed(pushed) => self.print_result(context, &pushed)?,
                OperationOutcome::Interrupted(signal) => {
                    note("Stopped. Complete blobs stay in the registry.");
                    return Ok(CommandOutcome::Interrupted(signal));
                }
                OperationOutcome::Failed(source) => {
                    let registry = reference.repository().registry().to_owned();
                    let error = OperationError::Transfer {
                        action: format!("pushing {}", reference.familiar()),
                        registry: Some(RegistryLogin {
                            registry,
                            login: LoginState::find(&credentials, &reference),
                        }),
                        source: Box::new(source.into()),
                    };
                    Error::from(error).print();
                    outcome = CommandOutcome::Failure;
                }
            }
        }
        Ok(outcome)
    }

    fn print_result(&self, context: &mut Context<'_>, pushed: &Pushed) -> Result<(), Error> {
        let name = pushed.reference.familiar();
        if pushed.is_rewritten {
            warn(&format!(
                "{name} has layers that the store holds in another compression; it was pushed with a new manifest"
            ));
        }
        if self.display.json {
            let record = PushRecord {
                reference: pushed.reference.to_string(),
                digest: pushed.digest.to_string(),
                size: pushed.size,
                is_rewritten: pushed.is_rewritten,
            };
            output::json::line(context.out, &record)?;
        } else {
            let repository = pushed.reference.without_tag().without_digest();
            let name = repository.with_digest(pushed.digest);
            writeln!(context.out, "{}", escape(&name.to_string()))?;
            if self.display.has_notes() {
                note(&format!("Pushed {}", pushed.reference.familiar()));
            }
        }
        Ok(context.out.flush()?)
    }
}

/// Returns every local tag of `repositories`.
fn all_tags(engine: &Engine, repositories: &[Reference]) -> Result<Vec<Reference>, Error> {
    let images = engine.images().map_err(OperationError::List)?;
    let mut tags = Vec::new();
    for repository in repositories {
        if !repository.is_name_only() {
            let text = repository.familiar();
            return Err(Error::TagWithAllTags { text });
        }
        let all_names = images.iter().flat_map(|image| &image.names);
        let names = all_names.filter(|name| name.repository() == repository.repository());
        let names: BTreeSet<String> = names.map(ToString::to_string).collect();
        if names.is_empty() {
            let name = ImageName::Reference(repository.clone());
            let source =
                windlass::error::StoreError::Find(windlass::error::FindError::Unknown { name });
            let name = repository.familiar();
            return Err(OperationError::Inspect { name, source }.into());
        }
        tags.extend(
            names
                .iter()
                .filter_map(|name| name.parse::<Reference>().ok()),
        );
    }
    Ok(tags)
}
