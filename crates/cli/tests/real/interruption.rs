//! Pulls that a signal or a full disk stops.

use rustix::process::{Pid, Signal, kill_process};
use windlass_testing::real::LoopDisk;

use crate::Case;
use crate::command::{Ran, Windlass};
use crate::fixture::Fixture;
use crate::limited_proxy::Valve;
use crate::requirements::{JUDGE, REGISTRY};
use crate::shared_state::World;

/// Some megabytes into an image of twenty.
const MIDWAY: u64 = 5 << 20;

/// The size in bytes of a disk that is too small for an image of thirty thousand files.
const SMALL_DISK: u64 = 64 << 20;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "interruption::control_c_leaves_nothing_visible_and_the_next_pull_works",
        needs: REGISTRY,
        test: |world| {
            let ran = signalled(world, Signal::INT, "control-c");
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(130), ""), "{ran:#?}");
            let last = ran.stderr.lines().last().unwrap_or_default();
            // The percentage and the bytes that are kept differ from run to run.
            assert!(last.starts_with("Stopped at "), "{last}");
        },
    },
    Case {
        name: "interruption::kill_leaves_nothing_visible_and_the_next_pull_works",
        needs: REGISTRY,
        test: |world| {
            let ran = signalled(world, Signal::KILL, "kill");
            assert_eq!((ran.code, ran.stdout.as_str()), (None, ""), "{ran:#?}");
        },
    },
    Case {
        name: "interruption::a_full_disk_fails_the_pull_and_leaves_a_store_that_works",
        needs: JUDGE,
        test: full_disk,
    },
];

/// Stops a pull midway by `signal` and checks the state afterwards; returns the result of the pull.
fn signalled(world: &World, signal: Signal, name: &str) -> Ran {
    let directory = world.directory(name);
    let windlass = Windlass::new(&directory);
    // Pushes the image, if no test has yet.
    world.reference(Fixture::Many, "gzip");
    let valve = Valve::before(world.registry().address(), MIDWAY);
    let reference = format!("{}/many:gzip", valve.address());

    let pull = windlass.start(&["pull", &reference]);
    valve.wait_until_holding();
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
    valve.open();
    let tree = windlass.tree(&reference);
    world.undisturbed(Fixture::Many).assert_same(&tree);
    ran
}

fn full_disk(world: &World) {
    let directory = world.directory("full-disk");
    let disk = LoopDisk::sparse(&directory, SMALL_DISK).unwrap();
    let mounted = disk.fresh().unwrap();
    let windlass = Windlass::new(mounted.path());

    let ran = windlass.run(&["pull", &world.reference(Fixture::Many, "gzip")]);

    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
    let mut lines = ran.stderr.lines().rev();
    let hint = "hint: free space on that disk, or keep images elsewhere with --root";
    assert_eq!(lines.next(), Some(hint));
    // The entry that does not fit differs from run to run.
    let causes = lines.next().unwrap_or_default().rsplit(": ");
    let last_cause = causes.take(1).collect::<Vec<_>>();
    assert_eq!(last_cause, ["No space left on device (os error 28)"]);
    assert_eq!(windlass.images(), [""; 0]);
    let tree = windlass.tree(&world.reference(Fixture::Small, "gzip"));
    world.judged(Fixture::Small).assert_same(&tree);
}
