//! Mounts for the image's volumes, as tmpfs.

use windlass_oci::text::sanitize;

use crate::error::{BundleWarning, VolumeProblem};
use crate::options::RuntimeUser;
use crate::root::{DirectoryInfo, DirectoryLookup, ImageRoot};
use crate::spec::Mount;

/// Directories of the kernel and the runtime, where an image must not mount volumes.
const SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The attributes of a volume whose directory is not in the image.
const DEFAULT_DIRECTORY: DirectoryInfo = DirectoryInfo {
    mode: 0o755,
    uid: 0,
    gid: 0,
    identity: (0, 0),
    has_content: false,
};

/// Returns a mount for each of `volumes`. They must be sorted, so that a parent directory is mounted before its children.
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
    let normalized = normalize(path).ok_or(VolumeProblem::Path)?;
    let below = |top: &str| {
        let rest = normalized.strip_prefix(top);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if SYSTEM.into_iter().any(below) {
        return Err(VolumeProblem::System);
    }
    let directory = match root.lookup_directory(&normalized) {
        // A link may lead to a system directory.
        DirectoryLookup::Directory(directory) if is_system(directory, root) => {
            return Err(VolumeProblem::System);
        }
        DirectoryLookup::Directory(directory) => directory,
        DirectoryLookup::Missing => DEFAULT_DIRECTORY,
        DirectoryLookup::Other => return Err(VolumeProblem::NotADirectory),
    };
    let mut options = vec!["nosuid".to_owned(), "nodev".to_owned()];
    options.push(format!("mode={:04o}", directory.mode));
    if runtime_user == RuntimeUser::Root {
        options.push(format!("uid={}", directory.uid));
        options.push(format!("gid={}", directory.gid));
    }
    if directory.has_content {
        // An extension of runc and crun: the tmpfs starts with a copy of the directory. Other runtimes have none.
        options.push("tmpcopyup".to_owned());
    }
    Ok(Mount {
        destination: path.to_owned(),
        kind: "tmpfs",
        source: "tmpfs",
        options,
    })
}

fn is_system(directory: DirectoryInfo, root: ImageRoot<'_>) -> bool {
    let mut tops = SYSTEM.into_iter().chain(["/"]);
    tops.any(
        |top| matches!(root.lookup_directory(top), DirectoryLookup::Directory(top) if top.identity == directory.identity),
    )
}

/// Returns an absolute path without `.` and empty components; `None` for a relative path, `/` and a path with `..`.
fn normalize(path: &str) -> Option<String> {
    let is_absolute = path.starts_with('/') && !path.contains('\0');
    let mut normalized = String::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            return None;
        }
        normalized.push('/');
        normalized.push_str(part);
    }
    (is_absolute && !normalized.is_empty()).then_some(normalized)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_volume_has_the_attributes_of_the_directory_in_the_image() {
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
