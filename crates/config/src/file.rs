//! Reads regular files up to a maximum size.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::ConfigProblem;

/// The maximum size of a file in bytes. Bundles with all public CAs are a quarter of it.
pub(crate) const LIMIT: u64 = 1 << 20;

/// Returns the bytes of the file at `path`. Symbolic links are followed.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ConfigProblem> {
    // Opening a named pipe would block, so the type is checked before.
    let is_file = fs::metadata(path).map_err(ConfigProblem::Read)?.is_file();
    if !is_file {
        return Err(ConfigProblem::NotAFile);
    }
    let file = File::open(path).map_err(ConfigProblem::Read)?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(ConfigProblem::Read)?;
    match bytes.len() as u64 > LIMIT {
        true => Err(ConfigProblem::TooLarge { limit: LIMIT }),
        false => Ok(bytes),
    }
}

/// Returns the text of the file at `path`, without a byte order mark. `None` if the file does not exist.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, ConfigProblem> {
    let bytes = match read(path) {
        Err(ConfigProblem::Read(error)) if is_absent(&error) => return Ok(None),
        bytes => bytes?,
    };
    let text = String::from_utf8(bytes).map_err(|_| ConfigProblem::NotText)?;
    Ok(Some(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    }))
}

/// Returns whether `error` means that the file does not exist.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
