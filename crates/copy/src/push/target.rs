//! Where images are pushed to.

use std::collections::BTreeMap;

use windlass_oci::{Digest, RepositoryName};
use windlass_pull::RetryPolicy;
use windlass_registry::Repository;

/// A repository that images are pushed to.
#[derive(Clone, Debug)]
pub struct PushTarget {
    /// The session, which may write.
    pub repository: Repository,
    /// The policy for failed requests.
    pub retry: RetryPolicy,
    /// The number of blobs that are sent at a time.
    pub concurrent_blobs: usize,
    /// Other repositories of the registry from which blobs may be mounted.
    pub mount_sources: BTreeMap<Digest, RepositoryName>,
    /// The maximum number of bytes in one request, unless the registry requires more; `None` for no limit.
    pub chunk_size: Option<u64>,
}
