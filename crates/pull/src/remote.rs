//! Queries registries without pulling an image.

use bytes::Bytes;
use windlass_oci::{Digest, Manifest, Platform, Reference, RepositoryName, Tag};
use windlass_registry::{
    Caller, Client, ClientError, Endpoint, RegistryConfig, RegistryError, Repository, TagOrDigest,
    UrlDownload, WebUrl,
};

use crate::documents::{ManifestContent, NamedManifest, RawDocument};
use crate::endpoint_need::EndpointNeed;
use crate::error::PullError;
use crate::events::PullEvents;
use crate::remote_repository::RemoteRepository;
use crate::resolve::Resolver;
use crate::retry::RetryPolicy;
use crate::schema1;
use crate::sources::Sources;

/// A client of registries and their mirrors, without a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Remote {
    client: Client,
    retry: RetryPolicy,
}

/// The document that a reference names.
#[derive(Clone, Debug)]
pub struct FoundManifest {
    /// The digest of the document.
    pub digest: Digest,
    /// The exact bytes of the document, including the signatures of a manifest of schema 1.
    pub bytes: Bytes,
    /// The endpoint that resolved the reference.
    pub endpoint: Endpoint,
}

impl Remote {
    /// Creates a client with this configuration. It connects when it is first used.
    pub fn new(config: RegistryConfig, retry: RetryPolicy) -> Result<Self, ClientError> {
        let client = Client::new(config)?;
        Ok(Self { client, retry })
    }

    /// Returns the HTTP client of registries.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the tags of a repository, in the registry's order (MF-1).
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        caller: &Caller,
    ) -> Result<Vec<Tag>, PullError> {
        let sources = self.open(repository, caller, None)?;
        let tags = |repository: Repository| async move { repository.tags().await };
        Ok(sources.try_each(EndpointNeed::Resolve, tags).await?.content)
    }

    /// Returns the digest of the manifest or index that `reference` names (MF-10).
    pub async fn digest(
        &self,
        reference: &Reference,
        caller: &Caller,
    ) -> Result<Digest, PullError> {
        let reference = reference.clone().or_latest();
        let sources = self.sources(&reference, caller, None)?;
        let resolver = resolver(&sources);
        let target = TagOrDigest::of(&reference);
        match resolver.fetch_digest(&target).await? {
            Some((digest, _)) => Ok(digest),
            None => digest_of(
                &reference,
                &sources,
                &resolver.fetch(&target).await?.content,
            ),
        }
    }

    /// Returns the manifest or index that `reference` names. With `platform`, returns the manifest for this platform.
    pub async fn manifest(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
        caller: &Caller,
    ) -> Result<FoundManifest, PullError> {
        let reference = reference.clone().or_latest();
        let sources = self.sources(&reference, caller, None)?;
        let resolver = resolver(&sources);
        let NamedManifest { endpoint, content } =
            resolver.fetch(&TagOrDigest::of(&reference)).await?;
        let found = digest_of(&reference, &sources, &content)?;
        let document = match (content, platform) {
            (ManifestContent::Schema1(bytes), _) => RawDocument {
                digest: found,
                bytes,
            },
            (ManifestContent::Manifest(document, _), None) => document,
            (ManifestContent::Manifest(document, manifest), Some(platform)) => {
                let is_index = matches!(*manifest, Manifest::Index(_));
                let (_, document, manifest) = resolver
                    .select_manifest(document, *manifest, Some(platform))
                    .await?;
                if !is_index {
                    resolver
                        .check_manifest_platform(&manifest, platform)
                        .await?;
                }
                document
            }
        };
        Ok(FoundManifest {
            digest: document.digest,
            bytes: document.bytes,
            endpoint,
        })
    }

    /// Opens a repository to read its content. Nothing is sent yet.
    pub fn repository(
        &self,
        name: &RepositoryName,
        caller: &Caller,
    ) -> Result<RemoteRepository, PullError> {
        Ok(RemoteRepository::new(
            self.open(name, caller, None)?,
            self.retry,
        ))
    }

    /// Opens a repository to push to it, at the registry itself.
    ///
    /// If the registry may be reached with and without TLS, and neither has worked in this process yet, it is pinged
    /// first: later requests of a push cannot be repeated at another endpoint.
    pub async fn open_to_push(
        &self,
        name: &RepositoryName,
        caller: &Caller,
    ) -> Result<Repository, PullError> {
        let sources = Sources::open_to_push(self.client.clone(), self.retry, name, caller)?;
        sources.first_reachable().await
    }

    /// Starts to download from a URL that the user entered; see [`Client::download`].
    pub async fn download(
        &self,
        url: &WebUrl,
        limit: Option<u64>,
    ) -> Result<UrlDownload, RegistryError> {
        self.client.download(url, limit).await
    }

    /// Returns the retry policy.
    pub fn retry(&self) -> RetryPolicy {
        self.retry
    }

    /// Opens a session with each endpoint of the repository that `reference` names.
    pub(crate) fn sources(
        &self,
        reference: &Reference,
        caller: &Caller,
        events: Option<&PullEvents>,
    ) -> Result<Sources, PullError> {
        self.open(reference.repository(), caller, events)
    }

    fn open(
        &self,
        name: &RepositoryName,
        caller: &Caller,
        events: Option<&PullEvents>,
    ) -> Result<Sources, PullError> {
        Sources::open(self.client.clone(), self.retry, name, caller, events)
    }
}

fn resolver(sources: &Sources) -> Resolver<'_> {
    Resolver {
        sources,
        store: None,
    }
}

fn digest_of(
    reference: &Reference,
    sources: &Sources,
    content: &ManifestContent,
) -> Result<Digest, PullError> {
    match content {
        ManifestContent::Manifest(document, _) => Ok(document.digest),
        ManifestContent::Schema1(bytes) => Ok(schema1::verify(bytes, reference, sources)?.digest()),
    }
}
