//! Copies images into registries and files.

use std::collections::BTreeMap;
use std::path::Path;

use windlass_copy::{
    ArchiveCompression, ArchiveOutput, ContentSource, ImageLocation, PushTarget, to_archive,
    to_directory, to_repository,
};
use windlass_layout::{Batch, BatchImage, LayoutDirectory, LayoutKind};
use windlass_oci::{Reference, RepositoryName, Tag};

use super::{Copied, CopyImageError, CopyRequest, Copying, Found};

impl Copying<'_> {
    /// Writes what was found to the destination.
    pub(super) fn put(
        &self,
        source: &dyn ContentSource,
        found: Found,
    ) -> Result<Copied, CopyImageError> {
        let Found {
            root,
            mut batch,
            names,
            named,
        } = found;
        let copied = Copied {
            digest: root.digest,
            artifacts: batch.artifacts.len(),
        };
        let image = |names, ref_name| BatchImage {
            root,
            names,
            ref_name,
            named,
        };
        match &self.request.destination {
            ImageLocation::Registry(reference) => {
                batch.images.push(image(Vec::new(), None));
                batch.include_foreign_layers(|_| self.request.include_foreign_layers);
                let to = self.push_to(reference, &batch)?;
                let tags = tags(reference);
                to_repository(source, &batch, &tags, &to, self.context)?;
            }
            ImageLocation::Files {
                kind,
                path,
                ref_name,
            } => {
                let (names, ref_name) = names_in_files(*kind, ref_name.as_deref(), names);
                batch.images.push(image(names, ref_name));
                batch.include_foreign_layers(|blob| source.has(blob));
                self.write(source, &batch, (*kind, path))?;
            }
            ImageLocation::Store(_) => return Err(CopyImageError::NoStore),
        }
        Ok(copied)
    }

    /// Opens the repository to push to. Within one registry, blobs are mounted from the source.
    fn push_to(&self, reference: &Reference, batch: &Batch) -> Result<PushTarget, CopyImageError> {
        let CopyRequest {
            caller,
            source,
            concurrent_blobs,
            chunk_size,
            ..
        } = self.request;
        let remote = &self.with.remote;
        let from: Vec<RepositoryName> = match source {
            ImageLocation::Registry(source) => {
                let (from, to) = (source.repository(), reference.repository());
                let is_beside = from.registry() == to.registry() && from.path() != to.path();
                is_beside.then(|| from.clone()).into_iter().collect()
            }
            ImageLocation::Files { .. } | ImageLocation::Store(_) => Vec::new(),
        };
        let known = from.iter().flat_map(|from| {
            let blobs = batch.blobs.keys();
            blobs.map(|blob| (*blob, from.clone()))
        });
        let known: BTreeMap<_, _> = known.collect();
        Ok(PushTarget {
            repository: (self.context)
                .wait(remote.open_to_push(reference.repository(), caller))??,
            retry: remote.retry(),
            concurrent_blobs: (*concurrent_blobs).max(1),
            mount_sources: known,
            chunk_size: *chunk_size,
        })
    }

    fn write(
        &self,
        source: &dyn ContentSource,
        batch: &Batch,
        (kind, path): (LayoutKind, &Path),
    ) -> Result<(), CopyImageError> {
        match kind {
            LayoutKind::OciDirectory | LayoutKind::Directory => {
                let directory = LayoutDirectory::open(kind, path)?;
                let concurrent_blobs = self.request.concurrent_blobs.max(1);
                Ok(to_directory(
                    source,
                    batch,
                    directory,
                    concurrent_blobs,
                    self.context,
                )?)
            }
            LayoutKind::DockerArchive | LayoutKind::OciArchive => {
                let (compression, cancellation) = (
                    ArchiveCompression::of_name(path),
                    self.context.cancellation(),
                );
                ArchiveOutput::at(path)?.write(compression, cancellation, |out| {
                    Ok(to_archive(source, batch, kind, out, self.context)?)
                })
            }
        }
    }
}

/// Returns the tags of an image that is pushed as `reference`: none if that is a digest.
fn tags(reference: &Reference) -> Vec<Tag> {
    let reference = match reference.digest() {
        Some(_) => reference.clone(),
        None => reference.clone().or_latest(),
    };
    reference.tag().cloned().into_iter().collect()
}

/// Returns the names of an image in files of form `kind`: the requested one, or else its names at the source.
fn names_in_files(
    kind: LayoutKind,
    ref_name: Option<&str>,
    names: Vec<Reference>,
) -> (Vec<Reference>, Option<String>) {
    let Some(ref_name) = ref_name else {
        return (names, None);
    };
    match (kind, ref_name.parse::<Reference>()) {
        (LayoutKind::DockerArchive, Ok(name)) => (vec![name.or_latest()], None),
        (LayoutKind::DockerArchive, Err(_)) => (Vec::new(), None),
        (LayoutKind::OciArchive | LayoutKind::OciDirectory | LayoutKind::Directory, _) => {
            (Vec::new(), Some(ref_name.to_owned()))
        }
    }
}
