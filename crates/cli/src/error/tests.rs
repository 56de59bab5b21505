//! Reports as people read them.

use super::*;

#[test]
fn a_report_is_a_line_and_a_hint() {
    let report = ErrorReport {
        code: ErrorCode::Network,
        message: "pulling alpine:3: out of order".to_owned(),
        tried: vec!["alpine:3 at mirror.test: no such host".to_owned()],
        hint: Some("try later".to_owned()),
    };
    assert_eq!(
        render(&report, false),
        "error: pulling alpine:3: out of order\ntried: alpine:3 at mirror.test: no such host\nhint: try later"
    );
    assert_eq!(
        render(&report, true),
        "\x1b[1m\x1b[31merror:\x1b[0m pulling alpine:3: out of order\n\
         \x1b[1m\x1b[33mtried:\x1b[0m alpine:3 at mirror.test: no such host\n\x1b[1m\x1b[36mhint:\x1b[0m try later"
    );
}

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
