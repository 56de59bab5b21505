//! The headers of responses to uploads.

use http::header::{HeaderMap, HeaderValue, LOCATION, RANGE};
use url::Url;

use crate::error::RegistryError;
use crate::origin::Origin;
use crate::redirect::{RedirectError, target};
use crate::request_context::RequestContext;

/// Parses `OCI-Chunk-Min-Length`; 0 if it is missing or invalid.
pub(crate) fn min_chunk(headers: &HeaderMap) -> u64 {
    let min = headers.get("oci-chunk-min-length");
    let min = min.and_then(|min| min.to_str().ok()?.trim().parse().ok());
    min.unwrap_or(0)
}

/// Returns the next URL of an upload, if the response has one. It must have the same scheme, host and port, because
/// credentials are sent to it.
///
/// A registry behind a proxy that ends TLS may call itself `http`. With the same host, its location is used with the
/// scheme and port of the request.
pub(crate) fn location(
    context: &RequestContext,
    from: &Url,
    headers: &HeaderMap,
) -> Result<Option<Url>, RegistryError> {
    if headers.get(LOCATION).is_none_or(HeaderValue::is_empty) {
        return Ok(None);
    }
    let refuse = |source| RegistryError::Redirect {
        context: context.boxed(),
        source,
    };
    let to = target(from, headers).map_err(refuse)?;
    if to.origin() != from.origin() {
        let elsewhere = Origin::of(&to).to_string();
        return Err(refuse(RedirectError::OtherOrigin(elsewhere)));
    }
    Ok(Some(to))
}

/// Parses `Range: 0-N`: N + 1 bytes were received, or none if N is 0 and nothing was sent.
pub(crate) fn received_length(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?;
    let text = text.strip_prefix("bytes=").unwrap_or(text);
    let (start, end) = text.split_once('-')?;
    if start != "0" {
        return None;
    }
    let end: u64 = end.parse().ok()?;
    Some(if end == 0 { 0 } else { end.checked_add(1)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_context::RequestKind;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap();
        HeaderMap::from_iter([(http::header::HeaderName::from_static(name), value)])
    }

    #[test]
    fn ranges_contain_the_received_length() {
        let read = |text| received_length(&headers("range", text));
        assert_eq!(read("0-0"), Some(0));
        assert_eq!(read("0-9"), Some(10));
        assert_eq!(read("bytes=0-9"), Some(10));
        for odd in ["", "5-9", "0-", "0-x", "9", "0-18446744073709551615"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    /// R8: credentials are sent with the upload.
    #[test]
    fn uploads_stay_on_their_registry() {
        let context = RequestContext {
            origin: Origin::parse("https://reg.test").unwrap(),
            repository: "app".to_owned(),
            kind: RequestKind::Ping,
        };
        let from = Url::parse("https://reg.test/v2/app/blobs/uploads/").unwrap();
        let next_location = |to: &str| {
            let next = location(&context, &from, &headers("location", to))?;
            Ok::<_, RegistryError>(next.map(String::from))
        };
        let there = "https://reg.test/v2/app/blobs/uploads/1?_state=x".to_owned();
        assert_eq!(
            next_location("/v2/app/blobs/uploads/1?_state=x").unwrap(),
            Some(there.clone())
        );
        // A registry behind a proxy that ends TLS.
        for same_host in [&there, &there.replace("https", "http")] {
            assert_eq!(next_location(same_host).unwrap(), Some(there.clone()));
        }
        assert_eq!(next_location("").unwrap(), None);
        for elsewhere in [
            "https://evil.test/x?_state=secret",
            "http://reg.test:5000/x?_state=secret",
            "https://reg.test:444/x?_state=secret",
            "//evil.test/x?_state=secret",
        ] {
            let error = windlass_oci::text::error_chain(&next_location(elsewhere).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
