//! Shared helpers: clients for a scripted registry.

use std::sync::Arc;
use std::time::Duration;

use windlass_oci::text::error_chain;
use windlass_oci::{Descriptor, Digest, MediaType, Reference, RepositoryName};
use windlass_registry::{
    BlobStream, Caller, Client, Credentials, Endpoint, FetchedManifest, HostConfig, RegistryConfig,
    RegistryError, RegistryHosts, Repository, Secret, StaticCredentials, TagOrDigest, Timeouts,
};
use windlass_testing::Registry;
pub(crate) use windlass_testing::without_times;

/// Opens a session with the repository `app` of `registry`.
pub(crate) fn open(registry: &Registry) -> Repository {
    open_as(registry, Credentials::Anonymous)
}

/// Opens a session with credentials for the repository `app` of `registry`.
pub(crate) fn open_as(registry: &Registry, credentials: Credentials) -> Repository {
    session(&client(RegistryConfig::default()), registry, credentials)
}

/// Opens a session with short timeouts.
pub(crate) fn open_with_short_timeouts(registry: &Registry) -> Repository {
    let short = Duration::from_millis(200);
    let timeouts = Timeouts {
        response: short,
        stall: short,
        token: short,
        ..Timeouts::default()
    };
    let config = RegistryConfig {
        timeouts,
        ..RegistryConfig::default()
    };
    session(&client(config), registry, Credentials::Anonymous)
}

pub(crate) fn client(config: RegistryConfig) -> Client {
    Client::new(config).expect("the configuration is good")
}

/// Opens a session of `client` with the repository `app` of `registry`.
pub(crate) fn session(
    client: &Client,
    registry: &Registry,
    credentials: Credentials,
) -> Repository {
    session_at(client, registry.url(), credentials)
}

/// Opens a session of `client` with the repository `app` at `url`.
pub(crate) fn session_at(client: &Client, url: &str, credentials: Credentials) -> Repository {
    let endpoint = Endpoint::parse(url).expect("the test has a good URL");
    let host = url.split("://").nth(1).expect("a URL has a scheme");
    let name: Reference = format!("{host}/app")
        .parse()
        .expect("the test has a good host");
    let caller = caller(&endpoint, credentials);
    client.repository(endpoint, name.repository().clone(), &caller)
}

/// Returns a configuration with `mirror` as the mirror and `server` as the server of `upstream.test`.
pub(crate) fn mirrored(mirror: HostConfig, server: &Registry) -> RegistryConfig {
    let hosts = RegistryHosts {
        mirrors: vec![mirror],
        server: Some(host(server)),
        ..RegistryHosts::default()
    };
    let mut config = RegistryConfig::default();
    let named = &mut config.registries.named;
    named.insert("upstream.test".to_owned(), hosts);
    config
}

/// Returns the configuration of `registry` as a host.
pub(crate) fn host(registry: &Registry) -> HostConfig {
    HostConfig::new(registry.base_url().parse().expect("it has a good URL"))
}

/// Returns the endpoints of `upstream.test`.
pub(crate) fn upstream(config: &RegistryConfig) -> Vec<Endpoint> {
    Endpoint::of(&app(), config).expect("the configuration is good")
}

/// Returns the repository name `app` at `upstream.test`.
pub(crate) fn app() -> RepositoryName {
    let name: Reference = "upstream.test/app".parse().expect("it is a good name");
    name.repository().clone()
}

/// Returns a caller with these credentials for `endpoint`.
pub(crate) fn caller(endpoint: &Endpoint, credentials: Credentials) -> Caller {
    let host = endpoint.origin().authority().to_owned();
    Caller::new(Arc::new(StaticCredentials { host, credentials }))
}

pub(crate) fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic {
        username: username.to_owned(),
        password: Secret::new(password),
    }
}

pub(crate) fn tag(tag: &str) -> TagOrDigest {
    TagOrDigest::Tag(tag.parse().expect("the test has a good tag"))
}

/// Fetches the manifest `app:1`.
pub(crate) async fn fetch(repository: &Repository) -> Result<FetchedManifest, RegistryError> {
    let fetched = repository.manifest(&tag("1")).await?;
    Ok(fetched.into_manifest().expect("schema 1 is off"))
}

/// Returns a descriptor of a layer.
pub(crate) fn layer(digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: MediaType::from_content_type("application/vnd.oci.image.layer.v1.tar"),
        digest,
        size,
        urls: Vec::new(),
        annotations: std::collections::BTreeMap::default(),
        platform: None,
        artifact_type: None,
    }
}

/// Returns pseudorandom bytes.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    windlass_testing::Random::new(7).bytes(size)
}

/// Reads the blob from `offset` to its end or error; returns the bytes, their offset, and the error.
pub(crate) async fn read(
    repository: &Repository,
    descriptor: &Descriptor,
    offset: u64,
) -> (Vec<u8>, u64, Option<RegistryError>) {
    match repository.blob(descriptor, offset).await {
        Ok(stream) => drain(stream).await,
        Err(error) => (Vec::new(), offset, Some(error)),
    }
}

/// Reads a stream to its end or error.
pub(crate) async fn drain(mut stream: BlobStream) -> (Vec<u8>, u64, Option<RegistryError>) {
    let mut bytes = Vec::new();
    let error = loop {
        match stream.next_chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert_eq!(stream.position(), stream.starts_at() + bytes.len() as u64);
    (bytes, stream.starts_at(), error)
}

/// Returns the error and its causes on one line, with the registry's address replaced.
pub(crate) fn report(error: &RegistryError, registry: &Registry) -> String {
    error_chain(error).replace(registry.url(), "REGISTRY")
}

/// Futures that run in spawned tasks have to be `Send`.
#[expect(dead_code, reason = "that it compiles is the test")]
fn futures_are_send(repository: &Repository, descriptor: &Descriptor) {
    fn is_send<T: Send>(_: T) {}
    is_send(fetch(repository));
    is_send(repository.tags());
    is_send(repository.head(&tag("1")));
    is_send(repository.blob_bytes(descriptor, 0));
    is_send(async {
        let mut stream = repository.blob(descriptor, 0).await?;
        stream.next_chunk().await
    });
}
