//! The ring of buffers between the decompressing and the applying thread.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use windlass_oci::{Digest, Hasher};

use super::limit::TarLimit;
use crate::chunks::{CHUNK_SIZE, ChunkSource};
use crate::decompress::Decoder;
use crate::error::UnpackError;
use crate::progress::UnpackProgress;

/// The number of buffers.
const BUFFER_COUNT: usize = 8;

/// Buffers that the producer fills, both threads hash, and the consumer applies.
pub(super) struct BufferRing {
    state: Mutex<RingState>,
    /// Notified when `state` has changed and the other thread may be waiting.
    changed: Condvar,
}

struct RingState {
    /// Filled buffers that have not been applied.
    unapplied: VecDeque<Arc<Vec<u8>>>,
    /// Filled buffers that have not been hashed. They are hashed in this order.
    unhashed: VecDeque<Arc<Vec<u8>>>,
    /// Buffers that have been applied and hashed, and can be filled again.
    free: Vec<Vec<u8>>,
    /// The number of buffers that are not allocated yet. Short tars need few.
    unallocated: usize,
    /// `None` while a thread is hashing.
    hasher: Option<Hasher>,
    /// The result of the producer once it has ended.
    producer_result: Option<Result<(), UnpackError>>,
    /// Whether the consumer has been dropped.
    is_consumer_gone: bool,
}

/// The applying thread's end of a [`BufferRing`].
pub(super) struct RingConsumer<'a> {
    ring: &'a BufferRing,
    current: Option<Arc<Vec<u8>>>,
    progress: &'a UnpackProgress,
}

impl BufferRing {
    /// Creates a ring in which `first` is already filled.
    pub(super) fn new(first: Vec<u8>, hasher: Hasher) -> Self {
        let first = Arc::new(first);
        Self {
            state: Mutex::new(RingState {
                unapplied: VecDeque::from([Arc::clone(&first)]),
                unhashed: VecDeque::from([first]),
                free: Vec::new(),
                unallocated: BUFFER_COUNT - 1,
                hasher: Some(hasher),
                producer_result: None,
                is_consumer_gone: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Fills buffers from `decoder` until its end, an error, or until the consumer is dropped.
    pub(super) fn produce<R: Read>(&self, mut decoder: Decoder<R>, mut limit: TarLimit) {
        let _guard = ProducerGuard(self);
        while let Some(mut buffer) = self.free_buffer() {
            buffer.resize(CHUNK_SIZE, 0);
            let filled = decoder.fill(&mut buffer).and_then(|length| {
                limit.add(length)?;
                buffer.truncate(length);
                Ok(length)
            });
            let mut state = self.lock();
            match filled {
                Ok(0) => {
                    state.producer_result = Some(Ok(()));
                    break;
                }
                Ok(_) => {
                    let buffer = Arc::new(buffer);
                    state.unapplied.push_back(Arc::clone(&buffer));
                    state.unhashed.push_back(buffer);
                }
                Err(error) => {
                    state.producer_result = Some(Err(error));
                    break;
                }
            }
            drop(state);
            self.changed.notify_one();
        }
    }

    pub(super) fn consumer<'a>(&'a self, progress: &'a UnpackProgress) -> RingConsumer<'a> {
        RingConsumer {
            ring: self,
            current: None,
            progress,
        }
    }

    /// Hashes the remaining buffers and returns the digest of all.
    pub(super) fn finish(self) -> Digest {
        let state = self.state.into_inner();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let mut hasher = state.hasher.expect("no thread is hashing at this point");
        for buffer in state.unhashed {
            hasher.update(&buffer);
        }
        hasher.finish()
    }

    /// Returns a buffer to fill. Hashes or waits while there is none; returns `None` once the consumer is
    /// dropped.
    fn free_buffer(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            if state.is_consumer_gone {
                return None;
            }
            if let Some(buffer) = state.free.pop() {
                return Some(buffer);
            }
            if state.unallocated > 0 {
                state.unallocated -= 1;
                return Some(Vec::new());
            }
            state = self.hash_or_wait(state);
        }
    }

    /// Hashes a buffer if there is one and the other thread is not hashing. Otherwise waits for a change.
    fn hash_or_wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, RingState>,
    ) -> MutexGuard<'a, RingState> {
        if state.hasher.is_some() && !state.unhashed.is_empty() {
            let mut hasher = state.hasher.take().expect("checked above");
            let buffer = state.unhashed.pop_front().expect("checked above");
            drop(state);
            hasher.update(&buffer);
            state = self.lock();
            state.hasher = Some(hasher);
            state.release(buffer);
            self.changed.notify_one();
            return state;
        }
        let waited = self.changed.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, RingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RingState {
    /// Returns a buffer to the free list if the other of its two users has released it already.
    fn release(&mut self, buffer: Arc<Vec<u8>>) {
        self.free.extend(Arc::into_inner(buffer));
    }
}

impl ChunkSource for RingConsumer<'_> {
    fn chunk(&self) -> &[u8] {
        self.current.as_deref().map_or(&[], Vec::as_slice)
    }

    fn advance(&mut self) -> Result<bool, UnpackError> {
        let mut state = self.ring.lock();
        if let Some(done) = self.current.take() {
            self.progress.add_tar_bytes(done.len());
            state.release(done);
            self.ring.changed.notify_one();
        }
        loop {
            if let Some(next) = state.unapplied.pop_front() {
                self.current = Some(next);
                return Ok(true);
            }
            match &mut state.producer_result {
                None => state = self.ring.hash_or_wait(state),
                Some(result) => {
                    return std::mem::replace(result, Ok(())).map(|()| false);
                }
            }
        }
    }
}

impl Drop for RingConsumer<'_> {
    fn drop(&mut self) {
        self.ring.lock().is_consumer_gone = true;
        self.ring.changed.notify_one();
    }
}

/// Reports the end of the producer to the consumer, even when the producer panics.
struct ProducerGuard<'a>(&'a BufferRing);

impl Drop for ProducerGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.producer_result.is_none() {
            let gone = std::io::Error::other("the decompressing thread ended unexpectedly");
            state.producer_result = Some(Err(UnpackError::Read(gone)));
        }
        drop(state);
        self.0.changed.notify_one();
    }
}
