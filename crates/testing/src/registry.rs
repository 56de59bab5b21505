//! A registry in this process, on loopback, that does what a test tells it to.

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
/// It speaks the OCI distribution protocol, strictly, and the pushing half of it if it is
/// [`writable`](RegistryBuilder::writable): names and digests follow the
/// grammar, a manifest is served only to those who accept its type, blobs belong to repositories, ranges
/// and pages are as the RFCs say. It has a thread and a runtime of its own, so tests may be blocking or
/// async; nothing of a test needs to be `await`ed to use it.
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

/// What the threads of tests and of the registry share.
///
/// Locks are taken in this order: the state, then one content at a time, whosever it is.
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
    /// What it serves to those who ask for the name (`?ns=`).
    sources: Vec<(String, Arc<Mutex<RegistryContent>>)>,
    /// Where it sends those who want a blob.
    storage: Option<PresignedStorage>,
    panicked: AtomicBool,
}

/// How the registry speaks the protocol.
#[derive(Clone, Debug)]
struct ProtocolOptions {
    /// The path of the API, `/v2` and what stands before it.
    root: String,
    /// What is configured as the registry's URL has this path.
    base: String,
    tags_per_page: Option<usize>,
    digest_header: bool,
    head: bool,
    /// How it takes what is pushed; not at all, if it is `None`.
    uploads: Option<UploadOptions>,
    /// How many referrers it lists on a page; without a number it knows nothing of referrers.
    referrers: Option<usize>,
}

#[derive(Debug, Default)]
struct RegistryState {
    auth: AuthPolicy,
    scripts: Scripts,
    requests: Vec<RecordedRequest>,
}

impl Registry {
    /// Starts an empty registry for everyone, on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Prepares a registry that is not for everyone, or not on 127.0.0.1.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Returns the host as references name it, `127.0.0.1:4711`.
    pub fn host(&self) -> String {
        self.address().to_string()
    }

    /// Returns the URL of its root, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Returns the URL by which a configuration names it: with the base path, if it has one.
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

    /// Scripts the next answers to `GET /v2/`.
    pub fn ping(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Ping)
    }

    /// Scripts the next answers for a manifest, by tag or by digest, in whatever repository.
    pub fn manifest(&self, reference: impl fmt::Display) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Manifest(reference.to_string()))
    }

    /// Scripts the next answers for a blob, in whatever repository.
    pub fn blob(&self, digest: &Digest) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Blob(digest.to_string()))
    }

    /// Scripts the next answers for a repository's list of tags, every page of it.
    pub fn tags(&self, repository: &str) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Tags(repository.to_owned()))
    }

    /// Scripts the next answers of the token endpoint (`GET`, unless told otherwise).
    pub fn token(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Token)
    }

    /// Scripts the next answers to everything that belongs to an upload of a blob, of whatever method unless one is
    /// chosen.
    pub fn uploads(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Uploads)
    }

    /// Scripts the next answers to who asks for the referrers of `digest`.
    pub fn referrers(&self, digest: &Digest) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Referrers(digest.to_string()))
    }

    /// Scripts the next answers for all manifests by whatever reference.
    pub fn every_manifest(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::EveryManifest)
    }

    /// Scripts the next answers for all blobs.
    pub fn every_blob(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::EveryBlob)
    }

    /// Scripts the next answers to everything, whatever the method, the token endpoint included. These come
    /// before all other scripts.
    pub fn every(&self) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Every)
    }

    /// Scripts the next answers for exactly this path, which may be any.
    pub fn path(&self, path: &str) -> RouteScript<'_> {
        RouteScript::new(&self.shared, RouteKey::Path(path.to_owned()))
    }

    /// Forgets all tokens issued so far.
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

    /// Notes a request and returns its place in the record.
    fn record(&self, request: RecordedRequest) -> usize {
        let requests = &mut self.state().requests;
        requests.push(request);
        requests.len() - 1
    }

    fn record_status(&self, place: usize, status: StatusCode) {
        self.state().requests[place].status = Some(status.as_u16());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("no thread panics with the state locked")
}
