//! What an error means for others: who is to blame, and whether the next endpoint is asked.

use std::time::Duration;

use crate::auth::AuthError;
use crate::endpoint::Endpoint;
use crate::error::{RegistryError, RequestKind, WaitPhase};
use crate::health::EndpointFault;
use crate::manifest::TagOrDigest;

/// What an endpoint did, as far as an error tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conduct {
    /// Nothing: the trouble is on this side, or in what was asked for, and the same everywhere.
    Irrelevant,
    /// It gave no answer.
    Silence,
    /// It gave an answer, but not that of a registry.
    Nonsense,
    /// It did not deliver what it had begun.
    Interruption,
    /// It delivered something else than it should have.
    Lie,
    /// It is out of order, by its own word.
    Disorder,
    /// It answered as registries do.
    Answer,
}

impl RegistryError {
    /// Tells whether `to` is to be asked after `from` answered with this error (or did not answer), once
    /// [`RegistryError::next_step`] does not say to try again. This is the table of FB-9:
    ///
    /// | what happened | at a mirror | at the registry |
    /// |---|---|---|
    /// | the trouble is on this side, or the same everywhere | no | no |
    /// | no answer | yes | yes |
    /// | an answer that no registry gives | yes | yes, unless it came over TLS and `to` is in the clear |
    /// | anything else: refused, unknown, broken off, wrong bytes, too busy | yes | no |
    ///
    /// What follows the registry's endpoint are other ways to the same host, so its word stands (better than
    /// FB-9, which asks again for what is unknown); a mirror's word never does (better than FB-13). From an
    /// endpoint in TLS that has answered anything, ever since it was looked up, nothing leads to plain http on
    /// the same host (FB-4). Who stops waiting asks nobody else: that is no error (FB-5). Errors that are not
    /// of a registry lead nowhere (FB-6).
    pub fn falls_back(&self, from: &Endpoint, to: &Endpoint) -> bool {
        use Conduct::{Answer, Disorder, Interruption, Irrelevant, Lie, Nonsense, Silence};
        let conduct = self.conduct();
        let answered = from.has_answered() || !matches!(conduct, Irrelevant | Silence);
        if answered && is_downgrade(from, to) {
            return false;
        }
        match conduct {
            Irrelevant => false,
            Silence | Nonsense => true,
            Answer | Disorder | Interruption | Lie => from.is_mirror(),
        }
    }

    /// Returns what the endpoint that was asked is to blame for.
    pub(crate) fn fault(&self) -> Option<EndpointFault> {
        match self.conduct() {
            Conduct::Silence | Conduct::Disorder => Some(EndpointFault::Unreachable),
            Conduct::Interruption => Some(EndpointFault::Slow),
            Conduct::Nonsense | Conduct::Lie => Some(EndpointFault::WrongDigest),
            Conduct::Irrelevant | Conduct::Answer => None,
        }
    }

    /// Tells whether it shows that the endpoint is well.
    pub(crate) fn is_healthy(&self) -> bool {
        self.conduct() == Conduct::Answer
    }

    /// Returns for how long who was asked wants to be left alone, by its own word.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// The one table of what errors mean; a new one has to be thought about here.
    fn conduct(&self) -> Conduct {
        match self {
            Self::Setup { .. } => Conduct::Irrelevant,
            Self::Auth { source, .. } => match source {
                AuthError::Credentials(_) | AuthError::RegistryToken | AuthError::Username => {
                    Conduct::Irrelevant
                }
                AuthError::Realm { .. } | AuthError::Token(_) | AuthError::PlainHttp => {
                    Conduct::Answer
                }
            },
            Self::Manifest { context, .. } => match &context.kind {
                // Verified: whoever has it has the same.
                RequestKind::Manifest(TagOrDigest::Digest(_)) => Conduct::Irrelevant,
                _ => Conduct::Answer,
            },
            Self::Timeout { waiting_for, .. } => match waiting_for {
                WaitPhase::Connection | WaitPhase::Response => Conduct::Silence,
                WaitPhase::Body => Conduct::Interruption,
            },
            Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::Transport { .. } => Conduct::Silence,
            Self::NotARegistry { .. } => Conduct::Nonsense,
            Self::Interrupted { .. } => Conduct::Interruption,
            Self::Size {
                expected, found, ..
            } if found < expected => Conduct::Interruption,
            Self::Size { .. }
            | Self::Digest { .. }
            | Self::DigestHeader { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. } => Conduct::Lie,
            Self::Unavailable { .. } => Conduct::Disorder,
            Self::Unauthorized { .. }
            | Self::Denied { .. }
            | Self::NameUnknown { .. }
            | Self::ManifestUnknown { .. }
            | Self::BlobUnknown { .. }
            | Self::TooManyRequests { .. }
            | Self::Unexpected { .. }
            | Self::Storage { .. }
            | Self::Redirect { .. } => Conduct::Answer,
        }
    }
}

/// Tells whether `to` is the host of `from` in the clear, which is not.
fn is_downgrade(from: &Endpoint, to: &Endpoint) -> bool {
    let (from, to) = (from.origin(), to.origin());
    from.is_https() && !to.is_https() && from.parsed_host() == to.parsed_host()
}

#[cfg(test)]
mod tests;
