//! Parsing of requests: which resource of which repository.

use url::form_urlencoded;
use windlass::image::{DEFAULT_REGISTRY, Digest, RepositoryName, Tag};

use crate::error_response::RegistryErrorResponse;

/// The largest number of entries in a page of a list.
pub(crate) const MAX_PAGE: usize = 1000;

/// A parsed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RegistryRequest {
    /// The version check, `/v2/`.
    Version,
    /// The list of repositories.
    Catalog(CatalogRequest),
    /// A resource of a repository.
    Resource(RepositoryPath, RepositoryResource),
}

/// A repository, and its name in the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RepositoryPath {
    pub(crate) repository: RepositoryName,
    /// The path between `/v2/` and the resource.
    pub(crate) name: String,
    /// The registry in the parameter `ns`.
    pub(crate) registry: Option<String>,
}

/// A resource of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RepositoryResource {
    /// The manifest or index of a tag.
    Tag(Tag),
    Manifest(Digest),
    Blob(Digest),
    Tags {
        limit: usize,
        after: Option<Tag>,
    },
    /// The manifests whose subject is this one.
    Referrers {
        subject: Digest,
        artifact_type: Option<String>,
    },
}

/// A page of the list of repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CatalogRequest {
    pub(crate) registry: Option<String>,
    pub(crate) limit: usize,
    pub(crate) after: Option<RepositoryName>,
}

/// The query parameters that have a meaning.
#[derive(Debug, Default)]
struct RequestQuery {
    registry: Option<String>,
    n: Option<String>,
    last: Option<String>,
    artifact_type: Option<String>,
}

impl RegistryRequest {
    /// Parses the path and the query of a request.
    ///
    /// Percent-encoding is refused in a path, except for the colon of a digest: no other character of a name needs it,
    /// and a server that decodes can be made to decode twice.
    pub(crate) fn parse(path: &str, query: Option<&str>) -> Result<Self, RegistryErrorResponse> {
        let Some(path) = path.strip_prefix("/v2") else {
            return Err(RegistryErrorResponse::no_such_resource());
        };
        if matches!(path, "" | "/") {
            return Ok(Self::Version);
        }
        let path = path
            .strip_prefix('/')
            .ok_or_else(RegistryErrorResponse::no_such_resource)?;
        let query = RequestQuery::parse(query.unwrap_or_default())?;
        if path == "_catalog" {
            return query.catalog().map(Self::Catalog);
        }
        let mut parts = path.rsplitn(3, '/');
        let (Some(last), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(RegistryErrorResponse::no_such_resource());
        };
        let last = last.replace("%3A", ":").replace("%3a", ":");
        let resource = match (kind, &*last) {
            ("manifests", reference) => manifest(reference),
            ("blobs", digest) => self::digest(digest).map(RepositoryResource::Blob),
            ("tags", "list") => query.tags(),
            ("referrers", digest) => {
                self::digest(digest).map(|subject| RepositoryResource::Referrers {
                    subject,
                    artifact_type: query.artifact_type.clone(),
                })
            }
            _ => return Err(RegistryErrorResponse::no_such_resource()),
        };
        // An invalid name is reported before an invalid digest or page.
        let path = query.repository_path(name)?;
        Ok(Self::Resource(path, resource?))
    }
}

fn manifest(reference: &str) -> Result<RepositoryResource, RegistryErrorResponse> {
    if reference.contains(':') {
        return digest(reference).map(RepositoryResource::Manifest);
    }
    // A text that cannot be a tag is reported as a missing manifest.
    let tag = reference.parse().map(RepositoryResource::Tag);
    tag.map_err(|_| RegistryErrorResponse::manifest_unknown(""))
}

fn digest(text: &str) -> Result<Digest, RegistryErrorResponse> {
    text.parse()
        .map_err(|_| RegistryErrorResponse::digest_invalid())
}

impl RequestQuery {
    fn parse(text: &str) -> Result<Self, RegistryErrorResponse> {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            let field = match &*key {
                "ns" if query.registry.is_some() => {
                    return Err(RegistryErrorResponse::name_invalid());
                }
                "ns" => {
                    query.registry = Some(registry(&value)?);
                    continue;
                }
                "n" => &mut query.n,
                "last" => &mut query.last,
                "artifactType" => &mut query.artifact_type,
                _ => continue,
            };
            *field = Some(value.into_owned());
        }
        Ok(query)
    }

    /// Returns the repository of `name`: in the registry of the parameter `ns`, or else by the rules of references (REF-1).
    fn repository_path(&self, name: &str) -> Result<RepositoryPath, RegistryErrorResponse> {
        Ok(RepositoryPath {
            repository: repository(self.registry.as_deref(), name)?,
            name: name.to_owned(),
            registry: self.registry.clone(),
        })
    }

    fn tags(&self) -> Result<RepositoryResource, RegistryErrorResponse> {
        let after = self.last.as_deref().map(str::parse).transpose();
        Ok(RepositoryResource::Tags {
            limit: self.limit()?,
            after: after.map_err(|_| RegistryErrorResponse::pagination_invalid())?,
        })
    }

    fn catalog(&self) -> Result<CatalogRequest, RegistryErrorResponse> {
        let last = self.last.as_deref();
        let after = last.map(|last| repository(self.registry.as_deref(), last));
        Ok(CatalogRequest {
            limit: self.limit()?,
            after: after
                .transpose()
                .map_err(|_| RegistryErrorResponse::pagination_invalid())?,
            registry: self.registry.clone(),
        })
    }

    fn limit(&self) -> Result<usize, RegistryErrorResponse> {
        let Some(text) = &self.n else {
            return Ok(MAX_PAGE);
        };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(RegistryErrorResponse::pagination_invalid());
        }
        Ok(text.parse().unwrap_or(MAX_PAGE).min(MAX_PAGE))
    }
}

fn repository(registry: Option<&str>, name: &str) -> Result<RepositoryName, RegistryErrorResponse> {
    let text = match registry {
        Some(registry) => format!("{registry}/{name}"),
        None => name.to_owned(),
    };
    // A tag or a digest is refused here, since only a registry may contain a colon.
    text.parse()
        .map_err(|_| RegistryErrorResponse::name_invalid())
}

/// Parses the name of a registry, by the rules of references (REF-1, REF-2).
fn registry(text: &str) -> Result<String, RegistryErrorResponse> {
    let is_host = text == DEFAULT_REGISTRY || text.contains(['.', ':']) || text == "localhost";
    if !is_host || text.contains(['/', '@']) {
        return Err(RegistryErrorResponse::name_invalid());
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
        match RegistryRequest::parse(path, query) {
            Ok(RegistryRequest::Resource(path, _)) => Ok(path.repository.to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.status()),
        }
    }

    /// REF-1, REF-2: a path is parsed like a reference, unless `ns` names the registry.
    #[test]
    fn a_name_means_one_repository() {
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
    fn pages_are_bounded() {
        let catalog = |query| match RegistryRequest::parse("/v2/_catalog", Some(query)) {
            Ok(RegistryRequest::Catalog(catalog)) => catalog,
            other => panic!("{other:?}"),
        };
        assert_eq!(catalog("n=0").limit, 0);
        assert_eq!(catalog("n=7").limit, 7);
        assert_eq!(catalog("n=99999999999999999999999").limit, MAX_PAGE);
        let after = catalog("ns=docker.io&last=library%2Falpine").after.unwrap();
        assert_eq!(after.to_string(), "docker.io/library/alpine");
    }

    #[test]
    fn the_colon_of_a_digest_may_be_percent_encoded() {
        let digest = Digest::sha256("x");
        let path = format!("/v2/a/blobs/{}", digest.to_string().replace(':', "%3a"));
        match RegistryRequest::parse(&path, None) {
            Ok(RegistryRequest::Resource(_, RepositoryResource::Blob(found))) => {
                assert_eq!(found, digest);
            }
            other => panic!("{other:?}"),
        }
    }
}
