//! Pulls images from registries into the store.

use std::sync::Arc;

use windlass_oci::{Platform, Reference};
use windlass_operation::{Operation, OutcomeFuture};
use windlass_pull::{Preview, PullError, PullEvent, PullRequest, Pulled, Puller, Throttle};
use windlass_registry::Caller;

use crate::engine::Engine;

/// A pull that was not started yet, from [`Engine::pull`]. Awaiting it runs it.
#[derive(Debug)]
#[must_use = "nothing happens before a pull is awaited or driven"]
pub struct Pull {
    puller: Arc<Puller>,
    request: Result<PullRequest, PullError>,
}

/// The targets that [`Engine::pull`] accepts: a reference, its text, or a whole [`PullRequest`].
pub trait PullTarget {
    /// Returns the request. A reference is pulled for this machine's platform, at full speed, with the credentials of
    /// `caller`.
    fn into_request(self, caller: &Caller) -> Result<PullRequest, PullError>;
}

impl PullTarget for PullRequest {
    fn into_request(self, _: &Caller) -> Result<PullRequest, PullError> {
        Ok(self)
    }
}

impl PullTarget for Reference {
    fn into_request(self, caller: &Caller) -> Result<PullRequest, PullError> {
        Ok(PullRequest {
            caller: caller.clone(),
            ..self.into()
        })
    }
}

impl PullTarget for &str {
    fn into_request(self, caller: &Caller) -> Result<PullRequest, PullError> {
        self.parse::<Reference>()?.into_request(caller)
    }
}

impl Engine {
    /// Pulls one image: a [`Reference`], its text, or a whole [`PullRequest`]. Concurrent pulls share the transfers that
    /// they have in common.
    ///
    /// Text that is not a reference fails the pull. Dropping a pull cancels it: transfers that no other pull waits for
    /// stop, and [`Engine::idle`] waits until they have.
    pub fn pull(&self, target: impl PullTarget) -> Pull {
        Pull {
            puller: Arc::clone(&self.puller),
            request: target.into_request(&self.caller),
        }
    }

    /// Determines what [`Engine::pull`] would do: requests manifests and the config, but no layer. Changes nothing.
    pub fn preview(&self, request: PullRequest) -> Operation<PullEvent, Preview, PullError> {
        let puller = Arc::clone(&self.puller);
        Operation::new(|events| async move { puller.preview(&request, &events).await })
    }
}

impl Pull {
    /// Chooses the image for `platform` from an index, instead of the one for this machine.
    pub fn platform(self, platform: Platform) -> Self {
        self.with(|request| request.platform = Some(platform))
    }

    /// Sends requests with the credentials of `caller`, instead of those of the engine. Pulls of the same caller share tokens.
    pub fn caller(self, caller: Caller) -> Self {
        self.with(|request| request.caller = caller)
    }

    /// Limits the throughput of this pull. The limit can be changed while the pull runs.
    pub fn throttle(self, throttle: Throttle) -> Self {
        self.with(|request| request.throttle = throttle)
    }

    /// Returns the operation: its events, and the image as its outcome.
    pub fn start(self) -> Operation<PullEvent, Pulled, PullError> {
        let Self { puller, request } = self;
        Operation::new(|events| async move { puller.pull(&request?, &events).await })
    }

    /// Runs the pull and passes every event to `on_event`.
    pub async fn drive(self, on_event: impl FnMut(PullEvent)) -> Result<Pulled, PullError> {
        self.start().drive(on_event).await
    }

    fn with(mut self, change: impl FnOnce(&mut PullRequest)) -> Self {
        if let Ok(request) = &mut self.request {
            change(request);
        }
        self
    }
}

impl IntoFuture for Pull {
    type Output = Result<Pulled, PullError>;
    type IntoFuture = OutcomeFuture<PullEvent, Pulled, PullError>;

    fn into_future(self) -> Self::IntoFuture {
        self.start().into_future()
    }
}
