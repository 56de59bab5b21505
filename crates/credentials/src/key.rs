//! Which registry a key of a credential file is for.

use windlass_oci::text::{Sanitized, sanitize};
use windlass_registry::CredentialScope;

use crate::file::CredentialFileFormat;

/// The names of Docker Hub, each as the key of a file and as the host of a registry.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/// What Docker calls Docker Hub in its files and to helpers.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// How well a key fits a door, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// A path on the host, other than the door's. To Docker the host is all that counts.
    PathOnHost,
    /// The host with a scheme or `/v1/`, as clients once wrote it.
    OldForm,
    /// The host.
    Host,
    /// What Docker calls Docker Hub.
    DockerHub,
    /// The repository or a namespace above it, by the length of its path in bytes.
    Namespace(usize),
}

/// Tells whether `key` is for `door`, and how well it fits.
pub(crate) fn fit(key: &str, format: CredentialFileFormat, door: &CredentialScope) -> Option<Fit> {
    let (has_scheme, bare) = match key.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, key),
    };
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    if !is_same_registry(host, &door.host) {
        return None;
    }
    let path = path.trim_end_matches('/');
    let is_old =
        has_scheme || (format != CredentialFileFormat::Podman && matches!(path, "v1" | "v2"));
    if key == DOCKER_HUB_KEY {
        Some(Fit::DockerHub)
    } else if is_old {
        Some(Fit::OldForm)
    } else if path.is_empty() {
        Some(Fit::Host)
    } else if is_within(&door.repository, path) {
        Some(Fit::Namespace(path.len()))
    } else {
        (format != CredentialFileFormat::Podman).then_some(Fit::PathOnHost)
    }
}

/// Tells whether `key` is for all of `host`.
pub(crate) fn is_for_host(key: &str, format: CredentialFileFormat, host: &str) -> bool {
    fit(key, format, &whole(host)).is_some()
}

/// Returns the key under which `host` is kept, which is also what helpers know it by.
pub(crate) fn key_of(host: &str) -> &str {
    if is_docker_hub(host) {
        DOCKER_HUB_KEY
    } else {
        host
    }
}

/// Returns the door of `host` that is no repository's.
pub(crate) fn whole(host: &str) -> CredentialScope {
    CredentialScope {
        host: host.to_owned(),
        repository: String::new(),
    }
}

/// Tells whether `host` can be handed to a helper: one word of ASCII without anything that a line, a shell
/// or an URL would be split at (D10).
pub(crate) fn is_sound_host(host: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte);
    !host.is_empty() && host.len() <= 512 && !host.starts_with('-') && host.bytes().all(sound)
}

/// Returns `key` fit for messages: without the password that some write into URLs.
pub(crate) fn shown_key(key: &str) -> Sanitized {
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
    fn a_key_fits_its_host_and_what_is_within_its_path() {
        let door = CredentialScope {
            host: "a.test:5000".to_owned(),
            repository: "ns/app".to_owned(),
        };
        for (key, docker, podman) in [
            ("a.test:5000", Some(Fit::Host), Some(Fit::Host)),
            ("A.test:5000/", Some(Fit::Host), Some(Fit::Host)),
            ("http://a.test:5000", Some(Fit::OldForm), Some(Fit::OldForm)),
            (
                "https://a.test:5000/v2/",
                Some(Fit::OldForm),
                Some(Fit::OldForm),
            ),
            ("a.test:5000/v1/", Some(Fit::OldForm), None),
            (
                "a.test:5000/ns",
                Some(Fit::Namespace(2)),
                Some(Fit::Namespace(2)),
            ),
            (
                "a.test:5000/ns/app",
                Some(Fit::Namespace(6)),
                Some(Fit::Namespace(6)),
            ),
            ("a.test:5000/n", Some(Fit::PathOnHost), None),
            ("a.test:5000/ns/app/x", Some(Fit::PathOnHost), None),
            ("a.test", None, None),
            ("a.test:50000", None, None),
            ("evil-a.test:5000", None, None),
            ("a.test:5000.evil.test", None, None),
            ("me:pw@a.test:5000", None, None),
            ("", None, None),
        ] {
            assert_eq!(
                fit(key, CredentialFileFormat::Docker, &door),
                docker,
                "{key}"
            );
            assert_eq!(
                fit(key, CredentialFileFormat::Podman, &door),
                podman,
                "{key}"
            );
        }
    }

    /// D10.
    #[test]
    fn hosts_that_would_split_a_line_are_not_sound() {
        for host in [
            "a.test",
            "a.test:5000",
            "[::1]:5000",
            "localhost",
            "docker.io",
        ] {
            assert!(is_sound_host(host), "{host}");
        }
        let long = "a".repeat(513);
        for host in [
            "", "a\nb", "a\r", "a b", "a\0", "ä.test", "-x", "a/b", "x@y", &long,
        ] {
            assert!(!is_sound_host(host), "{host}");
        }
    }

    /// I7.
    #[test]
    fn a_key_is_shown_without_a_password() {
        assert_eq!(shown_key("a.test/ns").to_string(), "a.test/ns");
        assert_eq!(
            shown_key("https://me:hunter2@a.test/v1/").to_string(),
            "…@a.test/v1/"
        );
    }
}
