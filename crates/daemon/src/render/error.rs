//! The status and the message of each error (API-4, API-6).

use http::StatusCode;
use windlass::error::{
    AccessError, CopyError, EndpointsError, FindError, LoadError, NoMatchingPlatform, PullError,
    PushError, PushImageError, ReferenceProblem, RegistryError, RemoveError, SaveError, StoreError,
    StoreRemoveError, TagImageError,
};
use windlass::image::{Reference, RepositoryName};
use windlass::text::error_chain;

use crate::response::ApiError;

/// The client sent an invalid image name. Scripts match the first two messages.
pub(crate) fn of_reference(problem: &ReferenceProblem) -> ApiError {
    match problem {
        ReferenceProblem::Uppercase => {
            ApiError::bad_request("invalid reference format: repository name must be lowercase")
        }
        ReferenceProblem::Reserved => {
            ApiError::new(StatusCode::FORBIDDEN, "'scratch' is a reserved name")
        }
        problem => ApiError::bad_request(format!("invalid reference format: {problem}")),
    }
}

/// A pull of `reference` failed.
pub(crate) fn of_pull(error: &PullError, reference: &Reference) -> ApiError {
    match error {
        PullError::Registry(error) => of_endpoints(error, reference),
        PullError::NoMatchingPlatform(no_match) => ApiError::not_found(format!(
            "no matching manifest for {} in the manifest list entries: there are {}",
            no_match.wanted,
            offered(no_match)
        )),
        error => ApiError::internal(error_chain(error)),
    }
}

/// How many of the available platforms are listed.
const MAX_PLATFORMS: usize = 8;

fn offered(no_match: &NoMatchingPlatform) -> String {
    let platforms = no_match
        .offered
        .iter()
        .take(MAX_PLATFORMS)
        .map(ToString::to_string);
    let platforms: Vec<_> = platforms.collect();
    match platforms.is_empty() {
        true => "none".to_owned(),
        false => platforms.join(", "),
    }
}

/// No endpoint of a registry returned the content.
pub(crate) fn of_endpoints(error: &EndpointsError, reference: &Reference) -> ApiError {
    of_registry(&error.error, reference)
}

fn of_registry(error: &RegistryError, reference: &Reference) -> ApiError {
    let repository = reference.repository().familiar();
    match error {
        RegistryError::Denied { reason, .. } => ApiError::not_found(format!(
            "pull access denied for {repository}, repository does not exist or may require 'docker login': denied: \
             {reason}"
        )),
        RegistryError::ManifestUnknown { .. } => ApiError::not_found(format!(
            "manifest for {} not found: manifest unknown: manifest unknown",
            reference.familiar()
        )),
        RegistryError::NameUnknown { .. } => ApiError::not_found(format!(
            "repository {repository} not found: name unknown: repository name not known to registry"
        )),
        // Not 401, like Docker's daemon: on a 401 the CLI prompts for a password, and without a terminal exits with 0.
        RegistryError::Unauthorized { reason, .. } => ApiError::internal(format!(
            "unauthorized: {}",
            or(reason, "authentication required")
        )),
        RegistryError::TooManyRequests { .. } => ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("toomanyrequests: {}", error_chain(error)),
        ),
        error => ApiError::internal(error_chain(error)),
    }
}

/// A push failed.
pub(crate) fn of_push(error: &PushImageError, reference: &Reference) -> ApiError {
    let of = |error: &RegistryError| match error {
        RegistryError::Denied { reason, .. } => ApiError::new(
            StatusCode::FORBIDDEN,
            format!(
                "denied: {}",
                or(reason, "requested access to the resource is denied")
            ),
        ),
        error => of_registry(error, reference),
    };
    match error {
        PushImageError::Image(SaveError::Find(_)) => {
            ApiError::not_found(format!("tag does not exist: {}", reference.familiar()))
        }
        PushImageError::Image(error) => of_save(error),
        PushImageError::Registry(error) => of_pull(error, reference),
        PushImageError::Copy(CopyError::Push(PushError::Registry(error))) => of(error),
        PushImageError::Copy(error) => ApiError::internal(error_chain(error)),
        PushImageError::Database(error) => ApiError::internal(error_chain(error)),
        PushImageError::RecordDigest(error) => ApiError::internal(error_chain(error)),
    }
}

/// The store has no tag of `repository`, so there is nothing to push.
pub(crate) fn no_tags_to_push(repository: &RepositoryName) -> ApiError {
    ApiError::not_found(format!(
        "An image does not exist locally with the tag: {}",
        repository.familiar()
    ))
}

/// An image was not found.
pub(crate) fn of_find(error: &FindError) -> ApiError {
    match error {
        FindError::Unknown { name } => {
            use windlass::image::ImageName;
            let name = match name {
                ImageName::Reference(name) | ImageName::ReferenceOrPrefix(name, _) => {
                    name.clone().or_latest().familiar()
                }
                ImageName::Id(_) | ImageName::IdPrefix(_) => name.to_string(),
            };
            ApiError::not_found(format!("No such image: {name}"))
        }
        FindError::Ambiguous { .. } => ApiError::bad_request(error.to_string()),
        FindError::Database(error) => ApiError::internal(error_chain(error)),
    }
}

/// The store could not be read.
pub(crate) fn of_store(error: &StoreError) -> ApiError {
    match error {
        StoreError::Find(error) => of_find(error),
        error => ApiError::internal(error_chain(error)),
    }
}

/// A tag was not created.
pub(crate) fn of_tag(error: &TagImageError) -> ApiError {
    match error {
        TagImageError::Find(error) => of_find(error),
        error => ApiError::bad_request(error_chain(error)),
    }
}

/// A name or an image was not removed.
pub(crate) fn of_remove(error: &RemoveError) -> ApiError {
    match error {
        RemoveError::Store(StoreRemoveError::Find(error)) => of_find(error),
        RemoveError::Store(StoreRemoveError::SeveralNames { id, .. }) => ApiError::new(
            StatusCode::CONFLICT,
            format!(
                "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
                id.short()
            ),
        ),
        RemoveError::Mounted { at } => ApiError::new(
            StatusCode::CONFLICT,
            format!(
                "conflict: unable to delete (cannot be forced) - image is mounted on {}",
                at.display()
            ),
        ),
        error => ApiError::internal(error_chain(error)),
    }
}

/// An image was not saved.
pub(crate) fn of_save(error: &SaveError) -> ApiError {
    match error {
        SaveError::Find(error) => of_find(error),
        error => ApiError::internal(error_chain(error)),
    }
}

/// An archive was not loaded.
pub(crate) fn of_load(error: &LoadError) -> ApiError {
    ApiError::internal(error_chain(error))
}

/// A login was rejected.
pub(crate) fn of_login(error: &AccessError) -> ApiError {
    match error {
        AccessError::Registry(
            RegistryError::Unauthorized { reason, .. } | RegistryError::Denied { reason, .. },
        ) => ApiError::new(
            StatusCode::UNAUTHORIZED,
            format!(
                "unauthorized: {}",
                or(reason, "incorrect username or password")
            ),
        ),
        error => ApiError::internal(error_chain(error)),
    }
}

fn or<'a>(reason: &'a str, otherwise: &'a str) -> &'a str {
    if reason.is_empty() { otherwise } else { reason }
}

#[cfg(test)]
mod tests {
    use windlass::image::{Digest, ImageName};

    use super::*;

    fn parts(error: ApiError) -> (u16, String) {
        (error.status.as_u16(), error.message)
    }

    fn problem(text: &str) -> (u16, String) {
        let parsed = text.parse::<Reference>();
        parts(of_reference(&parsed.unwrap_err().problem))
    }

    /// API-4: scripts match these messages.
    #[test]
    fn invalid_names_have_dockers_messages() {
        let uppercase = "invalid reference format: repository name must be lowercase";
        assert_eq!(problem("Alpine"), (400, uppercase.to_owned()));
        let reserved = "'scratch' is a reserved name";
        assert_eq!(problem("scratch"), (403, reserved.to_owned()));
        let empty = "invalid reference format: the repository name is empty";
        assert_eq!(problem(""), (400, empty.to_owned()));
    }

    #[test]
    fn a_missing_image_is_named_as_in_docker() {
        let missing = |name: &str| {
            let name: ImageName = name.parse().unwrap();
            parts(of_find(&FindError::Unknown { name }))
        };
        let alpine = "No such image: alpine:latest";
        assert_eq!(missing("alpine"), (404, alpine.to_owned()));
        let other = "No such image: ghcr.io/x/y:1";
        assert_eq!(missing("ghcr.io/x/y:1"), (404, other.to_owned()));
        let id = Digest::sha256("x").to_string();
        assert_eq!(missing(&id), (404, format!("No such image: {id}")));
    }

    #[test]
    fn a_mounted_image_is_a_conflict() {
        let error = RemoveError::Mounted {
            at: "/mnt/x".into(),
        };
        let message = "conflict: unable to delete (cannot be forced) - image is mounted on /mnt/x";
        assert_eq!(parts(of_remove(&error)), (409, message.to_owned()));
    }

    #[test]
    fn a_push_without_tags_names_the_repository() {
        let reference: Reference = "ghcr.io/x/y".parse().unwrap();
        let message = no_tags_to_push(reference.repository()).message;
        let expected = "An image does not exist locally with the tag: ghcr.io/x/y";
        assert_eq!(message, expected);
    }
}
