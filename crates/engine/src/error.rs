//! The errors of operations, one enum for each.

pub use crate::bundle_image::BundleImageError;
pub use crate::copy::CopyImageError;
pub use crate::engine::OpenError;
pub use crate::export::ExportError;
pub use crate::filter::{FilterError, FilterProblem};
pub use crate::import::{ChangeError, ChangeProblem, ImportError};
pub use crate::load::LoadError;
pub use crate::mount::MountError;
pub use crate::prune::PruneError;
pub use crate::push::PushImageError;
pub use crate::remove::RemoveError;
pub use crate::save::SaveError;
pub use crate::store_error::StoreError;
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
    InvalidConfig, OriginError, ProxyFailure, RegistryError, TlsProblem, WebUrlError,
};
pub use windlass_store::{
    CommitError, FindError, StoreOpenError, StoreRemoveError, StoreRootError, TagImageError,
};
