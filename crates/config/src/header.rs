//! Headers that people add to requests.

/// How many headers a host gets at most. Servers refuse more.
pub(crate) const MOST: usize = 100;
/// How many bytes their names and values may have together.
pub(crate) const MOST_BYTES: usize = 16 << 10;

/// What the connection, the length of a message, what is asked for or the form of the answer hang on: windlass
/// sets it, or must not.
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
    /// Its name is not a token (RFC 9110 section 5.6.2).
    #[error("that is not the name of a header")]
    Name,
    /// It is set by windlass.
    #[error("this header cannot be configured")]
    Reserved,
    /// Its value holds control characters, or others that do not go into a header.
    #[error("the value of a header can hold printable ASCII only")]
    Value,
    /// There are more of them, or longer ones, than servers take.
    #[error("a host gets at most {MOST} headers, of {MOST_BYTES} bytes together")]
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
        .any(|known| known.eq_ignore_ascii_case(name))
    {
        return Err(HeaderProblem::Reserved);
    }
    Ok(())
}

/// Checks the value of a header; no line can be smuggled in.
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
    fn refuses_what_would_change_the_message() {
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
