//! Options of a bundle that are not part of its image.

use std::str::FromStr;

/// The longest host name that Linux accepts, in bytes.
const MAX_HOSTNAME: usize = 64;

/// Options of a bundle. By default, the settings of the image are used, for a runtime that is started by root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleOptions {
    /// The user that starts the runtime.
    pub runtime_user: RuntimeUser,
    /// Replaces the image's entrypoint and command.
    pub entrypoint: Option<String>,
    /// Replaces the image's command.
    pub args: Option<Vec<String>>,
    /// Environment variables to add, or to replace those of the image with the same name.
    pub env: Vec<EnvVariable>,
    /// Replaces the image's working directory.
    pub cwd: Option<String>,
    /// Replaces the image's user: `USER[:GROUP]`, each by name or number.
    pub user: Option<String>,
    /// The host name of the container.
    pub hostname: Hostname,
    /// Whether the process gets a terminal.
    pub tty: bool,
    /// How the image's volumes are mounted.
    pub volumes: VolumeMode,
}

/// The user that starts the runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeUser {
    /// Root.
    #[default]
    Root,
    /// An ordinary user, which is mapped to root in a user namespace. No other user is mapped.
    Rootless {
        /// The ID of the user.
        uid: u32,
        /// The ID of the user's group.
        gid: u32,
    },
}

/// How the image's volumes are mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeMode {
    /// Each volume is a tmpfs with a copy of the image's directory.
    #[default]
    Tmpfs,
    /// Volumes are not mounted: they are directories of the root file system.
    Rootfs,
}

/// An environment variable, `NAME=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVariable(String);

/// Why a string is not an environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvVariableError {
    /// It has no `=`, or nothing before the `=`.
    #[error("not of the form NAME=value")]
    Form,
    /// It contains a NUL character, at which it would end for the program.
    #[error("contains a NUL character")]
    Nul,
}

/// A host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostname(String);

/// A string is not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a host name: expected at most {MAX_HOSTNAME} letters, digits, '-' and '.', not beginning or ending with '-' or '.'"
)]
pub struct HostnameError;

impl EnvVariable {
    /// Returns the part before the `=`.
    pub fn name(&self) -> &str {
        self.0.split_once('=').map_or("", |(name, _)| name)
    }

    /// Returns `NAME=value`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn new(name: &str, value: &str) -> Result<Self, EnvVariableError> {
        format!("{name}={value}").parse()
    }
}

impl FromStr for EnvVariable {
    type Err = EnvVariableError;

    fn from_str(text: &str) -> Result<Self, EnvVariableError> {
        if text.contains('\0') {
            return Err(EnvVariableError::Nul);
        }
        match text.split_once('=') {
            Some((name, _)) if !name.is_empty() => Ok(Self(text.to_owned())),
            _ => Err(EnvVariableError::Form),
        }
    }
}

impl Hostname {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Hostname {
    fn default() -> Self {
        Self("windlass".to_owned())
    }
}

impl FromStr for Hostname {
    type Err = HostnameError;

    fn from_str(text: &str) -> Result<Self, HostnameError> {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let is_name = !text.is_empty() && text.len() <= MAX_HOSTNAME && text.bytes().all(is_inner);
        let ends = text.trim_matches(['-', '.']);
        match is_name && ends == text {
            true => Ok(Self(text.to_owned())),
            false => Err(HostnameError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_variables_are_rejected() {
        let variable: EnvVariable = "A=b=c".parse().unwrap();
        assert_eq!((variable.name(), variable.as_str()), ("A", "A=b=c"));
        assert_eq!("A=".parse::<EnvVariable>().unwrap().name(), "A");
        for text in ["", "A", "=b"] {
            assert_eq!(
                text.parse::<EnvVariable>(),
                Err(EnvVariableError::Form),
                "{text}"
            );
        }
        assert_eq!("A=\0".parse::<EnvVariable>(), Err(EnvVariableError::Nul));
    }

    #[test]
    fn malformed_host_names_are_rejected() {
        for text in ["a", "web-1.example.org", &"x".repeat(64)] {
            assert_eq!(text.parse::<Hostname>().unwrap().as_str(), text);
        }
        for text in ["", "-a", "a.", "a b", "ä", "a\0", &"x".repeat(65)] {
            assert_eq!(text.parse::<Hostname>(), Err(HostnameError), "{text}");
        }
    }
}
