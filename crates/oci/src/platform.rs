//! Platforms: the operating system and processor that an image runs on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::json::{bounded_list, or_default, read_from_objects};
use crate::text::{Sanitized, sanitize};

mod matching;

/// An operating system and a processor architecture, with Go's names, normalized.
///
/// Synonyms are replaced: `aarch64` by `arm64`, `x86_64` by `amd64`, `arm64/v8` by `arm64`, `amd64/v1` by `amd64`,
/// and `arm` without a variant by `arm/v7` (as in containerd).
///
/// The text form is `os[(version)]/architecture[/variant]`. Parsing also accepts the operating system or the
/// architecture alone; the other is then Linux, or the architecture that this program was built for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "PlatformDocument")]
pub struct Platform {
    /// The operating system, such as `linux`.
    pub os: String,
    /// The processor architecture, such as `amd64`.
    pub architecture: String,
    /// The variant of the architecture, such as `v7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The version of the operating system; used by Windows.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// The features that the operating system must have; used by Windows. They are ignored by `Display` and
    /// [`Platform::rank`].
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
}

/// A string is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid platform {platform:?}: expected os/architecture[/variant], such as linux/arm64")]
pub struct PlatformError {
    /// The text, shortened.
    pub platform: Sanitized,
}

/// The JSON form of a platform, not normalized.
#[derive(Deserialize)]
#[serde(remote = "Self")]
struct PlatformDocument {
    #[serde(default, deserialize_with = "or_default")]
    os: String,
    #[serde(default, deserialize_with = "or_default")]
    architecture: String,
    #[serde(default, deserialize_with = "or_default")]
    variant: Option<String>,
    #[serde(default, rename = "os.version", deserialize_with = "or_default")]
    os_version: Option<String>,
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "bounded_list::<_, 32, _>"
    )]
    os_features: Vec<String>,
}

read_from_objects! { PlatformDocument }

impl Platform {
    /// Returns the normalized platform. An empty variant is treated as absent.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, variant) =
            normal_architecture(architecture, variant.unwrap_or_default());
        Self {
            os: normal_os(os),
            architecture,
            variant,
            os_version: None,
            os_features: Vec::new(),
        }
    }

    /// Returns Linux on the processor of this machine; on `amd64`, the variant is its microarchitecture level.
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, host_variant())
    }

    /// Returns whether the platform is `unknown/unknown`, which is that of attestations.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl From<PlatformDocument> for Platform {
    fn from(document: PlatformDocument) -> Self {
        Self {
            os_version: document.os_version.filter(|version| !version.is_empty()),
            os_features: document.os_features,
            ..Self::new(
                &document.os,
                &document.architecture,
                document.variant.as_deref(),
            )
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sanitize(&self.os).fmt(f)?;
        if let Some(version) = &self.os_version {
            write!(f, "({})", sanitize(version))?;
        }
        write!(f, "/{}", sanitize(&self.architecture))?;
        if let Some(variant) = &self.variant {
            write!(f, "/{}", sanitize(variant))?;
        }
        Ok(())
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parsed = || {
            let mut parts = text.split('/');
            let (os, version) = split_version(parts.next()?)?;
            let architecture = parts.next();
            let variant = parts.next();
            let given = [Some(os), version, architecture, variant];
            if parts.next().is_some() || !given.into_iter().flatten().all(is_valid_part) {
                return None;
            }
            let platform = match architecture {
                Some(architecture) => Self::new(os, architecture, variant),
                None if is_known_os(&normal_os(os)) => {
                    Self::new(os, std::env::consts::ARCH, host_arm_variant())
                }
                None if is_known_architecture(os) && version.is_none() => {
                    Self::new("linux", os, None)
                }
                None => return None,
            };
            Some(Self {
                os_version: version.map(str::to_owned),
                ..platform
            })
        };
        parsed().ok_or_else(|| PlatformError {
            platform: sanitize(text),
        })
    }
}

fn split_version(os: &str) -> Option<(&str, Option<&str>)> {
    match os.split_once('(') {
        None => Some((os, None)),
        Some((os, version)) => Some((os, Some(version.strip_suffix(')')?))),
    }
}

fn is_valid_part(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !text.is_empty() && text.bytes().all(is_allowed)
}

fn normal_os(os: &str) -> String {
    match os.to_ascii_lowercase().as_str() {
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    }
}

fn normal_architecture(architecture: &str, variant: &str) -> (String, Option<String>) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("x86_64" | "x86-64" | "amd64", "v1" | "1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("i386" | "i486" | "i586" | "i686" | "x86", _) => ("386", ""),
        ("aarch64" | "arm64", "v8" | "8" | "v8.0" | "8.0") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "") => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("powerpc64le", variant) => ("ppc64le", variant),
        ("loongarch64", variant) => ("loong64", variant),
        (architecture, variant) => (architecture, variant),
    };
    let variant = match variant {
        "" => None,
        digits if digits.starts_with(|first: char| first.is_ascii_digit()) => {
            Some(format!("v{digits}"))
        }
        variant => Some(variant.to_owned()),
    };
    (architecture.to_owned(), variant)
}

fn is_known_os(os: &str) -> bool {
    matches!(
        os,
        "linux" | "windows" | "darwin" | "freebsd" | "netbsd" | "openbsd" | "wasi"
    )
}

fn is_known_architecture(architecture: &str) -> bool {
    let (architecture, _) = normal_architecture(architecture, "");
    let known = [
        "386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x",
        "wasm",
    ];
    known.contains(&architecture.as_str())
}

/// Returns the microarchitecture level of the `x86-64` psABI that the processor supports.
#[cfg(target_arch = "x86_64")]
fn host_variant() -> Option<&'static str> {
    macro_rules! has {
        ($($feature:tt)*) => { true $(&& std::arch::is_x86_feature_detected!($feature))* };
    }
    let v2 = has!("cmpxchg16b" "popcnt" "sse3" "sse4.1" "sse4.2" "ssse3");
    let v3 = v2 && has!("avx" "avx2" "bmi1" "bmi2" "f16c" "fma" "lzcnt" "movbe" "xsave");
    let v4 = v3 && has!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl");
    match (v2, v3, v4) {
        (.., true) => Some("v4"),
        (_, true, _) => Some("v3"),
        (true, ..) => Some("v2"),
        _ => None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn host_variant() -> Option<&'static str> {
    host_arm_variant()
}

/// Returns the variant of the `arm` architecture that this program was built for.
fn host_arm_variant() -> Option<&'static str> {
    if cfg!(target_arch = "arm") && !cfg!(target_feature = "v7") {
        return Some("v6");
    }
    None
}

#[cfg(test)]
mod tests;
