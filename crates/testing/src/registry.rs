//! A registry in this process, on loopback, with scripted faults.

mod auth;
mod availability;
mod body_stream;
mod builder;
mod content;
mod gate;
mod push;
mod range;
mod referrers;
mod requests;
mod respond;
mod response;
mod script;
mod serve;
mod socket;
mod storage;
mod tls;
mod upload;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use hyper::StatusCode;
use tokio_rustls::TlsAcceptor;
use windlass_oci::Digest;

pub use builder::RegistryBuilder;
pub use gate::Gate;
pub use range::RangeFault;
pub use requests::RecordedRequest;
pub use script::RouteScript;
pub use storage::Storage;
pub use tls::TlsHandshake;

use auth::AuthPolicy;
use availability::{Availability, AvailabilitySwitch};
use body_stream::RateLimiter;
use content::RegistryContent;
use script::{RouteKey, Scripts};
use storage::PresignedStorage;
use upload::UploadOptions;

/// A registry that runs until it is dropped.
///
/// It implements the OCI distribution protocol strictly, and the push part of it if it is
/// [`writable`](RegistryBuilder::writable): names and digests follow the grammar, a manifest is served only if
/// the request accepts its type, blobs belong to repositories, ranges and pages follow the RFCs. It has its own
/// thread and runtime, so tests may be blocking or async, and its methods need no `await`.
///
/// ```
/// use windlass_testing::{ImageBuilder, LayerBuilder, Registry};
///
/// let registry = Registry::start();
/// let image = registry.push(ImageBuilder::new().layer(LayerBuilder::of_size(3 << 20)), "app:1");
/// let layer = image.layers[0].digest;
/// registry.blob(&layer).cut_after(1 << 20).then_ok();
///
/// // … pull `registry.name("app:1")` …
/// # let pulled = || ();
/// pulled();
///
/// assert!(registry.requested_ranges(&layer).is_empty(), "nothing was pulled in this example");
/// ```
///
/// Faults are scripted with [`blob`](Self::blob), [`manifest`](Self::manifest), [`tags`](Self::tags),
/// [`ping`](Self::ping), [`token`](Self::token) and [`path`](Self::path): see [`RouteScript`].
pub struct Registry {
    shared: Arc<RegistryShared>,
    thread: Option<JoinHandle<()>>,
}

/// The state that the threads of tests and of the registry share.
///
/// Locks are taken in this order: the state, then at most one content.
struct RegistryShared {
    address: SocketAddr,
    url: String,
    protocol: ProtocolOptions,
    acceptor: Option<TlsAcceptor>,
    link: Option<Arc<RateLimiter>>,
    switch: AvailabilitySwitch,
    connections: AtomicU64,
    state: Mutex<RegistryState>,
    content: Arc<Mutex<RegistryContent>>,
    /// The content of other registries, by the name in requests (`?ns=`).
    sources: Vec<(String, Arc<Mutex<RegistryContent>>)>,
    /// The storage that requests for blobs are redirected to.
    storage: Option<PresignedStorage>,
    panicked: AtomicBool,
}

/// The variants of the protocol.
#[derive(Clone, Debug)]
struct ProtocolOptions {
    /// The path of the API: `/v2` with its prefix.
    root: String,
    /// The path of the URL that clients are configured with.
    base: String,
    tags_per_page: Option<usize>,
    digest_header: bool,
    head: bool,
    /// The options for pushes; `None` if the registry is read-only.
    uploads: Option<UploadOptions>,
    /// The number of referrers on a page; `None` if the API is not supported.
    referrers: Option<usize>,
}

#[derive(Debug, Default)]
struct RegistryState {
    auth: AuthPolicy,
    scripts: Scripts,
    requests: Vec<RecordedRequest>,
}

impl Registry {
    /// Starts an empty registry without authorization, on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Configures a registry, for example with authorization or another address.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Returns the host for references, `127.0.0.1:4711`.
    pub fn host(&self) -> String {
        self.address().to_string()
    }

    /// Returns the URL of its root, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Returns the URL for the configuration of a client: with the base path, if it has one.
    pub fn base_url(&self) -> String {
        format!("{}{}", self.shared.url, self.shared.protocol.base)
    }

    /// Returns the full reference of something in it: `app:1` becomes `127.0.0.1:4711/app:1`.
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.address())
    }

    /// Returns the URL of a blob.
    pub fn blob_url(&self, repository: &str, digest: &Digest) -> String {
        let root = &self.shared.protocol.root;
        format!("{}{root}/{repository}/blobs/{digest}", self.url())
    }

    /// Scripts the next responses to `GET /v2/`.
    pub fn ping(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Ping)
    }

    /// Scripts the next responses for a manifest, by tag or by digest, in any repository.
    pub fn manifest(&self, reference: impl fmt::Display) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Manifest(reference.to_string()))
    }

    /// Scripts the next responses for a blob, in any repository.
    pub fn blob(&self, digest: &Digest) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Blob(digest.to_string()))
    }

    /// Scripts the next responses for a repository's list of tags, for all its pages.
    pub fn tags(&self, repository: &str) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Tags(repository.to_owned()))
    }

    /// Scripts the next responses of the token endpoint (`GET` by default).
    pub fn token(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Token)
    }

    /// Scripts the next responses to the requests of blob uploads, with any method by default.
    pub fn uploads(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Uploads)
    }

    /// Scripts the next responses for the referrers of `digest`.
    pub fn referrers(&self, digest: &Digest) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Referrers(digest.to_string()))
    }

    /// Scripts the next responses for all manifests.
    pub fn every_manifest(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::EveryManifest)
    }

    /// Scripts the next responses for all blobs.
    pub fn every_blob(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::EveryBlob)
    }

    /// Scripts the next responses to all requests, with any method, including the token endpoint. These have
    /// priority over all other scripts.
    pub fn every(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Every)
    }

    /// Scripts the next responses for exactly this path.
    pub fn path(&self, path: &str) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Path(path.to_owned()))
    }

    /// Revokes all tokens issued so far.
    pub fn expire_tokens(&self) {
        self.shared.state().auth.expire_tokens();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.switch.set_without_waiting(Availability::Off);
        let ended = self.thread.take().map(JoinHandle::join);
        let panicked = self.shared.panicked.load(Ordering::Relaxed);
        if !std::thread::panicking() {
            let fine = matches!(ended, Some(Ok(()))) && !panicked;
            assert!(fine, "the registry panicked; see the output above");
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.shared.url).finish()
    }
}

impl fmt::Debug for RegistryShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.url).finish()
    }
}

impl RegistryShared {
    fn content(&self) -> MutexGuard<'_, RegistryContent> {
        locked(&self.content)
    }

    fn state(&self) -> MutexGuard<'_, RegistryState> {
        locked(&self.state)
    }

    /// Records a request and returns its index.
    fn record(&self, request: RecordedRequest) -> usize {
        let requests = &mut self.state().requests;
        requests.push(request);
        requests.len() - 1
    }

    fn record_status(&self, index: usize, status: StatusCode) {
        self.state().requests[index].status = Some(status.as_u16());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("no thread panics with the state locked")
}
