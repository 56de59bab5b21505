//! Connections: how they are taken, spoken to, and ended.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderValue, SERVER};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::time;
use tokio_util::task::TaskTracker;
use windlass_engine_api::NEWEST;

use crate::Daemon;
use crate::answer::Answer;
use crate::api;
use crate::request::Request;
use crate::socket::Bound;

/// What the daemon bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; further ones wait until one ends.
    pub connections: usize,
    /// How long requests that run may take to end when the daemon is stopped.
    pub drain: Duration,
}

/// Tells the daemon to stop. Clones are the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

/// How long a client from elsewhere may take for the head of a request.
const HEAD: Duration = Duration::from_secs(60);
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 128 << 10;
/// How long accepting rests when there is no room for another socket.
const REST: Duration = Duration::from_millis(100);

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            drain: Duration::from_secs(10),
        }
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Stops it.
    pub fn now(&self) {
        self.0.send_replace(true);
    }

    async fn came(&self) {
        let mut stopped = self.0.subscribe();
        // The sender is here: it does not go.
        drop(stopped.wait_for(|stopped| *stopped).await);
    }
}

impl Daemon {
    /// Answers who comes in by `sockets`, until `stop` says so. Then nobody new is let in, and what runs may end within
    /// the limit; what has not is left, and what it pulled is kept for the next pull.
    pub async fn serve(
        self: Arc<Self>,
        sockets: Vec<Bound>,
        limits: Limits,
        stop: Stop,
    ) -> io::Result<()> {
        let tracker = TaskTracker::new();
        let room = Arc::new(Semaphore::new(limits.connections));
        let mut doors = tokio::task::JoinSet::new();
        for socket in sockets {
            let door = Door {
                daemon: Arc::clone(&self),
                tracker: tracker.clone(),
                room: Arc::clone(&room),
                stop: stop.clone(),
            };
            // The socket is closed, and its path removed, when the door is.
            doors.spawn(door.watch(socket));
        }
        while let Some(closed) = doors.join_next().await {
            closed.map_err(io::Error::other)??;
        }
        tracker.close();
        if time::timeout(limits.drain, tracker.wait()).await.is_err() {
            tracing::warn!("requests that were not over are left");
        }
        Ok(())
    }
}

/// Where clients come in.
struct Door {
    daemon: Arc<Daemon>,
    tracker: TaskTracker,
    room: Arc<Semaphore>,
    stop: Stop,
}

/// A socket that is listened on.
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Both directions of a connection.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

impl Listener {
    fn new(socket: &Bound) -> io::Result<Self> {
        Ok(match socket {
            Bound::Unix { listener, .. } => {
                let listener = listener.try_clone()?;
                listener.set_nonblocking(true)?;
                Self::Unix(UnixListener::from_std(listener)?)
            }
            Bound::Tcp(listener) => {
                let listener = listener.try_clone()?;
                listener.set_nonblocking(true)?;
                Self::Tcp(TcpListener::from_std(listener)?)
            }
        })
    }

    async fn accept(&self) -> io::Result<Box<dyn Duplex>> {
        Ok(match self {
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }

    /// Returns how long a client may take for the head of a request. Those on this machine may keep a connection for
    /// ever: to close one that they are about to use would fail them.
    fn patience(&self) -> Option<Duration> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(_) => Some(HEAD),
        }
    }
}

impl Door {
    /// Lets clients in until the daemon stops; then the socket is closed, and its path goes.
    async fn watch(self, socket: Bound) -> io::Result<()> {
        let listener = Listener::new(&socket)?;
        loop {
            let entered = async {
                let place = Arc::clone(&self.room).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, stream) = tokio::select! {
                biased;
                () = self.stop.came() => return Ok(()),
                entered = entered => entered,
            };
            let stream = match stream {
                Ok(stream) => stream,
                Err(error) => {
                    // Out of descriptors, mostly: some come back when others leave.
                    tracing::warn!(%error, "a client could not come in");
                    time::sleep(REST).await;
                    continue;
                }
            };
            let (daemon, stop) = (Arc::clone(&self.daemon), self.stop.clone());
            let patience = listener.patience();
            self.tracker.spawn(async move {
                converse(daemon, stream, patience, stop).await;
                drop(place);
            });
        }
    }
}

/// Answers one client, until it has left or the daemon stops.
async fn converse(
    daemon: Arc<Daemon>,
    stream: Box<dyn Duplex>,
    patience: Option<Duration>,
    stop: Stop,
) {
    let service = service_fn(move |request| respond(Arc::clone(&daemon), request));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(LONGEST_HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.came() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client has left");
    }
}

async fn respond(
    daemon: Arc<Daemon>,
    request: http::Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = match Request::read(request) {
        Ok(request) => api::answer(Arc::clone(&daemon), request).await,
        Err(failure) => Err(failure),
    };
    let mut answer = answered.unwrap_or_else(|failure| {
        if failure.status.is_server_error() {
            tracing::warn!(%method, %path, status = failure.status.as_u16(), error = %failure.message, "failed");
        }
        failure.answer()
    });
    daemon.metrics.answered(answer.status().as_u16());
    tracing::debug!(%method, %path, status = answer.status().as_u16(), "answered");
    sign(&mut answer, &daemon.about.version);
    Ok(answer)
}

/// Adds what every answer says of the daemon.
fn sign(answer: &mut Answer, version: &str) {
    let headers = answer.headers_mut();
    let texts = [
        ("api-version", NEWEST.to_string()),
        ("docker-experimental", "false".to_owned()),
        ("ostype", "linux".to_owned()),
        (SERVER.as_str(), format!("windlass/{version} (linux)")),
    ];
    for (name, text) in texts {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(name),
            HeaderValue::from_str(&text),
        ) {
            headers.insert(name, value);
        }
    }
}
