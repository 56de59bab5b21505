//! Prepares a registry: where it listens, whom it lets in, how fast it is.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::auth::{AuthPolicy, AuthScheme};
use super::availability::{AvailabilitySwitch, ReservedPort};
use super::body_stream::RateLimiter;
use super::content::RegistryContent;
use super::storage::{PresignedStorage, Storage};
use super::tls::{CertificateSource, RegistryTls};
use super::upload::UploadOptions;
use super::{ProtocolOptions, Registry, RegistryShared, RegistryState, serve};
use crate::{Ca, TlsIdentity};

/// A registry that is not running yet.
#[derive(Debug)]
pub struct RegistryBuilder {
    address: Ipv4Addr,
    tls: Option<RegistryTls>,
    protocol: ProtocolOptions,
    auth: AuthPolicy,
    link: Option<u64>,
    content: Arc<Mutex<RegistryContent>>,
    sources: Vec<(String, Arc<Mutex<RegistryContent>>)>,
    storage: Option<PresignedStorage>,
}

impl Default for RegistryBuilder {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST,
            tls: None,
            protocol: ProtocolOptions {
                root: "/v2".to_owned(),
                base: String::new(),
                tags_per_page: None,
                digest_header: true,
                head: true,
                uploads: None,
                referrers: None,
            },
            auth: AuthPolicy::default(),
            link: None,
            content: Arc::default(),
            sources: Vec::new(),
            storage: None,
        }
    }
}

impl RegistryBuilder {
    /// Listens on another address of loopback, such as 127.0.0.2.
    #[must_use]
    pub fn on(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// Speaks TLS (and only that), with a certificate of `ca` for `localhost`, `reg.test` and its address.
    /// HTTP/2 or HTTP/1.1 is spoken, as the client likes.
    #[must_use]
    pub fn tls(mut self, ca: &Ca) -> Self {
        self.tls = Some(RegistryTls::new(CertificateSource::SignedBy(ca.clone())));
        self
    }

    /// As [`tls`](Self::tls), with this certificate: for other names, expired, self-signed.
    #[must_use]
    pub fn tls_as(mut self, identity: TlsIdentity) -> Self {
        self.tls = Some(RegistryTls::new(CertificateSource::Is(identity)));
        self
    }

    /// Speaks only HTTP/1.1.
    ///
    /// # Panics
    /// If TLS is not chosen before, as in the next three.
    #[must_use]
    pub fn only_http1(mut self) -> Self {
        self.with_tls().protocols = vec!["http/1.1"];
        self
    }

    /// Speaks only HTTP/2.
    #[must_use]
    pub fn only_http2(mut self) -> Self {
        self.with_tls().protocols = vec!["h2"];
        self
    }

    /// Makes no connection with a client that does not show a certificate of `ca`.
    #[must_use]
    pub fn require_client_certificate(mut self, ca: &Ca) -> Self {
        (self.with_tls().client_ca, self.with_tls().client_required) = (Some(ca.clone()), true);
        self
    }

    /// Asks clients for a certificate of `ca`, and serves also those who have none.
    #[must_use]
    pub fn request_client_certificate(mut self, ca: &Ca) -> Self {
        (self.with_tls().client_ca, self.with_tls().client_required) = (Some(ca.clone()), false);
        self
    }

    /// Serves the API below `path`, `/some/prefix/v2/…`, and nothing at `/v2/`.
    #[must_use]
    pub fn base_path(mut self, path: &str) -> Self {
        self.protocol.root = format!("{path}/v2");
        path.clone_into(&mut self.protocol.base);
        self
    }

    /// Serves the API at `path` without a `/v2` of its own, `/some/prefix/app/manifests/1`: what a
    /// `hosts.toml` calls `override_path`.
    #[must_use]
    pub fn override_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.protocol.root);
        path.clone_into(&mut self.protocol.base);
        self
    }

    /// Has the content of `other` for its own: what is pushed to one is in both.
    #[must_use]
    pub fn share_content_with(mut self, other: &Registry) -> Self {
        self.content = other.shared.content.clone();
        self
    }

    /// Serves the content of `other` to those who ask for it by name (`?ns=127.0.0.1:4711`), as mirrors of
    /// containerd are asked. May be said of several.
    #[must_use]
    pub fn mirror_of(self, other: &Registry) -> Self {
        self.mirror_of_as(&other.host(), other)
    }

    /// As [`mirror_of`](Self::mirror_of), with a name of one's own, `docker.io`.
    #[must_use]
    pub fn mirror_of_as(mut self, name: &str, other: &Registry) -> Self {
        let content = other.shared.content.clone();
        self.sources.push((name.to_owned(), content));
        self
    }

    /// Redirects everyone who wants a blob to `storage`, each time with a new presigned URL of `uses` uses,
    /// as registries do whose blobs are in S3.
    #[must_use]
    pub fn redirect_blobs_to(mut self, storage: &Storage, uses: u64) -> Self {
        self.storage = Some(storage.presigning(uses));
        self
    }

    /// Never says a digest (`Docker-RegistryContent-Digest`).
    #[must_use]
    pub fn without_digests(mut self) -> Self {
        self.protocol.digest_header = false;
        self
    }

    /// Answers 405 to every `HEAD`.
    #[must_use]
    pub fn without_head(mut self) -> Self {
        self.protocol.head = false;
        self
    }

    /// Takes what is pushed, as well: blobs whole and in pieces, from other repositories, and manifests whose blobs
    /// are there.
    #[must_use]
    pub fn writable(mut self) -> Self {
        self.uploads();
        self
    }

    /// Takes what is pushed, in pieces of so many bytes at least (`OCI-Chunk-Min-Length`).
    #[must_use]
    pub fn min_chunk(mut self, bytes: usize) -> Self {
        self.uploads().min_chunk = Some(bytes);
        self
    }

    /// Takes what is pushed, and nothing over from another repository.
    #[must_use]
    pub fn without_mounts(mut self) -> Self {
        self.uploads().mounts = false;
        self
    }

    /// Knows which artifacts belong to a manifest, and lists so many of them on a page.
    #[must_use]
    pub fn referrers_per_page(mut self, entries: usize) -> Self {
        self.protocol.referrers = Some(entries);
        self
    }

    /// Asks everyone for this account, by Basic authentication.
    #[must_use]
    pub fn basic(mut self, username: &str, password: &str) -> Self {
        self.auth.scheme = AuthScheme::Basic;
        self.account(username, password)
    }

    /// Asks everyone for a token, which `/token` gives to everyone unless there is an account.
    #[must_use]
    pub fn bearer(mut self) -> Self {
        self.auth.scheme = AuthScheme::Bearer { realm: None };
        self
    }

    /// As [`bearer`](Self::bearer), with a challenge that names another token endpoint.
    #[must_use]
    pub fn bearer_at(mut self, realm: &str) -> Self {
        self.auth.scheme = AuthScheme::Bearer {
            realm: Some(realm.to_owned()),
        };
        self
    }

    /// Gives tokens only to this account; its password also serves as its identity token.
    #[must_use]
    pub fn account(mut self, username: &str, password: &str) -> Self {
        self.auth.account = Some((username.to_owned(), password.to_owned()));
        self
    }

    /// Says how long a token is good for; a minute, unless said otherwise.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.auth.lifetime = lifetime;
        self
    }

    /// Lists at most so many tags on a page.
    #[must_use]
    pub fn tags_per_page(mut self, tags: usize) -> Self {
        self.protocol.tags_per_page = Some(tags);
        self
    }

    /// Sends all bodies together at this speed.
    #[must_use]
    pub fn link(mut self, bytes_per_second: u64) -> Self {
        self.link = Some(bytes_per_second);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If there is no free port at that address.
    pub fn start(self) -> Registry {
        let port = ReservedPort::reserve(self.address);
        let listener = port.listen();
        let address = port.address();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let acceptor = |tls: RegistryTls| tls.acceptor(&self.address.to_string());
        let shared = Arc::new(RegistryShared {
            address,
            url: format!("{scheme}://{address}"),
            protocol: self.protocol,
            acceptor: self.tls.map(acceptor),
            link: self.link.map(|speed| Arc::new(RateLimiter::new(speed))),
            switch: AvailabilitySwitch::new(),
            connections: AtomicU64::new(0),
            state: Mutex::new(RegistryState {
                auth: self.auth,
                ..RegistryState::default()
            }),
            content: self.content,
            sources: self.sources,
            storage: self.storage,
            panicked: AtomicBool::new(false),
        });
        let serving = shared.clone();
        let thread = std::thread::Builder::new()
            .name(format!("registry {address}"))
            .spawn(move || run(serving, port, listener))
            .expect("the system has a thread to give");
        Registry {
            shared,
            thread: Some(thread),
        }
    }

    fn uploads(&mut self) -> &mut UploadOptions {
        self.protocol.uploads.get_or_insert(UploadOptions {
            min_chunk: None,
            mounts: true,
        })
    }

    fn with_tls(&mut self) -> &mut RegistryTls {
        self.tls.as_mut().expect("TLS is chosen before")
    }
}

fn run(shared: Arc<RegistryShared>, port: ReservedPort, listener: TcpListener) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread")
        .block_on(serve::serve(shared, port, listener));
}
