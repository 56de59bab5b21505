//! Fetches what a user names by its URL: from no registry, and as nobody.

use std::fmt;

use bytes::Bytes;
use url::Url;
use windlass_http::ResponseBody;

use crate::client::Client;
use crate::envelope::{LARGEST_ERROR_BODY, Refusal};
use crate::error::{RegistryError, RequestContext, RequestKind};
use crate::exchange::{Ask, Party};
use crate::origin::Origin;

/// An `http` or `https` URL without a user name. Its query may be a secret, and is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WebUrl(Url);

/// Why a text is not such a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebUrlError {
    /// It is no URL.
    #[error("it is not a URL: {reason}")]
    Invalid {
        /// How that shows.
        reason: String,
    },
    /// It is of another scheme.
    #[error("its scheme is neither http nor https")]
    Scheme,
    /// It carries a user name or a password.
    #[error("it must not carry credentials")]
    UserInfo,
}

/// What is at a URL, as it arrives.
#[derive(Debug)]
pub struct UrlDownload {
    context: RequestContext,
    body: Option<ResponseBody>,
    length: Option<u64>,
}

impl WebUrl {
    /// Parses a URL. A fragment is nobody's business.
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

    /// Returns all of it. The query may be a secret, and is not for people.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

/// Without the query.
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
    /// Begins to fetch what is at `url`, if it is said to be of at most `limit` bytes.
    ///
    /// No credentials are sent, and no challenge is answered (D3). Redirects are followed as a registry's are (T26):
    /// never from https to http, and not onto this machine or its link unless that is where the user pointed.
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
        let patience = self.config().timeouts.response;
        let ask = Ask::get(&context, Party::Named, url.0.clone(), patience);
        let response = self.send(&ask, None).await?.response;
        if response.status().as_u16() != 200 {
            let (status, headers) = (response.status(), response.headers().clone());
            let body = self.body(response);
            let refusal = Refusal {
                context: &context,
                status,
                headers: &headers,
                body: &body.read_prefix(LARGEST_ERROR_BODY).await,
            };
            return Err(refusal.into_error());
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
    /// Returns how many bytes there will be, if that was said.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Returns the next bytes; `None` at the end. After an error there are no more.
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
    fn urls_are_of_the_web_and_carry_no_credentials() {
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
