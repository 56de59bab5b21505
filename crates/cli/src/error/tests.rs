//! Reports as people read them.

use super::*;

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
