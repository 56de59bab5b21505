//! A registry in this process, on loopback, that does what a test tells it to.

mod auth;
mod builder;
mod content;
mod flow;
mod gate;
mod range;
mod record;
mod reply;
mod script;
mod serve;
mod wire;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::watch;
use windlass_oci::Digest;

pub use builder::RegistryBuilder;
pub use gate::Gate;
pub use range::RangeLie;
pub use record::Request;
pub use script::Route;

use auth::Door;
use content::{Content, StoredManifest, is_tag};
use flow::Pace;
use script::{Key, Scripts};
use serve::Power;

use crate::{PackedImage, PackedIndex, PackedLayer};

/// A registry that runs until it is dropped.
///
/// It speaks the pulling half of the OCI distribution protocol, strictly: names and digests follow the
/// grammar, a manifest is served only to those who accept its type, blobs belong to repositories, ranges
/// and pages are as the RFCs say. It has a thread and a runtime of its own, so tests may be blocking or
/// async; nothing of a test needs to be `await`ed to use it.
///
/// ```
/// use windlass_testing::{Image, Layer, Registry};
///
/// let registry = Registry::start();
/// let image = registry.push(Image::new().layer(Layer::of_size(3 << 20)), "app:1");
/// let layer = image.layers[0].digest;
/// registry.blob(&layer).cut_after(1 << 20).then_ok();
///
/// // … pull `registry.name("app:1")` …
/// # let pulled = || ();
/// pulled();
///
/// assert!(registry.ranges_asked(&layer).is_empty(), "nothing was pulled in this example");
/// ```
///
/// Faults are scripted with [`blob`](Self::blob), [`manifest`](Self::manifest), [`tags`](Self::tags),
/// [`ping`](Self::ping), [`token`](Self::token) and [`path`](Self::path): see [`Route`].
pub struct Registry {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the threads of tests and of the registry share.
struct Shared {
    address: SocketAddr,
    url: String,
    tags_per_page: Option<usize>,
    link: Option<Arc<Pace>>,
    power: watch::Sender<Power>,
    state: Mutex<State>,
    panicked: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    content: Content,
    door: Door,
    scripts: Scripts,
    requests: Vec<Request>,
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

    /// Returns the full reference of something in it: `app:1` becomes `127.0.0.1:4711/app:1`.
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.address())
    }

    /// Returns the URL of a blob.
    pub fn blob_url(&self, repository: &str, digest: &Digest) -> String {
        format!("{}/v2/{repository}/blobs/{digest}", self.url())
    }

    /// Takes in an image with all that belongs to it; `name` is `repository` or `repository:tag`.
    pub fn push(&self, image: impl Into<PackedImage>, name: &str) -> PackedImage {
        let image = image.into();
        let (repository, tag) = split(name);
        self.put_image(repository, &image);
        self.tag_if_any(repository, tag, &image.digest);
        image
    }

    /// Takes in an index with all that belongs to it; `name` is `repository` or `repository:tag`.
    pub fn push_index(&self, index: impl Into<PackedIndex>, name: &str) -> PackedIndex {
        let index = index.into();
        let (repository, tag) = split(name);
        self.put_index(repository, &index);
        self.tag_if_any(repository, tag, &index.digest);
        index
    }

    /// Takes in a layer that no manifest need speak of.
    pub fn push_layer(&self, layer: impl Into<PackedLayer>, repository: &str) -> Digest {
        let layer = layer.into();
        self.put_blob_as(repository, &layer.digest, layer.bytes);
        layer.digest
    }

    /// Takes in a blob.
    pub fn put_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::sha256(&bytes);
        self.put_blob_as(repository, &digest, bytes);
        digest
    }

    /// Takes in bytes under a digest that need not be theirs.
    pub fn put_blob_as(&self, repository: &str, digest: &Digest, bytes: impl Into<Bytes>) {
        let mut state = self.shared.state();
        let blobs = &mut state.content.repository_mut(repository).blobs;
        blobs.insert(*digest, bytes.into());
    }

    /// Takes in a manifest or an index, whatever it says.
    pub fn put_manifest(
        &self,
        repository: &str,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::sha256(&bytes);
        self.put_manifest_as(repository, &digest, media_type, bytes);
        digest
    }

    /// Takes in a manifest under a digest that need not be its own.
    pub fn put_manifest_as(
        &self,
        repository: &str,
        digest: &Digest,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) {
        let manifest = StoredManifest {
            media_type: media_type.to_owned(),
            bytes: bytes.into(),
        };
        let mut state = self.shared.state();
        let manifests = &mut state.content.repository_mut(repository).manifests;
        manifests.insert(*digest, manifest);
    }

    /// Points a tag at a digest, wherever it pointed before.
    ///
    /// # Panics
    /// If it is not a tag.
    pub fn tag(&self, repository: &str, tag: &str, digest: &Digest) {
        assert!(is_tag(tag), "{tag:?} is not a tag");
        let mut state = self.shared.state();
        let tags = &mut state.content.repository_mut(repository).tags;
        tags.insert(tag.to_owned(), *digest);
    }

    /// Removes a blob from every repository.
    pub fn remove_blob(&self, digest: &Digest) {
        self.shared.state().content.remove_blob(digest);
    }

    /// Serves bytes at a path outside the protocol, to everyone: a CDN, say. With a query in `path`, only
    /// that query is answered.
    pub fn put_path(&self, path: &str, bytes: impl Into<Bytes>) {
        let mut state = self.shared.state();
        state.content.paths.insert(path.to_owned(), bytes.into());
    }

    /// Scripts the next answers to `GET /v2/`.
    pub fn ping(&self) -> Route<'_> {
        Route::new(&self.shared, Key::Ping)
    }

    /// Scripts the next answers for a manifest, by tag or by digest, in whatever repository.
    pub fn manifest(&self, reference: impl fmt::Display) -> Route<'_> {
        Route::new(&self.shared, Key::Manifest(reference.to_string()))
    }

    /// Scripts the next answers for a blob, in whatever repository.
    pub fn blob(&self, digest: &Digest) -> Route<'_> {
        Route::new(&self.shared, Key::Blob(digest.to_string()))
    }

    /// Scripts the next answers for a repository's list of tags, every page of it.
    pub fn tags(&self, repository: &str) -> Route<'_> {
        Route::new(&self.shared, Key::Tags(repository.to_owned()))
    }

    /// Scripts the next answers of the token endpoint (`GET`, unless told otherwise).
    pub fn token(&self) -> Route<'_> {
        Route::new(&self.shared, Key::Token)
    }

    /// Scripts the next answers for exactly this path, which may be any.
    pub fn path(&self, path: &str) -> Route<'_> {
        Route::new(&self.shared, Key::Path(path.to_owned()))
    }

    /// Forgets all tokens issued so far.
    pub fn expire_tokens(&self) {
        self.shared.state().door.expire_tokens();
    }

    /// Goes down: open connections are reset, and new ones as they come.
    pub fn go_down(&self) {
        self.shared.power.send_replace(Power::Down);
    }

    /// Comes back from [`go_down`](Self::go_down), with everything it had.
    pub fn come_back(&self) {
        self.shared.power.send_replace(Power::Up);
    }

    /// Returns all requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// Returns all requests so far as lines, `GET /v2/app/manifests/1 200`.
    pub fn log(&self) -> Vec<String> {
        self.requests().iter().map(ToString::to_string).collect()
    }

    /// Returns the requests (of any method) for a blob.
    pub fn blob_requests(&self, digest: &Digest) -> Vec<Request> {
        let end = format!("/blobs/{digest}");
        let mut requests = self.requests();
        requests.retain(|request| request.path.ends_with(&end));
        requests
    }

    /// Returns the `Range` of each GET for a blob; `whole` for those without.
    pub fn ranges_asked(&self, digest: &Digest) -> Vec<String> {
        let requests = self.blob_requests(digest);
        let gets = requests.iter().filter(|request| request.method == "GET");
        gets.map(|get| get.range().unwrap_or("whole").to_owned())
            .collect()
    }

    /// Returns how many bytes of a blob have been given to connections so far.
    pub fn bytes_sent(&self, digest: &Digest) -> u64 {
        self.blob_requests(digest).iter().map(Request::sent).sum()
    }

    /// Returns whether `secret` came in any request: in a header (also inside Basic credentials), the query
    /// or the body.
    pub fn saw(&self, secret: &str) -> bool {
        self.requests().iter().any(|request| request.holds(secret))
    }

    /// Returns whether any request carried an `Authorization`.
    pub fn saw_authorization(&self) -> bool {
        let requests = self.requests();
        requests
            .iter()
            .any(|request| request.authorization().is_some())
    }

    fn put_image(&self, repository: &str, image: &PackedImage) {
        for layer in &image.layers {
            self.put_blob_as(repository, &layer.digest, layer.bytes.clone());
        }
        self.put_blob_as(repository, &image.config_digest, image.config.clone());
        let (digest, bytes) = (&image.digest, image.manifest.clone());
        self.put_manifest_as(repository, digest, &image.media_type, bytes);
    }

    fn put_index(&self, repository: &str, index: &PackedIndex) {
        for image in &index.images {
            self.put_image(repository, image);
        }
        for inner in &index.indexes {
            self.put_index(repository, inner);
        }
        let (digest, bytes) = (&index.digest, index.bytes.clone());
        self.put_manifest_as(repository, digest, &index.media_type, bytes);
    }

    fn tag_if_any(&self, repository: &str, tag: Option<&str>, digest: &Digest) {
        if let Some(tag) = tag {
            self.tag(repository, tag, digest);
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.power.send_replace(Power::Off);
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

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.url).finish()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics with the state locked")
    }

    /// Notes a request and returns its place in the record.
    fn record(&self, request: Request) -> usize {
        let requests = &mut self.state().requests;
        requests.push(request);
        requests.len() - 1
    }

    fn answered(&self, place: usize, status: StatusCode) {
        self.state().requests[place].status = Some(status.as_u16());
    }
}

/// Splits `repository:tag`; the tag may be missing.
fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (name, None),
    }
}
