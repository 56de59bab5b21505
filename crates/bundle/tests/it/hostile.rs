//! Roots that were made to have more read than there is, or something else (A23, F7).

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode};
use windlass_bundle::{BundleOptions, ConvertError};
use windlass_testing::{Sandbox, confined};

use crate::convert;

/// A user by name, whom only `/etc/passwd` can tell.
const BOB: &str = r#"{"Cmd":["sh"],"User":"bob"}"#;

const PASSWD: &str = "bob:x:7:8::/home/bob:/bin/sh\n";

/// Makes an empty `/etc` in a root, and returns where its `passwd` is to be.
fn passwd(sandbox: &Sandbox) -> PathBuf {
    fs::create_dir(sandbox.root().join("etc")).unwrap();
    sandbox.root().join("etc/passwd")
}

/// What is said of a config for `bob`.
fn refusal(root: &Path) -> String {
    let error = convert("", BOB, root, &BundleOptions::default()).unwrap_err();
    let is_about = matches!(
        error,
        ConvertError::Accounts { .. } | ConvertError::UnknownUser { .. }
    );
    assert!(is_about, "{error:?}");
    windlass_oci::text::error_chain(&error)
}

/// A user by number can do without the file, and the other user is told why it was.
fn warning(root: &Path) -> String {
    let config = r#"{"Cmd":["sh"],"User":"7"}"#;
    let converted = convert("", config, root, &BundleOptions::default()).unwrap();
    assert_eq!(converted.spec.process.user.uid, 7);
    format!("{:?}", converted.warnings)
}

#[test]
fn links_stay_in_the_root() {
    confined(|sandbox| {
        let passwd = passwd(sandbox);
        let outside = sandbox.tmp().join("passwd");
        fs::write(&outside, "bob:x:666:666::/evil:\n").unwrap();
        for target in [outside.as_path(), Path::new("../../tmp/passwd")] {
            symlink(target, &passwd).unwrap();
            assert_eq!(refusal(&sandbox.root()), r#"the image has no user "bob""#);
            fs::remove_file(&passwd).unwrap();
        }
        // A link within is what the image's own programs follow, too.
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
fn a_directory_in_place_of_a_link_out_is_no_way_out() {
    confined(|sandbox| {
        fs::create_dir(sandbox.tmp().join("etc")).unwrap();
        fs::write(sandbox.tmp().join("etc/passwd"), PASSWD).unwrap();
        symlink(sandbox.tmp().join("etc"), sandbox.root().join("etc")).unwrap();
        assert_eq!(refusal(&sandbox.root()), r#"the image has no user "bob""#);
    });
}

#[test]
fn magic_links_and_loops_are_not_followed() {
    confined(|sandbox| {
        let passwd = passwd(sandbox);
        symlink("passwd", &passwd).unwrap();
        let refusal = refusal(&sandbox.root());
        assert!(
            refusal.contains("/etc/passwd: Too many levels"),
            "{refusal}"
        );
        assert!(warning(&sandbox.root()).contains("Accounts"));
    });
}

/// Nobody writes to it: to open it as others do would be to wait for ever.
#[test]
fn nothing_but_files_is_read() {
    confined(|sandbox| {
        let passwd = passwd(sandbox);
        rustix::fs::mknodat(CWD, &passwd, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let pipe = refusal(&sandbox.root());
        let number = warning(&sandbox.root());
        fs::remove_file(&passwd).unwrap();
        fs::create_dir(&passwd).unwrap();
        let directory = refusal(&sandbox.root());
        fs::remove_dir(&passwd).unwrap();
        let expected = r#"looking for "bob" in the image's /etc/passwd: not a regular file"#;
        assert_eq!([pipe.as_str(), &directory], [expected; 2]);
        assert!(number.contains("NotAFile"), "{number}");
        if rustix::process::geteuid().is_root() {
            // Like /dev/zero.
            let device = rustix::fs::makedev(1, 5);
            rustix::fs::mknodat(CWD, &passwd, FileType::CharacterDevice, Mode::RUSR, device)
                .unwrap();
            assert_eq!(refusal(&sandbox.root()), expected);
        }
    });
}

#[test]
fn a_file_without_end_is_not_read() {
    confined(|sandbox| {
        let passwd = passwd(sandbox);
        File::create(&passwd).unwrap().set_len(5 << 30).unwrap();
        let sparse = refusal(&sandbox.root());
        // As large as is read, and all of it one line.
        fs::write(&passwd, vec![b'x'; 10 << 20]).unwrap();
        let line = refusal(&sandbox.root());
        fs::write(&passwd, PASSWD.repeat(1000)).unwrap();
        File::create(sandbox.root().join("etc/group"))
            .unwrap()
            .set_len(5 << 30)
            .unwrap();
        let converted = convert("", BOB, &sandbox.root(), &BundleOptions::default()).unwrap();
        // The sandbox would look for the canary in all of it.
        fs::remove_dir_all(sandbox.root().join("etc")).unwrap();
        insta::assert_snapshot!(format!("{sparse}\n{line}\n{:?}", converted.warnings), @r#"
        looking for "bob" in the image's /etc/passwd: larger than 10485760 bytes
        looking for "bob" in the image's /etc/passwd: a line of more than 1048576 bytes
        [Accounts { path: "/etc/group", source: TooLarge { limit: 10485760 } }]
        "#);
    });
}
