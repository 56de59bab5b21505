//! Events of a copy.

use serde::{Deserialize, Serialize};
use windlass_oci::{Digest, RepositoryName};
use windlass_operation::{BlockingContext, Event, Merge};

/// What copying is given: cancellation, the sink for its events, and the runtime for its requests.
pub type CopyContext = BlockingContext<CopyEvent>;

/// Something that happened during a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyEvent {
    /// The blobs to transfer, each with its digest and size in bytes.
    Planned(Vec<(Digest, u64)>),
    /// A blob is in another state now.
    Blob {
        /// The blob.
        digest: Digest,
        /// Its state.
        status: BlobStatus,
    },
    /// More bytes arrived of an archive that has to be complete before it can be read.
    Received(u64),
    /// More bytes of a blob were transferred.
    Moved {
        /// The blob.
        digest: Digest,
        /// How many.
        bytes: u64,
    },
}

/// How far a blob is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobStatus {
    /// It is about to be pushed.
    Preparing,
    /// It waits for other pushes.
    Waiting,
    /// Its bytes are being transferred.
    Transferring,
    /// The destination already had it.
    Exists,
    /// The registry mounted it from another of its repositories.
    Mounted {
        /// From which.
        from: RepositoryName,
    },
    /// An attempt failed; the next one continues at `position`.
    Retrying {
        /// From which byte on.
        position: u64,
        /// The failure; empty if the registry only required another token.
        error: String,
    },
    /// It is complete at the destination.
    Transferred,
}

/// Byte counts that were not received yet are added up. The events of one blob keep their order.
impl Event for CopyEvent {
    fn merge(&mut self, later: &Self) -> Merge {
        match (self, later) {
            (Self::Received(bytes), Self::Received(more)) => {
                *bytes += more;
                Merge::Merged
            }
            (
                Self::Moved { digest, bytes },
                Self::Moved {
                    digest: same,
                    bytes: more,
                },
            ) if digest == same => {
                *bytes += more;
                Merge::Merged
            }
            (
                Self::Moved { digest, .. } | Self::Blob { digest, .. },
                Self::Moved { digest: other, .. },
            ) if digest != other => Merge::Unrelated,
            (_, _) => Merge::Ordered,
        }
    }
}

#[cfg(test)]
mod tests {
    use windlass_operation::EventSender;

    use super::*;

    #[test]
    fn byte_counts_that_were_not_received_are_added_up() {
        let [a, b] = [Digest::sha256(b"a"), Digest::sha256(b"b")];
        let moved = |digest, bytes| CopyEvent::Moved { digest, bytes };
        let again = || CopyEvent::Blob {
            digest: a,
            status: BlobStatus::Retrying {
                position: 1,
                error: String::new(),
            },
        };
        let (events, mut receiver) = EventSender::channel();
        for event in [moved(a, 1), moved(b, 2), moved(a, 4), again(), moved(a, 8)] {
            events.send(event);
        }
        let received: Vec<_> = std::iter::from_fn(|| receiver.try_next()).collect();
        assert_eq!(received, [moved(a, 5), moved(b, 2), again(), moved(a, 8)]);
    }
}
