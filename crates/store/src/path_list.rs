//! Lists of paths in one column: each path is followed by a NUL byte, which no path contains.

use crate::LowerLink;

/// Joins `paths` for the database. Returns `None` if a path contains a NUL byte.
pub(crate) fn join<'a>(paths: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    for path in paths {
        if path.contains(&0) {
            return None;
        }
        joined.extend_from_slice(path);
        joined.push(0);
    }
    Some(joined)
}

/// Splits the result of [`join`].
pub(crate) fn split(joined: &[u8]) -> Vec<Vec<u8>> {
    let paths = joined.split_inclusive(|byte| *byte == 0);
    paths
        .map(|path| path.strip_suffix(&[0]).unwrap_or(path).to_vec())
        .collect()
}

/// Joins the links of a layer: path, target, path, target …
pub(crate) fn join_links(links: &[LowerLink]) -> Option<Vec<u8>> {
    join(
        links
            .iter()
            .flat_map(|link| [link.path.as_slice(), &link.target]),
    )
}

/// Splits the result of [`join_links`].
pub(crate) fn split_links(joined: &[u8]) -> Vec<LowerLink> {
    let mut links = Vec::new();
    let mut parts = split(joined).into_iter();
    while let (Some(path), Some(target)) = (parts.next(), parts.next()) {
        links.push(LowerLink { path, target });
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_paths_are_split_again() {
        for paths in [vec![], vec![&b""[..]], vec![b"a/\xff\n", b"", b"b"]] {
            assert_eq!(split(&join(paths.iter().copied()).unwrap()), paths);
        }
        assert_eq!(join([&b"a\0b"[..]]), None);
    }
}
