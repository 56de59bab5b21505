//! The fields of images in a response, which depend on the version of the request.

use windlass_docker_api::ApiVersion;

use crate::request::{ApiRequest, QueryParameters};

/// The fields of an image in the version of the request.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each version or parameter"
)]
pub(super) struct ResponseFormat {
    pub(super) has_virtual_size: bool,
    /// Images without a name have the name `<none>:<none>`.
    pub(super) names_none: bool,
    pub(super) has_descriptor: bool,
    pub(super) has_manifests: bool,
    pub(super) has_shared_size: bool,
}

impl ResponseFormat {
    pub(super) fn of(request: &ApiRequest) -> Self {
        Self::new(request.version, &request.query)
    }

    pub(super) fn new(version: ApiVersion, query: &QueryParameters) -> Self {
        let is_at_least = |minor| version >= ApiVersion::new(1, minor);
        Self {
            has_virtual_size: !is_at_least(44),
            names_none: !is_at_least(43),
            has_descriptor: is_at_least(48),
            has_manifests: is_at_least(47) && query.flag("manifests"),
            has_shared_size: is_at_least(42) && query.flag("shared-size"),
        }
    }

    /// Adds the size that each image shares with others.
    pub(super) fn with_shared_size(self) -> Self {
        Self {
            has_shared_size: true,
            ..self
        }
    }
}
