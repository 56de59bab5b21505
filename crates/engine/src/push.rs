//! Images out of the store, into their registries.

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass_copy::{
    CopyContext, CopyError, CopyEvent, ImageChoice, PushTarget, StoreSource, to_repository,
};
use windlass_oci::{Digest, ImageName, Reference, RepositoryName, Tag};
use windlass_operation::{Cancelled, Operation};
use windlass_pull::PullError;
use windlass_registry::Caller;
use windlass_store::{DatabaseError, TagImageError};

use crate::Engine;
use crate::error::SaveError;
use crate::save::Completeness;

/// What to push.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// What the image is called here, which says where it goes.
    pub reference: Reference,
    /// The image, if it is not called that here.
    pub image: Option<ImageName>,
    /// Which images of an index.
    pub choice: ImageChoice,
    /// Who asks.
    pub caller: Caller,
    /// How many blobs are sent at a time; at least 1.
    pub at_once: usize,
    /// How many bytes are sent in one request at most.
    pub chunk: Option<u64>,
    /// Whether layers are pushed that may not be distributed freely.
    pub foreign: bool,
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What it is called there.
    pub reference: Reference,
    /// The manifest or index that the name stands for now.
    pub digest: Digest,
    /// The size of that in bytes.
    pub size: u64,
    /// Whether the manifest is another than the one it came with, because layers of it were here in another
    /// compression.
    pub is_rewritten: bool,
}

/// Why an image was not pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushImageError {
    /// There is no such image, or it could not be read.
    #[error(transparent)]
    Image(#[from] SaveError),
    /// There is no way to its registry.
    #[error(transparent)]
    Registry(#[from] PullError),
    /// The store could not be asked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// It could not be carried.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// It was pushed, and the digest that it has there could not be noted.
    #[error(transparent)]
    Note(#[from] TagImageError),
}

impl From<Cancelled> for PushImageError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Copy(cancelled.into())
    }
}

/// How many repositories a session may read from, to take blobs over: each is one more line of a token.
const MOST_SOURCES: usize = 8;

impl Engine {
    /// Pushes an image to the repository in its name. Blobs that the repository has are skipped. Blobs that another
    /// repository of the registry has, according to the names of images in the store, are mounted from there (MD-3).
    /// If the store is open for writing, the image can afterwards be found by the digest that it has in the registry.
    pub fn push(&self, request: PushRequest) -> Operation<CopyEvent, Pushed, PushImageError> {
        self.operation(move |engine, context| engine.push_image(&request, context))
    }

    fn push_image(
        &self,
        request: &PushRequest,
        context: &CopyContext,
    ) -> Result<Pushed, PushImageError> {
        let reference = request.reference.clone().or_latest();
        let image = request.image.clone();
        let image = image.unwrap_or_else(|| ImageName::Reference(reference.clone()));
        let mut source = StoreSource::new(Arc::clone(&self.store));
        let (mut batch, saved) = self.batch(
            std::slice::from_ref(&image),
            &request.choice,
            Completeness::Required,
            &mut source,
        )?;
        batch.include_foreign_layers(|_| request.foreign);
        let known = self.known(reference.repository())?;
        let mut from: Vec<_> = known.values().cloned().collect();
        from.sort_by_key(RepositoryName::familiar);
        from.dedup();
        from.truncate(MOST_SOURCES);
        let remote = self.remote();
        let to = PushTarget {
            repository: context
                .wait(remote.open_to_push(reference.repository(), &request.caller))??,
            retry: remote.retry(),
            at_once: request.at_once.max(1),
            known: (known.into_iter())
                .filter(|(_, repository)| from.contains(repository))
                .collect(),
            chunk: request.chunk,
        };
        let tags: Vec<Tag> = reference.tag().cloned().into_iter().collect();
        to_repository(&source, &batch, &tags, &to, context)?;
        let root = &batch.images[0].root;
        let is_rewritten = saved.iter().any(|saved| saved.is_rewritten);
        // One that was made for this is not here: its digest could not lead to it.
        if !is_rewritten && self.store.read_blob(&root.digest).is_ok() {
            let repository = reference.repository();
            match self.store.record_push(&image, repository, &root.digest) {
                // Who only reads the store pushes all the same.
                Ok(()) | Err(TagImageError::NotWritable(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Pushed {
            reference,
            digest: root.digest,
            size: root.size,
            is_rewritten,
        })
    }

    /// Returns for each layer a repository of the same registry that images here are called by.
    fn known(
        &self,
        to: &RepositoryName,
    ) -> Result<BTreeMap<Digest, RepositoryName>, DatabaseError> {
        let mut known = BTreeMap::new();
        for image in self.store.images()? {
            let tags = image.tags.iter().map(|tag| &tag.reference);
            let repositories = tags.chain(&image.digests).map(Reference::repository);
            let mut others = repositories
                .filter(|other| other.registry() == to.registry() && other.path() != to.path());
            let Some(other) = others.next() else { continue };
            for layer in &image.layers {
                known.entry(layer.blob).or_insert_with(|| other.clone());
            }
        }
        Ok(known)
    }
}
