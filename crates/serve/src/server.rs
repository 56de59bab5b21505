//! Takes connections, as many as there may be.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use windlass::Holdings;

use crate::connection::{UNIX, serve};
use crate::listener::{Accepting, Listener, Visitor};
use crate::refusal::Refusal;
use crate::{Hosts, OnAnswer, Tls};

/// How a server is to work.
#[derive(Clone, Default)]
pub struct ServeConfig {
    /// By which names it may be called.
    pub hosts: Hosts,
    /// What clients may cost.
    pub limits: Limits,
    /// Who the server is, if it is to speak TLS; not on sockets in the file system.
    pub tls: Option<Tls>,
    /// Who is told of every request.
    pub on_answer: Option<OnAnswer>,
}

/// What clients may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; who comes then is told 503.
    pub connections: usize,
    /// Bytes of a request's head; less than 8192 is 8192.
    pub head_bytes: usize,
    /// How long a request's head may take from the end of the one before: also how long a connection may be idle.
    pub head: Duration,
    /// How long a client may not read while it is answered.
    pub write: Duration,
    /// How long answers may still take when the server is to end.
    pub drain: Duration,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut, since they took too long.
    pub cut: usize,
}

/// A registry.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) config: ServeConfig,
    connections: Arc<Semaphore>,
    /// Those who are told that there are too many are not many either.
    refusals: Arc<Semaphore>,
}

/// How many are told at a time that there are too many connections.
const MOST_REFUSALS: usize = 32;

/// How long that may take.
const REFUSAL: Duration = Duration::from_secs(1);

/// How long to wait when the system has no more connections to give.
const BREATH: Duration = Duration::from_millis(50);

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head_bytes: 16 << 10,
            head: Duration::from_secs(30),
            write: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for ServeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeConfig")
            .field("hosts", &self.hosts)
            .field("limits", &self.limits)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Makes a server of what is held.
    pub fn new(holdings: Arc<Holdings>, config: ServeConfig) -> Self {
        let connections = Arc::new(Semaphore::new(config.limits.connections));
        Self {
            shared: Arc::new(Shared {
                holdings,
                config,
                connections,
                refusals: Arc::new(Semaphore::new(MOST_REFUSALS)),
            }),
        }
    }

    /// Serves on `listeners` until `until` is done; then takes no more connections, and ends when those there are
    /// have got their answers, or [`Limits::drain`] later.
    ///
    /// # Errors
    /// When a listener cannot enter the runtime, which has to have I/O and time enabled.
    pub async fn run(
        &self,
        listeners: Vec<Listener>,
        until: impl Future<Output = ()>,
    ) -> io::Result<Drained> {
        let (close, closing) = watch::channel(false);
        let mut doors = JoinSet::new();
        for listener in listeners {
            let accepting = listener.into_accepting()?;
            doors.spawn(keep_door(
                Arc::clone(&self.shared),
                accepting,
                closing.clone(),
            ));
        }
        until.await;
        close.send_replace(true);
        let mut cut = 0;
        while let Some(door) = doors.join_next().await {
            cut += door.unwrap_or_default();
        }
        Ok(Drained { cut })
    }
}

/// Takes connections of one listener, and waits for them in the end. Returns how many were cut.
async fn keep_door(
    shared: Arc<Shared>,
    accepting: Accepting,
    mut closing: watch::Receiver<bool>,
) -> usize {
    let mut visits = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = closing.wait_for(|is_closing| *is_closing) => break,
            Some(_) = visits.join_next() => continue,
            accepted = accepting.accept() => accepted,
        };
        match accepted {
            Ok(Visitor::Tcp(stream, peer)) => {
                // Small answers are not held back. Who is gone already is noticed later.
                drop(stream.set_nodelay(true));
                let hosts = shared.config.hosts.clone();
                admit(
                    &shared,
                    stream,
                    peer.to_string(),
                    hosts,
                    &closing,
                    &mut visits,
                );
            }
            Ok(Visitor::Unix(stream)) => {
                // No browser gets here, and a socket has no name.
                let peer = UNIX.to_owned();
                admit(&shared, stream, peer, Hosts::Any, &closing, &mut visits);
            }
            // Of the one connection.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken");
                sleep(BREATH).await;
            }
        }
    }
    drop(accepting);
    let all_gone = async { while visits.join_next().await.is_some() {} };
    let is_cut = timeout(shared.config.limits.drain, all_gone).await.is_err();
    if is_cut { visits.len() } else { 0 }
}

fn admit<S>(
    shared: &Arc<Shared>,
    stream: S,
    peer: String,
    hosts: Hosts,
    closing: &watch::Receiver<bool>,
    visits: &mut JoinSet<()>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match Arc::clone(&shared.connections).try_acquire_owned() {
        Ok(permit) => {
            let serving = serve(Arc::clone(shared), stream, peer, hosts, closing.clone());
            visits.spawn(holding(permit, serving));
        }
        Err(_) => {
            // Over TLS it would take a handshake to say so.
            let may_tell = shared.config.tls.is_none();
            let permit = Arc::clone(&shared.refusals).try_acquire_owned();
            if let (Ok(permit), true) = (permit, may_tell) {
                visits.spawn(holding(permit, refuse(stream)));
            }
        }
    }
}

async fn holding(permit: OwnedSemaphorePermit, work: impl Future<Output = ()>) {
    work.await;
    drop(permit);
}

/// Tells a client to come later. What it asks is read, or the system would take the answer back.
async fn refuse(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let refusal = Refusal::busy();
    let (status, body) = (refusal.status(), refusal.envelope());
    let head = format!(
        "HTTP/1.1 {} Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\nConnection: close\r\n\r\n",
        status.as_u16(),
        body.len()
    );
    let telling = async {
        stream.write_all(&[head.as_bytes(), &body].concat()).await?;
        stream.shutdown().await?;
        let mut bytes = [0; 4096];
        while stream.read(&mut bytes).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether it was heard is the client's affair.
    drop(timeout(REFUSAL, telling).await);
}
