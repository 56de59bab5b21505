//! Pushes images from the store to their registries.

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

use crate::engine::Engine;
use crate::save::{Completeness, SaveError};

/// The request of [`Engine::push`].
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// The name to push to: it determines the registry.
    pub reference: Reference,
    /// The name of the image in the store, if that is another one.
    pub image: Option<ImageName>,
    /// The images of an index to push.
    pub choice: ImageChoice,
    /// The credentials for the registry.
    pub caller: Caller,
    /// The number of blobs that are sent at a time; at least 1.
    pub concurrent_blobs: usize,
    /// The maximum number of bytes in one request; `None` for no limit.
    pub chunk_size: Option<u64>,
    /// Whether non-distributable layers are pushed.
    pub include_foreign_layers: bool,
}

/// The result of [`Engine::push`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The name at the registry.
    pub reference: Reference,
    /// The digest of the pushed manifest or index.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether the manifest differs from the pulled one, because the store has some of its layers in another
    /// compression only.
    pub is_rewritten: bool,
}

/// Why an image was not pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushImageError {
    /// There is no such image, or it could not be read.
    #[error(transparent)]
    Image(#[from] SaveError),
    /// The registry cannot be reached.
    #[error(transparent)]
    Registry(#[from] PullError),
    /// The store could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A blob or manifest could not be sent.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The image was pushed, but its new digest could not be recorded.
    #[error(transparent)]
    RecordDigest(#[from] TagImageError),
}

impl From<Cancelled> for PushImageError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Copy(cancelled.into())
    }
}

/// The maximum number of repositories to mount blobs from: each costs a token.
const MAX_MOUNT_SOURCES: usize = 8;

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
        batch.include_foreign_layers(|_| request.include_foreign_layers);
        let known = self.known(reference.repository())?;
        let mut from: Vec<_> = known.values().cloned().collect();
        from.sort_by_key(RepositoryName::familiar);
        from.dedup();
        from.truncate(MAX_MOUNT_SOURCES);
        let remote = self.remote();
        let to = PushTarget {
            repository: context
                .wait(remote.open_to_push(reference.repository(), &request.caller))??,
            retry: remote.retry(),
            concurrent_blobs: request.concurrent_blobs.max(1),
            mount_sources: (known.into_iter())
                .filter(|(_, repository)| from.contains(repository))
                .collect(),
            chunk_size: request.chunk_size,
        };
        let tags: Vec<Tag> = reference.tag().cloned().into_iter().collect();
        to_repository(&source, &batch, &tags, &to, context)?;
        let root = &batch.images[0].root;
        let is_rewritten = saved.iter().any(|saved| saved.is_rewritten);
        // A rewritten manifest is not in the store, so a digest reference to it could not be resolved.
        if !is_rewritten && self.store.read_blob(&root.digest).is_ok() {
            let repository = reference.repository();
            match self.store.record_push(&image, repository, &root.digest) {
                // A push from a store that is open for reading only is successful as well.
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

    /// Returns for each layer a repository of the same registry that a stored image with this layer is from.
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
