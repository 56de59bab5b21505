//! Types of the image endpoints of Docker's Engine API: versions, requests and responses.
//!
//! The crate has serializable types only; the daemon implements the endpoints. Field names are those of the API. A
//! field that exists only in some API versions is an `Option`, which the daemon sets according to the version of the
//! request.

mod filters;
mod images;
mod progress;
mod registry;
mod system;
mod version;

pub use filters::{FilterParseError, FilterValues};
pub use images::{
    DeletedImage, GraphDriver, HistoryStep, ImageInspect, ImageListItem, ImageManifestSummary,
    ImageMetadata, ImageRootFs, ManifestImageData, ManifestSize, OciDescriptor, OciPlatform,
    PruneReport, SearchResult,
};
pub use progress::{ErrorDetail, ProgressDetail, ProgressMessage, PushResult, bar};
pub use registry::{AuthConfig, AuthHeaderError, AuthResponse, DistributionInspect};
pub use system::{
    ErrorResponse, EventActor, EventMessage, SystemDiskUsage, SystemVersion, VersionComponent,
};
pub use version::{ApiVersion, VersionError};

/// The newest API version that is supported and advertised.
pub const NEWEST: ApiVersion = ApiVersion::new(1, 51);
/// The oldest API version that is advertised.
pub const OLDEST: ApiVersion = ApiVersion::new(1, 24);
/// The oldest API version that is accepted: some old tools use a fixed version, and the image endpoints changed little.
pub const OLDEST_TOLERATED: ApiVersion = ApiVersion::new(1, 12);
