//! Opening a store: locking, rejected directories, removal of leftovers.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::fixture::{ImagePlan, LayerPlan, TestStore, check, list, own, try_own};
use crate::{OpenMode, Store, StoreOpenError, StoreRootError, UntrustedReason, WhenBusy};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn root_error(path: &Path) -> StoreRootError {
    match try_own(path).unwrap_err() {
        StoreOpenError::Root(error) => error,
        other => panic!("{other:?}"),
    }
}

fn assert_untrusted(path: &Path, expected: UntrustedReason) {
    match root_error(path) {
        StoreRootError::Untrusted { reason, .. } => assert_eq!(reason, expected),
        other => panic!("{other:?}"),
    }
}

/// T44: the second owner gets the first one's name, or waits for it.
#[test]
fn a_second_owner_gives_up_or_waits() {
    let fixture = TestStore::new();
    let first = Store::open(
        &fixture.path(),
        OpenMode::Exclusive {
            purpose: "pull a\nb",
        },
        |_| WhenBusy::Fail,
    );
    let first = first.unwrap();
    let link = fixture.around().join("link");
    symlink(fixture.path(), &link).unwrap();
    let error = try_own(&link).unwrap_err();
    let pid = std::process::id();
    let expected = format!(
        "{} is in use by process {pid} (pull a)",
        fixture.path().display()
    );
    assert_eq!(error.to_string(), expected);

    let (sender, receiver) = mpsc::channel();
    let path = fixture.path();
    let second = thread::spawn(move || {
        let access = OpenMode::Exclusive { purpose: "second" };
        Store::open(&path, access, |owner| {
            sender.send(owner.clone()).unwrap();
            WhenBusy::Wait
        })
    });
    assert_eq!(receiver.recv().unwrap().pid, Some(pid));
    drop(first);
    let second = second.join().unwrap().unwrap();
    assert!(receiver.recv().is_err(), "the callback runs once");
    drop(second);
    own(&fixture.path());
}

/// T44: never two of many owners have the store at the same time.
#[test]
fn owners_that_race_come_one_after_the_other() {
    let fixture = TestStore::new();
    let inside = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let access = OpenMode::Exclusive { purpose: "race" };
                    let store = Store::open(&fixture.path(), access, |_| WhenBusy::Wait).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(store);
                }
            });
        }
    });
}

#[test]
fn readers_share_and_keep_the_owner_out() {
    let fixture = TestStore::new();
    ImagePlan::new("one", &["base"], "one")
        .pull(&fixture.own())
        .unwrap();
    let share = || Store::open(&fixture.path(), OpenMode::Shared, |_| WhenBusy::Fail);
    let (one, two) = (share().unwrap(), share().unwrap());
    assert_eq!(one.images().unwrap(), two.images().unwrap());
    let error = try_own(&fixture.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is in use by another process that reads it"),
        "{error}"
    );
    drop((one, two));
    let owner = fixture.own();
    assert!(matches!(share(), Err(StoreOpenError::InUse { .. })));
    assert_eq!(fixture.lookup().images().unwrap(), owner.images().unwrap());
}

/// A reader without a lock gets only complete commits.
#[test]
fn the_store_can_be_read_during_a_pull() {
    let fixture = TestStore::new();
    let owner = fixture.own();
    let early = fixture.lookup();
    let plan = ImagePlan::new("one", &["base", "top"], "one");
    let image = plan.draft(&owner);
    assert_eq!(early.images().unwrap(), []);
    let usage = early.disk_usage().unwrap();
    assert_eq!((usage.partials.count, usage.drafts), (4, 2));
    owner.commit(&image).unwrap();
    assert_eq!(early.images().unwrap().len(), 1);
    let layer = early.layer(&plan.layers[0].diff_id()).unwrap().unwrap();
    assert_eq!(list(&layer.path()), ["file"]);
    let error = early.draft_layer().unwrap_err();
    assert_eq!(error.to_string(), "the store was not opened for writing");
}

#[test]
fn a_missing_store_reads_as_empty_and_is_not_created() {
    let fixture = TestStore::new();
    for access in [OpenMode::Unlocked, OpenMode::Shared] {
        let store = Store::open(&fixture.path(), access, |_| WhenBusy::Fail).unwrap();
        assert_eq!(store.images().unwrap(), []);
        assert!(
            store
                .layer(&LayerPlan::new("x").diff_id())
                .unwrap()
                .is_none()
        );
        assert_eq!(store.disk_usage().unwrap().images, []);
        assert!(store.image(&"alpine".parse().unwrap()).is_err());
    }
    assert_eq!(list(fixture.around()), [""; 0]);
    fs::create_dir(fixture.path()).unwrap();
    assert_eq!(fixture.lookup().images().unwrap(), []);
    assert_eq!(list(&fixture.path()), [""; 0]);
}

#[test]
fn another_format_is_rejected_with_a_hint() {
    let fixture = TestStore::new();
    drop(fixture.own());
    assert_eq!(
        fs::read_to_string(fixture.path().join("format")).unwrap(),
        "windlass store 1\n"
    );
    fs::write(fixture.path().join("format"), "windlass store 3\n").unwrap();
    for access in [
        OpenMode::Exclusive { purpose: "" },
        OpenMode::Shared,
        OpenMode::Unlocked,
    ] {
        let error = Store::open(&fixture.path(), access, |_| WhenBusy::Fail).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{} is a store of another format (\"windlass store 3\"; this windlass supports \
                 \"windlass store 2\"): use the windlass that created it, or another --root",
                fixture.path().display()
            )
        );
    }
}

#[test]
fn a_directory_with_other_files_is_rejected_and_unchanged() {
    let fixture = TestStore::new();
    fs::create_dir(fixture.path()).unwrap();
    fs::write(fixture.path().join("thesis.tex"), "").unwrap();
    let error = root_error(&fixture.path());
    assert!(
        matches!(&error, StoreRootError::NotAStore { entry, .. } if entry == "thesis.tex"),
        "{error}"
    );
    assert_eq!(list(&fixture.path()), ["thesis.tex"]);
}

/// A crash during the creation of a store does not prevent its creation.
#[test]
fn an_incomplete_store_is_completed() {
    let fixture = TestStore::new();
    drop(fixture.own());
    fs::remove_file(fixture.path().join("format")).unwrap();
    assert_eq!(fixture.lookup().images().unwrap(), []);
    drop(fixture.own());
    assert!(fixture.path().join("format").exists());
}

/// T49: links and files of other users in the directory are not used.
#[test]
fn links_and_other_owners_are_rejected() {
    let fixture = TestStore::new();
    drop(fixture.own());
    let canary = fixture.around().join("canary");
    fs::create_dir(&canary).unwrap();
    for area in [
        "blobs", "layers", "ingest", "drafts", "lock", "meta.db", "format",
    ] {
        let (path, aside) = (fixture.path().join(area), fixture.around().join("aside"));
        fs::rename(&path, &aside).unwrap();
        symlink(&canary, &path).unwrap();
        match root_error(&fixture.path()) {
            StoreRootError::Untrusted {
                path: refused,
                reason,
            } => {
                assert_eq!((refused, reason), (path.clone(), UntrustedReason::Kind));
            }
            StoreRootError::File(error) => {
                assert_eq!((area, error.path()), ("format", path.as_path()));
            }
            other => panic!("{area}: {other:?}"),
        }
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(list(&canary), [""; 0]);
    if rustix::process::geteuid().is_root() {
        let foreign = UntrustedReason::Owner { uid: 65534 };
        chown(fixture.path().join("blobs"), Some(65534), None).unwrap();
        assert_untrusted(&fixture.path(), foreign);
        chown(fixture.path().join("blobs"), Some(0), None).unwrap();
        chown(fixture.path(), Some(65534), None).unwrap();
        assert_untrusted(&fixture.path(), foreign);
    }
}

/// T49: a store that other users may write to, or replace, is rejected.
#[test]
fn a_store_open_to_others_is_rejected() {
    let fixture = TestStore::new();
    drop(fixture.own());
    let set =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&fixture.path(), 0o770);
    assert_untrusted(&fixture.path(), UntrustedReason::Writable);
    set(&fixture.path(), 0o755);
    set(fixture.around(), 0o777);
    assert_untrusted(&fixture.path(), UntrustedReason::Parent);
    set(fixture.around(), 0o1777);
    drop(fixture.own());
    assert_eq!(mode(&fixture.path()), 0o700, "other users have no access");
    set(&fixture.path(), 0o710);
    drop(fixture.own());
    assert_eq!(mode(&fixture.path()), 0o710, "a group may have access");
}

/// T49: other users cannot read the store.
#[test]
fn the_content_of_a_store_is_private() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let plan = ImagePlan::new("one", &["base"], "one");
    let image = plan.draft(&store);
    assert_eq!(mode(&fixture.path()), 0o700);
    for area in ["blobs", "layers", "ingest", "drafts"] {
        assert_eq!(mode(&fixture.path().join(area)), 0o700, "{area}");
    }
    for file in ["lock", "meta.db", "meta.db-wal", "reserve"] {
        assert_eq!(mode(&fixture.path().join(file)), 0o600, "{file}");
    }
    for partial in list(&fixture.path().join("ingest")) {
        assert_eq!(mode(&fixture.path().join("ingest").join(partial)), 0o600);
    }
    store.commit(&image).unwrap();
    let layer = store.layer(&plan.layers[0].diff_id()).unwrap().unwrap();
    assert_eq!(
        mode(&layer.path()),
        0o755,
        "the root of an image has the image's mode"
    );
    assert_eq!(mode(layer.path().parent().unwrap()), 0o700);
}

/// DL-12.
#[test]
fn opening_sweeps_what_a_crash_left() {
    let fixture = TestStore::new();
    let plan = ImagePlan::new("one", &["base"], "one");
    plan.pull(&fixture.own()).unwrap();
    let leave = |path: &str| {
        let path = fixture.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    };
    let leave_all = || {
        leave("drafts/0123/diff/etc/passwd");
        leave("drafts/file");
        leave("ingest/4567");
        leave("ingest/directory/file");
        leave(&format!("layers/sha256/{}/diff/file", "ab".repeat(32)));
        leave("layers/sha256/junk/file");
        leave(&format!("blobs/sha256/{}", "cd".repeat(32)));
        leave(&format!("blobs/sha512/{}", "ef".repeat(64)));
    };
    leave_all();
    leave("unsettled");
    let store = fixture.own();
    assert_eq!(check(&store, std::slice::from_ref(&plan)), ["one"]);
    assert_eq!(list(&fixture.path().join("blobs/sha512")), [""; 0]);
    drop(store);

    // Without the marker no files were being moved, and only drafts and invalid partial blobs are removed.
    leave_all();
    drop(fixture.own());
    assert_eq!(list(&fixture.path().join("drafts")), [""; 0]);
    assert_eq!(list(&fixture.path().join("layers/sha256")).len(), 3);
}
