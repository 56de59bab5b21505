//! Errors of operations, with what was being done.

use std::fmt;
use std::path::PathBuf;

use windlass::error::{
    AccessError, BundleImageError, ClientError, FilterError, MountError, OpenError, PruneError,
    PullError, ReferenceError, RemoveError, StoreError, TagImageError, UnpackImageError,
};
use windlass::image::Reference;

use crate::{LoginState, RegistryLogin, TransferError};

/// An error of an operation, with what was being done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// A reference is malformed.
    #[error(transparent)]
    Reference(ReferenceError),
    /// A filter is malformed.
    #[error(transparent)]
    Filter(FilterError),
    /// The store cannot be opened, or the engine cannot start.
    #[error(transparent)]
    Open(OpenError),
    /// The HTTP client cannot be set up as configured.
    #[error(transparent)]
    Client(ClientError),
    /// A request to a registry failed, or its response cannot be used.
    #[error("{action} {}", .reference.familiar())]
    Registry {
        /// What was requested.
        action: RegistryAction,
        /// The image or repository.
        reference: Reference,
        /// The credentials that are configured for the registry.
        login: LoginState,
        /// The error.
        source: Box<PullError>,
    },
    /// The registry rejects a login, or cannot be reached.
    #[error("logging in to {registry}")]
    LogIn {
        /// The registry's host.
        registry: String,
        /// The error.
        source: Box<AccessError>,
    },
    /// A login cannot be saved.
    #[error("saving the login to {registry}")]
    SaveLogin {
        /// The registry's host.
        registry: String,
        /// The error.
        source: Box<windlass_credentials::CredentialStoreError>,
    },
    /// A login cannot be removed.
    #[error("logging out of {registry}")]
    LogOut {
        /// The registry's host.
        registry: String,
        /// The error.
        source: Box<windlass_credentials::CredentialStoreError>,
    },
    /// The store cannot be read.
    #[error("listing images")]
    List(#[source] StoreError),
    /// An image cannot be read.
    #[error("inspecting {name}")]
    Inspect {
        /// The image.
        name: String,
        /// The error.
        source: StoreError,
    },
    /// An image cannot be tagged.
    #[error("tagging {name}")]
    Tag {
        /// The image.
        name: String,
        /// The error.
        source: TagImageError,
    },
    /// A name or an image cannot be removed.
    #[error("removing {name}")]
    Remove {
        /// The image.
        name: String,
        /// The error.
        source: RemoveError,
    },
    /// Images cannot be pruned.
    #[error("pruning")]
    Prune(#[source] PruneError),
    /// An image cannot be unpacked.
    #[error("unpacking {name}")]
    Unpack {
        /// The image.
        name: String,
        /// The target directory.
        directory: PathBuf,
        /// The error.
        source: UnpackImageError,
    },
    /// No bundle can be made of an image.
    #[error("bundling {name}")]
    Bundle {
        /// The image.
        name: String,
        /// The target directory.
        directory: PathBuf,
        /// The error.
        source: BundleImageError,
    },
    /// An image cannot be mounted.
    #[error("mounting {name} on {}", .directory.display())]
    Mount {
        /// The image.
        name: String,
        /// The mount point.
        directory: PathBuf,
        /// The error.
        source: MountError,
    },
    /// An image cannot be unmounted.
    #[error("unmounting {}", .directory.display())]
    Unmount {
        /// The mount point.
        directory: PathBuf,
        /// The error.
        source: MountError,
    },
    /// Images cannot be transferred between the store, files and registries.
    #[error("{action}")]
    Transfer {
        /// What was being done, such as `saving alpine to alpine.tar`.
        action: String,
        /// The registry that takes part in the transfer.
        registry: Option<RegistryLogin>,
        /// The error.
        source: Box<TransferError>,
    },
}

/// What is requested from a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryAction {
    /// To pull an image.
    Pull,
    /// To show what a pull would do.
    Preview,
    /// To list the tags of a repository.
    ListTags,
    /// To read a manifest.
    ReadManifest,
    /// To resolve a digest.
    ResolveDigest,
}

impl OperationError {
    /// Returns the error of a transfer without a registry.
    pub fn transfer(action: String, source: impl Into<TransferError>) -> Self {
        Self::Transfer {
            action,
            registry: None,
            source: Box::new(source.into()),
        }
    }

    /// Returns the error of an import.
    pub fn import(action: String, source: TransferError) -> Self {
        // The error of a download contains the URL.
        let has_url = matches!(source, TransferError::Url(_));
        let action = if has_url {
            "importing".to_owned()
        } else {
            action
        };
        Self::transfer(action, source)
    }
}

impl fmt::Display for RegistryAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pull => "pulling",
            Self::Preview => "looking up",
            Self::ListTags => "listing the tags of",
            Self::ReadManifest => "reading the manifest of",
            Self::ResolveDigest => "resolving the digest of",
        })
    }
}
