//! Runs a test in a mount namespace in which only its sandbox is writable.

use std::any::type_name;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount_bind, mount_remount};

use crate::Sandbox;

/// The variable that passes the original mount namespace and the path of the sandbox to the test in its new
/// namespace: `mnt:[4026531840] /tmp/windlass-…`.
const VARIABLE: &str = "WINDLASS_TESTING_CONFINED";
/// The file that the test creates when it has run to its end.
const DONE: &str = "tmp/.confined-test-is-done";

/// Runs `test` where a mistake cannot do harm, and checks afterwards that the canary is unchanged.
///
/// Hostile archives are unpacked as root, where a bug could overwrite the machine. So, as root, the test
/// program is started once more for this one test, in a mount namespace in which every mount but the sandbox is
/// read-only: a write outside fails with `EROFS`, and the test with it. As an ordinary user the test runs
/// directly, confined by file permissions.
///
/// The closure must be written in the test function itself, whose name is derived from it. Where namespaces are
/// not allowed (root in a container without privileges) the test is not run, and prints that.
///
/// ```no_run
/// use windlass_testing::confined;
///
/// #[test]
/// fn stays_in_its_root() {
///     confined(|sandbox| {
///         let root = sandbox.root();
///         // … unpack something hostile into `root` …
///         # let _ = root;
///     });
/// }
/// ```
///
/// # Panics
/// If the test fails, the canary is changed, or the confinement is incomplete.
#[track_caller]
pub fn confined<F: FnOnce(&Sandbox)>(test: F) {
    if let Some((left, path)) = confined_environment() {
        // If the variable was set by hand, the mounts of the machine must not become read-only.
        assert_ne!(
            namespace(),
            left,
            "the test does not run in a new namespace"
        );
        let sandbox = enter(&path).expect("the sandbox can be set up");
        test(&sandbox);
        sandbox.assert_unharmed();
        fs::write(path.join(DONE), b"").expect("the sandbox can be written");
    } else if rustix::process::geteuid().is_root() {
        run_in_namespace(&test_name(type_name::<F>()));
    } else {
        let sandbox = Sandbox::new();
        test(&sandbox);
        sandbox.assert_unharmed();
    }
}

/// Returns whether [`confined`] runs its tests here: always, except as root without the right to create
/// namespaces.
pub fn can_confine() -> bool {
    let probe = || unshare().arg("true").stderr(Stdio::null()).status();
    !rustix::process::geteuid().is_root() || probe().is_ok_and(|status| status.success())
}

/// Returns an `unshare` command, to which the program to run is added.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    command
        .args(["--propagation", "private"])
        .stdin(Stdio::null());
    command
}

/// Starts this program again for one test.
#[track_caller]
fn run_in_namespace(test: &str) {
    if !can_confine() {
        not_run(
            test,
            "needs `unshare` and the right to make mount namespaces",
        );
        return;
    }
    let directory = tempfile::Builder::new().prefix("windlass-").tempdir();
    let directory = directory.expect("temporary directories can be made");
    let program = std::env::current_exe().expect("the path of the test program is available");
    let output = unshare()
        .arg(program)
        .args([
            "--exact",
            test,
            "--include-ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(
            VARIABLE,
            format!("{} {}", namespace(), directory.path().display()),
        )
        .env("TMPDIR", directory.path().join("tmp"))
        .output()
        .expect("unshare worked a moment ago");
    let output_text =
        String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let status = output.status;
    let signal = status
        .signal()
        .map_or_else(String::new, |it| format!(" (signal {it})"));
    assert!(
        status.success(),
        "confined, {test} failed{signal}:\n{output_text}"
    );
    let done = directory.path().join(DONE).exists();
    assert!(
        done,
        "no test {test:?} ran to its end: is the closure written in the test itself?\n{output_text}"
    );
}

/// Prints that a test was not run, on the real standard error, which the test harness does not capture.
fn not_run(test: &str, reason: &str) {
    // A failure to print cannot be reported.
    drop(writeln!(io::stderr(), "{test}: not run: {reason}"));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the variable is passed to a child process"
)]
fn confined_environment() -> Option<(String, PathBuf)> {
    let text = std::env::var(VARIABLE).ok()?;
    let (namespace, path) = text.split_once(' ')?;
    Some((namespace.to_owned(), path.into()))
}

/// Returns the kernel's name of the mount namespace of this process.
fn namespace() -> String {
    let name = fs::read_link("/proc/self/ns/mnt").expect("/proc is mounted");
    name.display().to_string()
}

/// Returns the name of a test from the type name of a closure in it.
fn test_name(closure: &str) -> String {
    let path = closure.split("::{{closure}}").next().unwrap_or_default();
    let (_program, name) = path.split_once("::").unwrap_or(("", path));
    name.to_owned()
}

/// Creates the sandbox, and makes everything else read-only. Called only in a new namespace.
fn enter(path: &Path) -> io::Result<Sandbox> {
    mount_bind(path, path)?;
    for mount in mounts()? {
        if mount.point != path {
            make_read_only(&mount)?;
        }
    }
    for mount in mounts()? {
        assert!(
            mount.point == path || is_read_only(&mount.point)?,
            "{mount:?} can be written"
        );
    }
    Sandbox::at(path)
}

#[derive(Debug)]
struct MountEntry {
    point: PathBuf,
    options: String,
}

/// Reads `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`): the fifth field is the mount point, the sixth the
/// options.
fn mounts() -> io::Result<Vec<MountEntry>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(4);
        Some(MountEntry {
            point: unescaped(fields.next()?).into(),
            options: fields.next()?.to_owned(),
        })
    };
    Ok(table.lines().filter_map(mount).collect())
}

fn make_read_only(mount: &MountEntry) -> io::Result<()> {
    let mut flags = MountFlags::BIND | MountFlags::RDONLY;
    for option in mount.options.split(',') {
        flags |= match option {
            "nosuid" => MountFlags::NOSUID,
            "nodev" => MountFlags::NODEV,
            "noexec" => MountFlags::NOEXEC,
            "noatime" => MountFlags::NOATIME,
            "nodiratime" => MountFlags::NODIRATIME,
            "relatime" => MountFlags::RELATIME,
            _ => MountFlags::empty(),
        };
    }
    match mount_remount(&mount.point, flags, "") {
        // Hidden below another mount, and not reachable.
        Err(Errno::NOENT | Errno::INVAL | Errno::ACCESS) => Ok(()),
        result => Ok(result?),
    }
}

fn is_read_only(point: &Path) -> io::Result<bool> {
    match rustix::fs::statvfs(point) {
        Ok(stat) => Ok(stat.f_flag.contains(StatVfsMountFlags::RDONLY)),
        Err(Errno::NOENT | Errno::ACCESS) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Decodes the octal escapes of the kernel, such as `\040` for a space.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let byte = part.get(..3).and_then(|it| u8::from_str_radix(it, 8).ok());
        match byte {
            Some(byte) => text + &char::from(byte).to_string() + &part[3..],
            None => text + "\\" + part,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_name_is_derived_from_its_closure() {
        let name = test_name(type_name_of(|| ()));
        assert_eq!(
            name,
            "confine::tests::a_test_name_is_derived_from_its_closure"
        );
    }

    fn type_name_of<F: FnOnce()>(_: F) -> &'static str {
        type_name::<F>()
    }

    #[test]
    fn mount_points_are_unescaped() {
        assert_eq!(unescaped("/a\\040b\\134c"), "/a b\\c");
        assert_eq!(unescaped("/plain"), "/plain");
    }
}
