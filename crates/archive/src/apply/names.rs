//! What the names in a tar mean.

use crate::error::EntryError;

/// Paths are shorter than this, as the system's are: what is deeper could not be used by its path.
pub(crate) const PATH_MAX: usize = 4096;

/// What an entry's name stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning<'a> {
    /// The root.
    Root,
    /// Something in a directory.
    Entry { directory: &'a [u8], name: &'a [u8] },
    /// That `name` of the layers below is gone.
    Whiteout { directory: &'a [u8], name: &'a [u8] },
    /// That all of `directory` in the layers below is gone.
    Opaque { directory: &'a [u8] },
    /// What AUFS noted down for itself.
    Ignored,
}

const WHITEOUT: &[u8] = b".wh.";
const AUFS: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Puts `name` into `path` as a relative path without empty components, `.` and `..`. One that climbs
/// over the root is refused, not clamped (T01).
pub(crate) fn clean(name: &[u8], path: &mut Vec<u8>) -> Result<(), EntryError> {
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

/// Tells the meaning of a cleaned name (OCI image specification, "Whiteouts"; T06).
pub(crate) fn meaning(path: &[u8]) -> Result<Meaning<'_>, EntryError> {
    if path.is_empty() {
        return Ok(Meaning::Root);
    }
    let (directory, name) = split(path);
    for component in directory.split(|&byte| byte == b'/') {
        if component.starts_with(AUFS) {
            return Ok(Meaning::Ignored);
        }
        if component.starts_with(WHITEOUT) {
            return Err(EntryError::Whiteout);
        }
    }
    let Some(hidden) = name.strip_prefix(WHITEOUT) else {
        return Ok(Meaning::Entry { directory, name });
    };
    match hidden {
        _ if name == OPAQUE => Ok(Meaning::Opaque { directory }),
        _ if name.starts_with(AUFS) => Ok(Meaning::Ignored),
        b"" | b"." | b".." => Err(EntryError::Whiteout),
        name => Ok(Meaning::Whiteout { directory, name }),
    }
}

/// Splits a cleaned path into its directory and its last component.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// Appends a component to a cleaned path.
pub(crate) fn push(path: &mut Vec<u8>, component: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(component);
}

/// Returns `directory/name`, both cleaned.
pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    push(&mut path, name);
    path
}

/// Returns the length of a cleaned path's directory.
pub(crate) fn parent_length(path: &[u8]) -> usize {
    split(path).0.len()
}
