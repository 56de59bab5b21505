//! The destination of a request: scheme, host and port of its URI.

use http::Uri;
use http::uri::Authority;
use url::Host;

use crate::error::SendError;

/// Scheme, host and port of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetOrigin {
    /// Whether the scheme is https.
    pub(crate) secure: bool,
    /// An address literal is parsed into an address, whatever its notation.
    pub(crate) host: Host,
    pub(crate) port: u16,
}

impl TargetOrigin {
    pub(crate) fn of(uri: &Uri) -> Result<Self, SendError> {
        let (secure, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(SendError::Uri),
        };
        let host = Host::parse(uri.host().unwrap_or_default()).map_err(|_| SendError::Uri)?;
        let port = match port_of(uri) {
            "" => usual,
            port => port.parse().map_err(|_| SendError::Uri)?,
        };
        Ok(Self { secure, host, port })
    }
}

/// Returns the text after the host. `Uri` accepts any text as a port, and returns `None` for one that is not
/// a number.
fn port_of(uri: &Uri) -> &str {
    let authority = uri.authority().map_or("", Authority::as_str);
    let place = authority.rsplit('@').next().unwrap_or_default();
    match place.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_scheme_host_and_port() {
        for (uri, expected) in [
            ("http://registry.test/v2/", Some("false registry.test 80")),
            ("https://registry.test/", Some("true registry.test 443")),
            (
                "https://Registry.test:5000/",
                Some("true registry.test 5000"),
            ),
            (
                "https://me:pw@registry.test/",
                Some("true registry.test 443"),
            ),
            ("http://2130706433/", Some("false 127.0.0.1 80")),
            ("http://[::1]:5000/", Some("false [::1] 5000")),
            ("http://[::1]/", Some("false [::1] 80")),
            (
                "https://me:pw@registry.test:/",
                Some("true registry.test 443"),
            ),
            ("https://registry.test:99999/", None),
            ("https://registry.test:80x/", None),
            ("https://[::1]:x/", None),
            ("ftp://registry.test/", None),
            ("registry.test:443", None),
            ("/v2/", None),
        ] {
            let target = TargetOrigin::of(&uri.parse().unwrap()).ok();
            let shown = target.map(|t| format!("{} {} {}", t.secure, t.host, t.port));
            assert_eq!(shown.as_deref(), expected, "{uri}");
        }
    }
}
