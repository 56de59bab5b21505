//! The errors of operations, one enum for each.

use std::path::PathBuf;

use windlass_oci::ImageConfigError;
use windlass_store::{DatabaseError, ReadError, UsageError};

pub use crate::bundle_image::BundleImageError;
pub use crate::copy::CopyImageError;
pub use crate::export::ExportError;
pub use crate::filter::{FilterError, FilterProblem};
pub use crate::import::{ChangeError, ChangeProblem, ImportError};
pub use crate::load::LoadError;
pub use crate::mount::MountError;
pub use crate::prune::PruneError;
pub use crate::push::PushImageError;
pub use crate::save::SaveError;
pub use crate::stored_content::ContentError;
pub use crate::unpack::UnpackImageError;

pub use windlass_archive::{UnpackError, UnpackErrorOrigin};
pub use windlass_bundle::{ConvertError, EnvVariableError, HostnameError};
pub use windlass_copy::{CopyError, ImageLocationError, PushError, SourceError, TreeError};
pub use windlass_layout::{LayoutError, WriteError};
pub use windlass_oci::{
    DigestError, ManifestError, NoMatchingPlatform, PlatformError, ReferenceError,
    ReferenceProblem, TagError,
};
pub use windlass_pull::{EndpointsError, LayerError, LocalLayerError, NoSpace, PullError};
pub use windlass_registry::{
    AccessError, AuthError, ClientError, ConnectFailure, CredentialError, EndpointError,
    InvalidConfig, ProxyFailure, RegistryError, WebUrlError,
};
pub use windlass_store::{
    CommitError, FindError, RootError, StoreOpenError, StoreRemoveError, TagImageError,
};

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The client for registries could not be created with this configuration.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Why the store could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such image, or the name is ambiguous.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A document could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stored config is malformed.
    #[error(transparent)]
    Config(#[from] ImageConfigError),
    /// The metadata could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The disk usage could not be determined.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// Why a name or an image could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The store rejected the removal.
    #[error(transparent)]
    Store(#[from] StoreRemoveError),
    /// The image is mounted: its layers are in use.
    #[error("it is mounted on {}", .at.display())]
    Mounted {
        /// The mount point.
        at: PathBuf,
    },
    /// It could not be determined whether the image is mounted.
    #[error(transparent)]
    Mounts(#[from] MountError),
}
