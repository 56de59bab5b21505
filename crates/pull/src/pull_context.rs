//! What the steps of one pull share.

use windlass_oci::Reference;
use windlass_store::Store;
use windlass_transfer::TransferGroup;

use crate::error::PullError;
use crate::events::{PullEvent, PullEvents};
use crate::remote::Remote;
use crate::request::PullRequest;
use crate::resolve::Resolver;
use crate::sources::Sources;

/// What the steps of one pull, or of its preview, share.
pub(crate) struct PullContext<'a> {
    pub(crate) request: &'a PullRequest,
    /// The requested reference, with `latest` if it has neither tag nor digest.
    pub(crate) reference: Reference,
    pub(crate) sources: Sources,
    pub(crate) events: &'a PullEvents,
    /// The group of the pull's transfers; slots are shared out fairly among groups.
    pub(crate) group: TransferGroup,
}

impl<'a> PullContext<'a> {
    /// Opens sessions with the endpoints, and reports that the reference is being resolved. Nothing is sent yet.
    pub(crate) fn new(
        remote: &Remote,
        request: &'a PullRequest,
        events: &'a PullEvents,
    ) -> Result<Self, PullError> {
        let reference = request.reference.clone().or_latest();
        events.send(PullEvent::Resolving {
            reference: reference.clone(),
        });
        Ok(Self {
            request,
            sources: remote.sources(&reference, &request.caller, Some(events))?,
            reference,
            events,
            group: TransferGroup::new(),
        })
    }

    /// Returns a resolver that reads from `store` first.
    pub(crate) fn resolver<'b>(&'b self, store: &'b Store) -> Resolver<'b> {
        Resolver {
            sources: &self.sources,
            store: Some(store),
        }
    }
}
