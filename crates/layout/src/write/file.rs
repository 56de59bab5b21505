//! Files that appear when they are whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
use rustix::io::Errno;
use tempfile::NamedTempFile;

/// A file that is being written and has no name yet, where the file system knows such files. Dropped before
/// [`AtomicFile::finish`], or killed, nothing of it stays, and what was in its place is untouched.
#[derive(Debug)]
pub struct AtomicFile {
    file: Unfinished,
    path: PathBuf,
}

#[derive(Debug)]
enum Unfinished {
    /// It has no name: whatever becomes of this process, it is gone with it.
    Nameless(File),
    /// It has one beside the place where it will be.
    Named(NamedTempFile),
}

/// How the names begin that files have for a moment.
const PREFIX: &str = ".windlass-";

impl AtomicFile {
    /// Begins a file that is to be `path`. Nobody else can read it before it is finished.
    pub fn create(path: &Path) -> io::Result<Self> {
        let parent = parent(path);
        let file = match nameless(parent) {
            Ok(Some(file)) => Unfinished::Nameless(file),
            // Said without a name that nobody gave.
            Err(Errno::NOENT) => return Err(Errno::NOENT.into()),
            Ok(None) | Err(_) => Unfinished::Named(temporary().tempfile_in(parent)?),
        };
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    /// Puts it in its place, durable, with the rights that new files of this process have.
    pub fn finish(self) -> io::Result<()> {
        let file = self.file();
        file.set_permissions(Permissions::from_mode(0o666 & !umask()))?;
        file.sync_all()?;
        match self.file {
            Unfinished::Named(file) => file.persist(&self.path).map_err(|error| error.error)?,
            Unfinished::Nameless(file) => {
                // A name can be given only where there is none; the rename replaces what is there.
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

    /// Returns the file itself.
    pub fn file(&self) -> &File {
        match &self.file {
            Unfinished::Nameless(file) => file,
            Unfinished::Named(file) => file.as_file(),
        }
    }
}

/// Makes a file without a name; none where it could not be given one.
fn nameless(parent: &Path) -> rustix::io::Result<Option<File>> {
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

/// Returns the bits that new files of this process do not get, as the kernel tells them: asking the process itself
/// would change them for a moment.
pub(super) fn umask() -> u32 {
    const USUAL: u32 = 0o022;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|bits| u32::from_str_radix(bits.trim(), 8).ok())
        .unwrap_or(USUAL)
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}
