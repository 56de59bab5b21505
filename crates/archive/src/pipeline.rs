//! Decompresses a blob, hashes its tar and passes the chunks to the code that applies them.
//!
//! With [`UnpackThreads::Two`], decompressing and applying run in parallel and exchange the buffers of a ring.
//! Each buffer is applied and hashed, in any order, before it is filled again. Hashing is not bound to a thread:
//! a thread that would have to wait hashes instead. This balances layers of few large files, where decompressing
//! takes longest, and layers of many small files, where applying does.

mod limit;
mod ring;
mod single;

use std::io::Read;
use std::thread;

use windlass_oci::{Digest, Hasher};

use crate::chunks::{CHUNK_SIZE, ChunkSource};
use crate::decompress::Decoder;
use crate::error::UnpackError;
use crate::options::{UnpackOptions, UnpackThreads};
use crate::progress::UnpackProgress;
use limit::TarLimit;
use ring::BufferRing;
use single::SingleThreaded;

/// Decompresses all of `decoder` and passes the chunks to `apply`. Returns the result of `apply` and the digest
/// of all chunks. `apply` must read to the end, or fail.
pub(crate) fn run<R: Read + Send, T>(
    mut decoder: Decoder<R>,
    hasher: Hasher,
    options: &UnpackOptions,
    progress: &UnpackProgress,
    apply: impl FnOnce(&mut dyn ChunkSource) -> Result<T, UnpackError>,
) -> Result<(T, Digest), UnpackError> {
    let mut limit = TarLimit::new(options.limits.tar_bytes);
    let mut first = vec![0; CHUNK_SIZE];
    let length = decoder.fill(&mut first)?;
    first.truncate(length);
    limit.add(length)?;
    // A layer that fits one buffer is not worth a thread.
    if options.threads == UnpackThreads::One || length < CHUNK_SIZE {
        let mut chunks = SingleThreaded::new(decoder, first, hasher, limit, progress);
        let result = apply(&mut chunks)?;
        return Ok((result, chunks.finish()));
    }
    let ring = BufferRing::new(first, hasher);
    let result = thread::scope(|scope| {
        let decompressor = thread::Builder::new().name("windlass-inflate".to_owned());
        let spawned = decompressor.spawn_scoped(scope, || ring.produce(decoder, limit));
        if let Err(source) = spawned {
            return Err(UnpackError::Target {
                action: "start a thread for",
                source,
            });
        }
        apply(&mut ring.consumer(progress))
    })?;
    Ok((result, ring.finish()))
}
