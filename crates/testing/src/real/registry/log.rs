//! The log of the server: its address, and the requests it served.

use std::net::SocketAddr;

/// One line of the server's access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// The method.
    pub method: String,
    /// The path and query.
    pub path: String,
    /// The status of the response.
    pub status: u16,
}

impl LoggedRequest {
    /// Reads a line of the "combined" log format; `None` for the server's own messages.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (request, rest) = line.split_once("] \"")?.1.split_once("\" ")?;
        let mut words = request.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let status = rest.split(' ').next()?.parse().ok()?;
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            status,
        })
    }

    /// Returns whether this is a download of a blob.
    pub fn is_blob_download(&self) -> bool {
        self.method == "GET" && self.path.contains("/blobs/sha256:")
    }
}

/// Finds `listening on 127.0.0.1:41233` in the server's log.
pub(super) fn listening_address(log: &str) -> Option<SocketAddr> {
    let rest = log.split_once("listening on ")?.1;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_log() {
        let plain =
            "time=\"x\" level=info msg=\"listening on 127.0.0.1:41233\" go.version=go1.19\n";
        let tls = "time=\"x\" level=info msg=\"listening on 127.0.0.1:41233, tls\" go.version=x\n";
        for log in [plain, tls] {
            assert_eq!(
                listening_address(log),
                Some(SocketAddr::from(([127, 0, 0, 1], 41233)))
            );
        }
        assert_eq!(listening_address("msg=\"listening on 127.0.0.1:412"), None);
    }

    #[test]
    fn requests_are_read_from_the_access_log() {
        let line = r#"127.0.0.1 - - [23/Nov/2026:20:41:07 +0000] "GET /v2/a/blobs/sha256:00 HTTP/1.1" 206 12 "" "windlass/0.1""#;
        let request = LoggedRequest::parse(line).unwrap();
        assert_eq!(
            request,
            LoggedRequest {
                method: "GET".to_owned(),
                path: "/v2/a/blobs/sha256:00".to_owned(),
                status: 206
            }
        );
        assert!(request.is_blob_download());
        assert_eq!(
            LoggedRequest::parse("time=\"x\" level=info msg=\"[a] \\\"b\\\"\""),
            None
        );
    }
}
