//! Checks headers that are configured for requests.

/// The maximum number of headers for a host. Servers reject more.
pub(crate) const MAX_HEADERS: usize = 100;
/// The maximum size of their names and values together, in bytes.
pub(crate) const MAX_BYTES: usize = 16 << 10;

/// Headers that decide about the connection, the length of a message, or the content or form of a response. windlass sets
/// them itself, or must not send them.
const RESERVED: [&str; 20] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why a header cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// The name is not a token (RFC 9110 section 5.6.2).
    #[error("that is not the name of a header")]
    Name,
    /// windlass sets the header itself, or must not send it.
    #[error("this header cannot be configured")]
    Reserved,
    /// The value has control characters, or others that a header cannot have.
    #[error("the value of a header can hold printable ASCII only")]
    Value,
    /// There are more headers, or longer ones, than servers accept.
    #[error("a host gets at most {MAX_HEADERS} headers, of {MAX_BYTES} bytes together")]
    TooMany,
}

/// Checks the name of a header.
pub(crate) fn check_name(name: &str) -> Result<(), HeaderProblem> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(HeaderProblem::Name);
    }
    if RESERVED
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(name))
    {
        return Err(HeaderProblem::Reserved);
    }
    Ok(())
}

/// Checks the value of a header, which cannot contain a line break.
pub(crate) fn check_value(value: &str) -> Result<(), HeaderProblem> {
    match value.chars().all(|c| matches!(c, ' '..='~' | '\t')) {
        true => Ok(()),
        false => Err(HeaderProblem::Value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_headers_that_would_change_the_message() {
        for (name, expected) in [
            ("X-Custom", Ok(())),
            ("authorization", Ok(())),
            ("", Err(HeaderProblem::Name)),
            ("a b", Err(HeaderProblem::Name)),
            ("a\r\nHost", Err(HeaderProblem::Name)),
            ("ä", Err(HeaderProblem::Name)),
            ("Host", Err(HeaderProblem::Reserved)),
            ("Range", Err(HeaderProblem::Reserved)),
            ("If-None-Match", Err(HeaderProblem::Reserved)),
            ("Accept-Encoding", Err(HeaderProblem::Reserved)),
            ("User-Agent", Ok(())),
        ] {
            assert_eq!(check_name(name), expected, "{name:?}");
        }
        assert_eq!(check_value("a\tb ~"), Ok(()));
        assert_eq!(check_value("ü"), Err(HeaderProblem::Value));
        assert_eq!(check_value("a\x7f"), Err(HeaderProblem::Value));
        assert_eq!(check_value("a\r\nEvil: 1"), Err(HeaderProblem::Value));
        assert_eq!(check_value("a\0"), Err(HeaderProblem::Value));
    }
}
