//! Paths within an archive or a layout: plain names one beneath the other, and nothing else.

use windlass_oci::Digest;
use windlass_oci::text::{Sanitized, sanitize_bytes as sanitize};

use crate::error::LayoutDefect;

/// A path that leads nowhere but down: no empty component, no `.`, no `..`, no NUL, not absolute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InnerPath(Vec<u8>);

/// The longest path that is looked at, in bytes.
const LONGEST: usize = 4096;

impl InnerPath {
    /// Parses a name as a tar or a document has it; `None` is the top itself.
    pub(crate) fn parse(text: &[u8]) -> Result<Option<Self>, LayoutDefect> {
        Self::below(b"", text)
    }

    /// Parses what a symbolic link says that stands at `self`.
    pub(crate) fn follow(&self, text: &[u8]) -> Result<Option<Self>, LayoutDefect> {
        let parent = self.0.iter().rposition(|&byte| byte == b'/');
        Self::below(&self.0[..parent.unwrap_or(0)], text)
    }

    /// Returns where a layout has the blob called `digest`.
    pub(crate) fn of_blob(digest: &Digest) -> Self {
        let (algorithm, hex) = (digest.algorithm().name(), digest.hex());
        Self(format!("blobs/{algorithm}/{hex}").into_bytes())
    }

    /// Returns the name of a document, which is one word.
    pub(crate) fn of_name(name: &str) -> Self {
        Self(name.as_bytes().to_vec())
    }

    pub(crate) fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/')
    }

    /// Returns the digest that the path claims its content has: that of `blobs/sha256/HEX` and `HEX.json`.
    pub(crate) fn claimed_digest(&self) -> Option<Digest> {
        let text = str::from_utf8(&self.0).ok()?;
        if let Some(blob) = text.strip_prefix("blobs/") {
            return blob.replacen('/', ":", 1).parse().ok();
        }
        let hex = text.strip_suffix(".json")?;
        format!("sha256:{hex}").parse().ok()
    }

    pub(crate) fn shown(&self) -> Sanitized {
        sanitize(&self.0)
    }

    fn below(start: &[u8], text: &[u8]) -> Result<Option<Self>, LayoutDefect> {
        let bad = || LayoutDefect::Path {
            path: sanitize(text),
        };
        if text.starts_with(b"/") || text.contains(&0) || text.len() > LONGEST {
            return Err(bad());
        }
        let mut path: Vec<&[u8]> = match start {
            [] => Vec::new(),
            start => start.split(|&byte| byte == b'/').collect(),
        };
        for component in text.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => path.pop().map(drop).ok_or_else(bad)?,
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
    fn nothing_leads_out() {
        assert_eq!(parse("./blobs//sha256/x").unwrap(), "blobs/sha256/x");
        assert_eq!(parse("a/../b").unwrap(), "b");
        for bad in ["", "./", "/etc/passwd", "../x", "a/../../x", "a\0b"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn links_are_read_where_they_stand() {
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
