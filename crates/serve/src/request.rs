//! What a request asks for.

use url::form_urlencoded;
use windlass::{DEFAULT_REGISTRY, Digest, RepositoryName, Tag};

use crate::refusal::Refusal;

/// How many things a list has at most.
pub(crate) const PAGE: usize = 1000;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Whether this is a registry.
    Version,
    /// The repositories.
    Catalog(Catalog),
    /// Something of a repository.
    Of(Asked, What),
}

/// A repository, and what it is called in the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) repository: RepositoryName,
    /// The path between `/v2/` and what is asked of it.
    pub(crate) name: String,
    /// The registry that the request names beside the path.
    pub(crate) registry: Option<String>,
}

/// What is asked of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The manifest or index that a tag stands for.
    Tagged(Tag),
    Manifest(Digest),
    Blob(Digest),
    Tags {
        limit: usize,
        after: Option<Tag>,
    },
    /// What says that it belongs to a manifest.
    Referrers {
        subject: Digest,
        artifact_type: Option<String>,
    },
}

/// Which repositories are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Catalog {
    pub(crate) registry: Option<String>,
    pub(crate) limit: usize,
    pub(crate) after: Option<RepositoryName>,
}

/// The parts of a query that mean something.
#[derive(Debug, Default)]
struct Query {
    registry: Option<String>,
    n: Option<String>,
    last: Option<String>,
    artifact_type: Option<String>,
}

impl Wanted {
    /// Reads the path and the query of a request.
    ///
    /// Nothing in a path may be written in percent, but for the colon of a digest: there is no other character in
    /// names that a URL could not carry, and what is decoded once may be decoded twice.
    pub(crate) fn parse(path: &str, query: Option<&str>) -> Result<Self, Refusal> {
        let Some(path) = path.strip_prefix("/v2") else {
            return Err(Refusal::no_such_resource());
        };
        if matches!(path, "" | "/") {
            return Ok(Self::Version);
        }
        let path = path
            .strip_prefix('/')
            .ok_or_else(Refusal::no_such_resource)?;
        let query = Query::parse(query.unwrap_or_default())?;
        if path == "_catalog" {
            return query.catalog().map(Self::Catalog);
        }
        let mut parts = path.rsplitn(3, '/');
        let (Some(last), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::no_such_resource());
        };
        let last = last.replace("%3A", ":").replace("%3a", ":");
        let what = match (kind, &*last) {
            ("manifests", reference) => manifest(reference),
            ("blobs", digest) => self::digest(digest).map(What::Blob),
            ("tags", "list") => query.tags(),
            ("referrers", digest) => self::digest(digest).map(|subject| What::Referrers {
                subject,
                artifact_type: query.artifact_type.clone(),
            }),
            _ => return Err(Refusal::no_such_resource()),
        };
        // A name that is none says more than what is wrong with the rest.
        let asked = query.asked(name)?;
        Ok(Self::Of(asked, what?))
    }
}

fn manifest(reference: &str) -> Result<What, Refusal> {
    if reference.contains(':') {
        return digest(reference).map(What::Manifest);
    }
    // What can be no tag is not there.
    let tag = reference.parse().map(What::Tagged);
    tag.map_err(|_| Refusal::manifest_unknown(""))
}

fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|_| Refusal::digest_invalid())
}

impl Query {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            let place = match &*key {
                "ns" if query.registry.is_some() => return Err(Refusal::name_invalid()),
                "ns" => {
                    query.registry = Some(registry(&value)?);
                    continue;
                }
                "n" => &mut query.n,
                "last" => &mut query.last,
                "artifactType" => &mut query.artifact_type,
                _ => continue,
            };
            *place = Some(value.into_owned());
        }
        Ok(query)
    }

    /// Finds out which repository a name means: of the registry named beside it, and of no other; or as people's
    /// references do (REF-1).
    fn asked(&self, name: &str) -> Result<Asked, Refusal> {
        Ok(Asked {
            repository: repository(self.registry.as_deref(), name)?,
            name: name.to_owned(),
            registry: self.registry.clone(),
        })
    }

    fn tags(&self) -> Result<What, Refusal> {
        let after = self.last.as_deref().map(str::parse).transpose();
        Ok(What::Tags {
            limit: self.limit()?,
            after: after.map_err(|_| Refusal::page_invalid())?,
        })
    }

    fn catalog(&self) -> Result<Catalog, Refusal> {
        let last = self.last.as_deref();
        let after = last.map(|last| repository(self.registry.as_deref(), last));
        Ok(Catalog {
            limit: self.limit()?,
            after: after.transpose().map_err(|_| Refusal::page_invalid())?,
            registry: self.registry.clone(),
        })
    }

    fn limit(&self) -> Result<usize, Refusal> {
        let Some(text) = &self.n else { return Ok(PAGE) };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(Refusal::page_invalid());
        }
        Ok(text.parse().unwrap_or(PAGE).min(PAGE))
    }
}

fn repository(registry: Option<&str>, name: &str) -> Result<RepositoryName, Refusal> {
    let text = match registry {
        Some(registry) => format!("{registry}/{name}"),
        None => name.to_owned(),
    };
    // Tags and digests are refused here, as colons are behind the registry.
    text.parse().map_err(|_| Refusal::name_invalid())
}

/// Reads the name of a registry; only what could stand in a reference is one (REF-1, REF-2).
fn registry(text: &str) -> Result<String, Refusal> {
    let is_host = text == DEFAULT_REGISTRY || text.contains(['.', ':']) || text == "localhost";
    if !is_host || text.contains(['/', '@']) {
        return Err(Refusal::name_invalid());
    }
    let name = repository(Some(text), "library/x")?;
    Ok(name.registry().to_owned())
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    fn repository_of(target: &str) -> Result<String, StatusCode> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        match Wanted::parse(path, query) {
            Ok(Wanted::Of(asked, _)) => Ok(asked.repository.to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal.status()),
        }
    }

    /// REF-1, REF-2: a path is read as a reference is, and a registry beside it decides.
    #[test]
    fn a_name_leads_to_one_repository() {
        for (target, repository) in [
            ("alpine/tags/list", "docker.io/library/alpine"),
            ("library/alpine/tags/list", "docker.io/library/alpine"),
            ("docker.io/alpine/tags/list", "docker.io/library/alpine"),
            (
                "index.docker.io/alpine/tags/list",
                "docker.io/library/alpine",
            ),
            ("ghcr.io/x/y/tags/list", "ghcr.io/x/y"),
            ("localhost/x/tags/list", "localhost/x"),
            ("localhost:5000/x/tags/list", "localhost:5000/x"),
            (
                "library/alpine/tags/list?ns=docker.io",
                "docker.io/library/alpine",
            ),
            ("alpine/tags/list?ns=registry.test", "registry.test/alpine"),
            ("x/tags/list?ns=localhost%3A5000", "localhost:5000/x"),
            ("x/tags/list?ns=localhost:5000&n=3", "localhost:5000/x"),
            ("ghcr.io/x/tags/list?ns=docker.io", "docker.io/ghcr.io/x"),
            ("a/manifests/manifests/latest", "docker.io/a/manifests"),
            ("tags/list/tags/list", "docker.io/tags/list"),
        ] {
            assert_eq!(
                repository_of(&format!("/v2/{target}")).as_deref(),
                Ok(repository),
                "{target}"
            );
        }
        for target in [
            "Alpine/tags/list",
            "a//b/tags/list",
            "../x/tags/list",
            "a/./b/tags/list",
            "a%2fb/tags/list",
            "%2e%2e/x/tags/list",
            "a:b/tags/list",
            "a@b/tags/list",
            "/tags/list",
            "a/tags/list?ns=",
            "a/tags/list?ns=docker.io/x",
            "a/tags/list?ns=docker.io&ns=ghcr.io",
            "a/tags/list?ns=docker",
            "a/tags/list?ns=a.test@b",
            "a/tags/list?n=x",
            "a/tags/list?n=-1",
            "a/tags/list?last=/",
            "a/blobs/sha256:0",
            "a/blobs/md5:00",
            "a/manifests/sha256:..",
            "scratch/tags/list",
        ] {
            let status = repository_of(&format!("/v2/{target}"));
            assert_eq!(status, Err(StatusCode::BAD_REQUEST), "{target}");
        }
        for target in [
            "/v1/x",
            "/v2x",
            "/v2/x",
            "/v2/a/b",
            "/v2/a/tags/all",
            "/v2/a/blobs/uploads/",
            "/",
            "/v2/a/manifests/..",
            "/v2/a/manifests/%2e",
            "//v2/a/tags/list",
        ] {
            assert_eq!(
                repository_of(target),
                Err(StatusCode::NOT_FOUND),
                "{target}"
            );
        }
    }

    #[test]
    fn lists_are_bounded() {
        let catalog = |query| match Wanted::parse("/v2/_catalog", Some(query)) {
            Ok(Wanted::Catalog(catalog)) => catalog,
            other => panic!("{other:?}"),
        };
        assert_eq!(catalog("n=0").limit, 0);
        assert_eq!(catalog("n=7").limit, 7);
        assert_eq!(catalog("n=99999999999999999999999").limit, PAGE);
        let after = catalog("ns=docker.io&last=library%2Falpine").after.unwrap();
        assert_eq!(after.to_string(), "docker.io/library/alpine");
    }

    #[test]
    fn the_colon_of_a_digest_may_be_written_in_percent() {
        let digest = Digest::sha256("x");
        let path = format!("/v2/a/blobs/{}", digest.to_string().replace(':', "%3a"));
        match Wanted::parse(&path, None) {
            Ok(Wanted::Of(_, What::Blob(found))) => assert_eq!(found, digest),
            other => panic!("{other:?}"),
        }
    }
}
