//! The source or destination of a copy, as users write it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use windlass_layout::LayoutKind;
use windlass_oci::text::{Sanitized, sanitize};
use windlass_oci::{ImageName, Reference, ReferenceError};

/// The location of an image: `docker://alpine:3`, `oci:DIR:TAG`, `oci-archive:FILE`, `docker-archive:FILE:NAME`,
/// `dir:DIR`, `windlass:NAME`. A name without a scheme stands for an image in its registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageLocation {
    /// An image in a registry.
    Registry(Reference),
    /// An image in the store.
    Store(ImageName),
    /// An image in an archive or directory.
    Files {
        /// The format.
        kind: LayoutKind,
        /// The path of the archive or directory.
        path: PathBuf,
        /// The name of the image in it.
        ref_name: Option<String>,
    },
}

/// A string is not the location of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageLocationError {
    /// The name is invalid.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// The path is missing.
    #[error("{text:?} has no path after the colon")]
    NoPath {
        /// The string.
        text: Sanitized,
    },
    /// The scheme is one of other tools.
    #[error(
        "{text:?}: {scheme:?} is not supported; use docker://, oci:, oci-archive:, docker-archive:, dir: or windlass:"
    )]
    UnsupportedScheme {
        /// The string.
        text: Sanitized,
        /// The part before the colon.
        scheme: &'static str,
    },
}

/// Schemes of other tools. Without this list, they would be parsed as names of repositories.
const UNSUPPORTED_SCHEMES: [&str; 5] = [
    "containers-storage",
    "docker-daemon",
    "ostree",
    "sif",
    "tarball",
];

impl FromStr for ImageLocation {
    type Err = ImageLocationError;

    fn from_str(text: &str) -> Result<Self, ImageLocationError> {
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(name.parse()?));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return Ok(Self::Registry(text.parse()?));
        };
        let kind = match scheme {
            "windlass" => return Ok(Self::Store(rest.parse()?)),
            "oci" => LayoutKind::OciDirectory,
            "oci-archive" => LayoutKind::OciArchive,
            "docker-archive" => LayoutKind::DockerArchive,
            "dir" => LayoutKind::Directory,
            _ => {
                if let Some(scheme) = UNSUPPORTED_SCHEMES
                    .into_iter()
                    .find(|other| *other == scheme)
                {
                    let text = sanitize(text);
                    return Err(ImageLocationError::UnsupportedScheme { text, scheme });
                }
                return Ok(Self::Registry(text.parse()?));
            }
        };
        // A directory with one image has no names, and its path may contain a colon.
        let (path, ref_name) = match (kind, rest.split_once(':')) {
            (LayoutKind::Directory, _) | (_, None) => (rest, None),
            (_, Some((path, ref_name))) => (path, Some(ref_name.to_owned())),
        };
        if path.is_empty() {
            return Err(ImageLocationError::NoPath {
                text: sanitize(text),
            });
        }
        Ok(Self::Files {
            kind,
            path: path.into(),
            ref_name: ref_name.filter(|ref_name| !ref_name.is_empty()),
        })
    }
}

impl fmt::Display for ImageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => f.write_str(&reference.familiar()),
            Self::Store(name) => write!(f, "windlass:{name}"),
            Self::Files { path, ref_name, .. } => {
                write!(f, "{}", path.display())?;
                ref_name
                    .iter()
                    .try_for_each(|ref_name| write!(f, ":{ref_name}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ImageLocation, ImageLocationError> {
        text.parse()
    }

    #[test]
    fn the_scheme_before_the_colon_selects_the_location() {
        let registry = |text: &str| ImageLocation::Registry(text.parse().unwrap());
        assert_eq!(parse("docker://alpine:3"), Ok(registry("alpine:3")));
        assert_eq!(
            parse("localhost:5000/app:1"),
            Ok(registry("localhost:5000/app:1"))
        );
        assert_eq!(parse("alpine:3"), Ok(registry("alpine:3")));
        let files = |kind, path: &str, ref_name: Option<&str>| {
            let (path, ref_name) = (path.into(), ref_name.map(str::to_owned));
            Ok(ImageLocation::Files {
                kind,
                path,
                ref_name,
            })
        };
        assert_eq!(parse("oci:d"), files(LayoutKind::OciDirectory, "d", None));
        assert_eq!(
            parse("oci:/a/b:v1"),
            files(LayoutKind::OciDirectory, "/a/b", Some("v1"))
        );
        let ref_name = Some("quay.io/x/app:1");
        let expected = files(LayoutKind::DockerArchive, "a.tar", ref_name);
        assert_eq!(parse("docker-archive:a.tar:quay.io/x/app:1"), expected);
        assert_eq!(
            parse("oci-archive:a.tar"),
            files(LayoutKind::OciArchive, "a.tar", None)
        );
        assert_eq!(parse("dir:a:b"), files(LayoutKind::Directory, "a:b", None));
        assert_eq!(
            parse("windlass:app"),
            Ok(ImageLocation::Store("app".parse().unwrap()))
        );
    }

    #[test]
    fn invalid_locations_are_rejected() {
        let error = parse("oci:").unwrap_err().to_string();
        assert_eq!(error, r#""oci:" has no path after the colon"#);
        let error = parse("docker-daemon:app:1").unwrap_err().to_string();
        assert_eq!(
            error,
            "\"docker-daemon:app:1\": \"docker-daemon\" is not supported; \
             use docker://, oci:, oci-archive:, docker-archive:, dir: or windlass:"
        );
        let error = parse("docker://UPPER").unwrap_err().to_string();
        assert_eq!(
            error,
            "invalid reference \"UPPER\": the repository name must be lowercase"
        );
    }
}
