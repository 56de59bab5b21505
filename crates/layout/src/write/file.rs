//! Files that appear when they are whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::ahead::Ahead;

/// A file that is being written beside the place where it will be. Dropped before [`NewFile::finish`], nothing of it
/// stays, and what was in its place is untouched.
#[derive(Debug)]
pub struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
    ahead: Ahead,
}

impl NewFile {
    /// Begins a file that is to be `path`. Nobody else can read it before it is finished.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".windlass-")
            .tempfile_in(parent)?;
        let path = path.to_owned();
        let ahead = Ahead::default();
        Ok(Self { file, path, ahead })
    }

    /// Puts it in its place, durable, with the rights that new files of this process have.
    pub fn finish(self) -> io::Result<()> {
        let mode = 0o666 & !umask();
        let file = self.file.as_file();
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        self.file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Returns the file itself.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }
}

/// Returns the bits that new files of this process do not get, as the kernel tells them: asking the process itself
/// would change them for a moment.
fn umask() -> u32 {
    const USUAL: u32 = 0o022;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|bits| u32::from_str_radix(bits.trim(), 8).ok())
        .unwrap_or(USUAL)
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.ahead.wrote(written as u64, self.file.path());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
