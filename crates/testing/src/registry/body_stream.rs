//! Streams the body of a response: cut, held, stalled, slowed down, or endless.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use hyper::body::Frame;
use tokio::time::Instant;

use super::gate::Gate;
use super::socket::ConnectionSocket;

/// Small, so that the number of bytes sent is close to the number that the client has received.
const CHUNK: u64 = 16 << 10;
/// Timers fire late; up to this much is made up for.
const MAX_CATCH_UP: Duration = Duration::from_millis(50);

/// The scripted faults of a body. Counts are bytes from its start.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyScript {
    pub(super) cut: Option<(u64, CutKind)>,
    pub(super) stall: Option<u64>,
    pub(super) hold: Option<(u64, Gate)>,
    pub(super) rate: Option<u64>,
    pub(super) endless: bool,
}

/// How a connection ends in the middle of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CutKind {
    /// Orderly (FIN): the client gets all bytes before the cut.
    Close,
    /// With a reset (RST).
    Reset,
}

/// The error with which a body makes hyper close the connection.
#[derive(Debug)]
pub(super) struct ConnectionAborted;

/// A bandwidth limit, shared by all its users.
#[derive(Debug)]
pub(super) struct RateLimiter {
    bytes_per_second: u64,
    /// The time at which the bytes accepted so far have passed.
    free_at: Mutex<Option<Instant>>,
}

/// The body of one response.
#[derive(Debug)]
pub(super) struct BodyStream {
    pub(super) bytes: Bytes,
    pub(super) body_script: BodyScript,
    /// The bandwidth limit that all responses share.
    pub(super) link: Option<Arc<RateLimiter>>,
    pub(super) socket: Arc<ConnectionSocket>,
    /// The number of bytes handed to the connection.
    pub(super) sent: Arc<AtomicU64>,
}

struct BodyStreamState {
    flow: BodyStream,
    own_pace: Option<RateLimiter>,
    position: u64,
    /// The mark of the last chunk until it has been flushed.
    unflushed: Option<u64>,
}

impl std::fmt::Display for ConnectionAborted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script closes the connection here")
    }
}

impl std::error::Error for ConnectionAborted {}

impl RateLimiter {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            free_at: Mutex::default(),
        }
    }

    /// Returns a chunk size for about 20 chunks a second.
    fn chunk(&self) -> u64 {
        (self.bytes_per_second / 20).max(1)
    }

    /// Waits until `bytes` more have passed.
    pub(super) async fn pass(&self, bytes: u64) {
        let passed = {
            let mut free_at = self.free_at.lock().expect("nothing panics in here");
            let now = Instant::now();
            // Timers fire late; a small delay is made up for.
            let earliest = now.checked_sub(MAX_CATCH_UP).unwrap_or(now);
            let start = free_at.map_or(now, |at| at.max(earliest));
            let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
            let time = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
            *free_at.insert(start + time)
        };
        tokio::time::sleep_until(passed).await;
    }
}

impl BodyStream {
    /// Returns the body as a stream for hyper.
    pub(super) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<Frame<Bytes>, ConnectionAborted>> + Send {
        let state = BodyStreamState {
            own_pace: self.body_script.rate.map(RateLimiter::new),
            flow: self,
            position: 0,
            unflushed: None,
        };
        stream::unfold(state, |mut state| async move {
            let chunk = state.next().await?;
            Some((chunk.map(Frame::data), state))
        })
    }
}

impl BodyStreamState {
    async fn next(&mut self) -> Option<Result<Bytes, ConnectionAborted>> {
        // The next chunk waits until the last one was flushed, so that a cut happens exactly at its offset.
        if let Some(mark) = self.unflushed.take() {
            self.flow.socket.flushed_since(mark).await;
        }
        self.hold().await;
        if self.flow.body_script.stall == Some(self.position) {
            std::future::pending::<()>().await;
        }
        if let Some((at, cut)) = self.flow.body_script.cut
            && at == self.position
        {
            if cut == CutKind::Reset {
                self.flow.socket.reset_on_close();
            }
            return Some(Err(ConnectionAborted));
        }
        let chunk = self.chunk()?;
        self.pace(chunk.len() as u64).await;
        self.position += chunk.len() as u64;
        self.flow
            .sent
            .fetch_add(chunk.len() as u64, Ordering::Relaxed);
        self.unflushed = Some(self.flow.socket.mark());
        Some(Ok(chunk))
    }

    async fn hold(&self) {
        if let Some((at, gate)) = &self.flow.body_script.hold
            && *at == self.position
        {
            gate.pass().await;
        }
    }

    /// Returns the next chunk: up to the next event, the end or the chunk size.
    fn chunk(&self) -> Option<Bytes> {
        let body_script = &self.flow.body_script;
        let events = [
            body_script.cut.map(|(at, _)| at),
            body_script.stall,
            body_script.hold.as_ref().map(|(at, _)| *at),
        ];
        let events = events.into_iter().flatten();
        let ahead =
            events.filter_map(|at| at.checked_sub(self.position).filter(|ahead| *ahead > 0));
        let paces = [self.own_pace.as_ref(), self.flow.link.as_deref()];
        let chunks = paces.into_iter().flatten().map(RateLimiter::chunk);
        let size = ahead.chain(chunks).fold(CHUNK, u64::min);
        if body_script.endless {
            return Some(Bytes::from(vec![b'~'; usize::try_from(size).ok()?]));
        }
        let start = usize::try_from(self.position).ok()?;
        let left = self.flow.bytes.len().checked_sub(start)?;
        let size = left.min(usize::try_from(size).ok()?);
        (size > 0).then(|| self.flow.bytes.slice(start..start + size))
    }

    async fn pace(&self, bytes: u64) {
        if let Some(pace) = &self.own_pace {
            pace.pass(bytes).await;
        }
        if let Some(link) = &self.flow.link {
            link.pass(bytes).await;
        }
    }
}
