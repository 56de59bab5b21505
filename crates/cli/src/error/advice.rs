//! What each error is called by programs, and what people can do about it.
//!
//! The codes are an interface: add, do not rename. The matches have no default arm, so that a new error has
//! to be given its advice.

use std::error::Error as StdError;
use std::io::ErrorKind;

use windlass::{
    ConnectFailure, DEFAULT_REGISTRY, Fault, FindError, LayerError, MountError, NoMatch, OpenError,
    PullError, Reference, RegistryError, RemoveError, StoreError, StoreRemoveError, TagImageError,
    UnpackImageError,
};

use super::{Error, Login};

/// A code and perhaps a hint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) code: &'static str,
    pub(super) hint: Option<String>,
}

/// Who asked whom.
struct Asker<'a> {
    registry: &'a str,
    login: &'a Login,
}

impl<'a> Asker<'a> {
    fn new(reference: &'a Reference, login: &'a Login) -> Self {
        Self {
            registry: reference.repository().registry(),
            login,
        }
    }
}

impl Advice {
    fn code(code: &'static str) -> Self {
        Self { code, hint: None }
    }

    fn hint(code: &'static str, hint: impl Into<String>) -> Self {
        Self {
            code,
            hint: Some(hint.into()),
        }
    }
}

impl Error {
    /// Returns what this is called and what to do about it.
    pub(super) fn advice(&self) -> Advice {
        match self {
            Self::Reference(_) => Advice::code("invalid_reference"),
            Self::Platform(_) => Advice::code("invalid_platform"),
            Self::TagWithAllTags { .. } => Advice::code("usage"),
            Self::NoRoot => Advice::hint("no_root", "name a directory with --root"),
            Self::Certificates { .. } => Advice::hint(
                "certificates",
                "SSL_CERT_FILE names the file; unset it or set it right",
            ),
            Self::DockerConfigUnreadable { .. } | Self::DockerConfigBroken { .. } => Advice::hint(
                "docker_config",
                "correct the file, or name another directory with DOCKER_CONFIG",
            ),
            Self::Open(source) => of_open(source),
            Self::Pull {
                reference,
                login,
                source,
            } => of_pull(source, &Asker::new(reference, login)),
            Self::Tags {
                repository,
                login,
                source,
            } => of_pull(source, &Asker::new(repository, login)),
            Self::List(source) | Self::Image { source, .. } => of_store(source),
            Self::Tag { source, .. } => of_tag(source),
            Self::Remove { source, .. } => of_remove(source),
            Self::Unpack { source, .. } => of_unpack(source),
            Self::Mount { source, .. } | Self::Umount { source, .. } => of_mount(source),
            Self::Runtime(source) | Self::Output(source) => of_disk(source, false, "io"),
        }
    }
}

fn of_open(error: &OpenError) -> Advice {
    match error {
        OpenError::Store(store) => of_disk(error, store.is_no_space(), "store"),
        OpenError::Client(_) => Advice::code("client"),
    }
}

fn of_pull(error: &PullError, asker: &Asker<'_>) -> Advice {
    match error {
        PullError::Endpoint(_) => Advice::code("invalid_reference"),
        PullError::Registry(error) => of_registry(error, asker),
        PullError::NoMatch(error) => of_no_match(error),
        PullError::Manifest { .. }
        | PullError::TooDeep { .. }
        | PullError::Config(_)
        | PullError::Plan(_) => broken("invalid_image"),
        PullError::Size { .. } | PullError::DiffId { .. } => corrupt(),
        PullError::Layer { source, .. } => of_layer(source, asker),
        PullError::Read(_) => of_disk(error, false, "store"),
        PullError::Put(put) => of_disk(error, put.is_no_space(), "store"),
        PullError::Held(held) => of_disk(error, held.is_no_space(), "store"),
        PullError::Commit(commit) => of_disk(error, commit.is_no_space(), "store"),
    }
}

fn of_layer(error: &LayerError, asker: &Asker<'_>) -> Advice {
    match error {
        LayerError::Download(error) => of_registry(error, asker),
        LayerError::Verify(_) => corrupt(),
        LayerError::Unpack(unpack) => match unpack.fault() {
            Fault::Layer => broken("invalid_layer"),
            Fault::Source | Fault::System => of_disk(error, false, "store"),
        },
        LayerError::Ingest(ingest) => of_disk(error, ingest.is_no_space(), "store"),
        LayerError::Append(append) => of_disk(error, append.is_no_space(), "store"),
        LayerError::Store(store) => of_disk(error, store.is_no_space(), "store"),
        LayerError::Cancelled => Advice::code("interrupted"),
    }
}

fn of_registry(error: &RegistryError, asker: &Asker<'_>) -> Advice {
    let registry = asker.registry;
    match error {
        RegistryError::Unauthorized { .. } => Advice::hint("unauthorized", unauthorized(asker)),
        RegistryError::Denied { .. } => Advice::hint(
            "denied",
            format!(
                "check the name; if it is private, log in with `{}` as one who may",
                login(registry)
            ),
        ),
        RegistryError::NameUnknown { .. } | RegistryError::ManifestUnknown { .. } => {
            Advice::hint("not_found", "check the name and the tag")
        }
        RegistryError::BlobUnknown { .. } => Advice::hint(
            "blob_missing",
            "the registry has lost a part of this image: it has to be pushed again",
        ),
        RegistryError::TooManyRequests { .. } => Advice::hint(
            "rate_limited",
            format!(
                "wait, or log in with `{}`: known users may ask more often",
                login(registry)
            ),
        ),
        RegistryError::Unavailable { .. }
        | RegistryError::Storage { .. }
        | RegistryError::Unexpected { .. } => Advice::hint("unavailable", "try again later"),
        RegistryError::NotARegistry { .. } => {
            Advice::hint("not_a_registry", "check the host and the port in the name")
        }
        RegistryError::Auth { .. } => Advice::code("auth"),
        RegistryError::Redirect { .. } => Advice::code("redirect_refused"),
        RegistryError::Digest { .. } | RegistryError::Size { .. } => corrupt(),
        RegistryError::DigestHeader { .. } | RegistryError::Malformed { .. } => {
            Advice::code("protocol")
        }
        RegistryError::Interrupted { .. } | RegistryError::Transport { .. } => {
            Advice::hint("network", "check the network and try again")
        }
        RegistryError::TooLarge { .. } => Advice::code("too_large"),
        RegistryError::Timeout { .. } => {
            Advice::hint("timeout", "check the network, and proxies on the way")
        }
        RegistryError::Connect { failure, .. } => of_connect(*failure, registry),
        RegistryError::Tls { .. } => Advice::hint(
            "tls",
            format!(
                "if it speaks plain HTTP, allow that with --insecure-registry {registry}; \
                 if its CA is a private one, name its certificate in SSL_CERT_FILE"
            ),
        ),
        RegistryError::Manifest { .. } => broken("invalid_image"),
    }
}

fn of_connect(failure: ConnectFailure, registry: &str) -> Advice {
    let hint = match failure {
        ConnectFailure::Refused => format!("check that a registry runs at {registry}"),
        ConnectFailure::NoSuchHost => format!("check the spelling of {registry}"),
        ConnectFailure::Unreachable | ConnectFailure::NameServer | ConnectFailure::Other => {
            "check the network, and HTTPS_PROXY if there is a proxy".to_owned()
        }
    };
    Advice::hint("unreachable", hint)
}

fn of_no_match(error: &NoMatch) -> Advice {
    match error.offered.first() {
        Some(platform) => Advice::hint(
            "no_platform",
            format!("choose another one, as with --platform {platform}"),
        ),
        None => Advice::code("no_platform"),
    }
}

fn of_store(error: &StoreError) -> Advice {
    match error {
        StoreError::Find(find) => of_find(find),
        StoreError::Read(_) | StoreError::Config(_) => {
            Advice::hint("store", "pull the image again: that repairs it")
        }
        StoreError::Database(_) | StoreError::Usage(_) => of_disk(error, false, "store"),
    }
}

fn of_find(error: &FindError) -> Advice {
    match error {
        FindError::Unknown { .. } => {
            Advice::hint("no_such_image", "`windlass images` shows what is there")
        }
        FindError::Ambiguous { .. } => Advice::hint("ambiguous", "give more digits of the ID"),
        FindError::Database(_) => of_disk(error, false, "store"),
    }
}

fn of_tag(error: &TagImageError) -> Advice {
    match error {
        TagImageError::Find(find) => of_find(find),
        TagImageError::Digest { .. } => Advice::code("invalid_reference"),
        TagImageError::NotOwner(_) => Advice::code("store"),
        TagImageError::Database(database) => of_disk(error, database.is_no_space(), "store"),
    }
}

fn of_remove(error: &RemoveError) -> Advice {
    match error {
        RemoveError::Store(store) => match store {
            StoreRemoveError::Find(find) => of_find(find),
            StoreRemoveError::SeveralNames { .. } => Advice::code("several_names"),
            StoreRemoveError::NotOwner(_) => Advice::code("store"),
            StoreRemoveError::File(_) | StoreRemoveError::Database(_) => {
                of_disk(error, store.is_no_space(), "store")
            }
        },
        RemoveError::Mounted { at } => Advice::hint(
            "mounted",
            format!("`windlass umount {}` first", at.display()),
        ),
        RemoveError::Mounts(mounts) => of_mount(mounts),
    }
}

fn of_mount(error: &MountError) -> Advice {
    match error {
        MountError::Find(find) => of_find(find),
        MountError::Chain(_) | MountError::File(_) => of_disk(error, false, "store"),
        MountError::NotStackable { .. } => Advice::hint(
            "not_stackable",
            "`windlass unpack` writes the image into a directory",
        ),
        MountError::NotMounted { .. } => Advice::code("not_mounted"),
        MountError::System { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            Advice::hint(
                "no_permission",
                "mounting takes root; `windlass unpack` does not",
            )
        }
        MountError::System { .. } => Advice::code("mount"),
    }
}

fn of_unpack(error: &UnpackImageError) -> Advice {
    match error {
        UnpackImageError::Find(find) => of_find(find),
        UnpackImageError::Blob(_) | UnpackImageError::Damaged { .. } => {
            Advice::hint("store", "pull the image again: that repairs it")
        }
        UnpackImageError::NotEmpty { .. } => Advice::hint(
            "not_empty",
            "give a directory that is empty or does not exist",
        ),
        UnpackImageError::Directory { .. } => of_disk(error, false, "io"),
        UnpackImageError::Layer { source, .. } => match source.fault() {
            Fault::Layer => broken("invalid_layer"),
            Fault::Source | Fault::System => of_disk(error, false, "io"),
        },
        UnpackImageError::Cancelled => Advice::code("interrupted"),
    }
}

fn corrupt() -> Advice {
    Advice::hint(
        "corrupt",
        "the registry, or a proxy before it, delivers other bytes than it promises; nothing was kept",
    )
}

fn broken(code: &'static str) -> Advice {
    Advice::hint(
        code,
        "the image itself is broken, and nothing was kept: whoever made it can help",
    )
}

/// A disk, a permission, or something of the system: the innermost I/O error tells.
fn of_disk(error: &(dyn StdError + 'static), is_no_space: bool, code: &'static str) -> Advice {
    let kind = if is_no_space {
        Some(ErrorKind::StorageFull)
    } else {
        io_kind(error)
    };
    match kind {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Advice::hint(
            "no_space",
            "make room on that disk, or keep images elsewhere with --root",
        ),
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => Advice::hint(
            "no_permission",
            "run it as a user who may do that, or keep images elsewhere with --root",
        ),
        // Of the system's many other errors none has an advice of its own.
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

fn unauthorized(asker: &Asker<'_>) -> String {
    let login = login(asker.registry);
    match asker.login {
        Login::Known => {
            format!("its credentials are not accepted: log in again with `{login}`")
        }
        Login::Nobody => format!("check the name; if it is private, log in with `{login}`"),
        Login::WithHelper(helper) => format!(
            "the credential helper {helper:?} of Docker's config.json was not asked: set DOCKER_CONFIG to \
             another directory, and log in with `{login}` there"
        ),
    }
}

fn login(registry: &str) -> String {
    match registry {
        DEFAULT_REGISTRY => "docker login".to_owned(),
        _ => format!("docker login {registry}"),
    }
}
