//! Reading files: regular ones, and not more of them than sensible.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::Problem;

/// The largest file that is read. Bundles of every CA there is are a quarter of it.
pub(crate) const LIMIT: u64 = 1 << 20;

/// Returns the bytes of the file at `path`. Links are followed: whoever made them may read the files.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    // Looked at first, because opening a pipe would wait.
    let is_file = fs::metadata(path).map_err(Problem::Read)?.is_file();
    if !is_file {
        return Err(Problem::NotAFile);
    }
    let file = File::open(path).map_err(Problem::Read)?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(Problem::Read)?;
    match bytes.len() as u64 > LIMIT {
        true => Err(Problem::TooLarge { limit: LIMIT }),
        false => Ok(bytes),
    }
}

/// Returns the text of the file at `path`, without a byte order mark; none if there is no such file.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, Problem> {
    let bytes = match read(path) {
        Err(Problem::Read(error)) if is_absent(&error) => return Ok(None),
        bytes => bytes?,
    };
    let text = String::from_utf8(bytes).map_err(|_| Problem::NotText)?;
    Ok(Some(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    }))
}

/// Tells whether `error` says that there is no such file.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
