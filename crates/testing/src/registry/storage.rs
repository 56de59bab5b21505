//! A file server beside registries, for redirected blobs and foreign layers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::header::LOCATION;
use hyper::{Method, StatusCode};
use windlass_oci::Digest;

use super::content::RegistryContent;
use super::response::RegistryResponse;
use super::script::RouteScript;
use super::{RecordedRequest, Registry, RegistryBuilder, locked};

/// A file server without registry protocol: an object store, a CDN, a host of foreign layers.
///
/// It serves ranges, records its requests as a [`Registry`] does, and requires no authorization. Files from
/// [`put_signed`](Self::put_signed) need a presigned URL, which is valid for a number of requests and then gets
/// 403.
///
/// ```
/// use windlass_testing::{LayerBuilder, Registry, Storage};
///
/// let storage = Storage::start();
/// // A registry that redirects to the storage, each time with a URL for one GET:
/// let registry = Registry::builder().redirect_blobs_to(&storage, 1).start();
/// // A foreign layer, whose server requests credentials:
/// let url = storage.put("/windows/base", LayerBuilder::of_size(100).pack().bytes);
/// storage.file("/windows/base").unauthorized("Bearer realm=\"https://auth.test/\"").forever();
/// // … pull …
/// assert!(!storage.received_authorization() && !storage.received_cookie());
/// ```
#[derive(Debug)]
pub struct Storage(Registry);

/// Creates presigned URLs of a [`Storage`] for a registry.
#[derive(Clone)]
pub(super) struct PresignedStorage {
    content: Arc<Mutex<RegistryContent>>,
    url: String,
    uses: u64,
}

impl Storage {
    /// Starts an empty server on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::with(Registry::builder())
    }

    /// Starts an empty server with the address, TLS and bandwidth of `builder`.
    pub fn with(builder: RegistryBuilder) -> Self {
        Self(builder.start())
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Returns the URL of its root, without a slash at the end.
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// Stores a public file, and returns its URL.
    pub fn put(&self, path: &str, bytes: impl Into<Bytes>) -> String {
        self.0.put_path(path, bytes);
        format!("{}{path}", self.url())
    }

    /// Stores a file, and returns a presigned URL for this number of GET requests, also of ranges.
    pub fn put_signed(&self, path: &str, bytes: impl Into<Bytes>, uses: u64) -> String {
        let mut content = self.0.shared.content();
        content.private.insert(path.to_owned(), bytes.into());
        drop(content);
        self.sign(path, uses)
    }

    /// Returns another presigned URL of a file; earlier ones stay valid.
    pub fn sign(&self, path: &str, uses: u64) -> String {
        let signed = self.0.shared.content().sign(path, &Method::GET, uses);
        format!("{}{signed}", self.url())
    }

    /// Invalidates all presigned URLs.
    pub fn expire_signatures(&self) {
        self.0.shared.content().expire_signatures();
    }

    /// Scripts the next responses for a file, with any query.
    pub fn file(&self, path: &str) -> RouteScript<'_> {
        self.0.path(path)
    }

    /// Scripts the next responses for a blob of a registry that redirects to this storage.
    pub fn blob(&self, digest: &Digest) -> RouteScript<'_> {
        self.file(&blob_path(&digest.to_string()))
    }

    /// Returns all requests so far, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.0.requests()
    }

    /// Returns all requests so far as lines, without their queries, because signatures vary.
    pub fn log(&self) -> Vec<String> {
        let mut requests = self.requests();
        for request in &mut requests {
            request.query = None;
        }
        requests.iter().map(ToString::to_string).collect()
    }

    /// Returns whether any request contained `secret`, as [`Registry::received`] does.
    pub fn received(&self, secret: &str) -> bool {
        self.0.received(secret)
    }

    /// Returns whether any request had an `Authorization` header.
    pub fn received_authorization(&self) -> bool {
        self.0.received_authorization()
    }

    /// Returns whether any request had a cookie.
    pub fn received_cookie(&self) -> bool {
        let requests = self.requests();
        requests.iter().any(|it| it.header("cookie").is_some())
    }

    /// Returns the server itself, to stop it or to script all its responses.
    pub fn server(&self) -> &Registry {
        &self.0
    }

    pub(super) fn presigning(&self, uses: u64) -> PresignedStorage {
        PresignedStorage {
            content: self.0.shared.content.clone(),
            url: self.url().to_owned(),
            uses,
        }
    }
}

impl PresignedStorage {
    /// Stores a blob in the storage and redirects the client there.
    pub(super) fn redirect(&self, method: &Method, digest: &str, bytes: Bytes) -> RegistryResponse {
        let path = blob_path(digest);
        let mut content = locked(&self.content);
        content.private.insert(path.clone(), bytes);
        let signed = content.sign(&path, method, self.uses);
        RegistryResponse::new(StatusCode::TEMPORARY_REDIRECT, "text/plain", "")
            .with(LOCATION, &format!("{}{signed}", self.url))
    }
}

impl std::fmt::Debug for PresignedStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Presigning").field(&self.url).finish()
    }
}

fn blob_path(digest: &str) -> String {
    format!("/blobs/{digest}")
}
