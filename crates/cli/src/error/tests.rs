//! Reports as people read them.

use super::*;

use windlass_error_report::ErrorCode::{
    self, AddressInUse, Certificates, DuplicateSetting, ExposedDirectory, Listen, NoSocketPath,
    NoSuchGroup, TlsRequired,
};

#[test]
fn causes_stand_on_one_line_once_and_steer_nothing() {
    let source = io::Error::other("broken\n\x1b[2Jdisk");
    let error = Error::Certificates {
        path: "/a".into(),
        source,
    };
    assert_eq!(
        error.report().message,
        r"reading the certificates in /a: broken\n\u{1b}[2Jdisk"
    );
}

#[test]
fn a_broken_pipe_has_an_exit_code_and_no_message() {
    let gone = Error::Output(io::ErrorKind::BrokenPipe.into());
    assert_eq!((gone.is_broken_pipe(), gone.exit_code()), (true, 141));
    let full = Error::Output(io::ErrorKind::StorageFull.into());
    assert_eq!((full.is_broken_pipe(), full.exit_code()), (false, 1));
}

/// Errors with different remedies have different codes.
#[test]
fn errors_of_the_daemon_have_the_codes_of_their_remedies() {
    let io = |kind: io::ErrorKind| BindError::Io {
        action: "listen on",
        target: "tcp://10.0.0.1:2376".to_owned(),
        source: kind.into(),
    };
    let exposed = BindError::ExposedDirectory {
        directory: "/tmp".into(),
        reason: "others may write to it",
    };
    let without_tls = DaemonError::WithoutTls {
        address: "tcp://10.0.0.1:2376".to_owned(),
        missing: "a certificate",
    };
    let unreadable = DaemonError::File {
        path: "/key".into(),
        source: io::ErrorKind::PermissionDenied.into(),
    };
    let cases = [
        (DaemonError::NoSocketPath, NoSocketPath),
        (
            DaemonError::Duplicate { keys: Vec::new() },
            DuplicateSetting,
        ),
        (without_tls, TlsRequired),
        (unreadable, Certificates),
        (DaemonError::Log, ErrorCode::Daemon),
        (
            DaemonError::Bind(BindError::InUse { path: "/s".into() }),
            AddressInUse,
        ),
        (
            DaemonError::Bind(io(io::ErrorKind::AddrInUse)),
            AddressInUse,
        ),
        (
            DaemonError::Bind(io(io::ErrorKind::AddrNotAvailable)),
            Listen,
        ),
        (
            DaemonError::Bind(BindError::NoGroup {
                name: "g".to_owned(),
            }),
            NoSuchGroup,
        ),
        (DaemonError::Bind(exposed), ExposedDirectory),
        (
            DaemonError::Bind(BindError::WithoutTls {
                target: "t".to_owned(),
            }),
            TlsRequired,
        ),
        (DaemonError::Bind(BindError::NothingInherited), Listen),
    ];
    for (error, code) in cases {
        let error = Error::from(error);
        assert_eq!(error.report().code, code, "{error}");
    }
}
