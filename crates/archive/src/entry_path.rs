//! The paths of tar entries: normalization and the names that stand for whiteouts.

use crate::error::EntryError;

/// The limit of a path in bytes, as in the kernel. A deeper file could not be opened by its path.
pub(crate) const PATH_MAX: usize = 4096;

/// What an entry with a given path creates or hides.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EntryTarget<'a> {
    /// The root directory.
    Root,
    /// A file of any type.
    File { directory: &'a [u8], name: &'a [u8] },
    /// A whiteout: `name` of the layers below is hidden.
    Whiteout { directory: &'a [u8], name: &'a [u8] },
    /// An opaque whiteout: everything that the layers below have in `directory` is hidden.
    Opaque { directory: &'a [u8] },
    /// The content of a file with several names in a layer of AUFS. The names are hard links to it.
    AufsFile { name: &'a [u8] },
    /// Internal metadata of AUFS, which is ignored.
    AufsMetadata,
}

const WHITEOUT_PREFIX: &[u8] = b".wh.";
const AUFS_PREFIX: &[u8] = b".wh..wh.";
const AUFS_LINKS: &[u8] = b".wh..wh.plnk/";
const OPAQUE_NAME: &[u8] = b".wh..wh..opq";

/// Writes `name` into `path` as a relative path without empty components, `.` and `..`. A name that leads
/// above the root is rejected, not clamped to the root (T01).
pub(crate) fn normalize(name: &[u8], path: &mut Vec<u8>) -> Result<(), EntryError> {
    path.clear();
    for component in name.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if path.is_empty() => return Err(EntryError::Escapes),
            b".." => path.truncate(parent_length(path)),
            _ => push(path, component),
        }
    }
    if path.len() >= PATH_MAX {
        return Err(EntryError::PathTooLong);
    }
    Ok(())
}

/// Classifies a normalized path (OCI image specification, "Whiteouts"; T06).
pub(crate) fn classify(path: &[u8]) -> Result<EntryTarget<'_>, EntryError> {
    if path.is_empty() {
        return Ok(EntryTarget::Root);
    }
    if let Some(name) = aufs_file(path) {
        return Ok(EntryTarget::AufsFile { name });
    }
    let (directory, name) = split(path);
    for component in directory.split(|&byte| byte == b'/') {
        if component.starts_with(AUFS_PREFIX) {
            return Ok(EntryTarget::AufsMetadata);
        }
        if component.starts_with(WHITEOUT_PREFIX) {
            return Err(EntryError::Whiteout);
        }
    }
    let Some(hidden) = name.strip_prefix(WHITEOUT_PREFIX) else {
        return Ok(EntryTarget::File { directory, name });
    };
    match hidden {
        _ if name == OPAQUE_NAME => Ok(EntryTarget::Opaque { directory }),
        _ if name.starts_with(AUFS_PREFIX) => Ok(EntryTarget::AufsMetadata),
        b"" | b"." | b".." => Err(EntryError::Whiteout),
        name => Ok(EntryTarget::Whiteout { directory, name }),
    }
}

/// Returns the name of a file in the directory of AUFS for files with several names, if the normalized `path` is one.
pub(crate) fn aufs_file(path: &[u8]) -> Option<&[u8]> {
    path.strip_prefix(AUFS_LINKS)
        .filter(|name| !name.contains(&b'/'))
}

/// Splits a normalized path into its directory and its last component.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// Appends a component to a normalized path.
pub(crate) fn push(path: &mut Vec<u8>, component: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(component);
}

/// Returns `directory/name`. Both must be normalized.
pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    push(&mut path, name);
    path
}

/// Returns the length of the directory of a normalized path.
pub(crate) fn parent_length(path: &[u8]) -> usize {
    split(path).0.len()
}
