//! The connections of a server: how many there may be, and how they end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};
use tokio_util::task::TaskTracker;

use crate::Shutdown;
use crate::accepted_connection::{AcceptedConnection, AcceptedStream};

/// The open connections of a server, from one listener or several. Clones share one set.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    tasks: TaskTracker,
    shutdown: Shutdown,
}

/// How many connections there may be at a time. Clones share one count.
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    connections: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    response: Bytes,
}

/// How many connections are refused at a time with the overload response; further ones are closed without it.
const MAX_REFUSALS: usize = 32;
/// How long one refusal may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

impl Connections {
    /// Returns an empty set whose connections end on `shutdown`.
    pub fn new(shutdown: Shutdown) -> Self {
        let tasks = TaskTracker::new();
        Self { tasks, shutdown }
    }

    /// Returns the signal that stops the listeners and the connections.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Runs `connection` on a task of its own until it is done, or until the shutdown cuts it.
    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = shutdown.cut_requested() => {}
                () = connection => {}
            }
        });
    }

    /// Waits until every connection has ended. Connections that are open at the deadline of the shutdown are cut;
    /// returns how many.
    ///
    /// Call it when the shutdown has begun and no listener accepts any more.
    pub async fn drain(&self) -> usize {
        self.tasks.close();
        let ended = timeout_at(self.shutdown.deadline(), self.tasks.wait()).await;
        let cut = match ended {
            Ok(()) => 0,
            Err(_) => self.tasks.len(),
        };
        // Also when all have ended: a listener may be about to add the last connection that it accepted.
        self.shutdown.cut();
        self.tasks.wait().await;
        cut
    }

    /// Runs `serve` on `accepted` if `limit` allows one more connection, and refuses it otherwise.
    pub(crate) fn admit<F>(
        &self,
        accepted: AcceptedConnection,
        limit: &ConnectionLimit,
        serve: impl FnOnce(AcceptedConnection) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        match Arc::clone(&limit.connections).try_acquire_owned() {
            Ok(permit) => self.spawn(holding(permit, serve(accepted))),
            Err(_) if accepted.tls.is_some() || limit.response.is_empty() => {}
            Err(_) => {
                if let Ok(permit) = Arc::clone(&limit.refusals).try_acquire_owned() {
                    let response = limit.response.clone();
                    self.spawn(holding(permit, refuse(accepted.stream, response)));
                }
            }
        }
    }
}

impl ConnectionLimit {
    /// Allows `connections` at a time. Further ones receive `response`, if it is not empty, and are closed.
    pub fn new(connections: usize, response: Bytes) -> Self {
        Self {
            connections: Arc::new(Semaphore::new(connections)),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
            response,
        }
    }
}

/// Runs `work`, and gives the permit back when it is done or dropped.
async fn holding(permit: OwnedSemaphorePermit, work: impl Future<Output = ()>) {
    let _permit = permit;
    work.await;
}

async fn refuse(stream: AcceptedStream, response: Bytes) {
    let sent = match stream {
        AcceptedStream::Unix(stream) => timeout(REFUSAL_TIMEOUT, send(stream, &response)).await,
        AcceptedStream::Tcp(stream) => timeout(REFUSAL_TIMEOUT, send(stream, &response)).await,
    };
    if !matches!(sent, Ok(Ok(()))) {
        tracing::debug!("a refused client did not read the overload response");
    }
}

async fn send(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    response: &[u8],
) -> std::io::Result<()> {
    stream.write_all(response).await?;
    stream.shutdown().await?;
    // The request is read to its end: closing with unread data would reset the connection and discard the response.
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}
