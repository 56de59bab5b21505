//! Checks the targets of redirects (T26).

use http::header::{HeaderMap, LOCATION};
use url::Url;
use windlass_http::SpecialAddress;

/// The maximum length of `Location`, far above that of presigned URLs.
const MAX_LOCATION_LENGTH: usize = 16 << 10;

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// There were too many redirects.
    #[error("more than {0} redirects")]
    TooMany(usize),
    /// The response is a redirect without a usable `Location`.
    #[error("a redirect without a usable Location")]
    Location,
    /// It leads from https to another scheme.
    #[error("a redirect from https to {0}")]
    Downgrade(String),
    /// The target contains a user name or a password.
    #[error("a redirect to a URL with credentials in it")]
    UserInfo,
    /// The target is a loopback or link-local address, and the origin is not.
    #[error("a redirect to a loopback or link-local address")]
    LocalAddress,
    /// A request with a secret in its body was redirected.
    #[error("a redirect of a request that contains a secret")]
    SecretBody,
    /// A request that writes was redirected.
    #[error("a redirect of a request that writes")]
    Write,
    /// The upload location has another scheme, host or port than the registry.
    #[error("an upload to another host: {0}")]
    OtherOrigin(String),
}

/// Returns the target of the redirect in `headers`, which is a response from `from`.
pub(crate) fn target(from: &Url, headers: &HeaderMap) -> Result<Url, RedirectError> {
    let location = headers.get(LOCATION).ok_or(RedirectError::Location)?;
    if location.len() > MAX_LOCATION_LENGTH {
        return Err(RedirectError::Location);
    }
    let location = location.to_str().map_err(|_| RedirectError::Location)?;
    let mut to = from.join(location).map_err(|_| RedirectError::Location)?;
    to.set_fragment(None);
    if !matches!(to.scheme(), "http" | "https") {
        return Err(RedirectError::Location);
    }
    keep_tls(from, &mut to);
    let host = to.host().ok_or(RedirectError::Location)?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(RedirectError::Downgrade(to.scheme().to_owned()));
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err(RedirectError::UserInfo);
    }
    let special = |url: &Url| url.host().and_then(|host| SpecialAddress::of_host(&host));
    let is_local = match SpecialAddress::of_host(&host) {
        // Object stores in private networks are common; on loopback or link-local addresses they are not.
        None | Some(SpecialAddress::Private) => false,
        Some(SpecialAddress::Loopback) => special(from) != Some(SpecialAddress::Loopback),
        Some(
            SpecialAddress::Unspecified | SpecialAddress::LinkLocal | SpecialAddress::Multicast,
        ) => from.host() != Some(host),
    };
    if is_local {
        return Err(RedirectError::LocalAddress);
    }
    Ok(to)
}

/// Changes an `http` URL of the same host to the origin of `from`, if that is `https`: a registry behind a proxy that
/// ends TLS often writes its own scheme into URLs. A port of its own means another server, and is not changed.
fn keep_tls(from: &Url, to: &mut Url) {
    let is_same_host =
        to.host() == from.host() && (to.port().is_none() || to.port() == from.port());
    if from.scheme() == "https" && to.scheme() == "http" && is_same_host {
        let (path, query) = (to.path().to_owned(), to.query().map(str::to_owned));
        *to = from.clone();
        to.set_path(&path);
        to.set_query(query.as_deref());
        to.set_fragment(None);
    }
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn follow(from: &str, location: &str) -> Result<String, RedirectError> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
        target(&Url::parse(from).unwrap(), &headers).map(String::from)
    }

    /// T26.
    #[test]
    fn redirects_are_external_and_never_to_plain_http() {
        let from = "https://reg.test/v2/a/blobs/x";
        for (location, expected) in [
            ("https://cdn.test/x?sig=y#z", Ok("https://cdn.test/x?sig=y")),
            ("/other", Ok("https://reg.test/other")),
            ("//cdn.test/x", Ok("https://cdn.test/x")),
            ("https://10.0.0.9/x", Ok("https://10.0.0.9/x")),
            (
                "http://cdn.test/x",
                Err(RedirectError::Downgrade("http".to_owned())),
            ),
            ("https://a@cdn.test/", Err(RedirectError::UserInfo)),
            ("https://169.254.169.254/", Err(RedirectError::LocalAddress)),
            ("https://127.0.0.1/", Err(RedirectError::LocalAddress)),
            ("https://localhost/", Err(RedirectError::LocalAddress)),
            ("https://0/", Err(RedirectError::LocalAddress)),
            ("file:///etc/passwd", Err(RedirectError::Location)),
            ("data:,x", Err(RedirectError::Location)),
            ("https://", Err(RedirectError::Location)),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(follow(from, location), expected, "{location}");
        }
        let long = format!("/{}", "x".repeat(MAX_LOCATION_LENGTH));
        assert_eq!(follow(from, &long), Err(RedirectError::Location));
        assert_eq!(
            target(&Url::parse(from).unwrap(), &HeaderMap::new()),
            Err(RedirectError::Location)
        );
    }

    /// T26: a registry on loopback, as in tests and on developer machines, may redirect to loopback.
    #[test]
    fn loopback_may_redirect_to_loopback() {
        let expected = Ok("http://127.0.0.2:9000/x".to_owned());
        assert_eq!(
            follow("http://localhost:5000/v2/", "http://127.0.0.2:9000/x"),
            expected
        );
    }
}
