//! windlass against Debian's own tools: `docker-registry` serves, `skopeo` and `umoci` are the reference.
//!
//! A test whose tools are missing reports them and is not run; with `WINDLASS_E2E=require`,
//! as in CI, it fails. As root all tests run in mount and process namespaces of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod bundles;
mod command;
mod containers;
mod daemon;
mod fixture;
mod hub;
mod import_export;
mod interruption;
mod limited_proxy;
mod logins;
mod mirrors_and_helpers;
mod proxies;
mod queries;
mod reference_tree;
mod registries;
mod registry_client;
mod requirements;
mod schema1;
mod serve;
mod shared_state;
mod timings;
mod tokens;
mod transfers;
mod trees;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use windlass_testing::real::{self, LoopDisk, MountedDisk};

use crate::requirements::Need;
use crate::shared_state::SharedState;

/// A test: its name, its requirements, and its function.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    name: &'static str,
    needs: &'static [Need],
    test: fn(&SharedState),
}

/// The size of the disk of the tests, in bytes: they write hundreds of thousands of files and delete none.
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
    let shared = Arc::new(SharedState::new(files));
    let is_required = is_required();
    let cases = [
        trees::CASES,
        access::CASES,
        registries::CASES,
        tokens::CASES,
        logins::CASES,
        queries::CASES,
        schema1::CASES,
        mirrors_and_helpers::CASES,
        hub::CASES,
        proxies::CASES,
        interruption::CASES,
        timings::CASES,
        transfers::CASES,
        serve::CASES,
        bundles::CASES,
        containers::CASES,
        import_export::CASES,
        &daemon::cases(),
    ]
    .concat();
    let trials = cases
        .into_iter()
        .map(|case| trial(case, &shared, is_required));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// The directory of the disk's file; without a disk the tests write little.
fn scratch() -> PathBuf {
    match real::is_first_process() {
        true => env!("CARGO_TARGET_TMPDIR").into(),
        false => std::env::temp_dir(),
    }
}

/// Replaces this process by the same program in new namespaces; returns only on failure.
fn enter_namespaces() {
    let program = std::env::current_exe().expect("the path of the program is available");
    let error = real::in_namespaces(program)
        .args(std::env::args_os().skip(1))
        .exec();
    panic!("unshare: {error}");
}

fn trial(case: Case, shared: &Arc<SharedState>, is_required: bool) -> Trial {
    let shared = Arc::clone(shared);
    Trial::ignorable_test(case.name, move || {
        match case.needs.iter().find_map(|need| need.missing(&shared)) {
            Some(missing) if is_required => Err(Failed::from(format!("not run: {missing}"))),
            Some(missing) => Ok(Completion::ignored_with(format!("not run: {missing}"))),
            None => {
                (case.test)(&shared);
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
