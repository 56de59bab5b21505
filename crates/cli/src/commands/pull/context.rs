//! Who asks, for which platform: what is the same for all images of the command.

use std::sync::Arc;

use windlass::{
    Caller, Endpoint, Engine, Operation, Origin, Platforms, PullError, PullEvent, PullRequest,
    Pulled, Rate, Reference, Throttle,
};
use windlass_credentials::CredentialStore;
use windlass_report::{ErrorReport, OperationError, RegistryAction};

use crate::commands::remote_query::login;
use crate::error::Error;
use windlass_control::{ControlClient, Request};

/// What all images of the command have in common.
pub(super) struct PullContext<'a> {
    pub(super) engine: &'a Engine,
    /// The daemon that owns the store, where one does, and how fast each pull may be.
    daemon: Option<(ControlClient, Rate)>,
    keys: CredentialStore,
    /// One for the whole command: images of one repository share their tokens.
    caller: Caller,
    platforms: Platforms,
}

impl<'a> PullContext<'a> {
    pub(super) fn new(engine: &'a Engine, keys: CredentialStore, platforms: Platforms) -> Self {
        Self {
            engine,
            daemon: None,
            caller: Caller::new(Arc::new(keys.clone())),
            keys,
            platforms,
        }
    }

    /// Has the daemon pull that owns the store.
    pub(super) fn by(mut self, daemon: ControlClient, rate: Rate) -> Self {
        self.daemon = Some((daemon, rate));
        self
    }

    /// Pulls one image.
    pub(super) fn pull(&self, request: &PullRequest) -> Operation<PullEvent, Pulled, Error> {
        let (reference, keys) = (request.reference.clone(), self.keys.clone());
        let login = login(&keys, &reference);
        let Some((daemon, limit_rate)) = &self.daemon else {
            let pull = self.engine.pull(request.clone()).start();
            return pull.map_err(move |source| {
                let error = OperationError::Registry {
                    action: RegistryAction::Pull,
                    reference,
                    login,
                    source: Box::new(source),
                };
                error.into()
            });
        };
        let request = Request::Pull {
            reference,
            platform: request.platform.clone(),
            limit_rate: *limit_rate,
            login,
        };
        daemon.pull(request, keys).map_err(Error::from)
    }

    /// Returns what to ask the engine for: a pull for each platform. A failure is reported with the reference.
    pub(super) async fn requests(
        &self,
        reference: Reference,
    ) -> Result<Vec<PullRequest>, (Reference, ErrorReport)> {
        let request = PullRequest {
            reference,
            platform: None,
            caller: self.caller.clone(),
            throttle: Throttle::unlimited(),
        };
        let remote = self.engine.remote();
        let requests = remote.for_platforms(&request, &self.platforms).await;
        requests.map_err(|source| {
            let error = self.error(RegistryAction::Pull, &request.reference, source);
            (request.reference, error.report())
        })
    }

    /// Returns the references of every tag of `repositories`.
    pub(super) async fn all_tags(
        &self,
        repositories: &[Reference],
    ) -> Result<Vec<Reference>, Error> {
        let remote = self.engine.remote();
        let mut references = Vec::new();
        for repository in repositories {
            let tags = remote.tags(repository.repository(), &self.caller).await;
            let tags =
                tags.map_err(|source| self.error(RegistryAction::ListTags, repository, source))?;
            references.extend(tags.into_iter().map(|tag| repository.with_tag(tag)));
        }
        Ok(references)
    }

    /// Returns the mirrors that may be asked for `reference`.
    pub(super) fn mirrors(&self, reference: &Reference) -> Vec<Origin> {
        let remote = self.engine.remote();
        let config = remote.client().config();
        // If there are none to be had, the pull says why.
        let endpoints = Endpoint::of(reference.repository(), config).unwrap_or_default();
        let mirrors = endpoints.iter().filter(|endpoint| endpoint.is_mirror());
        mirrors.map(|mirror| mirror.origin().clone()).collect()
    }

    /// Says what was wanted when `source` happened, and who asked.
    pub(super) fn error(
        &self,
        action: RegistryAction,
        reference: &Reference,
        source: PullError,
    ) -> Error {
        OperationError::Registry {
            action,
            reference: reference.clone(),
            login: login(&self.keys, reference),
            source: Box::new(source),
        }
        .into()
    }
}
