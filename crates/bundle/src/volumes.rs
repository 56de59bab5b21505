//! The image's volumes, as file systems in memory.

use windlass_oci::text::sanitize;

use crate::error::{BundleWarning, VolumeProblem};
use crate::options::RuntimeUser;
use crate::root::{Directory, Found, ImageRoot};
use crate::spec::Mount;

/// What is the kernel's or the runtime's.
const SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What a directory is like that the image does not have.
const USUAL: Directory = Directory {
    mode: 0o755,
    uid: 0,
    gid: 0,
    identity: (0, 0),
    has_content: false,
};

/// Returns a mount for each of `volumes`, which are in order: those above others come first.
pub(crate) fn mounts(
    volumes: &[String],
    root: ImageRoot<'_>,
    runtime_user: RuntimeUser,
    warnings: &mut Vec<BundleWarning>,
) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for path in volumes {
        match mount(path, root, runtime_user) {
            Ok(mount) => mounts.push(mount),
            Err(problem) => warnings.push(BundleWarning::Volume {
                path: sanitize(path),
                problem,
            }),
        }
    }
    mounts
}

fn mount(
    path: &str,
    root: ImageRoot<'_>,
    runtime_user: RuntimeUser,
) -> Result<Mount, VolumeProblem> {
    let plain = plain(path).ok_or(VolumeProblem::Path)?;
    let below = |top: &str| {
        let rest = plain.strip_prefix(top);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if SYSTEM.into_iter().any(below) {
        return Err(VolumeProblem::System);
    }
    let directory = match root.find(&plain) {
        // By way of a link.
        Found::Directory(directory) if is_system(directory, root) => {
            return Err(VolumeProblem::System);
        }
        Found::Directory(directory) => directory,
        Found::Nothing => USUAL,
        Found::Other => return Err(VolumeProblem::NotADirectory),
    };
    let mut options = vec!["nosuid".to_owned(), "nodev".to_owned()];
    options.push(format!("mode={:04o}", directory.mode));
    if runtime_user == RuntimeUser::Root {
        options.push(format!("uid={}", directory.uid));
        options.push(format!("gid={}", directory.gid));
    }
    if directory.has_content {
        // Of runc and crun: starts with a copy of what is there. No other runtime has a way to do that.
        options.push("tmpcopyup".to_owned());
    }
    Ok(Mount {
        destination: path.to_owned(),
        kind: "tmpfs",
        source: "tmpfs",
        options,
    })
}

fn is_system(directory: Directory, root: ImageRoot<'_>) -> bool {
    let mut tops = SYSTEM.into_iter().chain(["/"]);
    tops.any(
        |top| matches!(root.find(top), Found::Directory(top) if top.identity == directory.identity),
    )
}

/// Returns an absolute path without `.`, `..` and empty parts; `None` for another, and for `/`.
fn plain(path: &str) -> Option<String> {
    let is_plain = path.starts_with('/') && !path.contains('\0');
    let mut plain = String::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            return None;
        }
        plain.push('/');
        plain.push_str(part);
    }
    (is_plain && !plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_volume_is_like_what_the_image_has_there() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("full/below")).unwrap();
        fs::create_dir(at("empty")).unwrap();
        fs::set_permissions(at("empty"), fs::Permissions::from_mode(0o1770)).unwrap();
        fs::write(at("file"), "").unwrap();
        symlink("/full", at("link")).unwrap();
        symlink("/../..", at("up")).unwrap();
        fs::create_dir(at("dev")).unwrap();
        symlink("dev", at("devices-too")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let volumes = [
            "",
            "/",
            "//.",
            "/../x",
            "/a/../b",
            "/devices",
            "/devices-too",
            "/empty",
            "/file",
            "/full",
            "/full/",
            "/link",
            "/loop",
            "/new",
            "/nul\0",
            "/dev",
            "/proc/./x",
            "//sys",
            "/up",
            "relative",
        ];
        let volumes = volumes.map(str::to_owned);
        let handle = fs::File::open(directory.path()).unwrap();
        let mut warnings = Vec::new();
        let runtime_user = RuntimeUser::Rootless { uid: 1, gid: 1 };
        let mounts = mounts(
            &volumes,
            ImageRoot::new(handle.as_fd()),
            runtime_user,
            &mut warnings,
        );
        let lines = mounts
            .iter()
            .map(|mount| format!("{} {}", mount.destination, mount.options.join(",")));
        let lines: Vec<_> = lines
            .chain(warnings.iter().map(|warning| format!("{warning:?}")))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        /devices nosuid,nodev,mode=0755
        /empty nosuid,nodev,mode=1770
        /full nosuid,nodev,mode=0755,tmpcopyup
        /full/ nosuid,nodev,mode=0755,tmpcopyup
        /link nosuid,nodev,mode=0755
        /new nosuid,nodev,mode=0755
        Volume { path: "", problem: Path }
        Volume { path: "/", problem: Path }
        Volume { path: "//.", problem: Path }
        Volume { path: "/../x", problem: Path }
        Volume { path: "/a/../b", problem: Path }
        Volume { path: "/devices-too", problem: System }
        Volume { path: "/file", problem: NotADirectory }
        Volume { path: "/loop", problem: NotADirectory }
        Volume { path: "/nul\0", problem: Path }
        Volume { path: "/dev", problem: System }
        Volume { path: "/proc/./x", problem: System }
        Volume { path: "//sys", problem: System }
        Volume { path: "/up", problem: System }
        Volume { path: "relative", problem: Path }
        "#);
    }
}
