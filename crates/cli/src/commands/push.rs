//! `windlass push`

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;

use serde::Serialize;
use windlass::{Caller, Engine, ImageName, PushRequest, Pushed, Reference};

use super::remote_query::login_state;
use super::shared_args::{OutputArgs, PlatformArgs};
use super::{AuthFile, CommandOutcome, parse_reference, report};
use windlass_report::{OperationError, RegistryLogin};

use crate::context::{Context, note, warn};
use crate::error::Error;
use crate::operation::{Ending, OperationRunner};
use crate::output;
use windlass::text::escape;

/// Send images to their registries
///
/// Byte for byte as they came, so that the digests stay. What the registry has is not sent again, and what another
/// repository of it has is taken over from there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass push localhost:5000/app:1
  windlass push --all-tags ghcr.io/owner/app
  windlass tag alpine:3 localhost:5000/alpine:3 && windlass push localhost:5000/alpine:3")]
pub(crate) struct Args {
    /// Names of images that are here; the name says where they go
    #[arg(value_name = "NAME[:TAG]", required = true)]
    names: Vec<String>,

    /// Push every tag that is here of the repositories
    #[arg(short, long)]
    all_tags: bool,

    /// Blobs to send at once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=64))]
    max_concurrent_uploads: u16,

    /// Send large blobs in pieces of this many bytes, for registries that refuse long requests
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    chunk_size: Option<NonZeroU64>,

    /// Push layers, too, that are not to be distributed freely
    #[arg(long)]
    allow_nondistributable_artifacts: bool,

    #[command(flatten)]
    platforms: PlatformArgs,

    #[command(flatten)]
    display: OutputArgs,

    #[command(flatten)]
    auth: AuthFile,
}

/// An image, for programs.
#[derive(Serialize)]
struct Record {
    reference: String,
    digest: String,
    size: u64,
    is_rewritten: bool,
}

impl Args {
    /// Pushes. An image that fails is reported and does not keep the others from being pushed.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let names = self.names.iter().map(|name| parse_reference(name));
        let names: Vec<_> = names.collect::<Result<_, _>>()?;
        let engine = context.share()?;
        let names = if self.all_tags {
            all_tags(&engine, &names)?
        } else {
            names
        };
        let runner = OperationRunner::new(self.display.mode(context))?;
        let keys = context.keys(self.auth.authfile.as_deref());
        let caller = Caller::new(Arc::new(keys.clone()));
        let mut ended = CommandOutcome::Success;
        for reference in names {
            let request = PushRequest {
                reference: reference.clone(),
                image: None,
                choice: self.platforms.choice()?,
                caller: caller.clone(),
                at_once: self.max_concurrent_uploads.into(),
                chunk: self.chunk_size.map(NonZeroU64::get),
                foreign: self.allow_nondistributable_artifacts,
            };
            let doing = format!("Pushing {}", reference.familiar());
            match runner.run(&doing, engine.push(request)) {
                Ending::Done(pushed) => self.tell(context, &pushed)?,
                Ending::Stopped(signal) => {
                    note("Stopped. What was sent whole is there.");
                    return Ok(CommandOutcome::Interrupted(signal));
                }
                Ending::Failed(source) => {
                    let registry = reference.repository().registry().to_owned();
                    report(&Error::Operation(OperationError::Transfer {
                        action: format!("pushing {}", reference.familiar()),
                        registry: Some(RegistryLogin {
                            registry,
                            login: login_state(&keys, &reference),
                        }),
                        source: Box::new(source.into()),
                    }));
                    ended = CommandOutcome::Failure;
                }
            }
        }
        Ok(ended)
    }

    fn tell(&self, context: &mut Context<'_>, pushed: &Pushed) -> Result<(), Error> {
        let name = pushed.reference.familiar();
        if pushed.is_rewritten {
            warn(&format!(
                "{name} came with layers that were here in another compression; its manifest is a new one"
            ));
        }
        if self.display.json {
            let record = Record {
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

/// Returns every tag that is here of `repositories`.
fn all_tags(engine: &Engine, repositories: &[Reference]) -> Result<Vec<Reference>, Error> {
    let images = engine.images().map_err(OperationError::List)?;
    let mut tags = Vec::new();
    for repository in repositories {
        if !repository.is_name_only() {
            let text = repository.familiar();
            return Err(Error::TagWithAllTags { text });
        }
        let all = images.iter().flat_map(|image| &image.names);
        let of_it = all.filter(|name| name.repository() == repository.repository());
        let of_it: BTreeSet<String> = of_it.map(ToString::to_string).collect();
        if of_it.is_empty() {
            let name = ImageName::Reference(repository.clone());
            let source = windlass::StoreError::Find(windlass::FindError::Unknown { name });
            let name = repository.familiar();
            return Err(OperationError::Inspect { name, source }.into());
        }
        tags.extend(
            of_it
                .iter()
                .filter_map(|name| name.parse::<Reference>().ok()),
        );
    }
    Ok(tags)
}

/// Reads the size of a piece.
pub(super) fn parse_size(text: &str) -> Result<NonZeroU64, String> {
    let size = windlass_config::parse_size(text).map_err(|error| error.to_string())?;
    NonZeroU64::new(size).ok_or_else(|| "no byte at a time is no way to send anything".to_owned())
}
