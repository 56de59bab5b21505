//! Events of a copy.

use serde::{Deserialize, Serialize};
use windlass_layout::Batch;
use windlass_oci::{Digest, RepositoryName};
use windlass_operation::{BlockingContext, Event, Merge};

/// The cancellation of a copy, the sink for its events and the runtime for its requests.
pub type CopyContext = BlockingContext<CopyEvent>;

/// Something that happened during a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyEvent {
    /// The blobs to transfer, each with its digest and size in bytes.
    Planned(Vec<(Digest, u64)>),
    /// The state of a blob changed.
    Blob {
        /// The blob.
        digest: Digest,
        /// Its state.
        status: BlobStatus,
    },
    /// More bytes arrived of an archive that has to be received completely before it can be read.
    Received(u64),
    /// More bytes of a blob were transferred.
    Moved {
        /// The blob.
        digest: Digest,
        /// The number of bytes.
        bytes: u64,
    },
}

/// The state of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobStatus {
    /// The blob is about to be pushed.
    Preparing,
    /// The push waits for those of other blobs.
    Waiting,
    /// The bytes are being transferred.
    Transferring,
    /// The destination already had the blob.
    Exists,
    /// The registry mounted the blob from another of its repositories.
    Mounted {
        /// The other repository.
        from: RepositoryName,
    },
    /// An attempt failed; the next one continues at `position`.
    Retrying {
        /// The number of bytes that are not sent again.
        position: u64,
        /// The failure; empty if the registry only required another token.
        error: String,
    },
    /// The blob is complete at the destination.
    Transferred,
}

/// Byte counts that the receiver has not taken yet are added up. The events of one blob keep their order.
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

/// Reports all blobs of `batch` as planned.
pub(crate) fn report_planned(context: &CopyContext, batch: &Batch) {
    let blobs = batch.blobs.values();
    let blobs = blobs.map(|blob| (blob.digest, blob.size)).collect();
    context.send(CopyEvent::Planned(blobs));
}

/// Reports the state of a blob.
pub(crate) fn report_status(context: &CopyContext, digest: Digest, status: BlobStatus) {
    context.send(CopyEvent::Blob { digest, status });
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
