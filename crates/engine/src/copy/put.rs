//! To registries and into files.

use std::collections::BTreeMap;
use std::path::Path;

use windlass_copy::{
    Compression, Output, Place, PushTo, Source, to_archive, to_directory, to_repository,
};
use windlass_layout::{Batch, BatchImage, LayoutDirectory, LayoutKind};
use windlass_oci::{Reference, RepositoryName, Tag};

use super::{Copied, CopyImageError, CopyRequest, Copying, Found};

impl Copying<'_> {
    /// Carries what was found to where it is to be.
    pub(super) fn put(&self, source: &dyn Source, found: Found) -> Result<Copied, CopyImageError> {
        let Found {
            root,
            mut batch,
            names,
        } = found;
        let copied = Copied {
            digest: root.digest,
            artifacts: batch.artifacts.len(),
        };
        let image = |names, word| BatchImage {
            root,
            names,
            ref_name: word,
        };
        match &self.request.destination {
            Place::Registry(reference) => {
                batch.images.push(image(Vec::new(), None));
                batch.include_foreign_layers(|_| self.request.foreign);
                let to = self.push_to(reference, &batch)?;
                let tags = tags(reference);
                to_repository(source, &batch, &tags, &to, self.context)?;
            }
            Place::Files { kind, path, word } => {
                let (names, word) = called(*kind, word.as_deref(), names);
                batch.images.push(image(names, word));
                batch.include_foreign_layers(|blob| source.has(blob));
                self.write(source, &batch, (*kind, path))?;
            }
            Place::Store(_) => return Err(CopyImageError::NoStore),
        }
        Ok(copied)
    }

    /// Opens the repository to push to. Within one registry, blobs are taken over from the source.
    fn push_to(&self, reference: &Reference, batch: &Batch) -> Result<PushTo, CopyImageError> {
        let CopyRequest {
            caller,
            source,
            at_once,
            chunk,
            ..
        } = self.request;
        let remote = &self.with.remote;
        let from: Vec<RepositoryName> = match source {
            Place::Registry(source) => {
                let (from, to) = (source.repository(), reference.repository());
                let is_beside = from.registry() == to.registry() && from.path() != to.path();
                is_beside.then(|| from.clone()).into_iter().collect()
            }
            Place::Files { .. } | Place::Store(_) => Vec::new(),
        };
        let known = from.iter().flat_map(|from| {
            let blobs = batch.blobs.keys();
            blobs.map(|blob| (*blob, from.clone()))
        });
        let known: BTreeMap<_, _> = known.collect();
        Ok(PushTo {
            repository: remote.to_push(reference.repository(), &from, caller)?,
            retry: remote.retry(),
            at_once: (*at_once).max(1),
            known,
            chunk: *chunk,
        })
    }

    fn write(
        &self,
        source: &dyn Source,
        batch: &Batch,
        (kind, path): (LayoutKind, &Path),
    ) -> Result<(), CopyImageError> {
        match kind {
            LayoutKind::OciDirectory | LayoutKind::Directory => {
                let directory = LayoutDirectory::open(kind, path)?;
                let at_once = self.request.at_once.max(1);
                Ok(to_directory(
                    source,
                    batch,
                    directory,
                    at_once,
                    self.context,
                )?)
            }
            LayoutKind::DockerArchive | LayoutKind::OciArchive => {
                let (compression, cancellation) =
                    (Compression::of_name(path), self.context.cancellation());
                Output::at(path)?.write(compression, cancellation, |out| {
                    Ok(to_archive(source, batch, kind, out, self.context)?)
                })
            }
        }
    }
}

/// Returns by which tags an image is called that is pushed as `reference`: by none, if that is a digest alone.
fn tags(reference: &Reference) -> Vec<Tag> {
    let reference = match reference.digest() {
        Some(_) => reference.clone(),
        None => reference.clone().or_latest(),
    };
    reference.tag().cloned().into_iter().collect()
}

/// Returns what an image is called among files of form `kind`: as was asked for, or else as it was called before.
fn called(
    kind: LayoutKind,
    word: Option<&str>,
    names: Vec<Reference>,
) -> (Vec<Reference>, Option<String>) {
    let Some(word) = word else {
        return (names, None);
    };
    match (kind, word.parse::<Reference>()) {
        (LayoutKind::DockerArchive, Ok(name)) => (vec![name.or_latest()], None),
        (LayoutKind::DockerArchive, Err(_)) => (Vec::new(), None),
        (_, _) => (Vec::new(), Some(word.to_owned())),
    }
}
