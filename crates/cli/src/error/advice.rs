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
            Self::Listen(error) => listen_advice(error),
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
    const CODE: ErrorCode = ErrorCode::Daemon;
    match error {
        DaemonError::NoSocketPath => Advice::hint(CODE, "choose a socket with --host unix:///PATH"),
        DaemonError::Duplicate { .. } => Advice::hint(CODE, "remove one of the two"),
        DaemonError::WithoutTls { .. } => Advice::hint(
            CODE,
            "use --tlscacert, --tlscert and --tlskey; for local clients use a unix socket, which `ssh -L` can forward",
        ),
        DaemonError::Bind(BindError::InUse { .. }) => Advice::hint(
            CODE,
            "stop the running daemon, or choose another address with --host",
        ),
        DaemonError::Bind(BindError::NoGroup { .. }) => Advice::hint(
            CODE,
            "create the group with `groupadd --system`, or choose another one",
        ),
        DaemonError::Bind(BindError::ExposedDirectory { .. }) => Advice::hint(
            CODE,
            "choose a directory that belongs to root or to you with --host",
        ),
        DaemonError::Bind(_)
        | DaemonError::Address { .. }
        | DaemonError::Mirror { .. }
        | DaemonError::File { .. }
        | DaemonError::Tls { .. }
        | DaemonError::Log => Advice::code(CODE),
    }
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

fn listen_advice(error: &BindError) -> Advice {
    let is_in_use = matches!(error, BindError::InUse { .. });
    match error.io_kind() {
        Some(ErrorKind::AddrNotAvailable) => {
            Advice::hint(ErrorCode::Listen, "choose an address of this machine")
        }
        kind if is_in_use || kind == Some(ErrorKind::AddrInUse) => Advice::hint(
            ErrorCode::Listen,
            "choose another address, for example --listen 127.0.0.1:0",
        ),
        _ => Advice::code(ErrorCode::Listen),
    }
}
