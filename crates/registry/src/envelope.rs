//! What a status that is not success means (HT-14).

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use windlass_oci::text::shown_up_to;

use crate::challenge::Challenge;
use crate::error::{Asked, RegistryError, What};

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
    pub(crate) asked: &'a Asked,
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
        let asked = self.asked.boxed();
        let envelope = self.envelope().unwrap_or_default();
        let details = envelope.details.unwrap_or_default();
        let first = envelope.errors.into_iter().next().unwrap_or_default();
        let text = if first.message.is_empty() {
            details
        } else {
            first.message
        };
        let reason = shown_up_to(text.trim(), LONGEST_REASON).to_string();
        let retry_after = retry_after(self.headers, SystemTime::now());
        let status = self.status.as_u16();
        match (status, first.code.as_str()) {
            (429, _) | (400..500, "TOOMANYREQUESTS") => {
                RegistryError::TooManyRequests { asked, retry_after }
            }
            (408 | 425 | 500..600, _) => RegistryError::Unavailable {
                asked,
                status,
                retry_after,
            },
            (401, "DENIED") | (403, _) => denied(asked, reason),
            (401, _) if self.lacks_scope() => denied(asked, reason),
            (401, _) | (_, "UNAUTHORIZED") => RegistryError::Unauthorized {
                asked,
                reason: or(reason, "authentication required"),
            },
            (_, "DENIED") => denied(asked, reason),
            (404, "BLOB_UPLOAD_UNKNOWN") => RegistryError::Unexpected {
                asked,
                status,
                reason: or(reason, "the upload is gone"),
            },
            (_, "NAME_UNKNOWN" | "NAME_INVALID") => RegistryError::NameUnknown { asked },
            (_, "MANIFEST_UNKNOWN") => RegistryError::ManifestUnknown { asked },
            (_, "BLOB_UNKNOWN") => RegistryError::BlobUnknown { asked },
            (404 | 410, _) => match asked.what {
                What::Manifest(_) => RegistryError::ManifestUnknown { asked },
                What::Blob(_) => RegistryError::BlobUnknown { asked },
                What::Tags | What::Upload(_) | What::Put(_) => RegistryError::NameUnknown { asked },
                What::Ping | What::Token | What::Search | What::Url => RegistryError::Unexpected {
                    asked,
                    status,
                    reason,
                },
            },
            _ => RegistryError::Unexpected {
                asked,
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

fn denied(asked: Box<Asked>, reason: String) -> RegistryError {
    RegistryError::Denied {
        asked,
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
