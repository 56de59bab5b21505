//! Parsing of requests: the version, the path, the query and the body.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use tokio::time;
use windlass_docker_api::{ApiVersion, NEWEST, OLDEST, OLDEST_TOLERATED};

use crate::response::ApiError;

/// A request.
#[derive(Debug)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    /// The version of the API that the path names; the newest if it names none.
    pub(crate) version: ApiVersion,
    /// The path, decoded and without the version: `/images/json`.
    pub(crate) path: String,
    pub(crate) query: QueryParameters,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
}

/// The parameters of the query.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueryParameters(Vec<(String, String)>);

/// How many bytes of an unused body are read, and for how long.
const MAX_SKIPPED: usize = 256 << 10;
const SKIP_TIMEOUT: Duration = Duration::from_secs(2);
/// The media type of parameters in a body.
const FORM: &str = "application/x-www-form-urlencoded";
/// The largest body with JSON or parameters, in bytes.
const MAX_DOCUMENT: usize = 1 << 20;

impl ApiRequest {
    /// Parses the head of a request.
    pub(crate) fn read(request: http::Request<Incoming>) -> Result<Self, ApiError> {
        let (
            Parts {
                method,
                uri,
                headers,
                ..
            },
            body,
        ) = request.into_parts();
        let decoded = percent_decode_str(uri.path()).decode_utf8();
        let decoded = decoded.map_err(|_| ApiError::bad_request("the path is not UTF-8"))?;
        let (version, path) = split_version(&decoded)?;
        Ok(Self {
            method,
            version,
            path: path.to_owned(),
            query: QueryParameters::parse(uri.query().unwrap_or_default()),
            headers,
            body,
        })
    }

    /// Returns whether the request is of this version of the API or a newer one.
    pub(crate) fn is_at_least(&self, major: u16, minor: u16) -> bool {
        self.version >= ApiVersion::new(major, minor)
    }

    /// Reads a short body that has no meaning. A client that is still sending when the response arrives finds the
    /// connection closed, and some clients fail then.
    pub(crate) async fn skip_body(&mut self) {
        let skip = async {
            let mut left = MAX_SKIPPED;
            while let Some(Ok(frame)) = self.body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    return;
                }
            }
        };
        // The rest of a body that takes longer is not read: its client expects the response first.
        let _skipped = time::timeout(SKIP_TIMEOUT, skip).await;
    }

    /// Returns whether the body has parameters in the form of a query.
    pub(crate) fn has_form(&self) -> bool {
        let content_type = self.headers.get(CONTENT_TYPE);
        let media_type = content_type
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next());
        media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case(FORM))
    }

    /// Adds the parameters in the body to those of the query. As in Docker, those of the body come first.
    pub(crate) async fn read_form(&mut self) -> Result<(), ApiError> {
        let form = Self::document(&mut self.body).await?;
        let form = QueryParameters::parse_bytes(&form);
        self.query.0.splice(..0, form.0);
        Ok(())
    }

    /// Reads a JSON body.
    pub(crate) async fn document(body: &mut Incoming) -> Result<Vec<u8>, ApiError> {
        match Limited::new(body, MAX_DOCUMENT).collect().await {
            Ok(collected) => Ok(collected.to_bytes().into()),
            Err(error) if error.is::<LengthLimitError>() => {
                let text = format!("the body is larger than {MAX_DOCUMENT} bytes");
                Err(ApiError::bad_request(text))
            }
            Err(_) => Err(ApiError::bad_request("the body is incomplete")),
        }
    }
}

/// Splits a path into its version and the rest.
fn split_version(path: &str) -> Result<(ApiVersion, &str), ApiError> {
    let (first, rest) = match path[1.min(path.len())..].find('/') {
        Some(end) => (&path[1..=end], &path[end + 1..]),
        None => return Ok((NEWEST, path)),
    };
    let Some(version) = ApiVersion::from_path_segment(first) else {
        return Ok((NEWEST, path));
    };
    let given = &first[1..];
    if version > NEWEST {
        return Err(ApiError::bad_request(format!(
            "client version {given} is too new. Maximum supported API version is {NEWEST}"
        )));
    }
    if version < OLDEST_TOLERATED {
        return Err(ApiError::bad_request(format!(
            "client version {given} is too old. Minimum supported API version is {OLDEST}, please upgrade your client \
             to a newer version"
        )));
    }
    Ok((version, rest))
}

impl QueryParameters {
    /// Parses a query, without its question mark.
    pub(crate) fn parse(text: &str) -> Self {
        Self::parse_bytes(text.as_bytes())
    }

    fn parse_bytes(text: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(text);
        Self(pairs.into_owned().collect())
    }

    /// Returns the first value of `key`; an empty one counts as missing.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// Returns the values of `key` that are not empty.
    pub(crate) fn all<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> {
        let of_key = self
            .0
            .iter()
            .filter(move |(name, value)| name == key && !value.is_empty());
        of_key.map(|(_, value)| &**value)
    }

    /// Returns a boolean by Docker's rule: every value except these is true.
    pub(crate) fn flag(&self, key: &str) -> bool {
        let no = ["0", "no", "false", "none"];
        self.get(key)
            .is_some_and(|value| !no.contains(&&*value.trim().to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str) -> Result<(String, &str), String> {
        let split = split_version(path).map_err(|failure| failure.message)?;
        Ok((split.0.to_string(), split.1))
    }

    #[test]
    fn versions_are_split_off_the_path() {
        assert_eq!(
            split("/v1.41/images/json"),
            Ok(("1.41".to_owned(), "/images/json"))
        );
        assert_eq!(split("/v1.22/_ping"), Ok(("1.22".to_owned(), "/_ping")));
        for path in ["/images/json", "/_ping", "/version", "/volumes/x", "/", ""] {
            assert_eq!(split(path), Ok((NEWEST.to_string(), path)));
        }
        let new = "client version 1.60 is too new. Maximum supported API version is 1.51";
        assert_eq!(split("/v1.60/info"), Err(new.to_owned()));
        let old = "client version 1.2 is too old. Minimum supported API version is 1.24, please upgrade your client to a \
                   newer version";
        assert_eq!(split("/v1.2/info"), Err(old.to_owned()));
    }

    #[test]
    fn flags_follow_dockers_rule() {
        let query = QueryParameters::parse("a=1&b=0&c=&d=False&e=true&f=x&g=a&g=b");
        let flags = ["a", "b", "c", "d", "e", "f", "z"].map(|key| query.flag(key));
        assert_eq!(flags, [true, false, false, false, true, true, false]);
        assert_eq!(query.all("g").collect::<Vec<_>>(), ["a", "b"]);
    }
}
