//! What all pulls of a command have in common: engine, credentials and platforms.

use std::sync::Arc;

use windlass::error::PullError;
use windlass::image::{Platforms, Reference};
use windlass::registry::{Caller, Endpoint, Origin};
use windlass::transfer::{RateLimit, Throttle};
use windlass::{Engine, Operation, PullEvent, PullRequest, Pulled};
use windlass_control::{ControlClient, PullParams};
use windlass_credentials::CredentialStore;
use windlass_error_report::{ErrorReport, LoginState, OperationError, RegistryAction};

use crate::error::Error;

/// How many images are pulled or resolved at the same time. Their layers share the download slots.
pub(super) const MAX_CONCURRENT_IMAGES: usize = 8;

/// The engine, credentials and platforms of all pulls of a command.
pub(super) struct PullContext<'a> {
    pub(super) engine: &'a Engine,
    /// The daemon that owns the store, if there is one, and the download rate of each pull.
    daemon: Option<(ControlClient, RateLimit)>,
    credentials: CredentialStore,
    /// Shared by all pulls, so that images of one repository share their tokens.
    caller: Caller,
    platforms: Platforms,
}

impl<'a> PullContext<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        credentials: CredentialStore,
        platforms: Platforms,
    ) -> Self {
        Self {
            engine,
            daemon: None,
            caller: Caller::new(Arc::new(credentials.clone())),
            credentials,
            platforms,
        }
    }

    /// Makes the daemon that owns the store pull.
    pub(super) fn with_daemon(mut self, daemon: ControlClient, rate: RateLimit) -> Self {
        self.daemon = Some((daemon, rate));
        self
    }

    /// Pulls one image.
    pub(super) fn pull(&self, request: &PullRequest) -> Operation<PullEvent, Pulled, Error> {
        let (reference, credentials) = (request.reference.clone(), self.credentials.clone());
        let login = LoginState::find(&credentials, &reference);
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
        let params = PullParams {
            reference,
            platform: request.platform.clone(),
            artifacts: request.artifacts.clone(),
            limit_rate: *limit_rate,
            login,
        };
        daemon
            .pull(params, Arc::new(credentials))
            .map_err(Error::from)
    }

    /// Returns the requests for a reference: one for each platform. The error includes the reference.
    pub(super) async fn requests(
        &self,
        reference: Reference,
    ) -> Result<Vec<PullRequest>, (Reference, ErrorReport)> {
        let request = PullRequest {
            reference,
            platform: None,
            artifacts: Vec::new(),
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

    /// Returns the mirrors of the registry of `reference`.
    pub(super) fn mirrors(&self, reference: &Reference) -> Vec<Origin> {
        let remote = self.engine.remote();
        let config = remote.client().config();
        // If the endpoints are invalid, the pull reports why.
        let endpoints = Endpoint::of(reference.repository(), config).unwrap_or_default();
        let mirrors = endpoints.iter().filter(|endpoint| endpoint.is_mirror());
        mirrors.map(|mirror| mirror.origin().clone()).collect()
    }

    /// Returns the error of an action on `reference`.
    pub(super) fn error(
        &self,
        action: RegistryAction,
        reference: &Reference,
        source: PullError,
    ) -> Error {
        OperationError::Registry {
            action,
            reference: reference.clone(),
            login: LoginState::find(&self.credentials, reference),
            source: Box::new(source),
        }
        .into()
    }
}
