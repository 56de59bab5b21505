//! A process that ends, or a disk that is full, at any step: the image is complete or absent.

use std::path::Path;
use std::process::{Command, ExitStatus};

use windlass_oci::ImageName;

use super::fixture::{ImagePlan, TestStore, check, own};
use crate::failpoint::{FailureAction, FailureStep, arm};
use crate::{CommitError, PruneSelection, RemoveOptions, Store};

/// The environment variable with the instructions for the child process.
const INSTRUCTIONS: &str = "WINDLASS_STORE_TEST_CHILD";

/// The image that is stored first, and the one that is pulled and removed: they share a layer and a name.
fn plans() -> [ImagePlan; 2] {
    [
        ImagePlan::new("old", &["base", "old"], "example.com/image:1"),
        ImagePlan::new("new", &["base", "middle", "new"], "example.com/image:1"),
    ]
}

fn remove_new(store: &Store) -> Result<crate::StoreRemoval, crate::StoreRemoveError> {
    let [_, new] = plans();
    store.remove(&ImageName::Id(new.id()), RemoveOptions::default())
}

/// The code of the child process. It is a test because only a test can be run by name.
#[test]
fn child() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test passes instructions to its child process"
    )]
    let Ok(instructions) = std::env::var(INSTRUCTIONS) else {
        return;
    };
    let mut words = instructions.split(' ');
    let mut next = || words.next().unwrap();
    let (path, doing, step, skip) = (next(), next(), next(), next().parse().unwrap());
    let steps = [&FailureStep::COMMIT[..], &FailureStep::DELETION].concat();
    let step = steps
        .into_iter()
        .find(|known| format!("{known:?}") == step)
        .unwrap();
    // The abort is intended, and needs no core dump.
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(rustix::process::Resource::Core, none).unwrap();
    let store = own(Path::new(path));
    if doing == "pull" {
        let image = plans()[1].draft(&store);
        arm(step, skip, FailureAction::Abort);
        store.commit(&image).map(drop).unwrap();
    } else {
        arm(step, skip, FailureAction::Abort);
        remove_new(&store).map(drop).unwrap();
    }
}

/// Runs a child process that aborts at `step`, after `skip` earlier passes.
fn die(path: &Path, doing: &str, step: FailureStep, skip: usize) -> ExitStatus {
    let instructions = format!("{} {doing} {step:?} {skip}", path.display());
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::crashes::child", "--nocapture"])
        .env(INSTRUCTIONS, instructions)
        .output()
        .unwrap();
    child.status
}

/// T38, T39: a pull that is killed at any step leaves the image absent or complete, the tag with the old or the
/// new image, and nothing else; and the next pull works.
#[test]
fn a_killed_commit_is_complete_or_absent() {
    // Config, manifest, two layers and their blobs; the third layer and its blob are already stored.
    const MOVES: usize = 6;
    for step in FailureStep::COMMIT {
        let skips = if step == FailureStep::Move {
            MOVES + 1
        } else {
            1
        };
        for skip in 0..skips {
            let fixture = TestStore::new();
            let plans = plans();
            plans[0].pull(&fixture.own()).unwrap();
            let status = die(&fixture.path(), "pull", step, skip);
            let had_step = step != FailureStep::Move || skip < MOVES;
            assert_eq!(!status.success(), had_step, "{step:?} {skip}");

            let committed = !had_step || step == FailureStep::Settle;
            // A reader without the lock, before the sweep, gets the same result.
            let visible = fixture.lookup().images().unwrap().len();
            assert_eq!(visible, if committed { 2 } else { 1 }, "{step:?} {skip}");
            let store = fixture.own();
            let visible_names = check(&store, &plans);
            let expected: &[&str] = if committed { &["new", "old"] } else { &["old"] };
            assert_eq!(visible_names, expected, "{step:?} {skip}");
            let tag = store
                .image(&"example.com/image:1".parse().unwrap())
                .unwrap();
            assert_eq!(
                tag.id,
                plans[usize::from(committed)].id(),
                "{step:?} {skip}"
            );

            plans[1].pull(&store).unwrap();
            assert_eq!(check(&store, &plans), ["new", "old"]);
        }
    }
}

/// T39: a deletion that is killed at any step is complete or has not happened, and leaves no file behind.
#[test]
fn a_killed_deletion_is_complete_or_absent() {
    for step in FailureStep::DELETION {
        let skips = if step == FailureStep::RemoveContent {
            6
        } else {
            1
        };
        for skip in 0..skips {
            let fixture = TestStore::new();
            let plans = plans();
            for plan in &plans {
                plan.pull(&fixture.own()).unwrap();
            }
            let status = die(&fixture.path(), "remove", step, skip);
            assert!(!status.success(), "{step:?} {skip}");

            let store = fixture.own();
            let visible_names = check(&store, &plans);
            let expected: &[&str] = match step {
                FailureStep::CommitDeletion => &["new", "old"],
                _ => &["old"],
            };
            assert_eq!(visible_names, expected, "{step:?} {skip}");
            plans[1].pull(&store).unwrap();
            assert_eq!(check(&store, &plans), ["new", "old"]);
        }
    }
}

/// T42, R12: a full disk at any step fails the commit and leaves everything as it was, the drafts too.
#[test]
fn a_full_disk_leaves_the_store_as_it_was() {
    for step in [
        FailureStep::Move,
        FailureStep::SyncDirectories,
        FailureStep::Begin,
        FailureStep::Commit,
    ] {
        for skip in 0..if step == FailureStep::Move { 4 } else { 1 } {
            let fixture = TestStore::new();
            let plans = plans();
            let store = fixture.own();
            plans[0].pull(&store).unwrap();
            let image = plans[1].draft(&store);
            arm(step, skip, FailureAction::NoSpace);
            let error = store.commit(&image).unwrap_err();
            assert!(error.is_no_space(), "{step:?}: {error}");
            assert_eq!(store.images().unwrap().len(), 1, "{step:?} {skip}");
            assert!(
                !fixture.path().join("unsettled").exists(),
                "{step:?} {skip}"
            );

            // With free space again, the same drafts are still usable.
            store.commit(&image).unwrap();
            drop(image);
            assert_eq!(check(&store, &plans), ["new", "old"]);
        }
    }
}

#[test]
fn a_failed_commit_leaves_nothing_behind() {
    let fixture = TestStore::new();
    let plans = plans();
    let store = fixture.own();
    plans[0].pull(&store).unwrap();
    let image = plans[1].draft(&store);
    arm(FailureStep::SyncDirectories, 0, FailureAction::NoSpace);
    store.commit(&image).unwrap_err();
    drop(image);
    assert_eq!(check(&store, &plans), ["old"]);
}

/// P7: the kernel may have dropped data that it could not write, so a failed barrier is not retried.
#[test]
fn after_a_failed_barrier_the_store_takes_no_more_images() {
    let fixture = TestStore::new();
    let plans = plans();
    let store = fixture.own();
    let image = plans[1].draft(&store);
    arm(FailureStep::Barrier, 0, FailureAction::NoSpace);
    store.commit(&image).unwrap_err();
    let error = store.commit(&image).unwrap_err();
    assert!(matches!(error, CommitError::Degraded { .. }), "{error}");
    drop((image, store));
    let store = fixture.own();
    assert_eq!(check(&store, &plans), [""; 0]);
    plans[1].pull(&store).unwrap();
    assert_eq!(check(&store, &plans), ["new"]);
}

/// P6: disk space is reserved for deletions.
#[test]
fn a_full_disk_does_not_stop_a_deletion() {
    let fixture = TestStore::new();
    let plans = plans();
    let store = fixture.own();
    for plan in &plans {
        plan.pull(&store).unwrap();
    }
    arm(FailureStep::CommitDeletion, 0, FailureAction::NoSpace);
    remove_new(&store).unwrap();
    assert_eq!(check(&store, &plans), ["old"]);
    arm(FailureStep::CommitDeletion, 0, FailureAction::NoSpace);
    let images = plans.iter().map(ImagePlan::id).collect();
    let tagged = true;
    store.prune(&PruneSelection { images, tagged }).unwrap();
    assert_eq!(check(&store, &plans), [""; 0]);
    assert!(
        fixture.path().join("reserve").exists(),
        "disk space is reserved for the next time"
    );
}
