//! Opening a store: who gets it, what is refused, what is cleared away.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::fixture::{ImagePlan, LayerPlan, TestStore, check, list, own, try_own};
use crate::{OpenMode, RootError, Store, StoreOpenError, UntrustedReason, WhenBusy};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn root_error(path: &Path) -> RootError {
    match try_own(path).unwrap_err() {
        StoreOpenError::Root(error) => error,
        other => panic!("{other:?}"),
    }
}

fn assert_foreign(path: &Path, expected: UntrustedReason) {
    match root_error(path) {
        RootError::Untrusted { reason, .. } => assert_eq!(reason, expected),
        other => panic!("{other:?}"),
    }
}

/// T44: the second owner is told who the first is, or waits for it.
#[test]
fn a_second_owner_gives_up_or_waits() {
    let place = TestStore::new();
    let first = Store::open(
        &place.path(),
        OpenMode::Exclusive {
            purpose: "pull a\nb",
        },
        |_| WhenBusy::Fail,
    );
    let first = first.unwrap();
    let link = place.around().join("link");
    symlink(place.path(), &link).unwrap();
    let error = try_own(&link).unwrap_err();
    let pid = std::process::id();
    let expected = format!(
        "{} is in use by process {pid} (pull a)",
        place.path().display()
    );
    assert_eq!(error.to_string(), expected);

    let (says, hears) = mpsc::channel();
    let path = place.path();
    let second = thread::spawn(move || {
        let access = OpenMode::Exclusive { purpose: "second" };
        Store::open(&path, access, |owner| {
            says.send(owner.clone()).unwrap();
            WhenBusy::Wait
        })
    });
    assert_eq!(hears.recv().unwrap().pid, Some(pid));
    drop(first);
    let second = second.join().unwrap().unwrap();
    assert!(hears.recv().is_err(), "it is told once");
    drop(second);
    own(&place.path());
}

/// T44: of many at once, never two have it.
#[test]
fn owners_that_race_come_one_after_the_other() {
    let place = TestStore::new();
    let inside = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let access = OpenMode::Exclusive { purpose: "race" };
                    let store = Store::open(&place.path(), access, |_| WhenBusy::Wait).unwrap();
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
    let place = TestStore::new();
    ImagePlan::new("one", &["base"], "one")
        .pull(&place.own())
        .unwrap();
    let share = || Store::open(&place.path(), OpenMode::Shared, |_| WhenBusy::Fail);
    let (one, two) = (share().unwrap(), share().unwrap());
    assert_eq!(one.images().unwrap(), two.images().unwrap());
    let error = try_own(&place.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is in use by another process that reads it"),
        "{error}"
    );
    drop((one, two));
    let owner = place.own();
    assert!(matches!(share(), Err(StoreOpenError::InUse { .. })));
    assert_eq!(place.lookup().images().unwrap(), owner.images().unwrap());
}

/// Looking needs no lock and sees whole commits only.
#[test]
fn one_can_look_while_another_pulls() {
    let place = TestStore::new();
    let owner = place.own();
    let early = place.lookup();
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
fn a_store_that_is_not_there_reads_as_empty_and_stays_away() {
    let place = TestStore::new();
    for access in [OpenMode::Unlocked, OpenMode::Shared] {
        let store = Store::open(&place.path(), access, |_| WhenBusy::Fail).unwrap();
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
    assert_eq!(list(place.around()), [""; 0]);
    fs::create_dir(place.path()).unwrap();
    assert_eq!(place.lookup().images().unwrap(), []);
    assert_eq!(list(&place.path()), [""; 0]);
}

#[test]
fn another_format_is_refused_with_what_to_do() {
    let place = TestStore::new();
    drop(place.own());
    assert_eq!(
        fs::read_to_string(place.path().join("format")).unwrap(),
        "windlass store 1\n"
    );
    fs::write(place.path().join("format"), "windlass store 2\n").unwrap();
    for access in [
        OpenMode::Exclusive { purpose: "" },
        OpenMode::Shared,
        OpenMode::Unlocked,
    ] {
        let error = Store::open(&place.path(), access, |_| WhenBusy::Fail).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{} holds a store of another format (\"windlass store 2\"; this windlass knows \
                 \"windlass store 1\"): use the windlass that made it, or another --root",
                place.path().display()
            )
        );
    }
}

#[test]
fn a_directory_of_something_else_is_refused_and_left_alone() {
    let place = TestStore::new();
    fs::create_dir(place.path()).unwrap();
    fs::write(place.path().join("thesis.tex"), "").unwrap();
    let error = root_error(&place.path());
    assert!(
        matches!(&error, RootError::NotAStore { entry, .. } if entry == "thesis.tex"),
        "{error}"
    );
    assert_eq!(list(&place.path()), ["thesis.tex"]);
}

/// A crash while the store is being made leaves something that can be made again.
#[test]
fn a_half_made_store_is_finished() {
    let place = TestStore::new();
    drop(place.own());
    fs::remove_file(place.path().join("format")).unwrap();
    assert_eq!(place.lookup().images().unwrap(), []);
    drop(place.own());
    assert!(place.path().join("format").exists());
}

/// T49: nothing planted at the top is followed or used.
#[test]
fn planted_links_and_foreign_owners_are_refused() {
    let place = TestStore::new();
    drop(place.own());
    let canary = place.around().join("canary");
    fs::create_dir(&canary).unwrap();
    for area in [
        "blobs", "layers", "ingest", "drafts", "lock", "meta.db", "format",
    ] {
        let (path, aside) = (place.path().join(area), place.around().join("aside"));
        fs::rename(&path, &aside).unwrap();
        symlink(&canary, &path).unwrap();
        match root_error(&place.path()) {
            RootError::Untrusted {
                path: refused,
                reason,
            } => {
                assert_eq!((refused, reason), (path.clone(), UntrustedReason::Kind));
            }
            RootError::File(error) => assert_eq!((area, error.path()), ("format", path.as_path())),
            other => panic!("{area}: {other:?}"),
        }
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(list(&canary), [""; 0]);
    if rustix::process::geteuid().is_root() {
        let foreign = UntrustedReason::Owner { uid: 65534 };
        chown(place.path().join("blobs"), Some(65534), None).unwrap();
        assert_foreign(&place.path(), foreign);
        chown(place.path().join("blobs"), Some(0), None).unwrap();
        chown(place.path(), Some(65534), None).unwrap();
        assert_foreign(&place.path(), foreign);
    }
}

/// T49: a store that others may write to, or replace, is refused.
#[test]
fn a_store_open_to_others_is_refused() {
    let place = TestStore::new();
    drop(place.own());
    let set =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&place.path(), 0o770);
    assert_foreign(&place.path(), UntrustedReason::Writable);
    set(&place.path(), 0o755);
    set(place.around(), 0o777);
    assert_foreign(&place.path(), UntrustedReason::Parent);
    set(place.around(), 0o1777);
    drop(place.own());
    assert_eq!(mode(&place.path()), 0o700, "nobody else gets in");
    set(&place.path(), 0o710);
    drop(place.own());
    assert_eq!(mode(&place.path()), 0o710, "a group may be let through");
}

/// T49: nobody else can read what is in the store.
#[test]
fn what_is_in_the_store_is_private() {
    let place = TestStore::new();
    let store = place.own();
    let plan = ImagePlan::new("one", &["base"], "one");
    let image = plan.draft(&store);
    assert_eq!(mode(&place.path()), 0o700);
    for area in ["blobs", "layers", "ingest", "drafts"] {
        assert_eq!(mode(&place.path().join(area)), 0o700, "{area}");
    }
    for file in ["lock", "meta.db", "meta.db-wal", "reserve"] {
        assert_eq!(mode(&place.path().join(file)), 0o600, "{file}");
    }
    for partial in list(&place.path().join("ingest")) {
        assert_eq!(mode(&place.path().join("ingest").join(partial)), 0o600);
    }
    store.commit(&image).unwrap();
    let layer = store.layer(&plan.layers[0].diff_id()).unwrap().unwrap();
    assert_eq!(
        mode(&layer.path()),
        0o755,
        "the root of an image is as in an image"
    );
    assert_eq!(mode(layer.path().parent().unwrap()), 0o700);
}

/// DL-12.
#[test]
fn opening_sweeps_what_a_crash_left() {
    let place = TestStore::new();
    let plan = ImagePlan::new("one", &["base"], "one");
    plan.pull(&place.own()).unwrap();
    let leave = |path: &str| {
        let path = place.path().join(path);
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
    let store = place.own();
    assert_eq!(check(&store, std::slice::from_ref(&plan)), ["one"]);
    assert_eq!(list(&place.path().join("blobs/sha512")), [""; 0]);
    drop(store);

    // Without the note nobody was moving files, and only what is never kept is cleared away.
    leave_all();
    drop(place.own());
    assert_eq!(list(&place.path().join("drafts")), [""; 0]);
    assert_eq!(list(&place.path().join("layers/sha256")).len(), 3);
}
