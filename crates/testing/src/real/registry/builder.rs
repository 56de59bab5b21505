//! The configuration of the server: authorization, storage, TLS, caching.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{DockerRegistry, PASSWORD, USER};
use crate::Ca;
use crate::real::s3::{ACCESS_KEY, BUCKET, S3, SECRET_KEY};
use crate::real::tokens::TokenAuthority;

/// [`USER`] and [`PASSWORD`] in the format of `htpasswd -B`.
const HTPASSWD: &str = "bosun:$2y$04$tPOfpdnx5.z7V1F4jGqwa.j0janoD8kBYuVwJBIkmjrK9tFUEPEmy\n";

/// The authorization of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryAuth {
    /// None.
    Open,
    /// [`USER`] with [`PASSWORD`], by HTTP Basic.
    Basic,
    /// Tokens of a token server; see [`TokenServer::authority`](super::super::TokenServer::authority).
    Tokens(TokenAuthority),
}

/// A server that is not running yet.
#[derive(Debug)]
pub struct DockerRegistryBuilder {
    pub(super) dir: PathBuf,
    pub(super) access: RegistryAuth,
    address: Ipv4Addr,
    storage: ContentStorage,
    pub(super) ca: Option<Ca>,
    names: Vec<String>,
    upstream: Option<UpstreamRegistry>,
    pub(super) schema1: bool,
}

/// The storage of the content.
#[derive(Debug)]
enum ContentStorage {
    /// In the registry's directory.
    Files,
    /// In the bucket of this S3, to which clients are redirected.
    S3 { url: String },
}

/// The registry that is cached.
#[derive(Debug)]
struct UpstreamRegistry {
    url: String,
    access: RegistryAuth,
    /// Certificates to trust, PEM.
    roots: String,
}

impl DockerRegistryBuilder {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            access: RegistryAuth::Open,
            address: Ipv4Addr::LOCALHOST,
            storage: ContentStorage::Files,
            ca: None,
            names: ["localhost", "reg.test"].map(str::to_owned).into(),
            upstream: None,
            schema1: false,
        }
    }

    /// Sets the authorization.
    #[must_use]
    pub fn access(mut self, access: RegistryAuth) -> Self {
        self.access = access;
        self
    }

    /// Sets another address of loopback, such as 127.0.0.3.
    #[must_use]
    pub fn on(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// Enables TLS, with a certificate of `ca` for `localhost`, `reg.test` and its address.
    #[must_use]
    pub fn tls(mut self, ca: &Ca) -> Self {
        self.ca = Some(ca.clone());
        self
    }

    /// Adds a name to its certificate.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// Stores its content in `s3`, and redirects requests for blobs to presigned URLs there.
    #[must_use]
    pub fn s3(mut self, s3: &S3) -> Self {
        self.storage = ContentStorage::S3 { url: s3.url() };
        self
    }

    /// Makes it a pull-through cache of `upstream`, which accepts no pushes.
    ///
    /// The cache authenticates with [`USER`] and [`PASSWORD`] if `upstream` requires tokens. `docker-registry`
    /// 2.8 does not support HTTP Basic for this: a cache of such a registry serves nothing.
    #[must_use]
    pub fn cache_of(mut self, upstream: &DockerRegistry) -> Self {
        self.upstream = Some(UpstreamRegistry {
            url: upstream.url(),
            access: upstream.access.clone(),
            roots: upstream.roots().concat(),
        });
        self
    }

    /// Makes it a pull-through cache of the registry at `url`, which has no authorization and uses plain HTTP.
    #[must_use]
    pub fn cache_of_url(mut self, url: &str) -> Self {
        self.upstream = Some(UpstreamRegistry {
            url: url.to_owned(),
            access: RegistryAuth::Open,
            roots: String::new(),
        });
        self
    }

    /// Accepts Docker's schema 1, and converts schema 2 for clients that accept nothing newer.
    #[must_use]
    pub fn schema1(mut self) -> Self {
        self.schema1 = true;
        self
    }

    /// Starts the server with its configuration, log and content in its directory; existing content is served.
    ///
    /// # Errors
    /// If the program is missing, ends, or does not listen in time.
    pub fn start(self) -> io::Result<DockerRegistry> {
        fs::create_dir_all(&self.dir)?;
        DockerRegistry::run(self)
    }

    /// Writes the configuration and its files. It is JSON, which is valid YAML.
    pub(super) fn write_configuration(&self) -> io::Result<PathBuf> {
        let mut configuration = json!({
            "version": "0.1",
            "log": { "level": "info", "accesslog": { "disabled": false } },
            "storage": self.storage(),
            "http": { "addr": format!("{}:0", self.address) },
        });
        if let Some(auth) = self.write_auth()? {
            configuration["auth"] = auth;
        }
        if let Some(ca) = &self.ca {
            configuration["http"]["tls"] = self.write_tls(ca)?;
        }
        if let (Some(upstream), Some(roots)) = (&self.upstream, self.upstream_roots()) {
            fs::write(roots, &upstream.roots)?;
            configuration["proxy"] = upstream.configuration();
        }
        if self.schema1 {
            configuration["compatibility"] = json!({ "schema1": { "enabled": true } });
        }
        let path = self.dir.join("config.json");
        fs::write(&path, configuration.to_string())?;
        Ok(path)
    }

    /// Returns the path of the certificates that a cache trusts.
    pub(super) fn upstream_roots(&self) -> Option<PathBuf> {
        self.upstream
            .as_ref()
            .map(|_| self.dir.join("upstream.crt"))
    }

    fn storage(&self) -> Value {
        match &self.storage {
            ContentStorage::Files => {
                json!({ "filesystem": { "rootdirectory": self.dir.join("content") } })
            }
            ContentStorage::S3 { url } => json!({ "s3": {
                "regionendpoint": url,
                "region": "us-east-1",
                "bucket": BUCKET,
                "accesskey": ACCESS_KEY,
                "secretkey": SECRET_KEY,
                "secure": false,
                "v4auth": true,
            } }),
        }
    }

    fn write_auth(&self) -> io::Result<Option<Value>> {
        match &self.access {
            RegistryAuth::Open => Ok(None),
            RegistryAuth::Basic => {
                let path = self.dir.join("htpasswd");
                fs::write(&path, HTPASSWD)?;
                let htpasswd = json!({ "realm": "dock", "path": path });
                Ok(Some(json!({ "htpasswd": htpasswd })))
            }
            RegistryAuth::Tokens(authority) => {
                let path = self.dir.join("token.crt");
                fs::write(&path, &authority.certificate)?;
                let token = json!({
                    "realm": authority.realm,
                    "service": authority.service,
                    "issuer": authority.issuer,
                    "rootcertbundle": path,
                });
                Ok(Some(json!({ "token": token })))
            }
        }
    }

    fn write_tls(&self, ca: &Ca) -> io::Result<Value> {
        let address = self.address.to_string();
        let names = self.names.iter().map(String::as_str);
        let identity = ca.server(&names.chain([&*address]).collect::<Vec<_>>());
        let (certificate, key) = (self.dir.join("tls.crt"), self.dir.join("tls.key"));
        fs::write(&certificate, identity.certificate)?;
        fs::write(&key, identity.key)?;
        Ok(json!({ "certificate": certificate, "key": key }))
    }
}

impl UpstreamRegistry {
    fn configuration(&self) -> Value {
        let mut proxy = json!({ "remoteurl": self.url });
        if self.access != RegistryAuth::Open {
            proxy["username"] = USER.into();
            proxy["password"] = PASSWORD.into();
        }
        proxy
    }
}
