//! Headers that people add to requests.

/// What the connection, the length of a message or the bytes that are asked for hang on; windlass sets it.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "proxy-authorization",
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
    /// Its value holds control characters.
    #[error("the value of a header cannot hold control characters")]
    Value,
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
    match value.chars().any(|c| c.is_control() && c != '\t') {
        true => Err(HeaderProblem::Value),
        false => Ok(()),
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
        ] {
            assert_eq!(check_name(name), expected, "{name:?}");
        }
        assert_eq!(check_value("a\tb ü"), Ok(()));
        assert_eq!(check_value("a\r\nEvil: 1"), Err(HeaderProblem::Value));
        assert_eq!(check_value("a\0"), Err(HeaderProblem::Value));
    }
}
