//! The digest that a response announces.

use http::HeaderMap;
use windlass_oci::text::sanitize_bytes;
use windlass_oci::{Digest, DigestError};

use crate::error::{DigestMismatch, RegistryError};
use crate::request_context::RequestContext;

/// Returns the digest in `Docker-Content-Digest`. A digest with an unsupported algorithm is ignored; an
/// invalid one is an error (T19).
pub(crate) fn announced_digest(
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Option<Digest>, RegistryError> {
    let Some(header) = headers.get("docker-content-digest") else {
        return Ok(None);
    };
    let parsed = header.to_str().ok().and_then(|text| match text.parse() {
        Ok(digest) => Some(Some(digest)),
        Err(_) => has_unknown_algorithm(text).then_some(None),
    });
    parsed.ok_or_else(|| RegistryError::DigestHeader {
        context: context.boxed(),
        header: sanitize_bytes(header.as_bytes()).to_string(),
    })
}

/// Compares the announced digest with the expected one.
pub(crate) fn check_digest(
    context: &RequestContext,
    expected: &Digest,
    headers: &HeaderMap,
) -> Result<(), RegistryError> {
    match announced_digest(context, headers)? {
        Some(found) if found.algorithm() == expected.algorithm() && found != *expected => {
            let expected = *expected;
            let mismatch = Box::new(DigestMismatch { expected, found });
            let context = context.boxed();
            Err(RegistryError::Digest { context, mismatch })
        }
        _ => Ok(()),
    }
}

/// Returns whether `text` has the form of a digest with an unsupported algorithm.
fn has_unknown_algorithm(text: &str) -> bool {
    let is_word = |word: &str, more: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !word.is_empty() && word.chars().all(fits)
    };
    text.split_once(':').is_some_and(|(algorithm, encoded)| {
        let known = matches!(text.parse::<Digest>(), Ok(_) | Err(DigestError::Hex { .. }));
        !known && is_word(algorithm, "+._-") && is_word(encoded, "=_-")
    })
}
