//! A directory to unpack into that is isolated from the rest of the system.
//!
//! As root, hostile tars are only unpacked on a thread with its own mount namespace, in which everything but the
//! sandbox is read-only. A canary directory beside the root must not change.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::UnshareFlags;
use windlass_archive::{
    Ownership, PathResolution, UnpackError, UnpackMode, UnpackOptions, UnpackProgress,
    UnpackThreads, UnpackedLayer,
};

use crate::shape;

pub(crate) struct Sandbox {
    directory: PathBuf,
    canary: Vec<String>,
}

/// The user and group ID of an unprivileged user.
pub(crate) const UNPRIVILEGED_ID: u32 = 65534;

impl Sandbox {
    fn new(directory: &Path) -> Self {
        let sandbox = Self {
            directory: directory.to_owned(),
            canary: Vec::new(),
        };
        fs::create_dir(sandbox.root()).unwrap();
        let canary = sandbox.canary();
        fs::create_dir_all(canary.join("dir/inner")).unwrap();
        fs::write(canary.join("f"), "canary sentinel").unwrap();
        fs::write(canary.join("setuid"), "").unwrap();
        fs::set_permissions(canary.join("setuid"), fs::Permissions::from_mode(0o4755)).unwrap();
        symlink("f", canary.join("link")).unwrap();
        // A sibling whose name has the root's name as a prefix.
        fs::create_dir(sandbox.path().join("root-evil")).unwrap();
        let canary = sandbox.outside();
        Self { canary, ..sandbox }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path().join("root")
    }

    pub(crate) fn canary(&self) -> PathBuf {
        self.path().join("canary")
    }

    /// Returns the absolute path of the canary, for links to it.
    pub(crate) fn canary_bytes(&self) -> Vec<u8> {
        self.canary().into_os_string().into_encoded_bytes()
    }

    /// Empties the root.
    pub(crate) fn reset(&self) {
        open_up(&self.root());
        fs::remove_dir_all(self.root()).unwrap();
        fs::create_dir(self.root()).unwrap();
    }

    /// Unpacks `blob` and checks that nothing outside has changed.
    pub(crate) fn unpack(
        &self,
        blob: &[u8],
        options: &UnpackOptions,
    ) -> Result<UnpackedLayer, UnpackError> {
        let root = File::open(self.root()).unwrap();
        let progress = UnpackProgress::default();
        let result = windlass_archive::unpack(blob, root.as_fd(), options, &progress);
        assert_eq!(
            self.outside(),
            self.canary,
            "something outside the root has changed"
        );
        if let Ok(unpacked) = &result {
            assert_eq!(progress.entries(), unpacked.entries);
        }
        result
    }

    /// Unpacks `blob`. Panics on an error.
    pub(crate) fn unpack_ok(&self, blob: &[u8], options: &UnpackOptions) -> UnpackedLayer {
        self.unpack(blob, options)
            .unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// Unpacks `blob`, which must fail, and returns the error.
    pub(crate) fn unpack_error(&self, blob: &[u8], options: &UnpackOptions) -> String {
        chain(
            &self
                .unpack(blob, options)
                .expect_err("the layer is accepted"),
        )
    }

    fn outside(&self) -> Vec<String> {
        let mut lines = Vec::new();
        list(self.path(), &self.root(), &mut lines);
        lines
    }
}

/// Runs `test` with a sandbox, outside of which nothing can be written.
pub(crate) fn confined(test: impl FnOnce(&Sandbox) + Send) {
    // Removed after the thread has ended, because the sandbox is mounted in its namespace.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let run = || {
        let sandbox = Sandbox::new(directory.path());
        if rustix::process::geteuid().is_root() && !confine(sandbox.path()) {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            eprintln!("{name}: skipped, because root cannot create a mount namespace here");
            return;
        }
        test(&sandbox);
        sandbox.reset();
    };
    // The namespace is removed when the thread ends.
    std::thread::scope(|scope| {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn_scoped(scope, run);
        if let Err(panic) = thread.unwrap().join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Returns all combinations of options for which the same layers must be rejected.
pub(crate) fn all_options() -> Vec<UnpackOptions> {
    let mut combinations = Vec::new();
    for mode in [UnpackMode::Layer, UnpackMode::Flatten] {
        for resolve in [PathResolution::Kernel, PathResolution::Walk] {
            for threads in [UnpackThreads::One, UnpackThreads::Two] {
                combinations.push(UnpackOptions {
                    mode,
                    resolve,
                    threads,
                    ..options()
                });
            }
        }
    }
    combinations
}

/// Returns the options for the user that runs the tests.
pub(crate) fn options() -> UnpackOptions {
    let ownership = Ownership::for_current_process();
    UnpackOptions {
        ownership,
        ..UnpackOptions::default()
    }
}

pub(crate) fn flatten() -> UnpackOptions {
    UnpackOptions {
        mode: UnpackMode::Flatten,
        ..options()
    }
}

/// Returns whether the tests run as root. If not, reports that the rest of a test is skipped.
pub(crate) fn is_root(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped without root: {what}");
    }
    is_root
}

/// Returns an error and its causes as the command line shows them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Moves this thread to a mount namespace in which only `sandbox` is writable. Returns `false` without the permission.
fn confine(sandbox: &Path) -> bool {
    #[expect(
        deprecated,
        reason = "deprecated because of file tables, which stay shared here"
    )]
    if rustix::thread::unshare(UnshareFlags::NEWNS).is_err() {
        return false;
    }
    let private = MountPropagationFlags::PRIVATE.union(MountPropagationFlags::REC);
    rustix::mount::mount_change("/", private).unwrap();
    rustix::mount::mount_bind(sandbox, sandbox).unwrap();
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    for mount in mounts.lines() {
        let point = mount.split(' ').nth(4).unwrap();
        if Path::new(point) != sandbox {
            let read_only = MountFlags::BIND.union(MountFlags::RDONLY);
            // A mount point beneath another mount cannot be remounted, but it cannot be written either.
            let _unreachable = rustix::mount::mount_remount(point, read_only, "");
        }
    }
    let outside = sandbox.parent().unwrap().join("written-outside");
    let written = fs::write(&outside, "").expect_err("the sandbox does not confine");
    assert_eq!(written.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    fs::write(sandbox.join("probe"), "").unwrap();
    fs::remove_file(sandbox.join("probe")).unwrap();
    true
}

/// Makes a directory tree writable for its owner.
fn open_up(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            open_up(&entry.path());
        }
    }
}

/// Lists all metadata of the files. The change time reveals any modification.
fn list(directory: &Path, except: &Path, lines: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path == except {
            continue;
        }
        let data = fs::symlink_metadata(&path).unwrap();
        lines.push(format!(
            "{} {:o} {}:{} {} links {} modified {}.{} changed {}.{} {:?}",
            path.display(),
            data.mode(),
            data.uid(),
            data.gid(),
            data.size(),
            data.nlink(),
            data.mtime(),
            data.mtime_nsec(),
            data.ctime(),
            data.ctime_nsec(),
            shape::xattrs(&path),
        ));
        if data.is_dir() {
            list(&path, except, lines);
        }
    }
}
