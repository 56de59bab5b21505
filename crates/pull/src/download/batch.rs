//! Receives the bytes of a response in batches.

use bytes::Bytes;
use futures_util::FutureExt as _;
use windlass_registry::{BlobStream, RegistryError};

/// Waits for bytes, and returns them with all further bytes that have already arrived, until there are `max_bytes`.
///
/// The second value is the end of the stream, if it was reached. The next `skip` bytes are skipped.
pub(super) async fn receive_batch(
    stream: &mut BlobStream,
    skip: &mut u64,
    max_bytes: u64,
) -> (Vec<Bytes>, Option<Result<(), RegistryError>>) {
    let mut batch = Vec::new();
    let mut size = 0;
    let mut next = Some(stream.next_chunk().await);
    while let Some(chunk) = next {
        match chunk {
            Ok(Some(mut chunk)) => {
                skip_prefix(skip, &mut chunk);
                size += chunk.len() as u64;
                if !chunk.is_empty() {
                    batch.push(chunk);
                }
            }
            Ok(None) => return (batch, Some(Ok(()))),
            Err(error) => return (batch, Some(Err(error))),
        }
        next = if size < max_bytes {
            stream.next_chunk().now_or_never()
        } else {
            None
        };
    }
    (batch, None)
}

/// Removes up to `skip` bytes from the start of a chunk, and subtracts them from `skip`.
fn skip_prefix(skip: &mut u64, chunk: &mut Bytes) {
    let skipped = usize::try_from(*skip)
        .unwrap_or(usize::MAX)
        .min(chunk.len());
    drop(chunk.split_to(skipped));
    *skip -= skipped as u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DL-5: exactly the first bytes are skipped, for every size of chunks.
    #[test]
    fn received_bytes_are_skipped() {
        let blob = Bytes::from_static(b"0123456789");
        for skip in 0..=10 {
            for size in 1..=11 {
                let mut left = skip;
                let chunks = blob.chunks(size).map(|chunk| {
                    let mut chunk = Bytes::copy_from_slice(chunk);
                    skip_prefix(&mut left, &mut chunk);
                    chunk
                });
                let rest: Vec<u8> = chunks.flatten().collect();
                assert_eq!(
                    rest,
                    blob[usize::try_from(skip).unwrap()..],
                    "{skip} {size}"
                );
                assert_eq!(left, 0);
            }
        }
    }

    /// If more bytes are to be skipped than a chunk has, the rest is skipped in the following chunks.
    #[test]
    fn skipping_continues_with_the_next_chunk() {
        let mut skip = u64::MAX;
        let mut chunk = Bytes::from_static(b"0123");
        skip_prefix(&mut skip, &mut chunk);
        assert_eq!((chunk.len(), skip), (0, u64::MAX - 4));
    }
}
