//! The formats of credential files.

/// The format of a credential file, which determines the position of the entries and the meaning of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialFileFormat {
    /// Docker's `config.json`. A key applies to its whole host, even if it has a path. A key whose path is a prefix of
    /// the repository takes precedence.
    Docker,
    /// podman's `auth.json`. A key with a path applies only to the repositories in that path.
    Podman,
    /// `.dockercfg`, whose top-level object contains the entries.
    Dockercfg,
}
