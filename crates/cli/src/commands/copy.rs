//! `windlass copy`

use std::num::NonZeroU64;
use std::sync::Arc;

use serde::Serialize;
use windlass::{
    Caller, Choice, Copied, Copier, CopyEvent, CopyImageError, CopyRequest, ImageName, Operation,
    Place, PlaceError,
};
use windlass_credentials::CredentialStore;

use super::push::parse_size;
use super::remote_query::login_state;
use super::shared_args::{OutputArgs, PlatformArgs};
use super::{AuthFile, CommandOutcome};
use windlass_report::{OperationError, RegistryLogin, TransferError};

use crate::backend::{self, Backend};
use crate::context::{Context, note};
use crate::error::Error;
use crate::operation::{Ending, OperationRunner};
use crate::output;
use crate::output::human;
use windlass::text::escape;
use windlass_control::{ControlClient, ControlError, ImageSource, OperationResult, Request};

/// Carry an image between registries, files and the store
///
/// Byte for byte: the digests stay. What is at the other end already is not carried. Between registries nothing goes
/// through the store, and within one nothing goes over the wire.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Places:
  docker://NAME[:TAG|@DIGEST]       In a registry; so is a name alone
  oci:DIR[:TAG]                     In an OCI layout
  oci-archive:FILE[:TAG]            In an archive of an OCI layout
  docker-archive:FILE[:NAME[:TAG]]  In an archive as of docker save
  dir:DIR                           In a directory of one image, as of skopeo
  windlass:NAME                     In the store

Examples:
  windlass copy alpine:3 docker://localhost:5000/alpine:3
  windlass copy --all alpine:3 oci:layout:3                 Every platform, with the index
  windlass copy --all --referrers ghcr.io/me/app:1 localhost:5000/app:1
  windlass copy oci-archive:app.tar docker://ghcr.io/me/app
  windlass copy windlass:app:1 docker-archive:app.tar.gz")]
pub(crate) struct Args {
    /// Where the image is
    #[arg(value_name = "SOURCE", value_parser = place)]
    source: Box<Place>,

    /// Where it is to be
    #[arg(value_name = "DESTINATION", value_parser = place)]
    destination: Box<Place>,

    /// Copy what belongs to the image, too: signatures, attestations, bills of materials
    #[arg(long)]
    referrers: bool,

    /// Push layers, too, that are not to be distributed freely
    #[arg(long)]
    allow_nondistributable_artifacts: bool,

    /// Send large blobs in pieces of this many bytes, for registries that refuse long requests
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    chunk_size: Option<NonZeroU64>,

    #[command(flatten)]
    platforms: PlatformArgs,

    #[command(flatten)]
    display: OutputArgs,

    #[command(flatten)]
    auth: AuthFile,
}

/// What was carried, for programs.
#[derive(Serialize)]
struct Record {
    source: String,
    destination: String,
    digest: String,
    artifacts: usize,
}

/// How many blobs are carried at a time.
const AT_ONCE: usize = 4;

impl Args {
    /// Copies.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let choice = self.platforms.choice()?;
        let keys = context.keys(self.auth.authfile.as_deref());
        let runner = OperationRunner::new(self.display.mode(context))?;
        let engine = match self.engine(context)? {
            Some(Backend::Daemon(daemon)) => {
                let copy = self.by(&daemon, choice, keys)?;
                let copied = runner.run(&self.doing("Copying"), copy);
                return self.end(context, copied);
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
            foreign: self.allow_nondistributable_artifacts,
            caller: Caller::new(Arc::new(keys.clone())),
            at_once: AT_ONCE,
            chunk: self.chunk_size.map(NonZeroU64::get),
        };
        let (action, registry) = (self.doing("copying"), self.asked(&keys));
        let copy = copier.copy(request).map_err(|source| {
            Error::from(OperationError::Transfer {
                action,
                registry,
                source: Box::new(source.into()),
            })
        });
        let copied = runner.run(&self.doing("Copying"), copy);
        if let Some(engine) = &engine {
            runner.settle(engine);
        }
        self.end(context, copied)
    }

    fn end(
        &self,
        context: &mut Context<'_>,
        copied: Ending<Copied, Error>,
    ) -> Result<CommandOutcome, Error> {
        match copied {
            Ending::Done(copied) => {
                self.tell(context, &copied)?;
                Ok(CommandOutcome::Success)
            }
            Ending::Stopped(signal) => {
                note("Stopped. What was carried whole is there; nothing has a new name.");
                Ok(CommandOutcome::Interrupted(signal))
            }
            Ending::Failed(error) => Err(error),
        }
    }

    /// Has the daemon that owns the store take the image in.
    fn by(
        &self,
        daemon: &ControlClient,
        choice: Choice,
        keys: CredentialStore,
    ) -> Result<Operation<CopyEvent, Copied, Error>, Error> {
        let Place::Store(ImageName::Reference(name) | ImageName::ReferenceOrPrefix(name, _)) =
            &*self.destination
        else {
            return Err(self.failed(CopyImageError::Unnamed.into(), &keys));
        };
        if self.referrers {
            let what = "the store";
            return Err(self.failed(CopyImageError::NoReferrers { what }.into(), &keys));
        }
        let (source, file) = match &*self.source {
            Place::Registry(reference) => {
                let reference = reference.clone();
                (ImageSource::Registry { reference }, None)
            }
            Place::Store(name) => {
                let name = name.to_string();
                (ImageSource::Store { name }, None)
            }
            Place::Files { path, word, .. } => {
                let file = backend::open(path).map_err(|error| self.failed(error, &keys))?;
                (ImageSource::Files { name: word.clone() }, Some(file))
            }
        };
        let request = Request::Copy {
            source,
            name: name.clone().or_latest(),
            choice,
            action: self.doing("copying"),
            registry: self.asked(&keys),
        };
        let copy = daemon.transfer(request, file, Some(Arc::new(keys)));
        Ok(copy.then(|result| match result? {
            OperationResult::Copied { digest } => Ok(Copied {
                digest,
                artifacts: 0,
            }),
            _ => Err(ControlError::unexpected_result().into()),
        }))
    }

    fn failed(&self, source: TransferError, keys: &CredentialStore) -> Error {
        OperationError::Transfer {
            action: self.doing("copying"),
            registry: self.asked(keys),
            source: Box::new(source),
        }
        .into()
    }

    /// Returns the registry that has a part in it, and what is at hand to prove there who asks.
    fn asked(&self, keys: &CredentialStore) -> Option<RegistryLogin> {
        let places = [&self.destination, &self.source];
        places.into_iter().find_map(|place| {
            let Place::Registry(reference) = &**place else {
                return None;
            };
            let registry = reference.repository().registry().to_owned();
            Some(RegistryLogin {
                registry,
                login: login_state(keys, reference),
            })
        })
    }

    /// Opens the store, if the image goes there or comes from there.
    fn engine(&self, context: &Context<'_>) -> Result<Option<Backend>, Error> {
        let is_store = |place: &Place| matches!(place, Place::Store(_));
        if is_store(&self.destination) {
            return context
                .backend(&self.doing("windlass copy: copying"), |_| {})
                .map(Some);
        }
        if is_store(&self.source) {
            return context.share().map(Box::new).map(Backend::Local).map(Some);
        }
        Ok(None)
    }

    fn doing(&self, verb: &str) -> String {
        format!("{verb} {} to {}", self.source, self.destination)
    }

    fn tell(&self, context: &mut Context<'_>, copied: &Copied) -> Result<(), Error> {
        let Copied { digest, artifacts } = copied;
        if self.display.json {
            let record = Record {
                source: self.source.to_string(),
                destination: self.destination.to_string(),
                digest: digest.to_string(),
                artifacts: *artifacts,
            };
            output::json::line(context.out, &record)?;
        } else {
            writeln!(context.out, "{digest}")?;
            if self.display.has_notes() {
                let with = match artifacts {
                    0 => String::new(),
                    count => format!(", with {}", human::count(*count as u64, "artifact")),
                };
                note(&escape(&format!("{}{with}", self.doing("Copied"))));
            }
        }
        Ok(context.out.flush()?)
    }
}

fn place(text: &str) -> Result<Box<Place>, PlaceError> {
    text.parse().map(Box::new)
}
