//! Converts unsuccessful responses into errors (HT-14).

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use windlass_oci::text::sanitize_up_to;

use crate::challenge::Challenge;
use crate::error::{RegistryError, RequestContext, RequestKind};

/// The maximum number of bytes read of an error body.
pub(crate) const MAX_ERROR_BODY: usize = 64 << 10;
/// The maximum length of the registry's message in an error, in characters.
const MAX_REASON_LENGTH: usize = 300;

/// The body of an error (OCI distribution specification, "Error Codes"). Only the first error is used
/// (FB-10).
#[derive(Debug, Default, Deserialize)]
struct ErrorEnvelope {
    #[serde(default)]
    errors: Vec<ErrorEntry>,
    /// The field that token servers and old registries use instead (HT-14).
    #[serde(default)]
    details: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// An unsuccessful response.
pub(crate) struct FailedResponse<'a> {
    pub(crate) context: &'a RequestContext,
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl FailedResponse<'_> {
    /// Returns whether the body is an error of the distribution protocol.
    pub(crate) fn has_registry_error(&self) -> bool {
        self.envelope().is_some_and(|envelope| {
            envelope.details.is_some() || envelope.errors.iter().any(|error| !error.code.is_empty())
        })
    }

    fn envelope(&self) -> Option<ErrorEnvelope> {
        serde_json::from_slice(self.body).ok()
    }

    /// Converts the response into an error.
    pub(crate) fn into_error(self) -> RegistryError {
        let context = self.context.boxed();
        let envelope = self.envelope().unwrap_or_default();
        let details = envelope.details.unwrap_or_default();
        let first = envelope.errors.into_iter().next().unwrap_or_default();
        let text = if first.message.is_empty() {
            details
        } else {
            first.message
        };
        let reason = sanitize_up_to(text.trim(), MAX_REASON_LENGTH).to_string();
        let retry_after = retry_after(self.headers, SystemTime::now());
        let status = self.status.as_u16();
        match (status, first.code.as_str()) {
            (429, _) | (400..500, "TOOMANYREQUESTS") => RegistryError::TooManyRequests {
                context,
                retry_after,
            },
            (408 | 425 | 500..600, _) => RegistryError::Unavailable {
                context,
                status,
                retry_after,
            },
            (401, "DENIED") | (403, _) => denied(context, reason),
            (401, _) if self.lacks_scope() => denied(context, reason),
            (401, _) | (_, "UNAUTHORIZED") => RegistryError::Unauthorized {
                context,
                reason: or_default(reason, "authentication required"),
            },
            (_, "DENIED") => denied(context, reason),
            (404, "BLOB_UPLOAD_UNKNOWN") => RegistryError::Unexpected {
                context,
                status,
                reason: or_default(reason, "the upload has expired"),
            },
            (_, "NAME_UNKNOWN" | "NAME_INVALID") => RegistryError::NameUnknown { context },
            (_, "MANIFEST_UNKNOWN") => RegistryError::ManifestUnknown { context },
            (_, "BLOB_UNKNOWN") => RegistryError::BlobUnknown { context },
            (404 | 410, _) => match context.kind {
                RequestKind::Manifest(_) => RegistryError::ManifestUnknown { context },
                RequestKind::Blob(_) => RegistryError::BlobUnknown { context },
                RequestKind::Tags
                | RequestKind::Referrers(_)
                | RequestKind::Upload(_)
                | RequestKind::Put(_) => RegistryError::NameUnknown { context },
                RequestKind::Ping | RequestKind::Token | RequestKind::Search | RequestKind::Url => {
                    RegistryError::Unexpected {
                        context,
                        status,
                        reason,
                    }
                }
            },
            _ => RegistryError::Unexpected {
                context,
                status,
                reason,
            },
        }
    }

    /// Returns whether the token is valid but does not permit the request (HT-14), typically because the
    /// repository is private or missing.
    fn lacks_scope(&self) -> bool {
        matches!(
            Challenge::choose(self.headers),
            Some(Challenge::Bearer(bearer)) if bearer.error.as_deref() == Some("insufficient_scope")
        )
    }
}

fn denied(context: Box<RequestContext>, reason: String) -> RegistryError {
    RegistryError::Denied {
        context,
        reason: or_default(reason, "access denied"),
    }
}

fn or_default(reason: String, otherwise: &str) -> String {
    if reason.is_empty() {
        otherwise.to_owned()
    } else {
        reason
    }
}

/// Parses `Retry-After`, in seconds or as a date; invalid values and dates in the past are ignored (T34).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    date.duration_since(now).ok()
}

#[cfg(test)]
mod tests;
