//! Versions of the API, as in the prefix of request paths.

use std::fmt;
use std::str::FromStr;

/// A version of the API, such as `1.51`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

/// A string is not an API version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a version of the API")]
pub struct VersionError;

impl ApiVersion {
    /// Returns `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Parses the first segment of a path, such as `v1.41`; `None` if it is not a version.
    ///
    /// As in Docker, a version is a `v` followed by digits and dots; everything after the second number is ignored.
    pub fn from_path_segment(segment: &str) -> Option<Self> {
        let text = segment.strip_prefix('v')?;
        let is_version = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        if !text.bytes().all(is_version) {
            return None;
        }
        text.parse().ok()
    }
}

impl FromStr for ApiVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let mut parts = text.split('.');
        let mut number = || {
            let part = parts.next().unwrap_or("0");
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            // A number that is too large is still newer than all supported versions.
            is_number
                .then(|| part.parse().unwrap_or(u16::MAX))
                .ok_or(VersionError)
        };
        Ok(Self {
            major: number()?,
            minor: number()?,
        })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segments_are_versions_or_names() {
        let version = |text| ApiVersion::from_path_segment(text).map(|version| version.to_string());
        assert_eq!(version("v1.41").as_deref(), Some("1.41"));
        assert_eq!(version("v1").as_deref(), Some("1.0"));
        assert_eq!(version("v1.41.7").as_deref(), Some("1.41"));
        assert!(ApiVersion::from_path_segment("v99999.1") > Some(ApiVersion::new(99, 0)));
        for name in ["volumes", "version", "1.41", "v", "v1.x", "v1.", "v..", ""] {
            assert_eq!(version(name), None, "{name}");
        }
    }

    #[test]
    fn newer_versions_are_greater() {
        assert!(ApiVersion::new(1, 9) < ApiVersion::new(1, 24));
        assert!(ApiVersion::new(2, 0) > ApiVersion::new(1, 51));
    }
}
