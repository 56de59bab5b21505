//! Errors of authentication.

use crate::credential_provider::CredentialError;
use crate::realm::RealmError;
use crate::token::TokenError;

/// Why authentication failed before the credentials were checked.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The registry names a token server that credentials must not be sent to.
    #[error("its token server {realm} is not allowed")]
    Realm {
        /// The token server, without path and query.
        realm: String,
        /// Why it is not allowed.
        source: RealmError,
    },
    /// The response of the token server is unusable.
    #[error("the token server's response is unusable")]
    Token(#[from] TokenError),
    /// The configured registry token has characters that are not allowed in a header.
    #[error("the configured registry token is not a valid header value")]
    RegistryToken,
    /// The user name contains a colon or a control character (RFC 7617, section 2).
    #[error("the user name contains a colon or a control character")]
    Username,
    /// The credentials could not be looked up (D9).
    #[error("the credentials cannot be looked up")]
    Credentials(#[source] CredentialError),
    /// The registry requires credentials, but they would be sent without TLS.
    #[error(
        "credentials are not sent over plain http, except to this machine and hosts listed as insecure"
    )]
    PlainHttp,
}
