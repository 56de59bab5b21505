//! `windlass copy`

use std::num::NonZeroU64;
use std::sync::Arc;

use serde::Serialize;
use tokio::runtime::Builder;
use windlass::{Caller, Copied, Copier, CopyRequest, Engine, Place, PlaceError};

use super::asking::login;
use super::choice::{Platforms, Showing};
use super::push::parse_size;
use super::{AuthFile, Ended};
use crate::context::{Context, note};
use crate::error::Error;
use crate::output;
use crate::output::human;
use crate::output::text::harmless;
use crate::progress::shown;
use crate::signals::Signals;

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
    platforms: Platforms,

    #[command(flatten)]
    showing: Showing,

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
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<Ended, Error> {
        let choice = self.platforms.choice()?;
        let keys = context.keys(self.auth.authfile.as_deref());
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = runtime.map_err(Error::Runtime)?;
        let engine = self.engine(context)?;
        let copier = Copier {
            engine: engine.as_ref(),
            remote: context.remote()?,
            runtime: runtime.handle().clone(),
            scratch: &tempfile::tempfile,
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
        let mode = self.showing.mode(context);
        let copied = shown(mode, &self.doing("Copying"), |tell| {
            copier.copy(&request, signals.flag(), tell)
        });
        match (copied, signals.came()) {
            (Ok(copied), _) => {
                self.tell(context, &copied)?;
                Ok(Ended::Well)
            }
            (Err(_), Some(signal)) => {
                note("Stopped. What was carried whole is there; nothing has a new name.");
                Ok(Ended::Stopped(signal))
            }
            (Err(source), None) => {
                let asked = [&self.destination, &self.source]
                    .into_iter()
                    .find_map(|place| {
                        let Place::Registry(reference) = &**place else {
                            return None;
                        };
                        let registry = reference.repository().registry().to_owned();
                        Some((registry, login(&keys, reference)))
                    });
                Err(Error::Freight {
                    doing: self.doing("copying"),
                    asked,
                    source: Box::new(source.into()),
                })
            }
        }
    }

    /// Opens the store, if the image goes there or comes from there.
    fn engine(&self, context: &Context<'_>) -> Result<Option<Engine>, Error> {
        let is_store = |place: &Place| matches!(place, Place::Store(_));
        if is_store(&self.destination) {
            return context
                .own(&self.doing("windlass copy: copying"), |_| {})
                .map(Some);
        }
        if is_store(&self.source) {
            return context.share().map(Some);
        }
        Ok(None)
    }

    fn doing(&self, verb: &str) -> String {
        format!("{verb} {} to {}", self.source, self.destination)
    }

    fn tell(&self, context: &mut Context<'_>, copied: &Copied) -> Result<(), Error> {
        let Copied { digest, artifacts } = copied;
        if self.showing.json {
            let record = Record {
                source: self.source.to_string(),
                destination: self.destination.to_string(),
                digest: digest.to_string(),
                artifacts: *artifacts,
            };
            output::json::line(context.out, &record)?;
        } else {
            writeln!(context.out, "{digest}")?;
            if self.showing.tells() {
                let with = match artifacts {
                    0 => String::new(),
                    count => format!(", with {}", human::count(*count as u64, "artifact")),
                };
                note(&harmless(&format!("{}{with}", self.doing("Copied"))));
            }
        }
        Ok(context.out.flush()?)
    }
}

fn place(text: &str) -> Result<Box<Place>, PlaceError> {
    text.parse().map(Box::new)
}
