//! `windlass copy`

use std::num::NonZeroU64;
use std::sync::Arc;

use serde::Serialize;
use windlass::error::{CopyImageError, ImageLocationError};
use windlass::image::{ImageChoice, ImageLocation, ImageName};
use windlass::registry::Caller;
use windlass::text::escape;
use windlass::{Copied, Copier, CopyEvent, CopyRequest, Operation};
use windlass_control::{ControlClient, CopyParams, ImageSource};
use windlass_credentials::CredentialStore;
use windlass_error_report::{LoginState, OperationError, RegistryLogin, TransferError};
use windlass_progress::human;

use super::CommandOutcome;
use super::shared_args::{AuthFileArgs, OutputArgs, PlatformArgs, parse_size};
use crate::backend::{self, Backend};
use crate::context::Context;
use crate::error::Error;
use crate::operation::{OperationOutcome, OperationRunner};
use crate::output;
use crate::output::message::note;

/// Copy an image between registries, files and the store
///
/// Manifests and layers are copied without changes, so that the digests stay the same. Blobs that the destination already
/// has are skipped. A copy between registries does not use the store; a copy within a registry does not download blobs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Sources and destinations:
  docker://NAME[:TAG|@DIGEST]       Registry; the prefix is optional
  oci:DIR[:TAG]                     OCI layout
  oci-archive:FILE[:TAG]            Archive of an OCI layout
  docker-archive:FILE[:NAME[:TAG]]  Archive in the format of docker save
  dir:DIR                           Directory with one image, in the format of skopeo
  windlass:NAME                     Local store

Examples:
  windlass copy alpine:3 docker://localhost:5000/alpine:3
  windlass copy --all alpine:3 oci:layout:3                 Every platform, with the index
  windlass copy --all --referrers ghcr.io/me/app:1 localhost:5000/app:1
  windlass copy oci-archive:app.tar docker://ghcr.io/me/app
  windlass copy windlass:app:1 docker-archive:app.tar.gz")]
pub(crate) struct Args {
    /// Image to copy
    #[arg(value_name = "SOURCE", value_parser = parse_location)]
    source: Box<ImageLocation>,

    /// Where to copy it
    #[arg(value_name = "DESTINATION", value_parser = parse_location)]
    destination: Box<ImageLocation>,

    /// Also copy referrers of the image, such as signatures, attestations and SBOMs
    #[arg(long)]
    referrers: bool,

    /// Also push non-distributable layers
    #[arg(long)]
    allow_nondistributable_artifacts: bool,

    /// Upload large blobs in chunks of this size, for registries that reject large requests
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    chunk_size: Option<NonZeroU64>,

    #[command(flatten)]
    platforms: PlatformArgs,

    #[command(flatten)]
    display: OutputArgs,

    #[command(flatten)]
    auth: AuthFileArgs,
}

/// The result, as JSON.
#[derive(Serialize)]
struct CopyRecord {
    source: String,
    destination: String,
    digest: String,
    artifacts: usize,
}

/// How many blobs are copied at the same time.
const MAX_CONCURRENT_BLOBS: usize = 4;

impl Args {
    /// Copies the image.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let choice = self.platforms.choice()?;
        let credentials = context.credentials(self.auth.authfile.as_deref());
        let runner = OperationRunner::new(self.display.mode(context))?;
        let engine = match self.open_backend(context)? {
            Some(Backend::Daemon(daemon)) => {
                let copy = self.copy_by_daemon(&daemon, choice, credentials)?;
                let copied = runner.run(&self.action("Copying"), copy);
                return self.finish(context, copied);
            }
            Some(Backend::Local(engine)) => Some(*engine),
            None => None,
        };
        let copier = Copier {
            engine: engine.clone(),
            remote: context.remote()?,
            create_file: Arc::new(tempfile::tempfile),
        };
        let request = CopyRequest {
            source: (*self.source).clone(),
            destination: (*self.destination).clone(),
            choice,
            referrers: self.referrers,
            include_foreign_layers: self.allow_nondistributable_artifacts,
            caller: Caller::new(Arc::new(credentials.clone())),
            concurrent_blobs: MAX_CONCURRENT_BLOBS,
            chunk_size: self.chunk_size.map(NonZeroU64::get),
        };
        let (action, registry) = (self.action("copying"), self.registry_login(&credentials));
        let copy = copier.copy(request).map_err(|source| {
            Error::from(OperationError::Transfer {
                action,
                registry,
                source: Box::new(source.into()),
            })
        });
        let copied = runner.run(&self.action("Copying"), copy);
        if let Some(engine) = &engine {
            runner.wait_until_idle(engine);
        }
        self.finish(context, copied)
    }

    fn finish(
        &self,
        context: &mut Context<'_>,
        copied: OperationOutcome<Copied, Error>,
    ) -> Result<CommandOutcome, Error> {
        match copied {
            OperationOutcome::Completed(copied) => {
                self.print_result(context, &copied)?;
                Ok(CommandOutcome::Success)
            }
            OperationOutcome::Interrupted(signal) => {
                note("Stopped. Complete blobs are kept; no image was tagged.");
                Ok(CommandOutcome::Interrupted(signal))
            }
            OperationOutcome::Failed(error) => Err(error),
        }
    }

    /// Starts a copy into the store by the daemon that owns it.
    fn copy_by_daemon(
        &self,
        daemon: &ControlClient,
        choice: ImageChoice,
        credentials: CredentialStore,
    ) -> Result<Operation<CopyEvent, Copied, Error>, Error> {
        let ImageLocation::Store(
            ImageName::Reference(name) | ImageName::ReferenceOrPrefix(name, _),
        ) = &*self.destination
        else {
            return Err(self.transfer_error(CopyImageError::Unnamed.into(), &credentials));
        };
        if self.referrers {
            let what = "the store";
            return Err(
                self.transfer_error(CopyImageError::NoReferrers { what }.into(), &credentials)
            );
        }
        let (source, file) = match &*self.source {
            ImageLocation::Registry(reference) => {
                let reference = reference.clone();
                (ImageSource::Registry { reference }, None)
            }
            ImageLocation::Store(name) => {
                let name = name.to_string();
                (ImageSource::Store { name }, None)
            }
            ImageLocation::Files { path, ref_name, .. } => {
                let file = backend::open(path)
                    .map_err(|error| self.transfer_error(error, &credentials))?;
                (
                    ImageSource::Files {
                        name: ref_name.clone(),
                    },
                    Some(file),
                )
            }
        };
        let params = CopyParams {
            source,
            name: name.clone().or_latest(),
            choice,
            action: self.action("copying"),
            registry: self.registry_login(&credentials),
        };
        let copy = daemon.copy(params, file, Arc::new(credentials));
        let copied = copy.map(|digest| Copied {
            digest,
            artifacts: 0,
        });
        Ok(copied.map_err(Error::from))
    }

    fn transfer_error(&self, source: TransferError, credentials: &CredentialStore) -> Error {
        OperationError::Transfer {
            action: self.action("copying"),
            registry: self.registry_login(credentials),
            source: Box::new(source),
        }
        .into()
    }

    /// Returns the registry of the copy, if there is one, and which credentials the user has for it.
    fn registry_login(&self, credentials: &CredentialStore) -> Option<RegistryLogin> {
        let locations = [&self.destination, &self.source];
        locations.into_iter().find_map(|location| {
            let ImageLocation::Registry(reference) = &**location else {
                return None;
            };
            let registry = reference.repository().registry().to_owned();
            Some(RegistryLogin {
                registry,
                login: LoginState::find(credentials, reference),
            })
        })
    }

    /// Opens the store if it is the source or the destination.
    fn open_backend(&self, context: &Context<'_>) -> Result<Option<Backend>, Error> {
        let is_store = |location: &ImageLocation| matches!(location, ImageLocation::Store(_));
        if is_store(&self.destination) {
            return context
                .backend(&self.action("windlass copy: copying"), |_| {})
                .map(Some);
        }
        if is_store(&self.source) {
            return context
                .open_shared()
                .map(Box::new)
                .map(Backend::Local)
                .map(Some);
        }
        Ok(None)
    }

    fn action(&self, verb: &str) -> String {
        format!("{verb} {} to {}", self.source, self.destination)
    }

    fn print_result(&self, context: &mut Context<'_>, copied: &Copied) -> Result<(), Error> {
        let Copied { digest, artifacts } = copied;
        if self.display.json {
            let record = CopyRecord {
                source: self.source.to_string(),
                destination: self.destination.to_string(),
                digest: digest.to_string(),
                artifacts: *artifacts,
            };
            output::json::line(context.out, &record)?;
        } else {
            writeln!(context.out, "{digest}")?;
            if self.display.has_notes() {
                let suffix = match artifacts {
                    0 => String::new(),
                    count => format!(", with {}", human::count(*count as u64, "artifact")),
                };
                note(&escape(&format!("{}{suffix}", self.action("Copied"))));
            }
        }
        Ok(context.out.flush()?)
    }
}

fn parse_location(text: &str) -> Result<Box<ImageLocation>, ImageLocationError> {
    text.parse().map(Box::new)
}
