//! The access that a token is requested for (distribution specification, "Token Scope Documentation").

use windlass_oci::Reference;

use crate::challenge::BearerChallenge;
use crate::endpoint::Endpoint;

/// The access that a session needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum AccessScope {
    /// Read.
    #[default]
    Pull,
    /// Read and write.
    Push,
    /// Read and write, and read access to the repository with this path, from which blobs are mounted.
    ///
    /// This is a session of its own: a token server may refuse the whole request because of the second repository.
    Mount(String),
}

impl AccessScope {
    /// Returns the scopes of a token for `repository`, a path; none if it is empty.
    pub(crate) fn for_token(
        &self,
        repository: &str,
        endpoint: &Endpoint,
        challenge: &BearerChallenge,
    ) -> Vec<String> {
        if repository.is_empty() {
            return Vec::new();
        }
        let scope = |name: &str, actions| format!("repository:{name}:{actions}");
        let name = name_at(endpoint, repository, challenge);
        match self {
            Self::Pull => vec![scope(&name, "pull")],
            Self::Push => vec![scope(&name, "pull,push")],
            Self::Mount(from) => vec![
                scope(&name, "pull,push"),
                scope(&prefixed(endpoint, from), "pull"),
            ],
        }
    }
}

/// Returns the name of `repository` at the token server of `endpoint`.
///
/// A mirror below a path, such as a proxy project of Harbor, has its repositories under names of its own, which its
/// challenge contains. Only the name is taken from the challenge, and never the actions.
fn name_at(endpoint: &Endpoint, repository: &str, challenge: &BearerChallenge) -> String {
    if endpoint.is_at_root() {
        return repository.to_owned();
    }
    let challenged = challenge.scope.as_deref().and_then(scope_repository);
    challenged.unwrap_or_else(|| prefixed(endpoint, repository))
}

/// Returns `repository` with the path of the endpoint behind `/v2/` before it.
fn prefixed(endpoint: &Endpoint, repository: &str) -> String {
    let prefix = (endpoint.api_path().split_once("/v2/")).map_or("", |(_, prefix)| prefix);
    format!("{prefix}{repository}")
}

/// Returns the name in `repository:NAME:ACTIONS`; `None` if there is no valid one or several.
fn scope_repository(scope: &str) -> Option<String> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, _actions) = rest.rsplit_once(':')?;
    if kind != "repository" {
        return None;
    }
    let reference = format!("registry.invalid/{name}")
        .parse::<Reference>()
        .ok()?;
    (reference.repository().path() == name).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::config::RegistryConfig;
    use crate::hosts::{HostConfig, RegistryHosts};

    fn mirror(url: &str) -> Endpoint {
        let mut host = HostConfig::new(Url::parse(url).unwrap());
        host.override_path = true;
        let hosts = RegistryHosts {
            mirrors: vec![host],
            ..RegistryHosts::default()
        };
        let mut config = RegistryConfig::default();
        config.registries.named.insert("quay.io".to_owned(), hosts);
        let reference: Reference = "quay.io/team/app".parse().unwrap();
        let endpoints = Endpoint::of(reference.repository(), &config).unwrap();
        endpoints.into_iter().next().unwrap()
    }

    fn scopes(access: &AccessScope, url: &str, challenged: Option<&str>) -> Vec<String> {
        let challenge = BearerChallenge {
            realm: "https://auth.test/token".to_owned(),
            service: None,
            scope: challenged.map(str::to_owned),
            error: None,
        };
        access.for_token("team/app", &mirror(url), &challenge)
    }

    #[test]
    fn a_mirror_below_a_path_names_its_own_repository() {
        let below = "https://mirror.test/v2/proxy/hub";
        let pull = |url, challenged| scopes(&AccessScope::Pull, url, challenged);
        // Before the first challenge, and with one that names no single repository.
        for challenged in [
            None,
            Some("registry:catalog:*"),
            Some("repository:a:pull repository:b:pull"),
            Some("repository:../x:pull"),
            Some("repository::pull"),
        ] {
            assert_eq!(
                pull(below, challenged),
                ["repository:proxy/hub/team/app:pull"],
                "{challenged:?}"
            );
        }
        assert_eq!(
            pull(below, Some("repository:other/team/app:pull")),
            ["repository:other/team/app:pull"]
        );
        assert_eq!(
            pull("https://mirror.test/api/hub/v2", None),
            ["repository:team/app:pull"]
        );
    }

    /// A hostile mirror does not get a token for more than a pull, nor one for another repository of a registry.
    #[test]
    fn a_challenge_does_not_extend_the_access() {
        let below = "https://mirror.test/v2/proxy/hub";
        assert_eq!(
            scopes(
                &AccessScope::Pull,
                below,
                Some("repository:private:pull,push,delete")
            ),
            ["repository:private:pull"]
        );
        let at_root = "https://mirror.test/v2";
        assert_eq!(
            scopes(&AccessScope::Pull, at_root, Some("repository:private:pull")),
            ["repository:team/app:pull"]
        );
    }

    #[test]
    fn mounting_needs_two_repositories() {
        let mount = AccessScope::Mount("base".to_owned());
        assert_eq!(
            scopes(&mount, "https://mirror.test/v2", None),
            ["repository:team/app:pull,push", "repository:base:pull"]
        );
    }
}
