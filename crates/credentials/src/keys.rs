//! Everything that a user can prove himself with, looked up when it is asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use serde::{Deserialize, Serialize};
use windlass_oci::text::{Sanitized, sanitize};
use windlass_registry::{CredentialScope, Credentials};

use crate::file::CredentialFile;
use crate::flight::{Flight, Outcome};
use crate::helper::{HelperError, HelperSettings};
use crate::key::{key_of, shown_key};
use crate::places::{CredentialLocation, CredentialLocations, CredentialReadError, Spot};

/// Knows who the user is to every registry. Clones share what they know.
///
/// Files are read when they are first needed, and helpers asked once for a host; [`Self::store`] and
/// [`Self::erase`] have all of it looked up anew.
#[derive(Clone, Debug)]
pub struct CredentialStore {
    pub(crate) shared: Arc<Shared>,
}

/// Where credentials for a host come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialSource {
    /// An entry of a file.
    Entry {
        /// The file.
        place: CredentialLocation,
        /// The entry's key, fit for messages.
        key: Sanitized,
    },
    /// A helper, which will be asked first, whether it has something or not.
    Helper {
        /// What the program's name has behind `docker-credential-`.
        name: Sanitized,
        /// The file that names it.
        place: CredentialLocation,
        /// Whether it does so for all hosts (`credsStore`), not for this one (`credHelpers`).
        for_all: bool,
    },
}

/// Why credentials could not be looked up. Holds no secret (T30).
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// A file is of no use.
    #[error(transparent)]
    File(Arc<CredentialReadError>),
    /// A helper failed. It is not known whether there are credentials, so nothing else is tried (D9).
    #[error("asking docker-credential-{name}, which {place} names, for the credentials of {host}")]
    Helper {
        /// What the program's name has behind `docker-credential-`.
        name: Sanitized,
        /// The file that names it.
        place: CredentialLocation,
        /// The host it was asked about.
        host: Sanitized,
        /// What happened.
        source: Arc<HelperError>,
    },
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) places: CredentialLocations,
    pub(crate) helpers: HelperSettings,
    known: Mutex<Arc<Known>>,
}

/// What was found out so far.
#[derive(Debug)]
struct Known {
    files: Vec<KnownFile>,
    /// By the helper's name and what it was asked about.
    asked: Mutex<HashMap<(String, String), Arc<Flight>>>,
}

#[derive(Debug)]
struct KnownFile {
    spot: Spot,
    content: OnceLock<Result<Option<CredentialFile>, Arc<CredentialReadError>>>,
}

impl CredentialStore {
    /// CredentialStore from `places`. Nothing is read and nobody asked before it is needed.
    pub fn new(places: CredentialLocations, helpers: HelperSettings) -> Self {
        let known = Mutex::new(Arc::new(Known::nothing(&places)));
        Self {
            shared: Arc::new(Shared {
                places,
                helpers,
                known,
            }),
        }
    }

    /// Returns what the user proves himself with at `door`, [`Credentials::Anonymous`] if nobody has anything.
    ///
    /// In each place the helper for the host is asked first; if it has nothing, the place's own entries
    /// count; if those have nothing, the next place. Blocks, and may run a program.
    pub fn lookup(&self, door: &CredentialScope) -> Result<Credentials, LookupError> {
        let asker = Arc::new(());
        self.lookup_while(door, &Arc::downgrade(&asker))
    }

    /// As [`Self::lookup`], but ends the helper when `asker` and all others are gone.
    pub(crate) fn lookup_while(
        &self,
        door: &CredentialScope,
        asker: &Weak<()>,
    ) -> Result<Credentials, LookupError> {
        let known = self.known();
        for file in &known.files {
            let Some(content) = file.content(&self.shared.places)? else {
                continue;
            };
            if let Some(helper) = content.helper_for(&door.host) {
                let outcome = known.ask(&self.shared.helpers, helper.name, &door.host, asker);
                let failed = |source| LookupError::Helper {
                    name: sanitize(helper.name),
                    place: file.spot.place.clone(),
                    host: sanitize(&door.host),
                    source,
                };
                if let Some(credentials) = outcome.map_err(failed)? {
                    return Ok(credentials);
                }
            }
            if let Some(found) = content.find(door) {
                return Ok(found.credentials.clone());
            }
        }
        Ok(Credentials::Anonymous)
    }

    /// Returns where credentials for `door` would come from. Reads files, and runs nothing.
    pub fn source_of(
        &self,
        door: &CredentialScope,
    ) -> Result<Option<CredentialSource>, LookupError> {
        let known = self.known();
        for file in &known.files {
            let Some(content) = file.content(&self.shared.places)? else {
                continue;
            };
            let place = file.spot.place.clone();
            if let Some(helper) = content.helper_for(&door.host) {
                return Ok(Some(CredentialSource::Helper {
                    name: sanitize(helper.name),
                    place,
                    for_all: helper.key.is_none(),
                }));
            }
            if let Some(found) = content.find(door) {
                let key = shown_key(found.key);
                return Ok(Some(CredentialSource::Entry { place, key }));
            }
        }
        Ok(None)
    }

    /// Has everything looked up anew from now on.
    pub(crate) fn forget(&self) {
        let nothing = Arc::new(Known::nothing(&self.shared.places));
        let mut known = self
            .shared
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = nothing;
    }

    fn known(&self) -> Arc<Known> {
        let known = self.shared.known.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Known {
    fn nothing(places: &CredentialLocations) -> Self {
        let file = |spot| KnownFile {
            spot,
            content: OnceLock::new(),
        };
        Self {
            files: places.spots().into_iter().map(file).collect(),
            asked: Mutex::default(),
        }
    }

    fn ask(&self, helpers: &HelperSettings, name: &str, host: &str, asker: &Weak<()>) -> Outcome {
        let flight = self.join(name, host, asker);
        flight.outcome(helpers, name, host)
    }

    /// Returns the flight of a question, a new one if nobody has asked it or all who did went away.
    fn join(&self, name: &str, host: &str, asker: &Weak<()>) -> Arc<Flight> {
        let question = (name.to_owned(), key_of(host).to_ascii_lowercase());
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = asked
            .entry(question)
            .or_insert_with(|| Arc::new(Flight::new()));
        if !flight.join(asker) {
            *flight = Arc::new(Flight::new());
            flight.join(asker);
        }
        flight.clone()
    }
}

impl KnownFile {
    fn content(
        &self,
        places: &CredentialLocations,
    ) -> Result<Option<&CredentialFile>, LookupError> {
        let content = self
            .content
            .get_or_init(|| places.read(&self.spot).map_err(Arc::new));
        match content {
            Ok(file) => Ok(file.as_ref()),
            Err(error) => Err(LookupError::File(error.clone())),
        }
    }
}
