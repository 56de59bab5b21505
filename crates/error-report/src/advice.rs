//! The code and the hint of every error.
//!
//! The matches have no default arm for errors of the engine, so that a new variant requires a decision. Only kinds of
//! I/O errors, which the standard library may extend, have one.

mod bundle;
mod credentials;
mod registry;
mod store;

use std::error::Error as StdError;
use std::io::ErrorKind;

use windlass::error::{
    ClientError, CommitError, EndpointError, FilterError, FindError, ImportError, LayerError,
    LocalLayerError, NoMatchingPlatform, PullError, RegistryError, UnpackErrorOrigin,
};

use crate::{ErrorCode, LoginState, OperationError, RegistryLogin, TransferError};
use registry::RegistryAccess;
pub use store::open_advice;

/// The code of an error, and how to solve the problem if there is a general remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The code.
    pub code: ErrorCode,
    /// The remedy, as an instruction.
    pub hint: Option<String>,
}

/// The cause of a failed transfer that decides on code and hint.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TransferCause<'a> {
    /// An image of the store was not found.
    Find(&'a FindError),
    /// A manifest or blob could not be fetched.
    Pull(&'a PullError),
    /// A manifest or blob could not be pushed.
    Registry(&'a RegistryError),
    /// A URL could not be downloaded.
    Url(&'a RegistryError),
    /// No image could be made of a tar.
    Import(&'a ImportError),
    /// An image does not exist for the platform.
    Platform(&'a NoMatchingPlatform),
    /// The source does not have every image of the index.
    IncompleteIndex,
    /// The image in the store is damaged.
    DamagedImage,
    /// The archive or directory to read is malformed.
    Archive,
    /// The file or pipe to write failed.
    Output {
        /// Whether the reader has closed its end of the pipe.
        is_broken_pipe: bool,
    },
    /// Something else, such as the disk of the store.
    Other,
}

impl Advice {
    /// Makes an advice without a hint.
    pub fn code(code: ErrorCode) -> Self {
        Self { code, hint: None }
    }

    /// Makes an advice with a hint.
    pub fn hint(code: ErrorCode, hint: impl Into<String>) -> Self {
        Self {
            code,
            hint: Some(hint.into()),
        }
    }
}

impl OperationError {
    /// Returns the code and the hint.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Reference(_) => Advice::code(ErrorCode::InvalidReference),
            Self::Filter(error) => filter_advice(error),
            Self::Open(source) => open_advice(source),
            Self::Client(source) => client_advice(source),
            Self::Registry {
                reference,
                login,
                source,
                ..
            } => {
                let registry = reference.repository().registry();
                pull_advice(source, &RegistryAccess { registry, login })
            }
            Self::LogIn { registry, source } => registry::login_advice(source, registry),
            Self::SaveLogin { source, .. } | Self::LogOut { source, .. } => {
                credentials::login_file_advice(source)
            }
            Self::List(source) | Self::Inspect { source, .. } => store::store_advice(source),
            Self::Tag { source, .. } => store::tag_advice(source),
            Self::Remove { source, .. } => store::remove_advice(source),
            Self::Prune(source) => store::prune_advice(source),
            Self::Unpack {
                directory, source, ..
            } => store::unpack_advice(source, directory),
            Self::Bundle {
                name,
                directory,
                source,
            } => bundle::bundle_advice(source, name, directory),
            Self::Mount {
                directory, source, ..
            }
            | Self::Unmount { directory, source } => store::mount_advice(source, directory),
            Self::Transfer {
                source, registry, ..
            } => transfer_advice(source, registry.as_ref()),
        }
    }
}

fn filter_advice(error: &FilterError) -> Advice {
    match error {
        FilterError::Key { usage, .. } => Advice::hint(
            ErrorCode::Filter,
            format!("available filters: {}", usage.keys().join(", ")),
        ),
        FilterError::Form { .. } | FilterError::Value { .. } => Advice::code(ErrorCode::Filter),
    }
}

fn transfer_advice(error: &TransferError, registry: Option<&RegistryLogin>) -> Advice {
    let access = match registry {
        Some(RegistryLogin { registry, login }) => RegistryAccess { registry, login },
        None => RegistryAccess {
            registry: "",
            login: &LoginState::Missing,
        },
    };
    match error.cause() {
        TransferCause::Find(error) => store::find_advice(error),
        TransferCause::Pull(error) => pull_advice(error, &access),
        TransferCause::Registry(error) => registry::registry_advice(error, &access),
        TransferCause::Url(error) => url_advice(error, &access),
        TransferCause::Import(error) => import_advice(error),
        TransferCause::Platform(error) => platform_advice(error),
        TransferCause::IncompleteIndex => Advice::hint(
            ErrorCode::NoPlatform,
            "choose one image with `--platform`, or pull the image again with `--all-platforms`",
        ),
        TransferCause::DamagedImage => repair_advice(),
        TransferCause::Archive => match io_kind(error) {
            None | Some(ErrorKind::InvalidData) => Advice::code(ErrorCode::InvalidArchive),
            Some(_) => io_advice(error, false, ErrorCode::Io),
        },
        TransferCause::Output { .. } => output_advice(error),
        TransferCause::Other => io_advice(error, false, ErrorCode::Io),
    }
}

/// The output is elsewhere than the store, so `--root` does not help.
fn output_advice(error: &TransferError) -> Advice {
    let advice = io_advice(error, false, ErrorCode::Io);
    match advice.code {
        ErrorCode::NoSpace => Advice::hint(
            ErrorCode::NoSpace,
            "free space on that disk, or write to another one",
        ),
        code => Advice::code(code),
    }
}

/// A download of a URL sends no credentials.
fn url_advice(error: &RegistryError, access: &RegistryAccess<'_>) -> Advice {
    match error {
        RegistryError::Unauthorized { .. } | RegistryError::Denied { .. } => Advice::hint(
            ErrorCode::Unauthorized,
            "windlass downloads URLs without credentials: download the file with another program and pipe it into \
             `windlass import -`",
        ),
        RegistryError::Unexpected {
            status: 404 | 410, ..
        } => Advice::hint(ErrorCode::NotFound, "check the URL"),
        error => registry::registry_advice(error, access),
    }
}

fn import_advice(error: &ImportError) -> Advice {
    match error {
        ImportError::Empty => Advice::hint(
            ErrorCode::Empty,
            "check the program that writes the tar; to make an empty image, import an empty tar, such as that of \
             `tar -c -T /dev/null`",
        ),
        ImportError::Compression { name } => {
            let program = match *name {
                "bzip2" => "bzip2",
                _ => "xz",
            };
            Advice::hint(
                ErrorCode::Compression,
                format!("decompress it first: `{program} -dc FILE | windlass import -`"),
            )
        }
        ImportError::TooLarge { .. } => {
            Advice::hint(ErrorCode::TooLarge, "raise the limit with --max-size")
        }
        ImportError::Layer(layer) => match &**layer {
            LocalLayerError::Unpack(unpack) if unpack.origin() == UnpackErrorOrigin::Layer => {
                Advice::code(ErrorCode::InvalidArchive)
            }
            LocalLayerError::Read(_)
            | LocalLayerError::Put(_)
            | LocalLayerError::Write(_)
            | LocalLayerError::Unpack(_)
            | LocalLayerError::Store(_)
            | LocalLayerError::DiffId { .. } => io_advice(error, false, ErrorCode::Io),
        },
        ImportError::Commit(CommitError::UnresolvedLink { .. }) => {
            Advice::code(ErrorCode::InvalidArchive)
        }
        ImportError::Digest { .. } => Advice::code(ErrorCode::Usage),
        ImportError::Cancelled => Advice::code(ErrorCode::Interrupted),
        ImportError::Find(_)
        | ImportError::Read(_)
        | ImportError::Put(_)
        | ImportError::Commit(_) => io_advice(error, false, ErrorCode::Store),
    }
}

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

fn endpoint_advice(error: &EndpointError) -> Advice {
    match error {
        EndpointError::Address { .. } => Advice::code(ErrorCode::InvalidReference),
        EndpointError::Config { registry, .. } => Advice::hint(
            ErrorCode::Config,
            format!("fix the configuration; `windlass config show {registry}` lists its files"),
        ),
        EndpointError::Header { .. } => Advice::hint(ErrorCode::Config, "fix or remove the header"),
    }
}

fn pull_advice(error: &PullError, access: &RegistryAccess<'_>) -> Advice {
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

fn platform_advice(error: &NoMatchingPlatform) -> Advice {
    match error.offered.first() {
        Some(platform) => Advice::hint(
            ErrorCode::NoPlatform,
            format!("choose an available platform: --platform {platform}"),
        ),
        None => Advice::code(ErrorCode::NoPlatform),
    }
}

fn corrupt_advice() -> Advice {
    Advice::hint(
        ErrorCode::Corrupt,
        "the registry or a proxy delivers wrong bytes; nothing was stored",
    )
}

fn malformed_advice(code: ErrorCode) -> Advice {
    Advice::hint(
        code,
        "the image is malformed; nothing was stored. Report it to the image's publisher",
    )
}

fn repair_advice() -> Advice {
    Advice::hint(ErrorCode::Store, "pull the image again to repair it")
}

/// Returns the advice for an I/O error of the store: `code`, unless the disk is full or a permission is missing.
///
/// The innermost I/O error decides, and `is_no_space` overrides it.
pub fn io_advice(error: &(dyn StdError + 'static), is_no_space: bool, code: ErrorCode) -> Advice {
    let kind = if is_no_space {
        Some(ErrorKind::StorageFull)
    } else {
        io_kind(error)
    };
    match kind {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Advice::hint(
            ErrorCode::NoSpace,
            "free space on that disk, or keep images elsewhere with --root",
        ),
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => Advice::hint(
            ErrorCode::NoPermission,
            "run as a user with the permission, or keep images elsewhere with --root",
        ),
        Some(_) | None => Advice::code(code),
    }
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    let mut kind = None;
    let mut cause = Some(error);
    while let Some(error) = cause {
        kind = error.downcast_ref().map(std::io::Error::kind).or(kind);
        cause = error.source();
    }
    kind
}
