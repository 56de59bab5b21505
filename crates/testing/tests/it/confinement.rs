//! The confinement and its canary detect what they are for.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use windlass_testing::{Registry, SENTINEL, Sandbox, can_confine, confined};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn nothing_outside_the_sandbox_can_be_written() {
    confined(|sandbox| {
        fs::write(sandbox.root().join("file"), b"inside").unwrap();
        fs::write(std::env::temp_dir().join("file"), b"temporary").unwrap();
        if !is_root() {
            return;
        }
        assert!(std::env::temp_dir().starts_with(sandbox.path()));
        let beside = sandbox.path().parent().unwrap();
        let here = std::env::current_dir().unwrap();
        for place in [
            Path::new("/"),
            beside,
            &here,
            Path::new("/proc"),
            Path::new("/dev"),
        ] {
            let refused = File::create(place.join("windlass-must-not-be-here")).unwrap_err();
            let expected = [ErrorKind::ReadOnlyFilesystem, ErrorKind::NotFound];
            assert!(expected.contains(&refused.kind()), "{place:?}: {refused}");
        }
    });
}

/// An extractor that follows links fails instead of doing harm.
#[test]
fn a_link_out_of_the_sandbox_leads_to_nothing_writable() {
    confined(|sandbox| {
        let link = sandbox.root().join("link");
        symlink("/etc", &link).unwrap();
        assert!(fs::write(link.join("windlass-must-not-be-here"), b"").is_err());
        assert!(fs::set_permissions(&link, Permissions::from_mode(0o777)).is_err());
    });
}

#[test]
fn loopback_is_available() {
    confined(|_| {
        let registry = Registry::start();
        let answer = crate::client::get(registry.address(), "/v2/", &[]);
        assert_eq!(answer.status, 200);
    });
}

#[test]
#[should_panic(expected = "the closure fails")]
fn a_failure_inside_is_a_failure() {
    assert!(can_confine(), "not run: the closure fails");
    confined(|_| panic!("the closure fails"));
}

#[test]
#[should_panic(expected = "the trees differ")]
fn harm_to_the_canary_is_a_failure() {
    assert!(can_confine(), "not run: the trees differ");
    confined(|sandbox| fs::write(sandbox.canary().join("new"), b"").unwrap());
}

/// The closure of a helper function is not a test that can be started again.
#[test]
fn a_test_that_would_not_run_is_a_failure() {
    fn helper() {
        confined(|_| {});
    }
    let ran = std::panic::catch_unwind(helper);
    assert_eq!(ran.is_err(), is_root() && can_confine());
}

/// Each way to change the canary is detected.
#[test]
fn changes_of_the_canary_are_detected() {
    type Harm = fn(&Sandbox);
    let harms: [(&str, Harm); 8] = [
        ("another content", |it| {
            let file = it.canary().join("file");
            let time = fs::metadata(&file).unwrap().modified().unwrap();
            let other = vec![b'x'; SENTINEL.len()];
            fs::write(&file, other).unwrap();
            File::open(&file).unwrap().set_modified(time).unwrap();
        }),
        ("another mode, and back", |it| {
            for mode in [0o777, 0o640] {
                let file = it.canary().join("file");
                fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
            }
        }),
        ("another time", |it| {
            let file = File::open(it.canary().join("dir")).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH)
                .unwrap();
        }),
        ("a removal", |it| {
            fs::remove_file(it.canary().join("link")).unwrap();
        }),
        ("something new", |it| {
            fs::create_dir(it.canary().join("dir/new")).unwrap();
        }),
        ("something beside it", |it| {
            fs::write(it.path().join("new"), b"").unwrap();
        }),
        ("a hard link to it", |it| {
            fs::hard_link(it.canary().join("file"), it.root().join("stolen")).unwrap();
        }),
        ("a copy of its bytes", |it| {
            let copy = [b"head", SENTINEL, b"tail"].concat();
            fs::create_dir(it.root().join("deep")).unwrap();
            fs::write(it.root().join("deep/stolen"), copy).unwrap();
        }),
    ];
    for (name, harm) in harms {
        let sandbox = Sandbox::new();
        fs::write(sandbox.root().join("harmless"), b"").unwrap();
        fs::write(sandbox.tmp().join("harmless"), b"").unwrap();
        sandbox.assert_unharmed();
        harm(&sandbox);
        let detected = std::panic::catch_unwind(|| sandbox.assert_unharmed());
        assert!(detected.is_err(), "{name} was not detected");
    }
}
