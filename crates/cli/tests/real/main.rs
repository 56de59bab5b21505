//! windlass against Debian's own tools: `docker-registry` serves, `skopeo` and `umoci` judge.
//!
//! Where a tool is missing, a test says what it needs and is not run; with `WINDLASS_E2E=require`,
//! as in CI, it fails. As root all of it runs in mount and process namespaces of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod bundles;
mod command;
mod daemon;
mod door;
mod fixture;
mod freight;
mod hub;
mod interruption;
mod judge;
mod logins;
mod needs;
mod proxies;
mod questions;
mod registries;
mod schema1;
mod serve;
mod tars;
mod timings;
mod tokens;
mod trees;
mod valve;
mod ways;
mod world;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use windlass_testing::real::{self, LoopDisk, MountedDisk};

use crate::needs::Need;
use crate::world::World;

/// A test: its name, what it cannot do without, and what it does.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    name: &'static str,
    needs: &'static [Need],
    test: fn(&World),
}

/// Bytes of the disk that the tests write to: hundreds of thousands of files, never deleted one by one.
const DISK_SIZE: u64 = 12 << 30;

fn main() -> ExitCode {
    if !real::is_first_process() && real::can_make_namespaces() {
        enter_namespaces();
    }
    if real::is_first_process() {
        real::end_on_interrupt().expect("signals can be watched");
    }
    let directory = tempfile::tempdir_in(scratch()).unwrap();
    let disk =
        real::is_first_process().then(|| LoopDisk::sparse(directory.path(), DISK_SIZE).unwrap());
    let mounted = disk.as_ref().map(|disk| disk.fresh().unwrap());
    let files = mounted.as_ref().map_or(directory.path(), MountedDisk::path);
    let world = Arc::new(World::new(files));
    let is_required = is_required();
    let cases = [
        trees::CASES,
        access::CASES,
        registries::CASES,
        tokens::CASES,
        logins::CASES,
        questions::CASES,
        schema1::CASES,
        ways::CASES,
        hub::CASES,
        proxies::CASES,
        interruption::CASES,
        timings::CASES,
        freight::CASES,
        serve::CASES,
        bundles::CASES,
        tars::CASES,
        &daemon::cases(),
    ]
    .concat();
    let trials = cases
        .into_iter()
        .map(|case| trial(case, &world, is_required));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Where the disk may grow; without one there is little to write.
fn scratch() -> PathBuf {
    match real::is_first_process() {
        true => env!("CARGO_TARGET_TMPDIR").into(),
        false => std::env::temp_dir(),
    }
}

/// Starts this program again; only returns to say why it could not.
fn enter_namespaces() {
    let program = std::env::current_exe().expect("a program knows itself");
    let error = real::in_namespaces(program)
        .args(std::env::args_os().skip(1))
        .exec();
    panic!("unshare: {error}");
}

fn trial(case: Case, world: &Arc<World>, is_required: bool) -> Trial {
    let world = Arc::clone(world);
    Trial::ignorable_test(case.name, move || {
        match case.needs.iter().find_map(|need| need.missing(&world)) {
            Some(missing) if is_required => Err(Failed::from(format!("not run: {missing}"))),
            Some(missing) => Ok(Completion::ignored_with(format!("not run: {missing}"))),
            None => {
                (case.test)(&world);
                Ok(Completion::Completed)
            }
        }
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "how CI tells a test program that all must run"
)]
fn is_required() -> bool {
    std::env::var_os("WINDLASS_E2E").is_some_and(|value| value == "require")
}
