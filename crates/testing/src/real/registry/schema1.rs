//! The server's own conversion of images to Docker's schema 1.

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};

use super::{DockerRegistry, PASSWORD, RegistryAuth, USER};
use crate::real::http::exchange;

/// The type of a schema 1 manifest with its signatures.
const SIGNED_TYPE: HeaderValue =
    HeaderValue::from_static("application/vnd.docker.distribution.manifest.v1+prettyjws");

impl DockerRegistry {
    /// Has the server convert `repository:tag` to schema 1, stores that as `repository:stored_tag`, and
    /// returns the conversion. From then on, whoever pulls the latter gets schema 1, whatever they accept.
    ///
    /// What was pushed must be of Docker's types: see [`push_docker`](Self::push_docker). The document
    /// names `tag`, so one that is true of itself is stored as `tag` again. The server signs anew each time
    /// it serves the document, always with the same content.
    ///
    /// # Errors
    /// When the server does not answer as said; of kind `Unsupported` if it does not speak
    /// [`schema1`](super::DockerRegistryBuilder::schema1), speaks TLS or wants tokens.
    pub fn store_schema1(
        &self,
        repository: &str,
        tag: &str,
        stored_tag: &str,
    ) -> io::Result<Bytes> {
        if !self.schema1 || self.ca.is_some() || matches!(self.access, RegistryAuth::Tokens(_)) {
            let message = "schema 1 is stored over plain HTTP, where the server allows it";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        let converted = self.manifest_request(Method::GET, repository, tag, Bytes::new())?;
        if converted.headers().get(CONTENT_TYPE) != Some(&SIGNED_TYPE) {
            return Err(unexpected("converts nothing", &converted));
        }
        let document = converted.into_body();
        let stored =
            self.manifest_request(Method::PUT, repository, stored_tag, document.clone())?;
        match stored.status() {
            StatusCode::CREATED => Ok(document),
            _ => Err(unexpected("does not take its own conversion", &stored)),
        }
    }

    fn manifest_request(
        &self,
        method: Method,
        repository: &str,
        tag: &str,
        body: Bytes,
    ) -> io::Result<Response<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() =
            Uri::try_from(format!("/v2/{repository}/manifests/{tag}")).map_err(io::Error::other)?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, SIGNED_TYPE);
        headers.insert(CONTENT_TYPE, SIGNED_TYPE);
        if self.access == RegistryAuth::Basic {
            let credentials = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
            let value = HeaderValue::try_from(format!("Basic {credentials}"));
            headers.insert(AUTHORIZATION, value.expect("base64 can stand in a header"));
        }
        exchange(self.address, request)
    }
}

fn unexpected(what: &str, response: &Response<Bytes>) -> io::Error {
    let said = String::from_utf8_lossy(response.body());
    let status = response.status();
    io::Error::other(format!("docker-registry {what}: {status}\n{said}"))
}
