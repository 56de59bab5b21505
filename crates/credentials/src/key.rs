//! Matches the keys of credential files with registries.

use windlass_oci::text::{Sanitized, sanitize};
use windlass_registry::CredentialScope;

use crate::file_format::CredentialFileFormat;

/// The names of Docker Hub, both as keys and as hosts.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/// The key of Docker Hub in Docker's files, which is also its name for helpers.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// How a key matches a scope, ordered from the worst to the best match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyMatch {
    /// Another path on the host. Docker ignores the path.
    PathOnHost,
    /// An obsolete form of the host, with a scheme or `/v1/`.
    OldForm,
    /// The host.
    Host,
    /// The key of Docker Hub.
    DockerHub,
    /// The repository or one of its namespaces, with the length of its path in bytes.
    Namespace(usize),
}

/// Returns how `key` matches `scope`, or `None` if it does not.
pub(crate) fn match_key(
    key: &str,
    format: CredentialFileFormat,
    scope: &CredentialScope,
) -> Option<KeyMatch> {
    let (has_scheme, bare) = match key.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, key),
    };
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    if !is_same_registry(host, &scope.host) {
        return None;
    }
    let path = path.trim_end_matches('/');
    let is_old =
        has_scheme || (format != CredentialFileFormat::Podman && matches!(path, "v1" | "v2"));
    if key == DOCKER_HUB_KEY {
        Some(KeyMatch::DockerHub)
    } else if is_old {
        Some(KeyMatch::OldForm)
    } else if path.is_empty() {
        Some(KeyMatch::Host)
    } else if is_within(&scope.repository, path) {
        Some(KeyMatch::Namespace(path.len()))
    } else {
        (format != CredentialFileFormat::Podman).then_some(KeyMatch::PathOnHost)
    }
}

/// Returns whether `key` applies to `host`.
pub(crate) fn is_for_host(key: &str, format: CredentialFileFormat, host: &str) -> bool {
    match_key(key, format, &host_scope(host)).is_some()
}

/// Returns the key under which credentials for `host` are stored. Helpers use the same name.
pub(crate) fn key_for_host(host: &str) -> &str {
    if is_docker_hub(host) {
        DOCKER_HUB_KEY
    } else {
        host
    }
}

/// Returns the scope of the whole host, without a repository.
pub(crate) fn host_scope(host: &str) -> CredentialScope {
    CredentialScope {
        host: host.to_owned(),
        repository: String::new(),
    }
}

/// Returns whether `host` can be passed to a helper: ASCII without characters that separate lines, shell words or
/// parts of a URL (D10).
pub(crate) fn is_valid_host(host: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte);
    !host.is_empty() && host.len() <= 512 && !host.starts_with('-') && host.bytes().all(is_allowed)
}

/// Returns `key` for messages, without the password that a URL may contain.
pub(crate) fn redacted_key(key: &str) -> Sanitized {
    match key.rsplit_once('@') {
        Some((_, host)) => sanitize(&format!("…@{host}")),
        None => sanitize(key),
    }
}

fn is_same_registry(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || (is_docker_hub(one) && is_docker_hub(other))
}

fn is_docker_hub(host: &str) -> bool {
    let mut names = DOCKER_HUB.iter();
    names.any(|name| name.eq_ignore_ascii_case(host))
}

fn is_within(repository: &str, namespace: &str) -> bool {
    let rest = repository.strip_prefix(namespace);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_matches_its_host_and_the_repositories_in_its_path() {
        let scope = CredentialScope {
            host: "a.test:5000".to_owned(),
            repository: "ns/app".to_owned(),
        };
        for (key, docker, podman) in [
            ("a.test:5000", Some(KeyMatch::Host), Some(KeyMatch::Host)),
            ("A.test:5000/", Some(KeyMatch::Host), Some(KeyMatch::Host)),
            (
                "http://a.test:5000",
                Some(KeyMatch::OldForm),
                Some(KeyMatch::OldForm),
            ),
            (
                "https://a.test:5000/v2/",
                Some(KeyMatch::OldForm),
                Some(KeyMatch::OldForm),
            ),
            ("a.test:5000/v1/", Some(KeyMatch::OldForm), None),
            (
                "a.test:5000/ns",
                Some(KeyMatch::Namespace(2)),
                Some(KeyMatch::Namespace(2)),
            ),
            (
                "a.test:5000/ns/app",
                Some(KeyMatch::Namespace(6)),
                Some(KeyMatch::Namespace(6)),
            ),
            ("a.test:5000/n", Some(KeyMatch::PathOnHost), None),
            ("a.test:5000/ns/app/x", Some(KeyMatch::PathOnHost), None),
            ("a.test", None, None),
            ("a.test:50000", None, None),
            ("evil-a.test:5000", None, None),
            ("a.test:5000.evil.test", None, None),
            ("me:pw@a.test:5000", None, None),
            ("", None, None),
        ] {
            assert_eq!(
                match_key(key, CredentialFileFormat::Docker, &scope),
                docker,
                "{key}"
            );
            assert_eq!(
                match_key(key, CredentialFileFormat::Podman, &scope),
                podman,
                "{key}"
            );
        }
    }

    /// D10.
    #[test]
    fn hosts_with_separators_are_invalid() {
        for host in [
            "a.test",
            "a.test:5000",
            "[::1]:5000",
            "localhost",
            "docker.io",
        ] {
            assert!(is_valid_host(host), "{host}");
        }
        let long = "a".repeat(513);
        for host in [
            "", "a\nb", "a\r", "a b", "a\0", "ä.test", "-x", "a/b", "x@y", &long,
        ] {
            assert!(!is_valid_host(host), "{host}");
        }
    }

    /// I7.
    #[test]
    fn keys_are_shown_without_passwords() {
        assert_eq!(redacted_key("a.test/ns").to_string(), "a.test/ns");
        assert_eq!(
            redacted_key("https://me:hunter2@a.test/v1/").to_string(),
            "…@a.test/v1/"
        );
    }
}
