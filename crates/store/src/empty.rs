//! A directory that is always empty: an overlay needs two directories where an image may have one layer.

use std::path::PathBuf;

use rustix::fs::Mode;
use rustix::io::Errno;

use crate::Store;
use crate::error::{At, FileError};
use crate::root::EMPTY;

impl Store {
    /// Returns the path of a directory that is always empty.
    ///
    /// It is made when it is first asked for; nothing else depends on it, so its loss costs nothing.
    pub fn empty_directory(&self) -> Result<PathBuf, FileError> {
        let root = self.inner().root();
        let path = root.path().join(EMPTY);
        match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => Ok(path),
            Err(error) => Err(error).at("create", || path.clone()),
        }
    }
}
