//! Paths inside an archive or layout.

use windlass_oci::Digest;
use windlass_oci::text::{Sanitized, sanitize_bytes};

use crate::error::LayoutDefect;

/// A normalized relative path: no empty components, no `.`, no `..`, no NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InnerPath(Vec<u8>);

/// The limit on the length of a path in bytes.
const MAX_LENGTH: usize = 4096;

impl InnerPath {
    /// Parses a path of a tar or a document. Returns `None` for the root.
    pub(crate) fn parse(text: &[u8]) -> Result<Option<Self>, LayoutDefect> {
        Self::below(b"", text)
    }

    /// Parses the target of a symbolic link at `self`.
    pub(crate) fn follow(&self, text: &[u8]) -> Result<Option<Self>, LayoutDefect> {
        let parent = self.0.iter().rposition(|&byte| byte == b'/');
        Self::below(&self.0[..parent.unwrap_or(0)], text)
    }

    /// Returns the path of a blob in an OCI layout.
    pub(crate) fn of_blob(digest: &Digest) -> Self {
        let (algorithm, hex) = (digest.algorithm().name(), digest.hex());
        Self(format!("blobs/{algorithm}/{hex}").into_bytes())
    }

    /// Returns the path of a file in the root.
    pub(crate) fn of_name(name: &str) -> Self {
        Self(name.as_bytes().to_vec())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns each directory of the path, from the root, with the rest of the path.
    pub(crate) fn splits(&self) -> impl Iterator<Item = (Self, &[u8])> {
        let slashes = self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.map(|(position, _)| (Self(self.0[..position].to_vec()), &self.0[position + 1..]))
    }

    /// Returns the path `rest` below `self`, which is a directory. Returns `None` if it is too long.
    pub(crate) fn join(&self, rest: &[u8]) -> Option<Self> {
        let path = [&self.0, rest].join(&b'/');
        (path.len() <= MAX_LENGTH).then_some(Self(path))
    }

    pub(crate) fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/')
    }

    /// Returns the digest that the path claims for its content: `blobs/sha256/HEX` or `HEX.json`.
    pub(crate) fn claimed_digest(&self) -> Option<Digest> {
        let text = str::from_utf8(&self.0).ok()?;
        if let Some(blob) = text.strip_prefix("blobs/") {
            return blob.replacen('/', ":", 1).parse().ok();
        }
        let hex = text.strip_suffix(".json")?;
        format!("sha256:{hex}").parse().ok()
    }

    /// Returns the path with control characters escaped, for error messages.
    pub(crate) fn sanitized(&self) -> Sanitized {
        sanitize_bytes(&self.0)
    }

    /// Resolves `text` relative to the directory `start`.
    fn below(start: &[u8], text: &[u8]) -> Result<Option<Self>, LayoutDefect> {
        let invalid = || LayoutDefect::Path {
            path: sanitize_bytes(text),
        };
        if text.starts_with(b"/") || text.contains(&0) || text.len() > MAX_LENGTH {
            return Err(invalid());
        }
        let mut path: Vec<&[u8]> = match start {
            [] => Vec::new(),
            start => start.split(|&byte| byte == b'/').collect(),
        };
        for component in text.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => path.pop().map(drop).ok_or_else(invalid)?,
                name => path.push(name),
            }
        }
        let path = path.join(&b'/');
        Ok((!path.is_empty()).then_some(Self(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        let path = InnerPath::parse(text.as_bytes()).ok()??;
        Some(String::from_utf8(path.0).unwrap())
    }

    /// T24.
    #[test]
    fn paths_that_lead_outside_are_rejected() {
        assert_eq!(parse("./blobs//sha256/x").unwrap(), "blobs/sha256/x");
        assert_eq!(parse("a/../b").unwrap(), "b");
        for invalid in ["", "./", "/etc/passwd", "../x", "a/../../x", "a\0b"] {
            assert_eq!(parse(invalid), None, "{invalid:?}");
        }
    }

    #[test]
    fn links_are_resolved_relative_to_their_directory() {
        let follow = |at: &str, text: &str| {
            let at = InnerPath::parse(at.as_bytes()).unwrap().unwrap();
            let path = at.follow(text.as_bytes()).ok()??;
            Some(String::from_utf8(path.0).unwrap())
        };
        assert_eq!(follow("a/layer.tar", "../x.tar").unwrap(), "x.tar");
        assert_eq!(follow("layer.tar", "x.tar").unwrap(), "x.tar");
        assert_eq!(follow("a/layer.tar", "../../x"), None);
        assert_eq!(follow("a/layer.tar", "/x"), None);
    }
}
