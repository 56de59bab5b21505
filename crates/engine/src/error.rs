//! Why an operation of the engine failed, one enum each.

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
    /// Registries could not be spoken to as the configuration wants it.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Why the store could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such image, or more than one.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A document could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stored config is none.
    #[error(transparent)]
    Config(#[from] ImageConfigError),
    /// The metadata could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// It could not be found out what takes up the space.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// Why a name or an image could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The store did not remove it.
    #[error(transparent)]
    Store(#[from] StoreRemoveError),
    /// The image is mounted: its layers are in use.
    #[error("it is mounted on {}", .at.display())]
    Mounted {
        /// Where.
        at: PathBuf,
    },
    /// It could not be found out whether the image is mounted.
    #[error(transparent)]
    Mounts(#[from] MountError),
}
