//! Debian's `docker-registry` as a child process.

mod builder;
mod log;
mod schema1;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Request, StatusCode, Uri};

pub use builder::{DockerRegistryBuilder, RegistryAuth};
pub use log::LoggedRequest;

use super::http::exchange;
use super::process::ServerProcess;
use super::{command, run};
use crate::Ca;

/// The user of [`RegistryAuth::Basic`], and the user of a [`TokenServer`](super::TokenServer) with all
/// permissions.
pub const USER: &str = "bosun";
/// The password of [`USER`].
pub const PASSWORD: &str = "heave-ho";

/// A running `docker-registry` on a free loopback port; killed on drop.
///
/// ```no_run
/// use windlass_testing::Ca;
/// use windlass_testing::real::{DockerRegistry, RegistryAuth};
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = std::path::Path::new("/nowhere");
/// let ca = Ca::new();
/// let registry = DockerRegistry::builder(&dir.join("registry"))
///     .access(RegistryAuth::Basic)
///     .tls(&ca)
///     .start()?;
/// let cache = DockerRegistry::builder(&dir.join("cache")).cache_of(&registry).start()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DockerRegistry {
    process: ServerProcess,
    address: SocketAddr,
    access: RegistryAuth,
    ca: Option<Ca>,
    /// A directory of trusted certificates, for `skopeo`.
    certificates: PathBuf,
    schema1: bool,
}

impl DockerRegistry {
    /// Starts a server with its configuration, log and content in `dir`; existing content is served.
    ///
    /// # Errors
    /// If the program is missing, ends, or does not listen in time.
    pub fn start(dir: &Path, access: RegistryAuth) -> io::Result<Self> {
        Self::builder(dir).access(access).start()
    }

    /// Configures a server with its files in `dir`: on 127.0.0.1, without authorization, over plain HTTP.
    pub fn builder(dir: &Path) -> DockerRegistryBuilder {
        DockerRegistryBuilder::new(dir)
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of its root, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Returns the process ID of the server.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Pushes `tag` of the OCI layout at `layout` as `repository:tag`, with `skopeo`, without changing any blob
    /// or manifest.
    ///
    /// # Errors
    /// If `skopeo` fails, with its output.
    pub fn push(&self, layout: &Path, tag: &str, repository: &str) -> io::Result<()> {
        self.push_with(&["--all", "--preserve-digests"], layout, tag, repository)
    }

    /// Pushes `tag` of the OCI layout at `layout` as `repository:tag`, with `skopeo`, converted to Docker's
    /// media types (schema 2); of an index, only this machine's image.
    ///
    /// # Errors
    /// If `skopeo` fails, with its output.
    pub fn push_docker(&self, layout: &Path, tag: &str, repository: &str) -> io::Result<()> {
        self.push_with(&["--format=v2s2"], layout, tag, repository)
    }

    /// Copies the image `name` (`repository:tag`) with `skopeo` to a new directory `to`: `manifest.json`, and
    /// each blob by the hex of its digest.
    ///
    /// # Errors
    /// If `skopeo` fails, with its output.
    pub fn copy(&self, name: &str, to: &Path) -> io::Result<()> {
        let mut skopeo = self.skopeo_copy("src");
        skopeo.arg("--preserve-digests");
        skopeo.arg(format!("docker://{}/{name}", self.address));
        skopeo.arg(format!("dir:{}", to.display()));
        run(&mut skopeo).map(drop)
    }

    /// Returns whether the server, which uses plain HTTP, accepts this token.
    ///
    /// # Errors
    /// If it does not respond.
    pub fn accepts_token(&self, token: &str) -> io::Result<bool> {
        let mut request = Request::new(Full::<Bytes>::default());
        *request.uri_mut() = Uri::from_static("/v2/");
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let bearer = bearer.map_err(io::Error::other)?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        Ok(exchange(self.address, request)?.status() == StatusCode::OK)
    }

    /// Returns the requests so far, in order.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn requests(&self) -> io::Result<Vec<LoggedRequest>> {
        let log = self.process.log()?;
        Ok(log.lines().filter_map(LoggedRequest::parse).collect())
    }

    /// Runs the server that `builder` describes.
    fn run(builder: DockerRegistryBuilder) -> io::Result<Self> {
        let config = builder.write_configuration()?;
        let mut server = command("docker-registry");
        server.arg("serve").arg(&config);
        // It would read settings, proxies and certificates from the environment; with AWS_CA_BUNDLE set, its S3
        // driver does not start.
        server.env_clear();
        if let Some(roots) = builder.upstream_roots() {
            server.env("SSL_CERT_FILE", roots);
        }
        let mut process = ServerProcess::start(&mut server, builder.dir.join("log"))?;
        let address = process.wait_until_listening(log::listening_address)?;
        let registry = Self {
            process,
            address,
            certificates: builder.dir.join("certs.d"),
            access: builder.access,
            ca: builder.ca,
            schema1: builder.schema1,
        };
        registry.write_certificates()?;
        Ok(registry)
    }

    /// Returns the certificates of its authorities in PEM: its own, and its token server's.
    fn roots(&self) -> Vec<String> {
        let own = self.ca.as_ref().map(|ca| ca.pem().to_owned());
        let tokens = match &self.access {
            RegistryAuth::Open | RegistryAuth::Basic => None,
            RegistryAuth::Tokens(authority) => authority.root.clone(),
        };
        own.into_iter().chain(tokens).collect()
    }

    fn write_certificates(&self) -> io::Result<()> {
        fs::create_dir_all(&self.certificates)?;
        for (number, root) in self.roots().iter().enumerate() {
            fs::write(self.certificates.join(format!("{number}.crt")), root)?;
        }
        Ok(())
    }

    fn push_with(
        &self,
        options: &[&str],
        layout: &Path,
        tag: &str,
        repository: &str,
    ) -> io::Result<()> {
        let mut skopeo = self.skopeo_copy("dest");
        skopeo.args(options);
        skopeo.arg(format!("oci:{}:{tag}", layout.display()));
        skopeo.arg(format!("docker://{}/{repository}:{tag}", self.address));
        run(&mut skopeo).map(drop)
    }

    /// Returns a `skopeo copy` command with this registry on one side, `src` or `dest`.
    fn skopeo_copy(&self, side: &str) -> Command {
        let mut skopeo = command("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--quiet"]);
        match self.ca {
            None => skopeo.arg(format!("--{side}-tls-verify=false")),
            Some(_) => skopeo.arg(format!("--{side}-cert-dir={}", self.certificates.display())),
        };
        match self.access {
            RegistryAuth::Open => skopeo.arg(format!("--{side}-no-creds")),
            RegistryAuth::Basic | RegistryAuth::Tokens(_) => {
                skopeo.arg(format!("--{side}-creds={USER}:{PASSWORD}"))
            }
        };
        skopeo
    }
}
