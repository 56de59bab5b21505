//! Members of signatures in base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::SignatureError;

/// Decodes the member at `at`.
pub(super) fn decoded(at: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    let decoded = URL_SAFE_NO_PAD.decode(text);
    decoded.map_err(|_| SignatureError::Base64 { at })
}
