//! The content of a registry: repositories with tags, manifests and blobs.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use hyper::Method;
use windlass_oci::Digest;

use super::script::RouteKey;
use crate::Random;

/// Repositories by name, and plain paths.
#[derive(Debug, Default)]
pub(super) struct RegistryContent {
    repositories: BTreeMap<String, StoredRepository>,
    /// Files at paths outside the protocol.
    pub(super) paths: HashMap<String, Bytes>,
    /// Files that are served only with a valid signature in the query, by path.
    pub(super) private: HashMap<String, Bytes>,
    /// The method and the remaining uses of a signed path with query.
    pub(super) signatures: HashMap<String, (Method, u64)>,
    /// The uploads in progress.
    pub(super) sessions: HashMap<String, UploadSession>,
    /// The number of uploads started so far.
    pub(super) uploads_started: u64,
}

/// An upload of a blob into a repository.
#[derive(Debug)]
pub(super) struct UploadSession {
    pub(super) repository: String,
    pub(super) bytes: Vec<u8>,
    /// The last chunk was shorter than the minimum, which only the final one may be.
    pub(super) is_short: bool,
}

#[derive(Debug, Default)]
pub(super) struct StoredRepository {
    pub(super) tags: BTreeMap<String, Digest>,
    pub(super) manifests: HashMap<Digest, StoredManifest>,
    pub(super) blobs: HashMap<Digest, Bytes>,
}

#[derive(Clone, Debug)]
pub(super) struct StoredManifest {
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
}

/// The resource that a path refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Ping,
    Token,
    Manifest {
        repository: String,
        reference: String,
    },
    Blob {
        repository: String,
        digest: String,
    },
    Tags {
        repository: String,
    },
    /// An upload; without a session for one that is to start.
    Upload {
        repository: String,
        session: Option<String>,
    },
    Referrers {
        repository: String,
        digest: String,
    },
    Other,
}

impl RegistryContent {
    pub(super) fn repository(&self, name: &str) -> Option<&StoredRepository> {
        self.repositories.get(name)
    }

    /// Returns the repository, creating it if it does not exist.
    ///
    /// # Panics
    /// If the name is invalid.
    pub(super) fn repository_mut(&mut self, name: &str) -> &mut StoredRepository {
        assert!(
            is_repository_name(name),
            "{name:?} is no valid repository name"
        );
        self.repositories.entry(name.to_owned()).or_default()
    }

    pub(super) fn remove_blob(&mut self, digest: &Digest) {
        for repository in self.repositories.values_mut() {
            repository.blobs.remove(digest);
        }
    }

    /// Signs a private path for `uses` requests with `method`, and returns it with its query. Each signature is
    /// different.
    pub(super) fn sign(&mut self, path: &str, method: &Method, uses: u64) -> String {
        let seed = self.signatures.len() as u64;
        let signature = Random::new(seed).number();
        let signed = format!("{path}?X-Amz-Expires=60&X-Amz-Signature={signature:016x}");
        self.signatures
            .insert(signed.clone(), (method.clone(), uses));
        signed
    }

    /// Uses up one use of a signature; returns false if it is not valid any more.
    pub(super) fn consume_signature(&mut self, signed: &str, method: &Method) -> bool {
        match self.signatures.get_mut(signed) {
            Some((of, uses)) if of == method && *uses > 0 => {
                *uses -= 1;
                true
            }
            _ => false,
        }
    }

    pub(super) fn expire_signatures(&mut self) {
        for (_, uses) in self.signatures.values_mut() {
            *uses = 0;
        }
    }
}

impl Resource {
    /// Parses a path; `root` is the path of the API, usually `/v2`.
    pub(super) fn of(root: &str, path: &str) -> Self {
        if path == "/token" {
            return Self::Token;
        }
        let Some(rest) = path
            .strip_prefix(root)
            .and_then(|rest| rest.strip_prefix('/'))
        else {
            return Self::Other;
        };
        if rest.is_empty() {
            return Self::Ping;
        }
        if let Some(repository) = rest.strip_suffix("/tags/list") {
            let repository = repository.to_owned();
            return Self::Tags { repository };
        }
        // A repository name may contain the component `manifests`, so the last one counts.
        if let Some((repository, reference)) = rest.rsplit_once("/manifests/") {
            return Self::Manifest {
                repository: repository.to_owned(),
                reference: reference.to_owned(),
            };
        }
        if let Some((repository, session)) = rest.rsplit_once("/blobs/uploads/") {
            return Self::Upload {
                repository: repository.to_owned(),
                session: (!session.is_empty()).then(|| session.to_owned()),
            };
        }
        if let Some((repository, digest)) = rest.rsplit_once("/referrers/") {
            return Self::Referrers {
                repository: repository.to_owned(),
                digest: digest.to_owned(),
            };
        }
        if let Some((repository, digest)) = rest.rsplit_once("/blobs/") {
            return Self::Blob {
                repository: repository.to_owned(),
                digest: digest.to_owned(),
            };
        }
        Self::Other
    }

    /// Returns the name of the repository, for resources in one.
    pub(super) fn repository(&self) -> Option<&str> {
        match self {
            Self::Manifest { repository, .. }
            | Self::Blob { repository, .. }
            | Self::Upload { repository, .. }
            | Self::Referrers { repository, .. }
            | Self::Tags { repository } => Some(repository),
            Self::Ping | Self::Token | Self::Other => None,
        }
    }

    /// Returns the keys of scripts for this resource, the most exact first.
    pub(super) fn keys(&self, path: &str) -> Vec<RouteKey> {
        let general = match self {
            Self::Ping => Some(RouteKey::Ping),
            Self::Token => Some(RouteKey::Token),
            Self::Manifest { reference, .. } => Some(RouteKey::Manifest(reference.clone())),
            Self::Blob { digest, .. } => Some(RouteKey::Blob(digest.clone())),
            Self::Tags { repository } => Some(RouteKey::Tags(repository.clone())),
            Self::Upload { .. } => Some(RouteKey::Uploads),
            Self::Referrers { digest, .. } => Some(RouteKey::Referrers(digest.clone())),
            Self::Other => None,
        };
        let every = match self {
            Self::Manifest { .. } => Some(RouteKey::EveryManifest),
            Self::Blob { .. } => Some(RouteKey::EveryBlob),
            Self::Ping
            | Self::Token
            | Self::Tags { .. }
            | Self::Upload { .. }
            | Self::Referrers { .. }
            | Self::Other => None,
        };
        [RouteKey::Path(path.to_owned())]
            .into_iter()
            .chain(general)
            .chain(every)
            .collect()
    }
}

/// OCI distribution spec, "Pulling manifests": the grammar of `<name>`.
pub(super) fn is_repository_name(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.chars().all(|c| c == '-');
    let component = |part: &str| {
        part.starts_with(alphanumeric)
            && part.ends_with(alphanumeric)
            && part.split(alphanumeric).all(separator)
    };
    name.split('/').all(component)
}

/// OCI distribution spec, "Pulling manifests": the grammar of a tag.
pub(super) fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_parsed() {
        assert_eq!(Resource::of("/v2", "/v2/"), Resource::Ping);
        assert_eq!(
            Resource::of("/v2", "/v2/a/b/manifests/latest"),
            Resource::Manifest {
                repository: "a/b".to_owned(),
                reference: "latest".to_owned()
            }
        );
        assert_eq!(
            Resource::of("/v2", "/v2/a/tags/list"),
            Resource::Tags {
                repository: "a".to_owned()
            }
        );
        assert_eq!(Resource::of("/v2", "/v2"), Resource::Other);
        assert_eq!(Resource::of("/v2", "/v1/a"), Resource::Other);
        assert_eq!(Resource::of("/some/prefix", "/v2/"), Resource::Other);
        assert_eq!(
            Resource::of("/some/prefix", "/some/prefix/a/manifests/1"),
            Resource::Manifest {
                repository: "a".to_owned(),
                reference: "1".to_owned()
            }
        );
    }

    #[test]
    fn names_follow_the_grammar() {
        for name in ["a", "library/alpine", "a.b", "a_b", "a__b", "a---b", "0/1"] {
            assert!(is_repository_name(name), "{name}");
        }
        for name in [
            "", "A", "a/", "/a", "a..b", "a___b", "-a", "a-", "a/../b", "a%2fb",
        ] {
            assert!(!is_repository_name(name), "{name}");
        }
        assert!(is_tag("v1.2_3-x"));
        assert!(!is_tag(".v1"));
        assert!(!is_tag(&"x".repeat(129)));
    }
}
