//! What a request is for, for errors.

use std::fmt;

use windlass_oci::Digest;
use windlass_oci::text::sanitize;

use crate::origin::Origin;
use crate::tag_or_digest::TagOrDigest;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// The host of the request.
    pub origin: Origin,
    /// The repository's path, such as `library/alpine`; empty for requests without a repository.
    pub repository: String,
    /// The kind of request.
    pub kind: RequestKind,
}

/// The kind of request, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// The ping that checks for the protocol.
    Ping,
    /// A request to the token server that the registry names.
    Token,
    /// A manifest, by tag or digest.
    Manifest(TagOrDigest),
    /// A blob.
    Blob(Digest),
    /// The repository's tags.
    Tags,
    /// A search for repositories.
    Search,
    /// The artifacts that refer to a manifest.
    Referrers(Digest),
    /// The upload of a blob.
    Upload(Digest),
    /// The upload of a manifest.
    Put(TagOrDigest),
    /// A file that is not in a registry; the repository is the path of the URL.
    Url,
}

impl RequestContext {
    pub(crate) fn boxed(&self) -> Box<Self> {
        Box::new(self.clone())
    }
}

impl fmt::Display for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            repository,
            kind,
        } = self;
        match kind {
            RequestKind::Ping => write!(f, "{origin}"),
            RequestKind::Token if repository.is_empty() => write!(f, "token from {origin}"),
            RequestKind::Token => write!(f, "token for {repository} from {origin}"),
            RequestKind::Manifest(TagOrDigest::Tag(tag)) => {
                write!(f, "{repository}:{tag} at {origin}")
            }
            RequestKind::Manifest(TagOrDigest::Digest(digest)) => {
                write!(f, "{repository}@{digest} at {origin}")
            }
            RequestKind::Blob(digest) => write!(f, "blob {digest} of {repository} at {origin}"),
            RequestKind::Search => write!(f, "search at {origin}"),
            RequestKind::Tags => write!(f, "tags of {repository} at {origin}"),
            RequestKind::Referrers(digest) => {
                write!(f, "referrers of {repository}@{digest} at {origin}")
            }
            RequestKind::Upload(digest) => {
                write!(f, "upload of {digest} to {repository} at {origin}")
            }
            RequestKind::Url => write!(f, "{origin}{}", sanitize(repository)),
            RequestKind::Put(TagOrDigest::Tag(tag)) => {
                write!(f, "push of {repository}:{tag} to {origin}")
            }
            RequestKind::Put(TagOrDigest::Digest(digest)) => {
                write!(f, "push of {repository}@{digest} to {origin}")
            }
        }
    }
}
