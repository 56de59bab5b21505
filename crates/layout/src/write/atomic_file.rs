//! Files that appear at their path when they are complete.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
use rustix::io::Errno;
use tempfile::NamedTempFile;

/// A file that is being written. It has no name until it is complete, if the file system supports this. If it is
/// dropped before [`AtomicFile::finish`], or the process is killed, the file at the path is unchanged.
#[derive(Debug)]
pub struct AtomicFile {
    file: TemporaryFile,
    path: PathBuf,
}

#[derive(Debug)]
enum TemporaryFile {
    /// A file without a name (`O_TMPFILE`). The kernel removes it when the process ends.
    Unnamed(File),
    /// A file with a temporary name beside the final path.
    Named(NamedTempFile),
}

/// The prefix of temporary names.
const PREFIX: &str = ".windlass-";

impl AtomicFile {
    /// Creates a file for `path`. Other users cannot read it before it is finished.
    pub fn create(path: &Path) -> io::Result<Self> {
        let parent = parent(path);
        let file = match open_unnamed(parent) {
            Ok(Some(file)) => TemporaryFile::Unnamed(file),
            // Returned as it is: the error of the fallback would contain the temporary name.
            Err(Errno::NOENT) => return Err(Errno::NOENT.into()),
            Ok(None) | Err(_) => TemporaryFile::Named(temporary().tempfile_in(parent)?),
        };
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    /// Syncs the file and moves it to its path. It gets the permissions of new files of this process.
    pub fn finish(self) -> io::Result<()> {
        let file = self.file();
        file.set_permissions(Permissions::from_mode(0o666 & !umask()))?;
        file.sync_all()?;
        match self.file {
            TemporaryFile::Named(file) => file.persist(&self.path).map_err(|error| error.error)?,
            TemporaryFile::Unnamed(file) => {
                // A link cannot replace an existing file, so the file is linked to a temporary name and renamed.
                let link =
                    |name: &Path| linkat(CWD, proc_path(&file), CWD, name, AtFlags::SYMLINK_FOLLOW);
                let named = temporary().make_in(parent(&self.path), |name| Ok(link(name)?))?;
                named
                    .into_temp_path()
                    .persist(&self.path)
                    .map_err(|error| error.error)?;
                file
            }
        };
        Ok(())
    }

    /// Returns the open file.
    pub fn file(&self) -> &File {
        match &self.file {
            TemporaryFile::Unnamed(file) => file,
            TemporaryFile::Named(file) => file.as_file(),
        }
    }
}

/// Creates a file without a name. Returns `None` if it could not be linked later because `/proc` is not mounted.
fn open_unnamed(parent: &Path) -> rustix::io::Result<Option<File>> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(open(parent, flags, Mode::RUSR | Mode::WUSR)?);
    let has_path = fs::symlink_metadata(proc_path(&file)).is_ok();
    Ok(has_path.then_some(file))
}

fn proc_path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

pub(super) fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    builder
}

/// Returns the umask of this process. It is read from `/proc` because the system call can only return it by changing
/// it, which affects other threads.
pub(super) fn umask() -> u32 {
    const DEFAULT: u32 = 0o022;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|bits| u32::from_str_radix(bits.trim(), 8).ok())
        .unwrap_or(DEFAULT)
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}
