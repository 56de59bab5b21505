//! Advice for pulls, their endpoints and their HTTP client.

use windlass::error::{ClientError, LayerError, NoMatchingPlatform, PullError, UnpackErrorOrigin};

use super::registry::{self, RegistryAccess, endpoint_advice};
use super::{Advice, corrupt_advice, io_advice, malformed_advice};
use crate::ErrorCode;

/// Returns the advice for an HTTP client that cannot be set up.
pub fn client_advice(error: &ClientError) -> Advice {
    match error {
        ClientError::Proxy { .. } => Advice::hint(
            ErrorCode::Client,
            "check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or `proxy` in windlass.toml",
        ),
        ClientError::Root { .. } => Advice::hint(
            ErrorCode::Client,
            "check the files that SSL_CERT_FILE or `ca` in windlass.toml names",
        ),
        ClientError::Identity { .. } | ClientError::UserAgent => Advice::code(ErrorCode::Client),
    }
}

pub(crate) fn pull_advice(error: &PullError, access: &RegistryAccess<'_>) -> Advice {
    match error {
        PullError::Reference(_) => Advice::code(ErrorCode::InvalidReference),
        PullError::Endpoint(error) => endpoint_advice(error),
        PullError::Registry(error) => registry::endpoints_advice(error, access),
        PullError::NoEndpoint { registry, .. } => Advice::hint(
            ErrorCode::NoEndpoint,
            format!(
                "give an endpoint the capability; `windlass config show {registry}` lists the endpoints"
            ),
        ),
        PullError::NoMatchingPlatform(error) => platform_advice(error),
        PullError::TooDeep { .. }
        | PullError::Config(_)
        | PullError::Plan(_)
        | PullError::Schema1BelowIndex { .. }
        | PullError::Schema1(_)
        | PullError::Converted(_) => malformed_advice(ErrorCode::InvalidImage),
        PullError::Size { .. } | PullError::DiffId { .. } | PullError::Digest { .. } => {
            corrupt_advice()
        }
        PullError::NoSpace(_) => io_advice(error, true, ErrorCode::NoSpace),
        PullError::Partials(partials) => io_advice(error, partials.is_no_space(), ErrorCode::Store),
        PullError::Layer { source, .. } => layer_advice(source, access),
        PullError::File(_) | PullError::Read(_) => io_advice(error, false, ErrorCode::Store),
        PullError::Put(put) => io_advice(error, put.is_no_space(), ErrorCode::Store),
        PullError::StoredLayers(stored) => io_advice(error, stored.is_no_space(), ErrorCode::Store),
        PullError::Commit(commit) => io_advice(error, commit.is_no_space(), ErrorCode::Store),
    }
}

fn layer_advice(error: &LayerError, access: &RegistryAccess<'_>) -> Advice {
    match error {
        LayerError::Download(error) => registry::endpoints_advice(error, access),
        LayerError::Verify(_) => corrupt_advice(),
        LayerError::Unpack(unpack) => match unpack.origin() {
            UnpackErrorOrigin::Layer => malformed_advice(ErrorCode::InvalidLayer),
            UnpackErrorOrigin::Input | UnpackErrorOrigin::System => {
                io_advice(error, false, ErrorCode::Store)
            }
        },
        LayerError::Ingest(ingest) => io_advice(error, ingest.is_no_space(), ErrorCode::Store),
        LayerError::Append(append) => io_advice(error, append.is_no_space(), ErrorCode::Store),
        LayerError::Store(store) => io_advice(error, store.is_no_space(), ErrorCode::Store),
        LayerError::NoEndpoint => Advice::hint(
            ErrorCode::NoEndpoint,
            "`windlass config show REGISTRY` lists the endpoints and their capabilities",
        ),
        LayerError::Cancelled => Advice::code(ErrorCode::Interrupted),
    }
}

pub(crate) fn platform_advice(error: &NoMatchingPlatform) -> Advice {
    match error.offered.first() {
        Some(platform) => Advice::hint(
            ErrorCode::NoPlatform,
            format!("choose an available platform: --platform {platform}"),
        ),
        None => Advice::code(ErrorCode::NoPlatform),
    }
}
