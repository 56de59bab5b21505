//! What happens while images are carried.

use serde::{Deserialize, Serialize};
use windlass_oci::{Digest, RepositoryName};
use windlass_operation::{BlockingContext, Event, Merge};

/// What copying is given: cancellation, the sink for its events, and the runtime for its requests.
pub type CopyContext = BlockingContext<CopyEvent>;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyEvent {
    /// These blobs are to be carried: their digests and sizes.
    Planned(Vec<(Digest, u64)>),
    /// A blob is in another state now.
    Blob {
        /// The blob.
        digest: Digest,
        /// Its state.
        status: BlobStatus,
    },
    /// So many more bytes came of an archive that cannot be read before all of it is here.
    Received(u64),
    /// So many more bytes of a blob were carried.
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
    /// It is to be pushed.
    Preparing,
    /// Others are pushed before it.
    Waiting,
    /// It is being carried.
    Transferring,
    /// It was there already.
    Exists,
    /// The registry took it over from another of its repositories.
    Mounted {
        /// From which.
        from: RepositoryName,
    },
    /// Something failed, and it is tried again from this byte on.
    Retrying {
        /// From which byte on.
        position: u64,
        /// What failed; nothing, if the registry only wanted another token.
        error: String,
    },
    /// It is there.
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
