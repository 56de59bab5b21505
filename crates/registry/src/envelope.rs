//! What a status that is not success means (HT-14).

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use windlass_oci::text::sanitize_up_to;

use crate::challenge::Challenge;
use crate::error::{RegistryError, RequestContext, RequestKind};

/// The most that is read of the body of an error.
pub(crate) const LARGEST_ERROR_BODY: usize = 64 << 10;
/// The most that is shown of a registry's own words.
const LONGEST_REASON: usize = 300;

/// The body of an error (OCI distribution specification, "Error Codes"). Only the first error counts
/// (FB-10).
#[derive(Debug, Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    errors: Vec<Entry>,
    /// What token servers and old registries send instead (HT-14).
    #[serde(default)]
    details: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What is known of an answer that is not a success.
pub(crate) struct Refusal<'a> {
    pub(crate) context: &'a RequestContext,
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Refusal<'_> {
    /// Tells whether the body is an error of the distribution protocol.
    pub(crate) fn is_of_a_registry(&self) -> bool {
        self.envelope().is_some_and(|envelope| {
            envelope.details.is_some() || envelope.errors.iter().any(|error| !error.code.is_empty())
        })
    }

    fn envelope(&self) -> Option<Envelope> {
        serde_json::from_slice(self.body).ok()
    }

    /// Returns the error it stands for.
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
        let reason = sanitize_up_to(text.trim(), LONGEST_REASON).to_string();
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
                reason: or(reason, "authentication required"),
            },
            (_, "DENIED") => denied(context, reason),
            (404, "BLOB_UPLOAD_UNKNOWN") => RegistryError::Unexpected {
                context,
                status,
                reason: or(reason, "the upload is gone"),
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

    /// A token that was accepted but is not for this (HT-14): a private or missing repository, mostly.
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
        reason: or(reason, "access denied"),
    }
}

fn or(reason: String, otherwise: &str) -> String {
    if reason.is_empty() {
        otherwise.to_owned()
    } else {
        reason
    }
}

/// `Retry-After`, in seconds or as a date; anything else, the past included, counts as absent (T34).
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
