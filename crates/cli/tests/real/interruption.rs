//! Pulls that a signal or a full disk stops.

use rustix::process::{Pid, Signal, kill_process};
use windlass_testing::real::LoopDisk;

use crate::Case;
use crate::command::{Ran, Windlass};
use crate::fixture::Fixture;
use crate::limited_proxy::LimitedProxy;
use crate::requirements::{REGISTRY, UMOCI};
use crate::shared_state::SharedState;

/// A number of bytes within the layer of [`Fixture::Many`], which has more than twenty million.
const MIDWAY: u64 = 5 << 20;

/// The size in bytes of a disk that is too small for an image of thirty thousand files.
const SMALL_DISK: u64 = 64 << 20;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "interruption::control_c_leaves_nothing_visible_and_the_next_pull_works",
        needs: REGISTRY,
        test: |shared| {
            let ran = signalled(shared, Signal::INT, "control-c");
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(130), ""), "{ran:#?}");
            let last = ran.stderr.lines().last().unwrap_or_default();
            // The percentage and the bytes that are kept differ from run to run.
            assert!(last.starts_with("Stopped at "), "{last}");
        },
    },
    Case {
        name: "interruption::kill_leaves_nothing_visible_and_the_next_pull_works",
        needs: REGISTRY,
        test: |shared| {
            let ran = signalled(shared, Signal::KILL, "kill");
            assert_eq!((ran.code, ran.stdout.as_str()), (None, ""), "{ran:#?}");
        },
    },
    Case {
        name: "interruption::a_full_disk_fails_the_pull_and_leaves_a_store_that_works",
        needs: UMOCI,
        test: full_disk,
    },
];

/// Stops a pull midway by `signal` and checks the state afterwards; returns the result of the pull.
fn signalled(shared: &SharedState, signal: Signal, name: &str) -> Ran {
    let directory = shared.directory(name);
    let windlass = Windlass::new(&directory);
    // Pushes the image, if no test has yet.
    shared.reference(Fixture::Many, "gzip");
    let limited_proxy = LimitedProxy::before(shared.registry().address(), MIDWAY);
    let reference = format!("{}/many:gzip", limited_proxy.address());

    let pull = windlass.start(&["pull", &reference]);
    limited_proxy.wait_until_limit();
    kill_process(Pid::from_child(&pull), signal).unwrap();
    let ran = Ran::from(pull.wait_with_output().unwrap());

    assert_eq!(windlass.images(), [""; 0]);
    let nothing = directory.join("nothing");
    let unpack = windlass.run(&["unpack", &reference, nothing.to_str().unwrap()]);
    assert_eq!(
        (unpack.code, nothing.exists()),
        (Some(1), false),
        "{unpack:#?}"
    );
    limited_proxy.remove_limit();
    let tree = windlass.tree(&reference);
    shared.windlass_tree(Fixture::Many).assert_same(&tree);
    ran
}

fn full_disk(shared: &SharedState) {
    let directory = shared.directory("full-disk");
    let disk = LoopDisk::sparse(&directory, SMALL_DISK).unwrap();
    let mounted = disk.fresh().unwrap();
    let windlass = Windlass::new(mounted.path());

    let ran = windlass.run(&["pull", &shared.reference(Fixture::Many, "gzip")]);

    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
    let mut lines = ran.stderr.lines().rev();
    let hint = "hint: free space on that disk, or keep images elsewhere with --root";
    assert_eq!(lines.next(), Some(hint));
    // The entry that does not fit differs from run to run.
    let causes = lines.next().unwrap_or_default().rsplit(": ");
    let last_cause = causes.take(1).collect::<Vec<_>>();
    assert_eq!(last_cause, ["No space left on device (os error 28)"]);
    assert_eq!(windlass.images(), [""; 0]);
    let tree = windlass.tree(&shared.reference(Fixture::Small, "gzip"));
    shared.umoci_tree(Fixture::Small).assert_same(&tree);
}
