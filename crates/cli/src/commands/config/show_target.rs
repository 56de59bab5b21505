//! The argument of `windlass config show`: a registry or an image.

use windlass::image::{DEFAULT_REGISTRY, Reference, RepositoryName};
use windlass_config::Configuration;

use crate::commands::shared_args::parse_reference;
use crate::error::Error;

/// What to show the hosts of.
pub(super) enum ShowTarget {
    /// A registry, by any repository in it: the hosts are the same for all of them.
    Registry(RepositoryName),
    /// A repository.
    Repository(RepositoryName),
}

impl ShowTarget {
    /// Parses the host of a registry or the name of an image. `alpine:3` could be either: a host has a dot, is
    /// `localhost`, or is configured.
    pub(super) fn parse(text: &str, configuration: &Configuration) -> Result<Self, Error> {
        let bare = text.strip_suffix('/').unwrap_or(text);
        let as_host: Option<Reference> = format!("{bare}/name/name").parse().ok();
        let as_host = as_host.map(|reference| reference.repository().clone());
        let name = bare.split(':').next().unwrap_or_default();
        let is_configured = as_host.as_ref().is_some_and(|host| {
            let host = host.registry();
            host != DEFAULT_REGISTRY && configuration.registries.contains_key(host)
        });
        let is_host = is_configured
            || bare != text
            || bare.starts_with('[')
            || name == "localhost"
            || name.contains('.');
        match as_host {
            Some(host) if is_host && !bare.contains('/') => Ok(Self::Registry(host)),
            _ => {
                let reference = parse_reference(text)?;
                Ok(Self::Repository(reference.repository().clone()))
            }
        }
    }
}

impl ShowTarget {
    /// Returns the repository, or a repository in the registry.
    pub(super) fn repository(&self) -> &RepositoryName {
        match self {
            Self::Registry(name) | Self::Repository(name) => name,
        }
    }

    /// Returns the path of the repository; empty for the whole registry.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Registry(_) => "",
            Self::Repository(name) => name.path(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_images_are_distinguished() {
        let configuration = Configuration::default();
        let parsed = |text: &str| match ShowTarget::parse(text, &configuration).unwrap() {
            ShowTarget::Registry(name) => name.registry().to_owned(),
            ShowTarget::Repository(name) => format!("image {name}"),
        };
        let texts = [
            "docker.io",
            "index.docker.io",
            "ghcr.io",
            "localhost:5000",
            "[::1]:5000",
            "127.0.0.1:5000",
            "registry:5000/",
            "alpine",
            "alpine:3",
            "owner/app",
            "ghcr.io/owner/app:1",
        ];
        insta::assert_snapshot!(texts.map(parsed).join("\n"), @r"
        docker.io
        docker.io
        ghcr.io
        localhost:5000
        [::1]:5000
        127.0.0.1:5000
        registry:5000
        image docker.io/library/alpine
        image docker.io/library/alpine
        image docker.io/owner/app
        image ghcr.io/owner/app
        ");
    }
}
