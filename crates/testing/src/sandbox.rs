//! A place of its own for a test, with a canary beside what is tested.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::XattrFlags;
use tempfile::TempDir;

use crate::TreeSnapshot;

/// What is in the canary's files; it must turn up nowhere else.
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
/// ├── root/         for what is tested: a store, an unpacked image
/// └── tmp/          for whatever the test needs besides
/// ```
#[derive(Debug)]
pub struct Sandbox {
    path: PathBuf,
    before: TreeSnapshot,
    /// Removes the directory in the end; a sandbox that is confined belongs to another process.
    _directory: Option<TempDir>,
}

impl Sandbox {
    /// Makes one among the system's temporary files.
    ///
    /// # Panics
    /// If that is not possible.
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

    /// Makes one in an empty directory that is there.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        // Links and other names of the same place would make comparisons of paths fail.
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

    /// Returns the directory for what is tested: a store, or an image's root.
    pub fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    /// Returns the directory for whatever else the test needs.
    pub fn tmp(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// Returns the canary's path, for hostile names to aim at.
    pub fn canary(&self) -> PathBuf {
        self.path.join("canary")
    }

    /// Checks that everything outside `root` and `tmp` is untouched, and that no byte of the canary came
    /// into `root`, by copy or by link.
    ///
    /// # Panics
    /// With what changed, or where the canary's bytes are.
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

/// Everything in the sandbox that no test may touch.
fn outside(path: &Path) -> io::Result<TreeSnapshot> {
    let tree = TreeSnapshot::watched(path)?;
    Ok(tree.without_path("root").without_path("tmp"))
}

fn make_canary(path: &Path) -> io::Result<()> {
    let write = |name: &str, mode: u32| {
        let file = path.join(name);
        fs::write(&file, SENTINEL)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        // File systems may lack them.
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

/// Collects the files below `directory` that hold the sentinel. (Compressed, it would hide; a link to
/// the canary shows in the canary's change times as well.)
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
