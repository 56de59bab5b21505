//! `windlass copy`

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokio::runtime::{Builder, Runtime};
use windlass::{
    Batch, BatchImage, Caller, Choice, Digest, Engine, ImageName, Kind, Layout, LayoutDir,
    LoadOptions, Place, PlaceError, PushTo, Reference, RegistrySource, Remote, RepositoryName,
    Source, Tell, gather, to_archive, to_directory, to_repository,
};

use super::asking::login;
use super::choice::{Platforms, Showing};
use super::files::{Compression, Output, failed};
use super::{AuthFile, Ended};
use crate::context::{Context, note};
use crate::error::{Error, FreightError};
use crate::output;
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
  windlass copy oci-archive:app.tar docker://ghcr.io/me/app
  windlass copy windlass:app:1 docker-archive:app.tar.gz")]
pub(crate) struct Args {
    /// Where the image is
    #[arg(value_name = "SOURCE", value_parser = place)]
    source: Box<Place>,

    /// Where it is to be
    #[arg(value_name = "DESTINATION", value_parser = place)]
    destination: Box<Place>,

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
}

/// What every step of a copy needs.
struct Copying<'a> {
    remote: Remote,
    caller: Caller,
    runtime: Runtime,
    choice: Choice,
    signals: &'a Signals,
    tell: Tell<'a>,
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
        let remote = context.remote()?;
        let mode = self.showing.mode(context);
        let copied = shown(mode, &self.doing("Copying"), |tell| {
            let copying = Copying {
                remote,
                caller: Caller::new(Arc::new(keys.clone())),
                runtime,
                choice,
                signals: &signals,
                tell,
            };
            self.copy(&copying, engine.as_ref())
        });
        match (copied, signals.came()) {
            (Ok(digest), _) => {
                self.tell(context, &digest)?;
                Ok(Ended::Well)
            }
            (Err(_), Some(signal)) => {
                note("Stopped.");
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
                    source: Box::new(source),
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

    /// Copies, and returns the digest of what is at the other end now.
    fn copy(&self, with: &Copying<'_>, engine: Option<&Engine>) -> Result<Digest, FreightError> {
        if let (Place::Store(name), Some(engine)) = (&*self.destination, engine) {
            return self.take_in(with, engine, name);
        }
        match &*self.source {
            Place::Registry(reference) => {
                let repository = with
                    .remote
                    .repository(reference.repository(), &with.caller)?;
                let source = RegistrySource::new(repository, with.runtime.handle().clone());
                let target = windlass::Target::of(reference);
                let root = source.root(&target)?.ok_or(FreightError::Schema1)?;
                let (root, batch) = gather(&source, &root, &with.choice)?;
                let names = vec![reference.without_digest().or_latest()];
                self.put(with, &source, (root, batch, names))
            }
            Place::Files { path, word, .. } => {
                let layout = Layout::open(path, tempfile::tempfile)?;
                let entry = layout.find(word.as_deref())?.clone();
                let (root, batch) = gather(&layout, &entry.root, &with.choice)?;
                self.put(with, &layout, (root, batch, entry.names))
            }
            Place::Store(name) => {
                let engine = engine.expect("it was opened for the source");
                let (source, root, batch) = engine.stored(name, &with.choice)?;
                let names = batch.images.iter().flat_map(|image| image.names.clone());
                let names = names.collect();
                let batch = Batch {
                    images: Vec::new(),
                    ..batch
                };
                self.put(with, &source, (root, batch, names))
            }
        }
    }

    fn put(
        &self,
        with: &Copying<'_>,
        source: &dyn Source,
        (root, mut batch, names): (windlass::Descriptor, Batch, Vec<Reference>),
    ) -> Result<Digest, FreightError> {
        let digest = root.digest;
        let (stop, tell) = (with.signals.flag(), with.tell);
        let image = |names, word| BatchImage { root, names, word };
        match &*self.destination {
            Place::Registry(reference) => {
                batch.images.push(image(Vec::new(), None));
                let tags: Vec<_> = match reference.digest() {
                    Some(_) => reference.tag().cloned().into_iter().collect(),
                    None => reference
                        .clone()
                        .or_latest()
                        .tag()
                        .cloned()
                        .into_iter()
                        .collect(),
                };
                let to = self.push_to(with, reference, &batch)?;
                to_repository(source, &batch, &tags, &to, stop, tell)?;
            }
            Place::Files { kind, path, word } => {
                let word = word.clone();
                let named = word
                    .as_ref()
                    .and_then(|word| word.parse::<Reference>().ok());
                let names = match (kind, named) {
                    (Kind::DockerArchive, Some(name)) => vec![name.or_latest()],
                    // A word is what it is called there, whatever it was called before.
                    (_, _) if word.is_some() => Vec::new(),
                    _ => names,
                };
                let word = word.filter(|_| *kind != Kind::DockerArchive);
                batch.images.push(image(names, word));
                write(with, source, &batch, (*kind, path))?;
            }
            Place::Store(_) => unreachable!("copy takes it into the store"),
        }
        Ok(digest)
    }

    /// Opens the repository to push to. Within one registry, blobs are taken over from the source.
    fn push_to(
        &self,
        with: &Copying<'_>,
        reference: &Reference,
        batch: &Batch,
    ) -> Result<PushTo, FreightError> {
        let from: Option<RepositoryName> = match &*self.source {
            Place::Registry(source) => {
                let (from, to) = (source.repository(), reference.repository());
                let is_same = from.registry() == to.registry() && from.path() != to.path();
                is_same.then(|| from.clone())
            }
            _ => None,
        };
        let from: Vec<_> = from.into_iter().collect();
        let repository = with
            .remote
            .to_push(reference.repository(), &from, &with.caller)?;
        let known: BTreeMap<_, _> = match &from[..] {
            [from] => batch
                .blobs
                .keys()
                .map(|blob| (*blob, from.clone()))
                .collect(),
            _ => BTreeMap::new(),
        };
        Ok(PushTo {
            repository,
            runtime: with.runtime.handle().clone(),
            retry: with.remote.retry(),
            at_once: AT_ONCE,
            known,
            chunk: None,
        })
    }

    /// Takes the image into the store: what is in a registry is pulled, what is in files is loaded.
    fn take_in(
        &self,
        with: &Copying<'_>,
        engine: &Engine,
        name: &ImageName,
    ) -> Result<Digest, FreightError> {
        let (ImageName::Reference(name) | ImageName::ReferenceOrPrefix(name, _)) = name else {
            let action = "call an image by an ID";
            return Err(failed(action)(io::ErrorKind::InvalidInput.into()));
        };
        match &*self.source {
            Place::Files { path, word, .. } => {
                let layout = Layout::open(path, || engine.scratch())?;
                let layout = layout.only(word.as_deref())?;
                let options = LoadOptions {
                    choice: with.choice.clone(),
                    name: Some(name.clone().or_latest()),
                };
                let loaded = engine.load(&layout, &options, with.signals.flag(), with.tell)?;
                Ok(loaded[0].manifest)
            }
            Place::Registry(reference) => {
                // By its digest: the image gets the name that was given, and no other.
                let digest = with
                    .runtime
                    .block_on(with.remote.digest(reference, &with.caller))?;
                let request = windlass::PullRequest {
                    reference: reference.without_tag().without_digest().with_digest(digest),
                    platform: match &with.choice {
                        Choice::One(platform) => platform.clone(),
                        Choice::All => None,
                    },
                    caller: with.caller.clone(),
                    throttle: windlass::Throttle::unlimited(),
                };
                let (events, _told) = windlass::Events::channel();
                let pulled = with.runtime.block_on(engine.pull(&request, &events))?;
                engine.tag(&ImageName::Id(pulled.image_id), name)?;
                Ok(pulled.digest)
            }
            Place::Store(source) => {
                engine.tag(source, name)?;
                let image = engine.inspect(source)?;
                Ok(*image.id.digest())
            }
        }
    }

    fn doing(&self, verb: &str) -> String {
        format!("{verb} {} to {}", self.source, self.destination)
    }

    fn tell(&self, context: &mut Context<'_>, digest: &Digest) -> Result<(), Error> {
        if self.showing.json {
            let record = Record {
                source: self.source.to_string(),
                destination: self.destination.to_string(),
                digest: digest.to_string(),
            };
            output::json::line(context.out, &record)?;
        } else {
            writeln!(context.out, "{digest}")?;
            if self.showing.tells() {
                note(&harmless(&self.doing("Copied")));
            }
        }
        Ok(context.out.flush()?)
    }
}

fn place(text: &str) -> Result<Box<Place>, PlaceError> {
    text.parse().map(Box::new)
}

/// Writes into files.
fn write(
    with: &Copying<'_>,
    source: &dyn Source,
    batch: &Batch,
    (kind, path): (Kind, &Path),
) -> Result<(), FreightError> {
    let (stop, tell) = (with.signals.flag(), with.tell);
    match kind {
        Kind::OciDirectory | Kind::Directory => {
            let directory = LayoutDir::open(kind, path)?;
            to_directory(source, batch, &directory, AT_ONCE, stop, tell)?;
            Ok(())
        }
        Kind::DockerArchive | Kind::OciArchive => {
            let is_there = path.exists();
            if is_there && path.is_dir() {
                let exists = io::Error::from(io::ErrorKind::IsADirectory);
                return Err(failed("write the archive")(exists));
            }
            Output::file(path)?.write(Compression::of_name(path), |out| {
                Ok(to_archive(source, batch, (kind, out), stop, tell)?)
            })
        }
    }
}
