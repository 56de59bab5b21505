//! The ring of buffers between the thread that inflates and the thread that applies.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use windlass_oci::{Digest, Hasher};

use super::{CHUNK, Chunks, check_length};
use crate::decompress::Decoder;
use crate::error::UnpackError;
use crate::progress::UnpackProgress;

/// How many buffers there are.
const BUFFERS: usize = 8;

pub(super) struct Ring {
    state: Mutex<State>,
    /// Something in `state` has changed that the other thread may be waiting for.
    changed: Condvar,
}

struct State {
    /// Filled, not yet applied.
    unapplied: VecDeque<Arc<Vec<u8>>>,
    /// Filled, not yet hashed; in order, and hashed in that order.
    unhashed: VecDeque<Arc<Vec<u8>>>,
    /// Applied and hashed, to be filled again.
    free: Vec<Vec<u8>>,
    /// Buffers not yet allocated: short tars need few.
    unused: usize,
    /// Away while a thread is hashing.
    hasher: Option<Hasher>,
    /// What the producer ended with.
    ended: Option<Result<(), UnpackError>>,
    /// The consumer has gone.
    abandoned: bool,
}

/// The applying thread's end of a [`Ring`].
pub(super) struct Consumer<'a> {
    ring: &'a Ring,
    current: Option<Arc<Vec<u8>>>,
    progress: &'a UnpackProgress,
}

impl Ring {
    /// Makes a ring in which `first` is already filled.
    pub(super) fn new(first: Vec<u8>, hasher: Hasher) -> Self {
        let first = Arc::new(first);
        Self {
            state: Mutex::new(State {
                unapplied: VecDeque::from([Arc::clone(&first)]),
                unhashed: VecDeque::from([first]),
                free: Vec::new(),
                unused: BUFFERS - 1,
                hasher: Some(hasher),
                ended: None,
                abandoned: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Fills buffers from `decoder` until its end, an error, or until the consumer has gone.
    pub(super) fn produce<R: Read>(&self, mut decoder: Decoder<R>, limit: u64) {
        let _ended = Ended(self);
        let mut total = CHUNK as u64;
        while let Some(mut buffer) = self.free_buffer() {
            buffer.resize(CHUNK, 0);
            let filled = decoder.fill(&mut buffer).and_then(|length| {
                total += length as u64;
                check_length(total, limit)?;
                buffer.truncate(length);
                Ok(length)
            });
            let mut state = self.lock();
            match filled {
                Ok(0) => {
                    state.ended = Some(Ok(()));
                    break;
                }
                Ok(_) => {
                    let buffer = Arc::new(buffer);
                    state.unapplied.push_back(Arc::clone(&buffer));
                    state.unhashed.push_back(buffer);
                }
                Err(error) => {
                    state.ended = Some(Err(error));
                    break;
                }
            }
            drop(state);
            self.changed.notify_one();
        }
    }

    pub(super) fn consumer<'a>(&'a self, progress: &'a UnpackProgress) -> Consumer<'a> {
        Consumer {
            ring: self,
            current: None,
            progress,
        }
    }

    /// Hashes what is left and returns the digest of everything.
    pub(super) fn finish(self) -> Digest {
        let state = self.state.into_inner();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let mut hasher = state.hasher.expect("neither thread is hashing any more");
        for buffer in state.unhashed {
            hasher.update(&buffer);
        }
        hasher.finish()
    }

    /// Returns a buffer to fill, hashing while there is none; none once the consumer has gone.
    fn free_buffer(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            if state.abandoned {
                return None;
            }
            if let Some(buffer) = state.free.pop() {
                return Some(buffer);
            }
            if state.unused > 0 {
                state.unused -= 1;
                return Some(Vec::new());
            }
            state = self.hash_or_wait(state);
        }
    }

    /// Hashes a buffer, if there is one and the other thread is not hashing, or waits for a change.
    fn hash_or_wait<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.hasher.is_some() && !state.unhashed.is_empty() {
            let mut hasher = state.hasher.take().expect("just seen");
            let buffer = state.unhashed.pop_front().expect("just seen");
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives a buffer back; the last of its two users makes it free.
    fn release(&mut self, buffer: Arc<Vec<u8>>) {
        self.free.extend(Arc::into_inner(buffer));
    }
}

impl Chunks for Consumer<'_> {
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
            match &mut state.ended {
                None => state = self.ring.hash_or_wait(state),
                Some(ended) => {
                    return std::mem::replace(ended, Ok(())).map(|()| false);
                }
            }
        }
    }
}

impl Drop for Consumer<'_> {
    fn drop(&mut self) {
        self.ring.lock().abandoned = true;
        self.ring.changed.notify_one();
    }
}

/// Ends the ring for the consumer however the producer ends, by panic too.
struct Ended<'a>(&'a Ring);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.ended.is_none() {
            let gone = std::io::Error::other("the inflating thread has gone");
            state.ended = Some(Err(UnpackError::Read(gone)));
        }
        drop(state);
        self.0.changed.notify_one();
    }
}
