//! Reads the content of a repository without a store, in order to copy it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time;
use windlass_oci::{Descriptor, Digest, MAX_CONFIG_SIZE, RepositoryName, Tag};
use windlass_registry::{BlobStream, RawManifest, RegistryError, TagOrDigest};

use crate::endpoint_need::EndpointNeed;
use crate::endpoint_queue::{EndpointQueue, ExcludedEndpoints};
use crate::error::{EndpointsError, PullError};
use crate::retry::{Attempts, RetryPolicy};
use crate::sources::Sources;

/// A repository at its registry and its mirrors. Cheap to clone; clones share their tokens.
#[derive(Clone, Debug)]
pub struct RemoteRepository {
    sources: Sources,
    retry: RetryPolicy,
}

/// A blob being downloaded. Its bytes are not verified.
#[derive(Debug)]
pub struct RemoteBlob {
    queue: EndpointQueue,
    descriptor: Descriptor,
    policy: RetryPolicy,
    attempts: Attempts,
    stream: Option<BlobStream>,
    position: u64,
}

impl RemoteRepository {
    pub(crate) fn new(sources: Sources, retry: RetryPolicy) -> Self {
        Self { sources, retry }
    }

    /// Returns the name of the repository.
    pub fn name(&self) -> &RepositoryName {
        self.sources.name()
    }

    /// Fetches the manifest or index that `target` names; `None` if it is of schema 1.
    pub async fn document(&self, target: &TagOrDigest) -> Result<Option<RawManifest>, PullError> {
        let need = match target {
            TagOrDigest::Tag(_) => EndpointNeed::Resolve,
            TagOrDigest::Digest(_) => EndpointNeed::Pull,
        };
        let response = self.sources.try_each(need, |repository| async move {
            repository.document(target).await
        });
        Ok(response.await?.content)
    }

    /// Fetches the manifest or index of a tag; `None` if there is no such tag.
    pub async fn tagged(&self, tag: &Tag) -> Result<Option<RawManifest>, PullError> {
        match self.document(&TagOrDigest::Tag(tag.clone())).await {
            Err(PullError::Registry(failed)) if is_missing(&failed.error) => Ok(None),
            found => found,
        }
    }

    /// Returns the artifacts that refer to the manifest `subject`, as the registry lists them. Nothing is verified.
    pub async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, PullError> {
        let response = self
            .sources
            .try_each(EndpointNeed::Resolve, |repository| async move {
                repository.referrers(subject).await
            });
        Ok(response.await?.content)
    }

    /// Fetches a config, and verifies its digest.
    pub async fn small_blob(&self, descriptor: &Descriptor) -> Result<Bytes, PullError> {
        let limit = MAX_CONFIG_SIZE as u64;
        let response = self
            .sources
            .try_each(EndpointNeed::Pull, |repository| async move {
                repository.blob_bytes(descriptor, limit).await
            });
        Ok(response.await?.content)
    }

    /// Starts to fetch a blob from `position` on. The request is sent when the first byte is read.
    ///
    /// `None` if no endpoint can be used.
    pub fn blob(&self, descriptor: &Descriptor, position: u64) -> Option<RemoteBlob> {
        Some(RemoteBlob {
            queue: EndpointQueue::new(&self.sources, descriptor, &ExcludedEndpoints::default())?,
            descriptor: descriptor.clone(),
            policy: self.retry,
            attempts: Attempts::new(self.retry),
            stream: None,
            position,
        })
    }
}

fn is_missing(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::ManifestUnknown { .. } | RegistryError::NameUnknown { .. }
    )
}

impl RemoteBlob {
    /// Returns the next bytes; `None` at the end.
    ///
    /// An interrupted response is continued at its last byte, from the same endpoint or the next one, within the retry
    /// policy (DL-5, DM-10).
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, EndpointsError> {
        loop {
            match self.chunk().await {
                Ok(Some(chunk)) => {
                    let new_bytes = self.skip_received(chunk);
                    if !new_bytes.is_empty() {
                        self.attempts.reset();
                        self.position += new_bytes.len() as u64;
                        return Ok(Some(new_bytes));
                    }
                }
                Ok(None) => return Ok(None),
                Err(error) => self.recover(Arc::new(error)).await?,
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        if self.stream.is_none() {
            let stream = self.queue.open(&self.descriptor, self.position).await?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().expect("set above");
        stream.next_chunk().await
    }

    /// Skips bytes that were received before: a server without ranges sends the blob from its start.
    fn skip_received(&self, mut chunk: Bytes) -> Bytes {
        let end = self.stream.as_ref().map_or(0, BlobStream::position);
        let start = end.saturating_sub(chunk.len() as u64);
        let received = self.position.saturating_sub(start);
        let received = usize::try_from(received).unwrap_or(usize::MAX);
        chunk.split_off(received.min(chunk.len()))
    }

    async fn recover(&mut self, error: Arc<RegistryError>) -> Result<(), EndpointsError> {
        self.stream = None;
        if let Some(pause) = self.attempts.pause_after(&error) {
            time::sleep(pause).await;
            return Ok(());
        }
        if self.queue.advance(&error) {
            self.attempts = Attempts::new(self.policy);
            return Ok(());
        }
        Err(self.queue.take_error(error))
    }
}
