//! Runs a test in a mount namespace where nothing but its sandbox can be written.

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

/// Tells the test that was started again where its sandbox is, behind the mount namespace that it must
/// have left: `mnt:[4026531840] /tmp/windlass-…`.
const VARIABLE: &str = "WINDLASS_TESTING_CONFINED";
/// The file by which it says that it ran to its end.
const DONE: &str = "tmp/.confined-test-is-done";

/// Runs `test` where a mistake cannot do harm, and checks afterwards that the canary is unharmed.
///
/// Hostile archives are unpacked as root: whoever gets that wrong overwrites the machine. So, as root, the
/// test program is started once more for this one test, in a mount namespace of its own in which every
/// mount but the sandbox is read-only: a write outside fails with `EROFS`, and the test with it. As an
/// ordinary user the test runs here; file permissions confine it.
///
/// The closure must stand in the test function itself, whose name is found by it. Where namespaces are
/// not allowed (root in a container without privileges) the test is not run, and says so.
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
/// If the test fails, the canary is harmed, or the confinement is not complete.
#[track_caller]
pub fn confined<F: FnOnce(&Sandbox)>(test: F) {
    if let Some((left, path)) = confined_environment() {
        // Whoever sets the variable by hand must not get the whole machine frozen.
        assert_ne!(
            namespace(),
            left,
            "the test is not in a namespace of its own"
        );
        let sandbox = enter(&path).expect("the sandbox can be closed");
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

/// Returns whether [`confined`] runs its tests here: always but as root without the right to make
/// namespaces.
pub fn can_confine() -> bool {
    let probe = || unshare().arg("true").stderr(Stdio::null()).status();
    !rustix::process::geteuid().is_root() || probe().is_ok_and(|status| status.success())
}

/// The command in front of the one that is to have namespaces of its own.
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
    let program = std::env::current_exe().expect("a test knows its program");
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
        .expect("what was possible a moment ago is still");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let status = output.status;
    let signal = status
        .signal()
        .map_or_else(String::new, |it| format!(" (signal {it})"));
    assert!(status.success(), "confined, {test} failed{signal}:\n{said}");
    let done = directory.path().join(DONE).exists();
    assert!(
        done,
        "no test {test:?} ran to its end: does the closure stand in the test itself?\n{said}"
    );
}

/// Says on the real standard error, which the test harness does not keep to itself, that a test did not run.
fn not_run(test: &str, reason: &str) {
    // Nobody is left to tell if that fails.
    drop(writeln!(io::stderr(), "{test}: not run: {reason}"));
}

#[expect(
    clippy::disallowed_methods,
    reason = "no other way leads into a process"
)]
fn confined_environment() -> Option<(String, PathBuf)> {
    let text = std::env::var(VARIABLE).ok()?;
    let (namespace, path) = text.split_once(' ')?;
    Some((namespace.to_owned(), path.into()))
}

/// Returns what the kernel calls the mount namespace of this process.
fn namespace() -> String {
    let name = fs::read_link("/proc/self/ns/mnt").expect("/proc is mounted");
    name.display().to_string()
}

/// Returns the name that the test harness knows a test by, from that of a closure in it.
fn test_name(closure: &str) -> String {
    let path = closure.split("::{{closure}}").next().unwrap_or_default();
    let (_program, name) = path.split_once("::").unwrap_or(("", path));
    name.to_owned()
}

/// Makes the sandbox, and everything else read-only. Only ever called in a namespace of our own.
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

/// Reads `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`): the fifth field is where, the sixth how.
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
        // Hidden below another mount; nobody can reach it there.
        Err(Errno::NOENT | Errno::INVAL | Errno::ACCESS) => Ok(()),
        result => Ok(result?),
    }
}

fn is_read_only(point: &Path) -> io::Result<bool> {
    match rustix::fs::statvfs(point) {
        Ok(facts) => Ok(facts.f_flag.contains(StatVfsMountFlags::RDONLY)),
        Err(Errno::NOENT | Errno::ACCESS) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// The kernel writes spaces and the like as `\040`.
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
    fn a_test_is_known_by_its_closure() {
        let name = test_name(type_name_of(|| ()));
        assert_eq!(name, "confine::tests::a_test_is_known_by_its_closure");
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
