//! Looks up credentials in files and helpers, and caches the results.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use serde::{Deserialize, Serialize};
use windlass_oci::text::{Sanitized, sanitize};
use windlass_registry::{CredentialScope, Credentials};

use crate::file::CredentialFile;
use crate::helper::{HelperError, HelperSettings};
use crate::key::{key_for_host, redacted_key};
use crate::locations::{CredentialLocation, CredentialLocations, CredentialReadError, FileSource};
use crate::single_flight::{HelperFlight, HelperOutcome};

/// The credentials of a user for all registries. Clones share the cache.
///
/// A file is read when it is needed first, and a helper runs once for a host. [`Self::store`] and [`Self::erase`] clear
/// the cache.
#[derive(Clone, Debug)]
pub struct CredentialStore {
    pub(crate) shared: Arc<SharedStore>,
}

/// The source of the credentials for a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialSource {
    /// An entry of a file.
    Entry {
        /// The file.
        place: CredentialLocation,
        /// The key of the entry, without a password.
        key: Sanitized,
    },
    /// A helper. It is queried before the entries, so it is the source even if it has no credentials.
    Helper {
        /// The name of the program without `docker-credential-`.
        name: Sanitized,
        /// The file that configures the helper.
        place: CredentialLocation,
        /// Whether the helper is configured for all hosts (`credsStore`) or for this one (`credHelpers`).
        for_all: bool,
    },
}

/// The reason why credentials could not be looked up. It contains no secret (T30).
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// A file cannot be used.
    #[error(transparent)]
    File(Arc<CredentialReadError>),
    /// A helper failed. There may be credentials, so the lookup does not continue without them (D9).
    #[error(
        "cannot get the credentials for {host} from docker-credential-{name}, configured in {location}"
    )]
    Helper {
        /// The name of the program without `docker-credential-`.
        name: Sanitized,
        /// The file that configures the helper.
        location: CredentialLocation,
        /// The host.
        host: Sanitized,
        /// The error of the helper.
        source: Arc<HelperError>,
    },
}

#[derive(Debug)]
pub(crate) struct SharedStore {
    pub(crate) locations: CredentialLocations,
    pub(crate) helpers: HelperSettings,
    cache: Mutex<Arc<LookupCache>>,
}

/// The files and helper results that have been read so far.
#[derive(Debug)]
struct LookupCache {
    files: Vec<CachedFile>,
    /// The runs of helpers, by the name of the helper and the key of the host.
    flights: Mutex<HashMap<(String, String), Arc<HelperFlight>>>,
}

#[derive(Debug)]
struct CachedFile {
    source: FileSource,
    content: OnceLock<Result<Option<CredentialFile>, Arc<CredentialReadError>>>,
}

impl CredentialStore {
    /// Creates a store. No file is read and no helper runs before the first lookup.
    pub fn new(locations: CredentialLocations, helpers: HelperSettings) -> Self {
        let cache = Mutex::new(Arc::new(LookupCache::empty(&locations)));
        Self {
            shared: Arc::new(SharedStore {
                locations,
                helpers,
                cache,
            }),
        }
    }

    /// Returns the credentials for `scope`, or [`Credentials::Anonymous`] if there are none.
    ///
    /// The locations are searched in order. In each, the helper for the host is queried first, then the entries.
    /// Blocks, and may run a program.
    pub fn lookup(&self, scope: &CredentialScope) -> Result<Credentials, LookupError> {
        let waiter = Arc::new(());
        self.lookup_while_waited_for(scope, &Arc::downgrade(&waiter))
    }

    /// Like [`Self::lookup`], but kills the helper when `waiter` and all other waiters are gone.
    pub(crate) fn lookup_while_waited_for(
        &self,
        scope: &CredentialScope,
        waiter: &Weak<()>,
    ) -> Result<Credentials, LookupError> {
        let cache = self.cache();
        for file in &cache.files {
            let Some(content) = file.content(&self.shared.locations)? else {
                continue;
            };
            if let Some(helper) = content.helper_for(&scope.host) {
                let outcome =
                    cache.run_helper(&self.shared.helpers, helper.name, &scope.host, waiter);
                let failed = |source| LookupError::Helper {
                    name: sanitize(helper.name),
                    location: file.source.location.clone(),
                    host: sanitize(&scope.host),
                    source,
                };
                if let Some(credentials) = outcome.map_err(failed)? {
                    return Ok(credentials);
                }
            }
            if let Some(found) = content.find(scope) {
                return Ok(found.credentials.clone());
            }
        }
        Ok(Credentials::Anonymous)
    }

    /// Returns the source of the credentials for `scope`. Reads files, but runs no helper.
    pub fn source_of(
        &self,
        scope: &CredentialScope,
    ) -> Result<Option<CredentialSource>, LookupError> {
        let cache = self.cache();
        for file in &cache.files {
            let Some(content) = file.content(&self.shared.locations)? else {
                continue;
            };
            let place = file.source.location.clone();
            if let Some(helper) = content.helper_for(&scope.host) {
                return Ok(Some(CredentialSource::Helper {
                    name: sanitize(helper.name),
                    place,
                    for_all: helper.key.is_none(),
                }));
            }
            if let Some(found) = content.find(scope) {
                let key = redacted_key(found.key);
                return Ok(Some(CredentialSource::Entry { place, key }));
            }
        }
        Ok(None)
    }

    /// Clears the cache.
    pub(crate) fn clear_cache(&self) {
        let empty = Arc::new(LookupCache::empty(&self.shared.locations));
        let mut cache = self
            .shared
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *cache = empty;
    }

    fn cache(&self) -> Arc<LookupCache> {
        let cache = self.shared.cache.lock();
        cache.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl LookupCache {
    fn empty(locations: &CredentialLocations) -> Self {
        let file = |source| CachedFile {
            source,
            content: OnceLock::new(),
        };
        Self {
            files: locations.file_sources().into_iter().map(file).collect(),
            flights: Mutex::default(),
        }
    }

    fn run_helper(
        &self,
        helpers: &HelperSettings,
        name: &str,
        host: &str,
        waiter: &Weak<()>,
    ) -> HelperOutcome {
        let flight = self.join(name, host, waiter);
        flight.outcome(helpers, name, host)
    }

    /// Joins the run of the helper for the host. Starts a new one if there is none, or if all waiters of the previous
    /// one are gone.
    fn join(&self, name: &str, host: &str, waiter: &Weak<()>) -> Arc<HelperFlight> {
        let key = (name.to_owned(), key_for_host(host).to_ascii_lowercase());
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = flights
            .entry(key)
            .or_insert_with(|| Arc::new(HelperFlight::new()));
        if !flight.join(waiter) {
            *flight = Arc::new(HelperFlight::new());
            flight.join(waiter);
        }
        flight.clone()
    }
}

impl CachedFile {
    fn content(
        &self,
        locations: &CredentialLocations,
    ) -> Result<Option<&CredentialFile>, LookupError> {
        let content = self
            .content
            .get_or_init(|| locations.read(&self.source).map_err(Arc::new));
        match content {
            Ok(file) => Ok(file.as_ref()),
            Err(error) => Err(LookupError::File(error.clone())),
        }
    }
}
