//! Examines files outside of the measured time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Counts the regular files below `dir`.
pub(super) fn count_files(dir: &Path) -> io::Result<u64> {
    let mut files = 0;
    walk(dir, |_, _| {
        files += 1;
        Ok(())
    })?;
    Ok(files)
}

/// Adds up the sizes of the regular files below `dir`.
pub(super) fn count_bytes(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    walk(dir, |_, size| {
        bytes += size;
        Ok(())
    })?;
    Ok(bytes)
}

/// Reads a file, or all files below a directory, to their ends, so that the page cache holds them.
pub(super) fn read_through(path: &Path) -> io::Result<()> {
    let read = |path: &Path| io::copy(&mut File::open(path)?, &mut io::sink()).map(drop);
    match path.is_dir() {
        true => walk(path, |file, _| read(file)),
        false => read(path),
    }
}

/// Calls `visit` for each regular file below `dir`, with its size.
fn walk(dir: &Path, mut visit: impl FnMut(&Path, u64) -> io::Result<()>) -> io::Result<()> {
    let mut directories: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                visit(&entry.path(), entry.metadata()?.len())?;
            }
        }
    }
    Ok(())
}
