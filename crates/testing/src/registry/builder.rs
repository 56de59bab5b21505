//! Configures a registry: its address, authorization, TLS and speed.

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
    /// Sets another address of loopback, such as 127.0.0.2.
    #[must_use]
    pub fn on(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// Requires TLS, with a certificate of `ca` for `localhost`, `reg.test` and its address. The client chooses
    /// HTTP/2 or HTTP/1.1.
    #[must_use]
    pub fn tls(mut self, ca: &Ca) -> Self {
        self.tls = Some(RegistryTls::new(CertificateSource::SignedBy(ca.clone())));
        self
    }

    /// Like [`tls`](Self::tls), with this certificate: for other names, expired, self-signed.
    #[must_use]
    pub fn tls_as(mut self, identity: TlsIdentity) -> Self {
        self.tls = Some(RegistryTls::new(CertificateSource::Is(identity)));
        self
    }

    /// If TLS was not enabled before; also for the next three methods.
    #[must_use]
    pub fn only_http1(mut self) -> Self {
        self.with_tls().protocols = vec!["http/1.1"];
        self
    }

    /// Supports only HTTP/2.
    #[must_use]
    pub fn only_http2(mut self) -> Self {
        self.with_tls().protocols = vec!["h2"];
        self
    }

    /// Requires a client certificate of `ca`.
    #[must_use]
    pub fn require_client_certificate(mut self, ca: &Ca) -> Self {
        (self.with_tls().client_ca, self.with_tls().client_required) = (Some(ca.clone()), true);
        self
    }

    /// Requests a client certificate of `ca`, and also serves clients without one.
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

    /// Serves the API at `path` without `/v2`, `/some/prefix/app/manifests/1`: the `override_path` of a
    /// `hosts.toml`.
    #[must_use]
    pub fn override_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.protocol.root);
        path.clone_into(&mut self.protocol.base);
        self
    }

    /// Shares the content of `other`: an image that is pushed to one is in both.
    #[must_use]
    pub fn share_content_with(mut self, other: &Registry) -> Self {
        self.content = other.shared.content.clone();
        self
    }

    /// Serves the content of `other` for requests with its name (`?ns=127.0.0.1:4711`), as containerd sends
    /// them to mirrors. May be called for several registries.
    #[must_use]
    pub fn mirror_of(self, other: &Registry) -> Self {
        self.mirror_of_as(&other.host(), other)
    }

    /// Like [`mirror_of`](Self::mirror_of), with another name, such as `docker.io`.
    #[must_use]
    pub fn mirror_of_as(mut self, name: &str, other: &Registry) -> Self {
        let content = other.shared.content.clone();
        self.sources.push((name.to_owned(), content));
        self
    }

    /// Redirects requests for blobs to `storage`, each with a new presigned URL for `uses` requests, as
    /// registries with S3 storage do.
    #[must_use]
    pub fn redirect_blobs_to(mut self, storage: &Storage, uses: u64) -> Self {
        self.storage = Some(storage.presigning(uses));
        self
    }

    /// Sends no digests (`Docker-Content-Digest`).
    #[must_use]
    pub fn without_digests(mut self) -> Self {
        self.protocol.digest_header = false;
        self
    }

    /// Responds to every `HEAD` with 405.
    #[must_use]
    pub fn without_head(mut self) -> Self {
        self.protocol.head = false;
        self
    }

    /// Accepts pushes: blobs in one or several chunks, mounts from other repositories, and manifests whose
    /// blobs exist.
    #[must_use]
    pub fn writable(mut self) -> Self {
        self.uploads();
        self
    }

    /// Accepts pushes, in chunks of at least this size (`OCI-Chunk-Min-Length`).
    #[must_use]
    pub fn min_chunk(mut self, bytes: usize) -> Self {
        self.uploads().min_chunk = Some(bytes);
        self
    }

    /// Accepts pushes, but no mounts from other repositories.
    #[must_use]
    pub fn without_mounts(mut self) -> Self {
        self.uploads().mounts = false;
        self
    }

    /// Supports the referrers API, with this number of entries on a page.
    #[must_use]
    pub fn referrers_per_page(mut self, entries: usize) -> Self {
        self.protocol.referrers = Some(entries);
        self
    }

    /// Requires this account, by Basic authentication.
    #[must_use]
    pub fn basic(mut self, username: &str, password: &str) -> Self {
        self.auth.scheme = AuthScheme::Basic;
        self.account(username, password)
    }

    /// Requires a token, which `/token` issues to all clients unless there is an account.
    #[must_use]
    pub fn bearer(mut self) -> Self {
        self.auth.scheme = AuthScheme::Bearer { realm: None };
        self
    }

    /// Like [`bearer`](Self::bearer), with another token endpoint in the challenge.
    #[must_use]
    pub fn bearer_at(mut self, realm: &str) -> Self {
        self.auth.scheme = AuthScheme::Bearer {
            realm: Some(realm.to_owned()),
        };
        self
    }

    /// Issues tokens only to this account; its password also serves as its identity token.
    #[must_use]
    pub fn account(mut self, username: &str, password: &str) -> Self {
        self.auth.account = Some((username.to_owned(), password.to_owned()));
        self
    }

    /// Sets the lifetime of tokens; a minute by default.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.auth.lifetime = lifetime;
        self
    }

    /// Limits the tags on a page.
    #[must_use]
    pub fn tags_per_page(mut self, tags: usize) -> Self {
        self.protocol.tags_per_page = Some(tags);
        self
    }

    /// Limits the total bandwidth of all bodies.
    #[must_use]
    pub fn link(mut self, bytes_per_second: u64) -> Self {
        self.link = Some(bytes_per_second);
        self
    }

    /// Starts the registry.
    ///
    /// # Panics
    /// If there is no free port at its address.
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
            .expect("the system can start a thread");
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
        self.tls.as_mut().expect("TLS was enabled before")
    }
}

fn run(shared: Arc<RegistryShared>, port: ReservedPort, listener: TcpListener) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime with one thread can be built")
        .block_on(serve::serve(shared, port, listener));
}
