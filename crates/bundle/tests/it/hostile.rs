//! Roots that try to make the conversion read other or endless files (A23, F7).

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode};
use windlass_bundle::{BundleOptions, ConvertError};
use windlass_testing::{Sandbox, confined};

use crate::convert;

/// The config of a user that must be looked up in `/etc/passwd`.
const BOB: &str = r#"{"Cmd":["sh"],"User":"bob"}"#;

const PASSWD: &str = "bob:x:7:8::/home/bob:/bin/sh\n";

/// Creates an empty `/etc` in a root, and returns the path of its `passwd`.
fn passwd(sandbox: &Sandbox) -> PathBuf {
    fs::create_dir(sandbox.root().join("etc")).unwrap();
    sandbox.root().join("etc/passwd")
}

/// Returns the error of a conversion for `bob`.
fn rejection(root: &Path) -> String {
    let error = convert("", BOB, root, &BundleOptions::default()).unwrap_err();
    let is_expected = matches!(
        error,
        ConvertError::Accounts { .. } | ConvertError::UnknownUser { .. }
    );
    assert!(is_expected, "{error:?}");
    windlass_oci::text::error_chain(&error)
}

/// Returns the warnings of a conversion for a user by number, which succeeds without the file.
fn warning(root: &Path) -> String {
    let config = r#"{"Cmd":["sh"],"User":"7"}"#;
    let converted = convert("", config, root, &BundleOptions::default()).unwrap();
    assert_eq!(converted.spec.process.user.uid, 7);
    format!("{:?}", converted.warnings)
}

#[test]
fn links_are_resolved_in_the_root() {
    confined(|sandbox| {
        let passwd = passwd(sandbox);
        let outside = sandbox.tmp().join("passwd");
        fs::write(&outside, "bob:x:666:666::/evil:\n").unwrap();
        for target in [outside.as_path(), Path::new("../../tmp/passwd")] {
            symlink(target, &passwd).unwrap();
            assert_eq!(rejection(&sandbox.root()), r#"the image has no user "bob""#);
            fs::remove_file(&passwd).unwrap();
        }
        // A link inside the root is followed, as programs of the image would.
        fs::write(sandbox.root().join("accounts"), PASSWD).unwrap();
        symlink("/../../accounts", &passwd).unwrap();
        let converted = convert("", BOB, &sandbox.root(), &BundleOptions::default()).unwrap();
        assert_eq!(converted.spec.process.user.uid, 7);
        assert!(
            converted
                .spec
                .process
                .env
                .contains(&"HOME=/home/bob".to_owned())
        );
    });
}

#[test]
fn a_link_in_place_of_a_directory_is_resolved_in_the_root() {
    confined(|sandbox| {
        fs::create_dir(sandbox.tmp().join("etc")).unwrap();
        fs::write(sandbox.tmp().join("etc/passwd"), PASSWD).unwrap();
        symlink(sandbox.tmp().join("etc"), sandbox.root().join("etc")).unwrap();
        assert_eq!(rejection(&sandbox.root()), r#"the image has no user "bob""#);
    });
}

#[test]
fn magic_links_and_loops_are_not_followed() {
    confined(|sandbox| {
        let passwd = passwd(sandbox);
        symlink("passwd", &passwd).unwrap();
        let rejection = rejection(&sandbox.root());
        assert_eq!(
            rejection,
            "cannot look up \"bob\" in the image's /etc/passwd: Too many levels of symbolic links (os error 40)"
        );
        assert_eq!(
            warning(&sandbox.root()),
            r#"[Accounts { path: "/etc/passwd", source: Io(Os { code: 40, kind: FilesystemLoop, message: "Too many levels of symbolic links" }) }]"#
        );
    });
}

/// Opening a pipe without a writer would block forever.
#[test]
fn only_regular_files_are_read() {
    confined(|sandbox| {
        let passwd = passwd(sandbox);
        rustix::fs::mknodat(CWD, &passwd, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let pipe = rejection(&sandbox.root());
        let number = warning(&sandbox.root());
        fs::remove_file(&passwd).unwrap();
        fs::create_dir(&passwd).unwrap();
        let directory = rejection(&sandbox.root());
        fs::remove_dir(&passwd).unwrap();
        let expected = r#"cannot look up "bob" in the image's /etc/passwd: not a regular file"#;
        assert_eq!([pipe.as_str(), &directory], [expected; 2]);
        assert_eq!(
            number,
            r#"[Accounts { path: "/etc/passwd", source: NotAFile }]"#
        );
        if rustix::process::geteuid().is_root() {
            // The device numbers of /dev/zero.
            let device = rustix::fs::makedev(1, 5);
            rustix::fs::mknodat(CWD, &passwd, FileType::CharacterDevice, Mode::RUSR, device)
                .unwrap();
            assert_eq!(rejection(&sandbox.root()), expected);
        }
    });
}

#[test]
fn the_size_of_files_is_bounded() {
    confined(|sandbox| {
        let passwd = passwd(sandbox);
        File::create(&passwd).unwrap().set_len(5 << 30).unwrap();
        let sparse = rejection(&sandbox.root());
        // The largest size that is accepted, in a single line.
        fs::write(&passwd, vec![b'x'; 10 << 20]).unwrap();
        let line = rejection(&sandbox.root());
        fs::write(&passwd, PASSWD.repeat(1000)).unwrap();
        File::create(sandbox.root().join("etc/group"))
            .unwrap()
            .set_len(5 << 30)
            .unwrap();
        let converted = convert("", BOB, &sandbox.root(), &BundleOptions::default()).unwrap();
        // Removed so that the sandbox does not search these large files for the canary.
        fs::remove_dir_all(sandbox.root().join("etc")).unwrap();
        insta::assert_snapshot!(format!("{sparse}\n{line}\n{:?}", converted.warnings), @r#"
        cannot look up "bob" in the image's /etc/passwd: larger than 10485760 bytes
        cannot look up "bob" in the image's /etc/passwd: a line is longer than 1048576 bytes
        [Accounts { path: "/etc/group", source: TooLarge { limit: 10485760 } }]
        "#);
    });
}
