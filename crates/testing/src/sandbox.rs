//! A directory for one test, with a canary beside the tested files.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::XattrFlags;
use tempfile::TempDir;

use crate::TreeSnapshot;

/// The content of the canary's files; it must not appear elsewhere.
pub const SENTINEL: &[u8] = b"CANARY-5b1d0c9e-this-must-stay-where-it-is";

/// A temporary directory with a canary in it.
///
/// ```text
/// <sandbox>/
/// ├── canary/       must stay exactly as it is
/// │   ├── file      mode 0640, an extended attribute where the file system has them
/// │   ├── setuid    mode 04755
/// │   ├── link      -> file
/// │   └── dir/inner
/// ├── root/         the tested files: a store, an unpacked image
/// └── tmp/          other files of the test
/// ```
#[derive(Debug)]
pub struct Sandbox {
    path: PathBuf,
    before: TreeSnapshot,
    /// Removes the directory on drop; the directory of a confined sandbox belongs to another process.
    _directory: Option<TempDir>,
}

impl Sandbox {
    /// Creates a sandbox in the system's temporary directory.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("windlass-").tempdir();
        let directory = directory.expect("temporary directories can be made");
        let sandbox =
            Self::at(directory.path()).expect("files can be made in a temporary directory");
        Self {
            _directory: Some(directory),
            ..sandbox
        }
    }

    /// Creates a sandbox in an existing empty directory.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        // Other names of the same directory would make comparisons of paths fail.
        let path = path.canonicalize()?;
        make_canary(&path.join("canary"))?;
        fs::create_dir(path.join("root"))?;
        fs::create_dir(path.join("tmp"))?;
        Ok(Self {
            before: outside(&path)?,
            path,
            _directory: None,
        })
    }

    /// Returns the sandbox's own path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the directory for the tested files: a store, or an image's root.
    pub fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    /// Returns the directory for other files of the test.
    pub fn tmp(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// Returns the canary's path, as a target for hostile names.
    pub fn canary(&self) -> PathBuf {
        self.path.join("canary")
    }

    /// Checks that everything outside `root` and `tmp` is unchanged, and that no bytes of the canary were
    /// copied or linked into `root`.
    ///
    /// # Panics
    /// With the changes, or the files that contain the canary's bytes.
    #[track_caller]
    pub fn assert_unharmed(&self) {
        let after = outside(&self.path).expect("the sandbox can be read");
        self.before.assert_same(&after);
        let mut leaks = Vec::new();
        find_sentinel(&self.root(), &mut leaks).expect("the root can be read");
        assert!(leaks.is_empty(), "the canary's bytes are in {leaks:?}");
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns a snapshot of everything in the sandbox that no test may change.
fn outside(path: &Path) -> io::Result<TreeSnapshot> {
    let tree = TreeSnapshot::watched(path)?;
    Ok(tree.without_path("root").without_path("tmp"))
}

fn make_canary(path: &Path) -> io::Result<()> {
    let write = |name: &str, mode: u32| {
        let file = path.join(name);
        fs::write(&file, SENTINEL)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        // The file system may not support extended attributes.
        let flags = XattrFlags::empty();
        let _ = rustix::fs::setxattr(&file, "user.canary", b"sings", flags);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::open(&file)?.set_modified(time)
    };
    fs::create_dir_all(path.join("dir"))?;
    write("file", 0o640)?;
    write("setuid", 0o4755)?;
    write("dir/inner", 0o600)?;
    symlink("file", path.join("link"))
}

/// Collects the files below `directory` that contain the sentinel. (It does not detect compressed copies; a
/// hard link to the canary is detected by the canary's change times, too.)
fn find_sentinel(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for child in fs::read_dir(directory)? {
        let child = child?;
        let kind = child.file_type()?;
        if kind.is_dir() {
            find_sentinel(&child.path(), found)?;
        } else if kind.is_file() {
            let bytes = fs::read(child.path())?;
            if bytes.windows(SENTINEL.len()).any(|it| it == SENTINEL) {
                found.push(child.path());
            }
        }
    }
    Ok(())
}
