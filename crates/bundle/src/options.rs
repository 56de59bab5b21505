//! What is wanted of a bundle beside what its image says.

use std::str::FromStr;

/// The longest host name that Linux takes, in bytes.
const MAX_HOSTNAME: usize = 64;

/// What is wanted of a bundle. By default what the image says, for root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleOptions {
    /// Whether root or an ordinary user starts it.
    pub runtime_user: RuntimeUser,
    /// The program in place of the image's entrypoint and command.
    pub entrypoint: Option<String>,
    /// Arguments in place of the image's command.
    pub args: Option<Vec<String>>,
    /// Variables in place of the image's of the same name, or beside them.
    pub env: Vec<EnvVariable>,
    /// The directory to start in, in place of the image's.
    pub cwd: Option<String>,
    /// `USER[:GROUP]` in place of the image's, each by name or number.
    pub user: Option<String>,
    /// What the container calls itself.
    pub hostname: Hostname,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// What becomes of the image's volumes.
    pub volumes: VolumeMode,
}

/// Who starts the bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeUser {
    /// Root.
    #[default]
    Root,
    /// An ordinary user, who is root in a user namespace, and nobody else is in it.
    Rootless {
        /// The user.
        uid: u32,
        /// The user's group.
        gid: u32,
    },
}

/// What becomes of the directories that the image wants to be volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeMode {
    /// Each is a file system in memory that starts with what the image has there.
    #[default]
    Tmpfs,
    /// They are directories like others: what is written there stays in the bundle.
    Rootfs,
}

/// A variable of the environment, `NAME=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVariable(String);

/// Why a text is no variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvVariableError {
    /// There is no `=` in it, or nothing before it.
    #[error("not of the form NAME=value")]
    Form,
    /// It contains a NUL, where it would end for the program.
    #[error("contains a NUL character")]
    Nul,
}

/// The name of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostname(String);

/// Why a text is no host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a host name: letters, digits, hyphens and dots, not at either end, {MAX_HOSTNAME} at most"
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
    fn variables_have_a_name() {
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
    fn host_names_are_plain() {
        for text in ["a", "web-1.example.org", &"x".repeat(64)] {
            assert_eq!(text.parse::<Hostname>().unwrap().as_str(), text);
        }
        for text in ["", "-a", "a.", "a b", "ä", "a\0", &"x".repeat(65)] {
            assert_eq!(text.parse::<Hostname>(), Err(HostnameError), "{text}");
        }
    }
}
