//! The file of the page, which is replaced atomically.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// A file to write. A check in advance has found it writable.
#[derive(Debug)]
pub struct Destination {
    /// The path as the user wrote it.
    path: PathBuf,
    directory: PathBuf,
    name: OsString,
    /// The mode of the existing file.
    mode: Option<u32>,
}

/// Why the page cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// The path is a directory, a device or a pipe.
    #[error("writing the timings to {}: it is not a regular file", .path.display())]
    NotAFile {
        /// The path as the user wrote it.
        path: PathBuf,
    },
    /// The system reports an error.
    #[error("writing the timings to {}", .path.display())]
    Io {
        /// The path as the user wrote it.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

/// Rejects `-`: standard output is for the result.
pub fn parse_path(path: PathBuf) -> Result<PathBuf, &'static str> {
    match path.as_os_str() == "-" {
        true => Err("standard output is for the result; choose a file"),
        false => Ok(path),
    }
}

impl Destination {
    /// Checks that `path` can be written, without creating a file. An existing file will be replaced; a symlink is
    /// followed.
    pub fn prepare(path: &Path) -> Result<Self, DestinationError> {
        let not_a_file = || DestinationError::NotAFile { path: path.into() };
        let there = fs::metadata(path).ok();
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return Err(not_a_file());
        }
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let destination = Self {
            path: path.to_owned(),
            directory: directory.unwrap_or(Path::new(".")).to_owned(),
            name: target.file_name().ok_or_else(not_a_file)?.to_owned(),
            mode: there.map(|there| there.permissions().mode() & 0o777),
        };
        destination
            .draft()
            .map_err(|source| destination.failed(source))?;
        Ok(destination)
    }

    /// Writes `text` and replaces the existing file.
    pub fn write(&self, text: &str) -> Result<(), DestinationError> {
        self.replace(text).map_err(|source| self.failed(source))
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let mut draft = self.draft()?;
        draft.write_all(text.as_bytes())?;
        if let Some(mode) = self.mode {
            draft
                .as_file()
                .set_permissions(Permissions::from_mode(mode))?;
        }
        draft.as_file().sync_all()?;
        draft.persist(self.directory.join(&self.name))?;
        Ok(())
    }

    /// Creates a temporary file in the same directory. It is removed when it is dropped.
    fn draft(&self) -> io::Result<NamedTempFile<File>> {
        let create = |path: &Path| {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o666)
                .open(path)
        };
        Builder::new()
            .prefix(".windlass-timings-")
            .make_in(&self.directory, create)
    }

    fn failed(&self, source: io::Error) -> DestinationError {
        DestinationError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(directory: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn checks_create_no_file_and_writes_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.html");
        let destination = Destination::prepare(&path).unwrap();
        assert_eq!(names(directory.path()), [""; 0]);
        destination.write("one").unwrap();
        destination.write("two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(names(directory.path()), ["t.html"]);
    }

    /// The target of a symlink is replaced and keeps its mode; the symlink remains.
    #[test]
    fn symlinks_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink("file", &link).unwrap();
        Destination::prepare(&link).unwrap().write("new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("file"));
        assert_eq!(names(directory.path()), ["file", "link"]);
    }

    /// Root could replace a device by a file.
    #[test]
    fn only_regular_files_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing/t.html");
        let messages = [Path::new("/dev/null"), directory.path(), &missing].map(|path| {
            let error = Destination::prepare(path).unwrap_err();
            windlass::text::error_chain(&error).replace(directory.path().to_str().unwrap(), "[dir]")
        });
        insta::assert_snapshot!(messages.join("\n"), @r"
        writing the timings to /dev/null: it is not a regular file
        writing the timings to [dir]: it is not a regular file
        writing the timings to [dir]/missing/t.html: No such file or directory (os error 2)
        ");
    }
}
