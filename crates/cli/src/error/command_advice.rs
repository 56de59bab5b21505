//! The code and the hint of every error of the command line. Those of operations are in `windlass-error-report`.

use std::io::ErrorKind;

use windlass_config::ConfigError;
use windlass_control::ControlError;
use windlass_error_report::{Advice, ErrorCode, io_advice};
use windlass_listen::BindError;

use super::{DaemonError, Error};

impl Error {
    /// Returns the code and the hint.
    pub(super) fn advice(&self) -> Advice {
        match self {
            Self::Operation(error) => error.advice(),
            Self::Control(error) => control_advice(error),
            Self::Platform(_) => Advice::code(ErrorCode::InvalidPlatform),
            Self::TagWithAllTags { .. }
            | Self::NotARepository { .. }
            | Self::NotARegistry { .. }
            | Self::NothingGiven { .. }
            | Self::Usage { .. } => Advice::code(ErrorCode::Usage),
            Self::NoRoot => Advice::hint(ErrorCode::NoRoot, "choose a directory with --root"),
            Self::Certificates { .. } => Advice::hint(
                ErrorCode::Certificates,
                "fix or unset SSL_CERT_FILE and SSL_CERT_DIR",
            ),
            Self::Config(error) => config_advice(error),
            Self::NoTerminal { .. } => Advice::hint(
                ErrorCode::NoTerminal,
                "use --username, and --password-stdin to read the password from standard input",
            ),
            Self::Format(_) => Advice::code(ErrorCode::Format),
            Self::Timings(_) => Advice::code(ErrorCode::Timings),
            Self::Listen(error) => bind_advice(
                error,
                "choose another address, for example --listen 127.0.0.1:0",
            ),
            Self::StoredContent(error) => io_advice(error, false, ErrorCode::Store),
            Self::Identity { .. } => Advice::code(ErrorCode::Certificates),
            Self::Daemon(error) => daemon_advice(error),
            Self::File { source, .. }
            | Self::Input { source, .. }
            | Self::Runtime(source)
            | Self::Output(source) => io_advice(source, false, ErrorCode::Io),
        }
    }
}

fn control_advice(error: &ControlError) -> Advice {
    match error {
        ControlError::Reported(report) => Advice {
            code: report.code,
            hint: report.hint.clone(),
        },
        ControlError::Connection { .. } => Advice::hint(
            ErrorCode::Daemon,
            "check the log of the daemon; `windlass daemon --help` describes where it is",
        ),
        ControlError::Version { .. } => Advice::hint(
            ErrorCode::OtherDaemon,
            "restart the daemon with this version, or use the version of the daemon",
        ),
    }
}

fn daemon_advice(error: &DaemonError) -> Advice {
    match error {
        DaemonError::NoSocketPath => Advice::hint(
            ErrorCode::NoSocketPath,
            "choose a socket with --host unix:///PATH",
        ),
        DaemonError::Duplicate { .. } => {
            Advice::hint(ErrorCode::DuplicateSetting, "remove one of the two")
        }
        DaemonError::WithoutTls { .. } => tls_required_advice(),
        DaemonError::Bind(error) => bind_advice(
            error,
            "stop the other process, or choose another address with --host",
        ),
        DaemonError::Address { .. } => Advice::code(ErrorCode::Config),
        DaemonError::File { .. } | DaemonError::Tls { .. } => Advice::code(ErrorCode::Certificates),
        DaemonError::Log => Advice::code(ErrorCode::Daemon),
    }
}

fn tls_required_advice() -> Advice {
    Advice::hint(
        ErrorCode::TlsRequired,
        "use --tlscacert, --tlscert and --tlskey; for local clients use a unix socket, which `ssh -L` can forward",
    )
}

/// The message names the problem; the hint names the way to use another file.
fn config_advice(error: &ConfigError) -> Advice {
    let has_extension = |name: &str| error.path.extension().is_some_and(|ending| ending == name);
    let is_own_toml = has_extension("toml") && !error.path.ends_with("hosts.toml");
    let is_own_json = has_extension("json") && !error.path.ends_with("docker/daemon.json");
    let hint = if is_own_toml {
        "fix the file, or choose another one with --config"
    } else if is_own_json {
        "fix the file, or choose another one"
    } else {
        "fix the file, or set other paths with `certs-dirs` or `daemon-json` in windlass.toml"
    };
    Advice::hint(ErrorCode::Config, hint)
}

/// `address_in_use` is the hint for an address that another process uses.
fn bind_advice(error: &BindError, address_in_use: &str) -> Advice {
    match error {
        BindError::InUse { .. } => Advice::hint(ErrorCode::AddressInUse, address_in_use),
        BindError::NoGroup { .. } => Advice::hint(
            ErrorCode::NoSuchGroup,
            "create the group with `groupadd --system`, or choose another one",
        ),
        BindError::ExposedDirectory { .. } => Advice::hint(
            ErrorCode::ExposedDirectory,
            "choose a directory that belongs to root or to you with --host",
        ),
        BindError::WithoutTls { .. } => tls_required_advice(),
        BindError::Io { source, .. } => match source.kind() {
            ErrorKind::AddrInUse => Advice::hint(ErrorCode::AddressInUse, address_in_use),
            ErrorKind::AddrNotAvailable => {
                Advice::hint(ErrorCode::Listen, "choose an address of this machine")
            }
            _ => Advice::code(ErrorCode::Listen),
        },
        BindError::NotASocket { .. }
        | BindError::TooLong { .. }
        | BindError::NothingInherited
        | BindError::NotInherited { .. }
        | BindError::NotListening { .. }
        | BindError::Abstract { .. } => Advice::code(ErrorCode::Listen),
    }
}
