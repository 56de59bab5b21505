//! Carries the tar from the decompressor to whoever applies it, and hashes it on the way.
//!
//! With [`UnpackThreads::Two`] the two work at once and hand over buffers of a ring. Each buffer is applied
//! and hashed, in any order, and then filled again. Hashing belongs to neither thread: whoever would
//! have to wait for the other hashes instead, which balances layers of few large files (inflating
//! takes longest) and of many small ones (applying does).

mod ring;

use std::io::Read;
use std::thread;

use windlass_oci::{Digest, Hasher};

use crate::decompress::Decoder;
use crate::error::UnpackError;
use crate::options::{UnpackOptions, UnpackThreads};
use crate::progress::UnpackProgress;
use ring::Ring;

/// The size of a buffer: a multiple of tar's blocks, so that none is ever cut in two.
pub(crate) const CHUNK: usize = 256 << 10;

/// The tar, piece by piece.
pub(crate) trait Chunks {
    /// Returns the current piece; empty before the first and after the last.
    fn chunk(&self) -> &[u8];

    /// Goes to the next piece and says whether there is one. The one before is gone.
    fn advance(&mut self) -> Result<bool, UnpackError>;

    /// Goes over at most `bytes` bytes behind the current piece without reading them, and says how many these were.
    fn skip(&mut self, bytes: u64) -> u64 {
        let _ = bytes;
        0
    }
}

/// Decompresses all of `decoder`, has `apply` take it, and returns what that returned and the digest of
/// all there was. `apply` must go on to the end, or fail.
pub(crate) fn run<R: Read + Send, T>(
    mut decoder: Decoder<R>,
    hasher: Hasher,
    options: &UnpackOptions,
    progress: &UnpackProgress,
    apply: impl FnOnce(&mut dyn Chunks) -> Result<T, UnpackError>,
) -> Result<(T, Digest), UnpackError> {
    let limit = options.limits.tar_bytes;
    let mut first = vec![0; CHUNK];
    let length = decoder.fill(&mut first)?;
    first.truncate(length);
    check_length(length as u64, limit)?;
    // A layer that fits one buffer is not worth a thread.
    if options.threads == UnpackThreads::One || length < CHUNK {
        return alone(decoder, first, hasher, limit, progress, apply);
    }
    let ring = Ring::new(first, hasher);
    let result = thread::scope(|scope| {
        let inflater = thread::Builder::new().name("windlass-inflate".to_owned());
        let spawned = inflater.spawn_scoped(scope, || ring.produce(decoder, limit));
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

fn alone<R: Read, T>(
    decoder: Decoder<R>,
    first: Vec<u8>,
    hasher: Hasher,
    limit: u64,
    progress: &UnpackProgress,
    apply: impl FnOnce(&mut dyn Chunks) -> Result<T, UnpackError>,
) -> Result<(T, Digest), UnpackError> {
    let mut alone = Alone {
        decoder,
        hasher,
        length: first.len(),
        buffer: first,
        state: AloneState::First,
        total: 0,
        limit,
        progress,
    };
    let result = apply(&mut alone)?;
    Ok((result, alone.hasher.finish()))
}

/// One thread that does everything in turn.
struct Alone<'a, R> {
    decoder: Decoder<R>,
    hasher: Hasher,
    buffer: Vec<u8>,
    length: usize,
    state: AloneState,
    total: u64,
    limit: u64,
    progress: &'a UnpackProgress,
}

enum AloneState {
    /// The buffer is filled, but was not asked for yet.
    First,
    Current,
    Ended,
}

impl<R: Read> Chunks for Alone<'_, R> {
    fn chunk(&self) -> &[u8] {
        match self.state {
            AloneState::First | AloneState::Ended => &[],
            AloneState::Current => &self.buffer[..self.length],
        }
    }

    fn advance(&mut self) -> Result<bool, UnpackError> {
        match self.state {
            AloneState::First => {}
            AloneState::Current => {
                self.progress.add_tar_bytes(self.length);
                self.length = self.decoder.fill(&mut self.buffer)?;
            }
            AloneState::Ended => return Ok(false),
        }
        self.total += self.length as u64;
        check_length(self.total, self.limit)?;
        self.hasher.update(&self.buffer[..self.length]);
        self.state = match self.length {
            0 => AloneState::Ended,
            _ => AloneState::Current,
        };
        Ok(self.length > 0)
    }
}

fn check_length(total: u64, limit: u64) -> Result<(), UnpackError> {
    if total > limit {
        return Err(UnpackError::TooLong { limit });
    }
    Ok(())
}
