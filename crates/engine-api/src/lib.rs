//! What is said on Docker's Engine API about images: its versions, and the shapes of its questions and answers.
//!
//! Types to write and read, no I/O and no rules: those are the daemon's. Names of fields are the API's own. A field
//! that came or went with a version is an `Option`, and whoever fills it in knows the version.

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

/// The newest version that is spoken, which is the one that is advertised.
pub const NEWEST: ApiVersion = ApiVersion::new(1, 51);
/// The oldest version that is advertised.
pub const OLDEST: ApiVersion = ApiVersion::new(1, 24);
/// The oldest prefix that is let through all the same: older tools pin theirs, and about images little changed.
pub const OLDEST_TOLERATED: ApiVersion = ApiVersion::new(1, 12);
