//! A question, as far as HTTP tells it apart.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use tokio::time;
use windlass_engine_api::{ApiVersion, NEWEST, OLDEST, OLDEST_TOLERATED};

use crate::response::ApiError;

/// A question.
#[derive(Debug)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    /// The version of the API that it is put in: the newest where it does not say.
    pub(crate) version: ApiVersion,
    /// What it is about, decoded, without the version: `/images/json`.
    pub(crate) path: String,
    pub(crate) query: QueryParameters,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
}

/// What stands behind the question mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueryParameters(Vec<(String, String)>);

/// How many bytes of a body that says nothing are taken in, and for how long.
const LONGEST_SKIPPED: usize = 256 << 10;
const SKIPPING: Duration = Duration::from_secs(2);
/// The largest document that is taken with a question, in bytes.
const LARGEST_DOCUMENT: usize = 1 << 20;

impl ApiRequest {
    /// Takes a question apart.
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
            query: QueryParameters::read(uri.query().unwrap_or_default()),
            headers,
            body,
        })
    }

    /// Says whether the client speaks at least this version.
    pub(crate) fn speaks(&self, major: u16, minor: u16) -> bool {
        self.version >= ApiVersion::new(major, minor)
    }

    /// Takes in a body that says nothing, as far as it is short. A client that is still sending when it is answered finds
    /// the connection closed, and some die of it.
    pub(crate) async fn skip_body(&mut self) {
        let skip = async {
            let mut left = LONGEST_SKIPPED;
            while let Some(Ok(frame)) = self.body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    return;
                }
            }
        };
        // What takes longer was meant to be answered before it ends.
        let _enough = time::timeout(SKIPPING, skip).await;
    }

    /// Reads the document that came with the question.
    pub(crate) async fn document(body: Incoming) -> Result<Vec<u8>, ApiError> {
        match Limited::new(body, LARGEST_DOCUMENT).collect().await {
            Ok(collected) => Ok(collected.to_bytes().into()),
            Err(error) if error.is::<LengthLimitError>() => {
                let text = format!("the body is larger than {LARGEST_DOCUMENT} bytes");
                Err(ApiError::bad_request(text))
            }
            Err(_) => Err(ApiError::bad_request("the body did not come to its end")),
        }
    }
}

/// Splits a path in the version in front of it and the rest.
fn split_version(path: &str) -> Result<(ApiVersion, &str), ApiError> {
    let (first, rest) = match path[1.min(path.len())..].find('/') {
        Some(end) => (&path[1..=end], &path[end + 1..]),
        None => return Ok((NEWEST, path)),
    };
    let Some(version) = ApiVersion::of_prefix(first) else {
        return Ok((NEWEST, path));
    };
    let said = &first[1..];
    if version > NEWEST {
        return Err(ApiError::bad_request(format!(
            "client version {said} is too new. Maximum supported API version is {NEWEST}"
        )));
    }
    if version < OLDEST_TOLERATED {
        return Err(ApiError::bad_request(format!(
            "client version {said} is too old. Minimum supported API version is {OLDEST}, please upgrade your client \
             to a newer version"
        )));
    }
    Ok((version, rest))
}

impl QueryParameters {
    fn read(text: &str) -> Self {
        let pairs = url::form_urlencoded::parse(text.as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// Returns the first value of `key`; what is empty counts as missing.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// Returns all values of `key` that are not empty.
    pub(crate) fn all<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> {
        let of_key = self
            .0
            .iter()
            .filter(move |(name, value)| name == key && !value.is_empty());
        of_key.map(|(_, value)| &**value)
    }

    /// Reads a flag as Docker does: what does not say no says yes.
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
    fn versions_are_taken_off_the_path() {
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
    fn flags_are_read_as_by_docker() {
        let query = QueryParameters::read("a=1&b=0&c=&d=False&e=true&f=x&g=a&g=b");
        let flags = ["a", "b", "c", "d", "e", "f", "z"].map(|key| query.flag(key));
        assert_eq!(flags, [true, false, false, false, true, true, false]);
        assert_eq!(query.all("g").collect::<Vec<_>>(), ["a", "b"]);
    }
}
