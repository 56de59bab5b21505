//! What each error is called by programs, and what people can do about it.
//!
//! The codes are an interface: add, do not rename. The matches have no default arm, so that a new error has
//! to be given its advice.

mod bundle;
mod credentials;
mod registry;
mod store;

use std::error::Error as StdError;
use std::io::ErrorKind;

use windlass::{
    ClientError, CommitError, EndpointError, ExportError, FilterError, ImportError, LayerError,
    LocalLayerError, NoMatchingPlatform, PullError, RegistryError, TreeError, UnpackErrorOrigin,
};
use windlass_config::ConfigError;
use windlass_listen::BindError;

use super::{Error, FreightError, Login};
use crate::commands::daemon::DaemonError;
use registry::Asker;

/// What an image is called that is not there.
pub(super) const UNKNOWN_IMAGE: &str = "no_such_image";

/// A code and perhaps a hint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) code: &'static str,
    pub(super) hint: Option<String>,
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
            Self::TagWithAllTags { .. }
            | Self::NotARepository { .. }
            | Self::NotARegistry { .. }
            | Self::NothingGiven { .. }
            | Self::Usage { .. } => Advice::code("usage"),
            Self::NoRoot => Advice::hint("no_root", "name a directory with --root"),
            Self::Certificates { .. } => Advice::hint(
                "certificates",
                "SSL_CERT_FILE or SSL_CERT_DIR names it; unset that or set it right",
            ),
            Self::Config(error) => of_config(error),
            Self::Open(source) => store::of_open(source),
            Self::Client(source) => of_client(source),
            Self::Remote {
                reference,
                login,
                source,
                ..
            } => of_pull(
                source,
                &Asker::new(reference.repository().registry(), login),
            ),
            Self::NoTerminal { .. } => Advice::hint(
                "no_terminal",
                "give --username, and the password on standard input with --password-stdin",
            ),
            Self::LogIn { registry, source } => registry::of_login(source, registry),
            Self::Keep { source, .. } | Self::LogOut { source, .. } => credentials::of_keep(source),
            Self::List(source) | Self::Image { source, .. } => store::of_store(source),
            Self::Tag { source, .. } => store::of_tag(source),
            Self::Remove { source, .. } => store::of_remove(source),
            Self::Prune(source) => store::of_prune(source),
            Self::Unpack {
                directory, source, ..
            } => store::of_unpack(source, directory),
            Self::Bundle {
                name,
                directory,
                source,
            } => bundle::of_bundle(source, name, directory),
            Self::Mount {
                directory, source, ..
            }
            | Self::Umount { directory, source } => store::of_mount(source, directory),
            Self::Freight { source, asked, .. } => of_freight(source, asked.as_ref()),
            Self::Filter(error) => of_filter(error),
            Self::Format(_) => Advice::code("format"),
            // Its report is the daemon's.
            Self::Told(_) => Advice::code("daemon"),
            Self::Hatch { .. } => {
                Advice::hint("daemon", "see its log; `windlass daemon` says where it is")
            }
            Self::OtherDaemon { .. } => Advice::hint(
                "other_daemon",
                "restart the daemon, or use the windlass that it is",
            ),
            Self::Timings(_) => Advice::code("timings"),
            Self::Listen(error) => of_listen(error),
            Self::Holdings(error) => of_disk(error, false, "store"),
            Self::File { source, .. } => of_disk(source, false, "io"),
            Self::Identity { .. } => Advice::code("certificates"),
            Self::Daemon(error) => of_daemon(error),
            Self::Answer { source, .. } | Self::Runtime(source) | Self::Output(source) => {
                of_disk(source, false, "io")
            }
        }
    }
}

fn of_filter(error: &FilterError) -> Advice {
    match error {
        FilterError::Key { usage, .. } => {
            Advice::hint("filter", format!("there are {}", usage.keys().join(", ")))
        }
        FilterError::Form { .. } | FilterError::Value { .. } => Advice::code("filter"),
    }
}

fn of_freight(error: &FreightError, asked: Option<&(String, Login)>) -> Advice {
    let nobody = (String::new(), Login::Nobody);
    let (registry, login) = asked.unwrap_or(&nobody);
    let asker = Asker::new(registry, login);
    if let Some(find) = error.find_error() {
        return store::of_find(find);
    }
    if let Some(pull) = error.pull_error() {
        return of_pull(pull, &asker);
    }
    if let Some(error) = error.registry_error() {
        return registry::of_registry(error, &asker);
    }
    match error {
        FreightError::Import(error) => return of_import(error),
        FreightError::Export(ExportError::Blob(_) | ExportError::Damaged { .. }) => {
            return Advice::hint("store", "pull the image again: that repairs it");
        }
        FreightError::Url(error) => return of_url(error, &asker),
        _ => {}
    }
    if let Some(TreeError::NoMatchingPlatform(error)) = error.tree_error() {
        return of_no_match(error);
    }
    match io_kind(error) {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) if error.is_output() => {
            Advice::hint("no_space", "make room on that disk, or write to another")
        }
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) if error.is_output() => {
            Advice::code("no_permission")
        }
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => of_disk(error, true, "no_space"),
        None | Some(ErrorKind::InvalidData) if error.is_bad_archive() => {
            Advice::code("invalid_archive")
        }
        _ => of_disk(error, false, "io"),
    }
}

/// A URL is asked for without credentials.
fn of_url(error: &RegistryError, asker: &Asker<'_>) -> Advice {
    match error {
        RegistryError::Unauthorized { .. } | RegistryError::Denied { .. } => Advice::hint(
            "unauthorized",
            "it is asked for without credentials: have another program fetch it, and write it into \
             `windlass import -`",
        ),
        RegistryError::Unexpected {
            status: 404 | 410, ..
        } => Advice::hint("not_found", "check the URL"),
        error => registry::of_registry(error, asker),
    }
}

fn of_import(error: &ImportError) -> Advice {
    match error {
        ImportError::Empty => Advice::hint(
            "empty",
            "see whether what should have written it failed; an empty image is made of an empty tar, as by \
             `tar -c -T /dev/null`",
        ),
        ImportError::Compression { name } => {
            let program = match *name {
                "bzip2" => "bzip2",
                _ => "xz",
            };
            Advice::hint(
                "compression",
                format!("decompress it on the way: `{program} -dc FILE | windlass import -`"),
            )
        }
        ImportError::TooLarge { .. } => Advice::hint(
            "too_large",
            "if that is what it should be, raise --max-size",
        ),
        ImportError::Layer(layer) => match &**layer {
            LocalLayerError::Unpack(unpack) if unpack.origin() == UnpackErrorOrigin::Layer => {
                Advice::code("invalid_archive")
            }
            LocalLayerError::Read(_)
            | LocalLayerError::Put(_)
            | LocalLayerError::Write(_)
            | LocalLayerError::Unpack(_)
            | LocalLayerError::Store(_)
            | LocalLayerError::DiffId { .. } => of_disk(error, false, "io"),
        },
        ImportError::Commit(CommitError::UnresolvedLink { .. }) => Advice::code("invalid_archive"),
        ImportError::Digest { .. } => Advice::code("usage"),
        ImportError::Cancelled => Advice::code("interrupted"),
        ImportError::Find(_)
        | ImportError::Read(_)
        | ImportError::Put(_)
        | ImportError::Commit(_) => of_disk(error, false, "store"),
    }
}

fn of_daemon(error: &DaemonError) -> Advice {
    const CODE: &str = "daemon";
    match error {
        DaemonError::NoSocketPath => Advice::hint(CODE, "name one with --host unix:///PATH"),
        DaemonError::Duplicate { .. } => Advice::hint(CODE, "leave out one of the two"),
        DaemonError::WithoutTls { .. } => Advice::hint(
            CODE,
            "give --tlscacert, --tlscert and --tlskey; on this machine a unix socket is enough, and `ssh -L` carries it \
             elsewhere",
        ),
        DaemonError::Bind(BindError::InUse { .. }) => {
            Advice::hint(CODE, "stop that one, or listen elsewhere with --host")
        }
        DaemonError::Bind(BindError::NoGroup { .. }) => Advice::hint(
            CODE,
            "make it with `groupadd --system`, or name another one",
        ),
        DaemonError::Bind(BindError::ExposedDirectory { .. }) => {
            Advice::hint(CODE, "name a directory that is root's or yours with --host")
        }
        DaemonError::Bind(_)
        | DaemonError::Address { .. }
        | DaemonError::Mirror { .. }
        | DaemonError::File { .. }
        | DaemonError::Tls { .. }
        | DaemonError::Log => Advice::code(CODE),
    }
}

/// Whatever stands in the message: where to correct it, or how to do without.
fn of_config(error: &ConfigError) -> Advice {
    let is_toml = error
        .path
        .extension()
        .is_some_and(|ending| ending == "toml");
    let is_hosts = error.path.ends_with("hosts.toml");
    let is_json = error
        .path
        .extension()
        .is_some_and(|ending| ending == "json");
    let is_own = is_json && !error.path.ends_with("docker/daemon.json");
    let hint = if is_toml && !is_hosts {
        "correct it, or name another file with --config"
    } else if is_own {
        "correct it, or name another file"
    } else {
        "correct it, or have windlass.toml name other places, with `certs-dirs` or `daemon-json`"
    };
    Advice::hint("config", hint)
}

fn of_client(error: &ClientError) -> Advice {
    match error {
        ClientError::Proxy { .. } => Advice::hint(
            "client",
            "correct HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or `proxy` in windlass.toml",
        ),
        ClientError::Root { .. } => Advice::hint(
            "client",
            "correct the files that SSL_CERT_FILE or `ca` in windlass.toml names",
        ),
        ClientError::Identity { .. } | ClientError::UserAgent => Advice::code("client"),
    }
}

fn of_listen(error: &BindError) -> Advice {
    let is_in_use = matches!(error, BindError::InUse { .. });
    match error.io_kind() {
        _ if is_in_use => of_used_address(),
        Some(ErrorKind::AddrInUse) => of_used_address(),
        Some(ErrorKind::AddrNotAvailable) => {
            Advice::hint("listen", "choose an address of this machine")
        }
        _ => Advice::code("listen"),
    }
}

fn of_used_address() -> Advice {
    Advice::hint(
        "listen",
        "choose another address, for example --listen 127.0.0.1:0",
    )
}

fn of_endpoint(error: &EndpointError) -> Advice {
    match error {
        EndpointError::Address { .. } => Advice::code("invalid_reference"),
        EndpointError::Config { registry, .. } => Advice::hint(
            "config",
            format!("correct it; `windlass config show {registry}` shows what is read"),
        ),
        EndpointError::Header { .. } => Advice::hint("config", "correct or remove it"),
    }
}

fn of_pull(error: &PullError, asker: &Asker<'_>) -> Advice {
    match error {
        PullError::Reference(_) => Advice::code("invalid_reference"),
        PullError::Endpoint(error) => of_endpoint(error),
        PullError::Registry(error) => registry::of_endpoints(error, asker),
        PullError::NoEndpoint { registry, .. } => Advice::hint(
            "no_endpoint",
            format!(
                "`windlass config show {registry}` shows who is asked for what; give one of them the \
                 capability"
            ),
        ),
        PullError::NoMatchingPlatform(error) => of_no_match(error),
        PullError::TooDeep { .. }
        | PullError::Config(_)
        | PullError::Plan(_)
        | PullError::Schema1BelowIndex { .. }
        | PullError::Schema1(_)
        | PullError::Converted(_) => broken("invalid_image"),
        PullError::Size { .. } | PullError::DiffId { .. } | PullError::Digest { .. } => corrupt(),
        PullError::NoRoom(_) => of_disk(error, true, "no_space"),
        PullError::Partials(partials) => of_disk(error, partials.is_no_space(), "store"),
        PullError::Layer { source, .. } => of_layer(source, asker),
        PullError::File(_) | PullError::Read(_) => of_disk(error, false, "store"),
        PullError::Put(put) => of_disk(error, put.is_no_space(), "store"),
        PullError::Held(held) => of_disk(error, held.is_no_space(), "store"),
        PullError::Commit(commit) => of_disk(error, commit.is_no_space(), "store"),
    }
}

fn of_layer(error: &LayerError, asker: &Asker<'_>) -> Advice {
    match error {
        LayerError::Download(error) => registry::of_endpoints(error, asker),
        LayerError::Verify(_) => corrupt(),
        LayerError::Unpack(unpack) => match unpack.origin() {
            UnpackErrorOrigin::Layer => broken("invalid_layer"),
            UnpackErrorOrigin::Input | UnpackErrorOrigin::System => of_disk(error, false, "store"),
        },
        LayerError::Ingest(ingest) => of_disk(error, ingest.is_no_space(), "store"),
        LayerError::Append(append) => of_disk(error, append.is_no_space(), "store"),
        LayerError::Store(store) => of_disk(error, store.is_no_space(), "store"),
        LayerError::Nobody => Advice::hint(
            "no_endpoint",
            "`windlass config show` with the registry's name shows who is asked for what",
        ),
        LayerError::Cancelled => Advice::code("interrupted"),
    }
}

fn of_no_match(error: &NoMatchingPlatform) -> Advice {
    match error.offered.first() {
        Some(platform) => Advice::hint(
            "no_platform",
            format!("choose another one, as with --platform {platform}"),
        ),
        None => Advice::code("no_platform"),
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
