//! Converts unsuccessful responses into errors (HT-14).

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};

use crate::challenge::Challenge;
use crate::error::RegistryError;
use crate::error_body::ErrorBody;
use crate::request_context::{RequestContext, RequestKind};

/// The maximum number of bytes read of an error body.
pub(crate) const MAX_ERROR_BODY: usize = 64 << 10;

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
        ErrorBody::parse(self.headers, self.body).is_registry_error
    }

    /// Converts the response into an error.
    pub(crate) fn into_error(self) -> RegistryError {
        let context = self.context.boxed();
        let body = ErrorBody::parse(self.headers, self.body);
        let reason = body.own_message();
        let retry_after = retry_after(self.headers, SystemTime::now());
        let status = self.status.as_u16();
        match (status, body.code.as_str()) {
            (429, _) | (400..500, "TOOMANYREQUESTS") => RegistryError::TooManyRequests {
                context,
                reason,
                retry_after,
            },
            (408 | 425 | 500..600, _) => RegistryError::Unavailable {
                context,
                status,
                reason,
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
            (_, "NAME_UNKNOWN" | "NAME_INVALID") => RegistryError::NameUnknown { context, reason },
            (_, "MANIFEST_UNKNOWN") => RegistryError::ManifestUnknown { context, reason },
            (_, "BLOB_UNKNOWN") => RegistryError::BlobUnknown { context, reason },
            (404 | 410, _) => match context.kind {
                RequestKind::Manifest(_) => RegistryError::ManifestUnknown { context, reason },
                RequestKind::Blob(_) => RegistryError::BlobUnknown { context, reason },
                RequestKind::Tags
                | RequestKind::Referrers(_)
                | RequestKind::Upload(_)
                | RequestKind::Put(_) => RegistryError::NameUnknown { context, reason },
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
