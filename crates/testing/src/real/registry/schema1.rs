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
    /// Requests a conversion of `repository:tag` to schema 1, stores it as `repository:stored_tag`, and returns
    /// it. From then on, pulls of the latter get schema 1, whatever they accept.
    ///
    /// The image must have been pushed with Docker's media types: see [`push_docker`](Self::push_docker). The
    /// document contains `tag`, so a consistent one is stored as `tag` again. The server signs the document
    /// anew for each response, always with the same content.
    ///
    /// # Errors
    /// If the server responds otherwise; of kind `Unsupported` if it does not support
    /// [`schema1`](super::DockerRegistryBuilder::schema1), uses TLS or requires tokens.
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
            return Err(unexpected("did not convert the image", &converted));
        }
        let document = converted.into_body();
        let stored =
            self.manifest_request(Method::PUT, repository, stored_tag, document.clone())?;
        match stored.status() {
            StatusCode::CREATED => Ok(document),
            _ => Err(unexpected("rejected its own conversion", &stored)),
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
            headers.insert(AUTHORIZATION, value.expect("base64 is valid in a header"));
        }
        exchange(self.address, request)
    }
}

fn unexpected(what: &str, response: &Response<Bytes>) -> io::Error {
    let body = String::from_utf8_lossy(response.body());
    let status = response.status();
    io::Error::other(format!("docker-registry {what}: {status}\n{body}"))
}
