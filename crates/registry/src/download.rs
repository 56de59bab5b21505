//! Downloads files from URLs that a user specifies, without credentials.

use std::fmt;

use bytes::Bytes;
use url::Url;
use windlass_http::ResponseBody;

use crate::client::Client;
use crate::error::RegistryError;
use crate::failed_response::{FailedResponse, MAX_ERROR_BODY};
use crate::origin::Origin;
use crate::request_context::{RequestContext, RequestKind};
use crate::request_spec::{RequestPeer, RequestSpec};

/// An `http` or `https` URL without credentials. Its query may be a secret and is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WebUrl(Url);

/// Why a string is not a valid [`WebUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebUrlError {
    /// It is not a URL.
    #[error("it is not a URL: {reason}")]
    Invalid {
        /// The parse error.
        reason: String,
    },
    /// Its scheme is neither `http` nor `https`.
    #[error("its scheme is neither http nor https")]
    Scheme,
    /// It contains a user name or a password.
    #[error("it must not contain credentials")]
    UserInfo,
}

/// The content of a URL, as it arrives.
#[derive(Debug)]
pub struct UrlDownload {
    context: RequestContext,
    body: Option<ResponseBody>,
    length: Option<u64>,
}

impl WebUrl {
    /// Parses a URL and removes its fragment.
    pub fn parse(text: &str) -> Result<Self, WebUrlError> {
        let url = Url::parse(text).map_err(|error| WebUrlError::Invalid {
            reason: error.to_string(),
        });
        let mut url = url?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebUrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WebUrlError::UserInfo);
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// Returns the whole URL. The query may be a secret and must not be shown.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

/// Omits the query.
impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Origin::of(&self.0), self.0.path())
    }
}

impl fmt::Debug for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebUrl").field(&self.to_string()).finish()
    }
}

impl Client {
    /// Starts to download `url`, unless its declared length is more than `limit` bytes.
    ///
    /// No credentials are sent, and no challenge is answered (D3). Redirects are followed as for registries
    /// (T26): never from https to http, and not to loopback or link-local addresses unless `url` itself has
    /// such a host.
    pub async fn download(
        &self,
        url: &WebUrl,
        limit: Option<u64>,
    ) -> Result<UrlDownload, RegistryError> {
        let context = RequestContext {
            origin: Origin::of(&url.0),
            repository: url.0.path().to_owned(),
            kind: RequestKind::Url,
        };
        let response_timeout = self.config().timeouts.response;
        let spec = RequestSpec::get(
            &context,
            RequestPeer::UserUrl,
            url.0.clone(),
            response_timeout,
        );
        let response = self.send(&spec, None).await?.http;
        if response.status().as_u16() != 200 {
            let (status, headers) = (response.status(), response.headers().clone());
            let body = self.body(response);
            let failed = FailedResponse {
                context: &context,
                status,
                headers: &headers,
                body: &body.read_prefix(MAX_ERROR_BODY).await,
            };
            return Err(failed.into_error());
        }
        let length = response.content_length();
        if let Some(limit) = limit.filter(|&limit| length > Some(limit)) {
            let context = context.boxed();
            return Err(RegistryError::TooLarge { context, limit });
        }
        Ok(UrlDownload {
            body: Some(self.body(response)),
            length,
            context,
        })
    }
}

impl UrlDownload {
    /// Returns the declared length in bytes, if there is one.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Returns the next bytes; `None` at the end and after an error.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let Some(body) = &mut self.body else {
            return Ok(None);
        };
        match body.next_chunk().await {
            Ok(Some(chunk)) => Ok(Some(chunk)),
            Ok(None) => {
                self.body = None;
                Ok(None)
            }
            Err(error) => {
                self.body = None;
                Err(self.context.body_failed(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_urls_without_credentials_are_valid() {
        for (text, expected) in [
            (
                "https://a.test/x.tar?token=hunter2#part",
                Ok("https://a.test/x.tar"),
            ),
            ("HTTP://A.test:80", Ok("http://a.test/")),
            ("ftp://a.test/x", Err(WebUrlError::Scheme)),
            ("file:///etc/passwd", Err(WebUrlError::Scheme)),
            ("https://me:hunter2@a.test/x", Err(WebUrlError::UserInfo)),
        ] {
            let url = WebUrl::parse(text);
            let shown = url.as_ref().map(ToString::to_string);
            assert_eq!(
                shown,
                expected.as_ref().map(|it| (*it).to_owned()),
                "{text}"
            );
            assert!(!format!("{url:?}").contains("hunter2"));
        }
        assert!(matches!(
            WebUrl::parse("https://"),
            Err(WebUrlError::Invalid { .. })
        ));
    }
}
